// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>

#include "find/database.hpp"
#include "find/words.hpp"
#include "temporary_folder.hpp"

using namespace mice::find;

namespace {

/// A table of texts with the tokenizer.
class word_table {
  public:
    word_table() : base_(folder_.path() / "t.sqlite", access_mode::write) {
        register_tokenizer(base_);
        base_.run("CREATE VIRTUAL TABLE t USING fts5(text, title, content='', "
                  "tokenize='mice_words')");
    }
    void add(std::string_view text, std::string_view title = "") {
        base_.prepare("INSERT INTO t(rowid, text, title) VALUES(?1, ?2, ?3)")
            .bind(1, ++rows_)
            .bind_text(2, text)
            .bind_text(3, title)
            .run();
    }
    /// The best row of those that a line finds; 0: none.
    [[nodiscard]] std::int64_t best(std::string_view line) const {
        statement asked = base_.prepare("SELECT rowid FROM t WHERE t MATCH ?1 ORDER BY rank");
        const std::string words = parse_query(line).words;
        asked.bind_text(1, words);
        return asked.step() ? asked.integer(0) : 0;
    }
    /// The rows that a line finds, by their numbers.
    [[nodiscard]] std::vector<std::int64_t> find(std::string_view line) const {
        return matching(parse_query(line).words);
    }
    [[nodiscard]] std::vector<std::int64_t> matching(const std::string& expression) const {
        std::vector<std::int64_t> found;
        if (!expression.empty()) {
            statement asked = base_.prepare("SELECT rowid FROM t WHERE t MATCH ?1 ORDER BY rowid");
            asked.bind_text(1, expression);
            while (asked.step()) {
                found.push_back(asked.integer(0));
            }
        }
        return found;
    }

  private:
    temporary_folder folder_;
    database base_;
    std::int64_t rows_ = 0;
};

using rows = std::vector<std::int64_t>;

} // namespace

TEST_CASE("find: a table has the words of mice's own BM25") {
    word_table table;
    table.add("Running dogs chased the CAFÉ's owner.");
    table.add("co\u00ADoperate with Ｆｕｌｌ ﬁelds");
    CHECK(table.find("run") == rows{1});
    CHECK(table.find("cafe") == rows{1});
    CHECK(table.find("chasing owners") == rows{1});
    CHECK(table.find("cooperate") == rows{2});
    CHECK(table.find("full field") == rows{2});
    CHECK(table.find("cat") == rows{});
    CHECK(table.find("the") == rows{});
}

TEST_CASE("find: scripts without spaces are found by any part") {
    word_table table;
    table.add("東京都は日本の首都です。");
    table.add("京都の寺");
    table.add("ทดสอบภาษาไทย");
    table.add("カタカナのテスト");
    CHECK(table.find("東京") == rows({1, 2})); // the second has one of the two
    CHECK(table.best("東京") == 1);
    CHECK(table.best("首都") == 1);
    CHECK(table.find("京都") == rows({1, 2}));
    CHECK(table.find("寺") == rows{2});
    CHECK(table.find("ภาษา") == rows{3});
    CHECK(table.find("ｶﾀｶﾅ") == rows{4});
    CHECK(table.find("\"日本の首都\"") == rows{1});
    CHECK(table.find("\"首都の日本\"") == rows{});
    CHECK(table.find("\"東京都\"") == rows{1});
}

TEST_CASE("find: a pair of characters has the place of its second one") {
    const std::vector<placed_word> words = words_of_text("a dog 東京都 x");
    const std::vector<placed_word> expected{{"dog", 0}, {"東", 1},   {"京", 2}, {"東京", 2},
                                            {"都", 3},  {"京都", 3}, {"x", 4}};
    CHECK(words == expected);
}

TEST_CASE("find: phrases, beginnings and fields") {
    word_table table;
    table.add("fresh bread every day", "Baking");
    table.add("bread that is fresh", "News");
    table.add("information about relations");
    CHECK(table.find("\"fresh bread\"") == rows{1});
    CHECK(table.find("\"fresh bread\" news relations") == rows{1}); // a phrase has to be there
    std::string around; // a question with a quotation in it
    for (int i = 0; i < 17; ++i) {
        around += " around" + std::to_string(i);
    }
    CHECK(table.find("\"fresh bread\" news" + around) == rows({1, 2}));
    CHECK(table.find("\"fresh bread" + around + "\" news") == rows{}); // a long phrase is one
    // A quote inside a word, as of an inch, opens nothing.
    CHECK(table.find("a 12\" oven" + around + " \"fresh bread\" news") == rows({1, 2}));
    CHECK(table.find("a 12\" oven for \"fresh bread\" news") == rows{1});
    CHECK(table.find("title:\"news\" fresh" + around) == rows{2});
    CHECK(table.find("bread relation") == rows({1, 2, 3}));
    CHECK(table.find("title:news") == rows{2});
    CHECK(table.find("title:news fresh") == rows{2});
    CHECK(table.find("title:fresh") == rows{});
    CHECK(table.find("inform*") == rows{3});
    CHECK(table.find("informat*") == rows{3}); // a stem is shorter than what begins the word
    CHECK(table.find("brea*") == rows({1, 2}));
    CHECK(table.find("\"fresh bread") == rows({1, 2})); // a quote without an end
    CHECK(table.find("title: news") == rows{2});        // no field: the words "title", "news"
    CHECK(parse_query("path:notes/2024 bread").paths == "((\"note\") AND (\"2024\"))");
    CHECK(parse_query("path:notes").only_paths);
    CHECK_FALSE(parse_query("path:notes bread").only_paths);
}

TEST_CASE("find: the model reads the line without its marks") {
    CHECK(parse_query("how \"do I\" renew cert* title:tls path:ops/x").text ==
          "how do I renew cert tls");
    CHECK(parse_query("").text.empty());
}

TEST_CASE("find: no line is an error of the database") {
    word_table table;
    table.add("dough rises", "bread");
    using namespace std::string_literals;
    const std::vector<std::string> lines{
        "",        "\"",         "\"\"",         "*",         "**",         "AND OR NOT",
        "NEAR(",   "a NEAR/2 b", "(((",          ")",         "^dough",     "-dough",
        "{a b}:c", "title:",     "title:*",      "path:\"",   "title:\"\"", "a\0b\"c"s,
        "\x1f",    "dough\x1f",  "\xff\xc0",     "😀",         "'; DROP",    "words MATCH 'x'",
        "\\",      "\"a\"*",     "title:\"x\"*", "+",         ":",          "a:b:c",
        "the",     "\"of the\"", "日*",          "title:日*", "é*",         "\xe2\x80\x8b"};
    for (const std::string& line : lines) {
        INFO(line);
        CHECK_NOTHROW(table.find(line));
        CHECK_NOTHROW(table.matching(parse_query(line).names));
        CHECK_NOTHROW(table.matching(parse_query(line).paths));
    }
    CHECK(table.find("-dough") == rows{1});
    CHECK(table.find("dough AND zebra") == rows{1}); // operators are words
}

TEST_CASE("find: long lines are cut to the words that are looked for") {
    word_table table;
    table.add("word7 and more");
    std::string line;
    for (int i = 0; i < 100'000; ++i) {
        line += "word" + std::to_string(i) + " ";
    }
    CHECK(table.find(line) == rows{1});
    CHECK(parse_query(line).words.size() < 2000);
    CHECK(table.find(std::string(1'000'000, '"')) == rows{});
    std::string phrase = "\"" + line + "\"";
    CHECK(table.find(phrase) == rows{});
    std::string listed = "title:";
    for (int i = 0; i < 1000; ++i) {
        listed += "a" + std::to_string(i) + ",";
    }
    CHECK(parse_query(listed, 64).words.size() < 2000);
    CHECK(parse_query(listed, 64).words.find("a63") != std::string::npos);
}
