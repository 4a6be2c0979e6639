// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <string>
#include <vector>

#include <mice/error.hpp>

#include "find/catalog.hpp"
#include "find/fusion.hpp"
#include "find/lock.hpp"
#include "temporary_folder.hpp"

using namespace mice::find;

namespace {

stored_text text_with_passages(const std::string& key, const std::vector<std::string>& passages) {
    stored_text made;
    made.key = key;
    made.kind = "text";
    made.title = "Title";
    for (const std::string& each : passages) {
        stored_slice slice;
        slice.hash = std::string(15, 'h') + each.substr(0, 1);
        slice.slice = "\n" + each + "\n";
        slice.begin = 1;
        slice.size = static_cast<std::int64_t>(each.size());
        made.slices.push_back(slice);
    }
    return made;
}

std::int64_t rows_of(const catalog& of, const std::string& words) {
    return of.base().integer("SELECT count(*) FROM words WHERE words MATCH '\"" + words + "\"'");
}

mice::errc code_of_opening(const temporary_folder& folder, access_mode way) {
    try {
        const catalog opened(folder.path(), way);
    } catch (const mice::error& problem) {
        return problem.code();
    }
    return mice::errc::stopped;
}

} // namespace

TEST_CASE("find: a text goes with its last file, words and all") {
    const temporary_folder folder;
    const catalog in(folder.path(), access_mode::write);
    in.add_collection({.id = 0, .name = "c", .root = "/r", .options = {}});
    const std::int64_t collection = in.find_collection("c")->id;
    const std::int64_t text = in.add_text(text_with_passages("key", {"apple", "pear"}));
    CHECK(in.find_text("key") == text);
    in.put_file(collection, "a\xff\n", {}, text, "Title", "");
    in.put_file(collection, "b", {}, text, "Title", "");
    in.put_file(collection, "b", {.size = 2, .mtime = 0, .inode = 0, .device = 0}, text, "Title",
                "");
    CHECK(in.files_of(collection).size() == 2);
    CHECK(in.files_of(collection).at("b").stamp.size == 2);
    CHECK(rows_of(in, "appl") == 1);

    in.remove_file(in.files_of(collection).at("b").id);
    CHECK_FALSE(in.remove_unused_texts());
    in.remove_file(in.files_of(collection).at("a\xff\n").id);
    CHECK(in.remove_unused_texts());
    CHECK_FALSE(in.remove_unused_texts());
    CHECK(rows_of(in, "appl") == 0);
    CHECK(in.base().integer("SELECT count(*) FROM names WHERE names MATCH 'b'") == 0);
    CHECK(in.doomed_states().size() == 2);

    // A passage that is there again keeps its states.
    const std::int64_t again = in.add_text(text_with_passages("other", {"apple"}));
    in.put_file(collection, "c", {}, again, "", "");
    CHECK(in.doomed_states() == std::vector<std::string>{std::string(15, 'h') + "p"});
    in.forget_doomed();
    CHECK(in.doomed_states().empty());
}

TEST_CASE("find: what a transaction did not commit is not there") {
    const temporary_folder folder;
    const catalog in(folder.path(), access_mode::write);
    {
        const transaction changes(in.base());
        in.add_text(text_with_passages("key", {"apple"}));
        CHECK(rows_of(in, "appl") == 1);
    }
    CHECK(rows_of(in, "appl") == 0);
    CHECK(in.find_text("key") == 0);
}

TEST_CASE("find: catalogs of other versions") {
    const temporary_folder folder;
    CHECK(code_of_opening(folder, access_mode::read) == mice::errc::io);
    {
        const catalog in(folder.path(), access_mode::write);
        in.add_collection({.id = 0, .name = "c", .root = "/r", .options = {.mask = "*.md"}});
        in.add_text(text_with_passages("key", {"apple"}));
        in.base().run("PRAGMA user_version = 2");
    }
    CHECK(code_of_opening(folder, access_mode::write) == mice::errc::unsupported);
    CHECK(code_of_opening(folder, access_mode::read) == mice::errc::unsupported);
    const database raw(folder.path() / catalog::file_name, access_mode::write);
    raw.run("PRAGMA user_version = 0");
    CHECK(code_of_opening(folder, access_mode::read) == mice::errc::unsupported);
    const catalog in(folder.path(), access_mode::write);
    CHECK(in.rebuilt());
    CHECK(in.find_collection("c")->options.mask == "*.md");
    CHECK(in.find_text("key") == 0);
}

TEST_CASE("find: one process writes at a time") {
    const temporary_folder folder;
    const auto take = [&] {
        return write_lock(folder.path(), "test", std::chrono::seconds(0), {});
    };
    {
        const write_lock held = take();
        CHECK_THROWS_AS(take(), mice::error);
    }
    CHECK_NOTHROW(take());
}

TEST_CASE("find: hexadecimal digits and back") {
    const std::string bytes("\x00\xff\x10 z", 5);
    CHECK(hex_of(bytes) == "00ff10207a");
    CHECK(from_hex("00ff10207a") == bytes);
    CHECK(from_hex("0").empty());
    CHECK(from_hex("0g").empty());
}

TEST_CASE("find: what the model reads of a passage") {
    CHECK(context_of("Book", "Book > Part", "text") == "Book > Part");
    CHECK(context_of("Book", "Part", "text") == "Book > Part");
    CHECK(context_of("Book", "", "# Book\n\ntext").empty());
    CHECK(context_of("", "", "text").empty());
    CHECK(context_of(std::string(500, 'x'), "", "text").size() == 160);
    CHECK(encoded_text("Book", "text") == "Book\ntext");
    CHECK(encoded_text("", "text") == "text");
}

TEST_CASE("find: both stages in one order") {
    const std::vector<stage_scores> scores{{10, 1}, {1, 2}, {1, -3}};
    CHECK(fuse(scores, {.way = fusion::model}) == std::vector<double>{1, 2, -3});
    const std::vector<double> little = fuse(scores, {.way = fusion::z_scores, .weight = 0.01});
    CHECK(little[1] > little[0]);
    const std::vector<double> much = fuse(scores, {.way = fusion::z_scores, .weight = 0.9});
    CHECK(much[0] > much[1]);
    CHECK(much[1] > much[2]);
    const std::vector<double> ranked = fuse(scores, {.way = fusion::reciprocal, .weight = 0.5});
    CHECK(ranked[0] == Approx(0.5 / 61 + 0.5 / 62));
    CHECK(fuse({}).empty());
    CHECK(fuse({{5, 7}})[0] == Approx(7));
    CHECK(ranks_of({1, 3, 3}) == std::vector<std::size_t>{3, 1, 2});
}
