// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>

#include "find/database.hpp"
#include "find/found_words.hpp"
#include "find/page_files.hpp"
#include "find/page_service.hpp"
#include "temporary_folder.hpp"

using namespace mice::find;

namespace {

std::vector<std::string> marked(std::string_view passage, std::string_view line) {
    std::vector<std::string> words;
    std::size_t end = 0;
    for (const text_part& each : found_words(passage, line)) {
        CHECK(each.begin >= end);
        CHECK(each.begin < each.end);
        end = each.end;
        words.emplace_back(passage.substr(each.begin, each.end - each.begin));
    }
    return words;
}

using list = std::vector<std::string>;

} // namespace

TEST_CASE("Words that were looked for are marked in a passage, also in other forms") {
    CHECK(marked("Kneading (the) dough; KNEADS, kneaded-dough.", "knead the dough") ==
          list{"Kneading", "dough", "KNEADS", "kneaded", "dough"});
    CHECK(marked("Caf\xC3\xA9s \xE2\x80\x9C"
                 "cafe\xE2\x80\x9D\xE2\x80\x94"
                 "CAFE",
                 "caf\xC3\xA9") == list{"Caf\xC3\xA9s", "cafe", "CAFE"});
    CHECK(marked("carbon carbs scar", "carb*") == list{"carbon", "carbs"});
    CHECK(marked("bread paths title", "path:bread title:title") == list{"title"});
    CHECK(marked("a \"quoted phrase\"", "\"quoted phrase\"") == list{"quoted", "phrase"});
    CHECK(marked("", "x").empty());
    CHECK(marked("x", "").empty());
    CHECK(marked("the of and", "the of and").empty());
    CHECK(marked("\xE6\x9D\xB1\xE4\xBA\xAC\xE3\x81\xAF", "\xE6\x9D\xB1\xE4\xBA\xAC") ==
          list{"\xE6\x9D\xB1\xE4\xBA\xAC"});
    // Bytes that are no UTF-8, and runs of any length.
    CHECK(marked("\xFF\xE2\x80 dough \xC2", "dough \xFF") == list{"dough"});
    CHECK(marked(std::string(100000, 'x') + " dough", "dough") == list{"dough"});
    CHECK(marked("dough", std::string(100000, 'x') + " dough").size() <= 1);
}

TEST_CASE("A newer search of a page cancels the older one, and an older one is not begun") {
    newest_searches searches;
    const auto first = searches.begin("a", 1);
    const auto other = searches.begin("b", 1);
    REQUIRE(first);
    const auto second = searches.begin("a", 2);
    REQUIRE(second);
    CHECK(first->requested());
    CHECK_FALSE(second->requested());
    CHECK_FALSE(other->requested());
    CHECK(searches.begin("a", 1) == nullptr);
    CHECK(searches.begin("", 0));
    CHECK(searches.begin("", 0));
    for (int i = 0; i < 1000; ++i) { // pages that nobody looks at any more are forgotten
        CHECK(searches.begin("page" + std::to_string(i), 1));
    }
    CHECK_FALSE(second->requested());
    const auto last = searches.begin("c", 1);
    searches.stop();
    CHECK(last->requested());
}

TEST_CASE("A cancellation ends a statement that is running") {
    const temporary_folder folder;
    const database base(folder.path() / "a.sqlite", access_mode::write);
    const char* const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                                "SELECT count(*) FROM n";
    mice::cancellation cancel;
    cancel.request();
    {
        const stoppable stops(base, &cancel);
        try {
            (void)base.integer(endless);
            FAIL("it ended");
        } catch (const mice::error& problem) {
            CHECK(problem.code() == mice::errc::stopped);
        }
    }
    CHECK(base.integer("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                       "100000) SELECT count(*) FROM n") == 100000);
}

TEST_CASE("A token is new each time, and the page lies in the program") {
    const std::string token = new_token();
    CHECK(token.size() == 32);
    CHECK(token.find_first_not_of("0123456789abcdef") == token.npos);
    CHECK(token != new_token());
    for (const char* const name : {"index.html", "page.js", "page.css", "icon.svg"}) {
        CHECK_FALSE(embedded_file(name).empty());
    }
    CHECK(embedded_file("index.html").starts_with("<!doctype html>"));
    CHECK(embedded_file("../page.js").empty());
}
