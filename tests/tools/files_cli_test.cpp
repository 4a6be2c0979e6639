// SPDX-License-Identifier: Apache-2.0
// What an index remembers of the files that its documents came from.
#include <string>

#include "cli_fixture.hpp"

using Catch::Matchers::Contains;
using namespace fixtures;

namespace {

std::string ids_listed(const workplace& place, const std::string& folder = "i") {
    const result got = place.mice("index list " + folder);
    INFO(got.err);
    REQUIRE(got.code == 0);
    return got.out;
}

void run(const workplace& place, const std::string& command) {
    const result done = place.shell(command);
    INFO(command << ": " << done.err);
    REQUIRE(done.code == 0);
}

} // namespace

TEST_CASE("fault 18: a path through a link names the file that it leads to") {
    const workplace place;
    run(place, "mkdir -p real/sub real/notes; ln -s real/sub link; echo w5 >real/notes/a.txt");
    REQUIRE(place.mice("index add i link/../notes --create").code == 0);
    CHECK_THAT(place.mice("index add i link/../notes --sync").out,
               Contains("1 unchanged") && Contains("0 removed"));
    CHECK(ids_listed(place) == "a.txt\n");
    // The same folder by another way is no second one.
    run(place, "ln -s real/notes other");
    CHECK_THAT(place.mice("index add i other").out, Contains("0 added, 0 replaced, 1 unchanged"));
    // And a file of the same written path is another file.
    run(place, "mkdir -p r/s; ln -s r/s l; echo w6 >r/t.txt; echo w7 >t.txt");
    REQUIRE(place.mice("index add j t.txt --create --keep-text").code == 0);
    CHECK_THAT(place.mice("index add j l/../t.txt --keep-text").out,
               Contains("1 added, 0 replaced"));
}

TEST_CASE("fault 18: only what was added from a file goes with it") {
    const workplace place;
    place.write("k.jsonl", "{\"id\":\"k\",\"text\":\"w5\"}\n");
    REQUIRE(place.mice("index add i k.jsonl --create").code == 0);
    run(place, "mkdir f; echo w6 >f/k");
    // Another run, and no file takes the id of the record.
    CHECK_THAT(place.mice("index add i f").out, Contains("1 added, 0 replaced"));
    run(place, "echo w7 >f/x; rm f/k");
    CHECK_THAT(place.mice("index add i f --sync").out,
               Contains("1 added") && Contains("1 removed"));
    CHECK_THAT(ids_listed(place), Contains("k\n") && Contains("x\n"));
    // What a merge put in the place of a file's document is not the file's.
    run(place, "mkdir fa fb; echo w8 >fa/n; echo w9 >fb/n");
    REQUIRE(place.mice("index add a fa --create").code == 0);
    REQUIRE(place.mice("index add b fb --create").code == 0);
    const result merged = place.mice("index merge a b --on-conflict keep-last");
    CHECK(merged.code == 0);
    CHECK_THAT(merged.err, Contains("which files") && Contains("is not merged"));
    run(place, "rm fa/n; echo w10 >fa/m");
    const result synced = place.mice("index add a fa --sync");
    CHECK_THAT(synced.out, Contains("0 removed"));
    CHECK_THAT(synced.err, Contains("1 documents of files that are gone were kept"));
}

TEST_CASE("fault 18: a crash behind a commit costs no file its id") {
    const workplace place;
    run(place, "mkdir f; echo w5 >f/a.txt; echo w6 >f/b.txt");
    REQUIRE(place.mice("index add i f --create").code == 0);
    // What such a crash leaves: the files are known, and not yet what was put of them.
    run(place, "sed -i 's/,\"hash\":\"[0-9a-f]*\"//' i/files.jsonl; ! grep -q hash i/files.jsonl");
    run(place, "rm f/b.txt");
    const result kept = place.mice("index add i f --sync");
    CHECK_THAT(kept.out, Contains("0 added, 0 replaced, 1 unchanged") && Contains("0 removed"));
    CHECK_THAT(kept.err, Contains("1 documents of files that are gone were kept"));
    run(place, "echo w6 >f/b.txt");
    CHECK_THAT(place.mice("index add i f").out, Contains("0 added, 0 replaced, 2 unchanged"));
    run(place, "rm f/b.txt");
    CHECK_THAT(place.mice("index add i f --sync").out, Contains("1 removed"));
    CHECK(ids_listed(place) == "a.txt\n");
}

TEST_CASE("fault 18: an empty folder may be a disk that is not mounted") {
    const workplace place;
    run(place, "mkdir m; echo w5 >m/a.txt");
    REQUIRE(place.mice("index add i m --create").code == 0);
    run(place, "rm m/a.txt");
    for (const char* call : {"index add i m --sync", "index add i m --sync --dry-run"}) {
        check_failure(place.mice(call), 1, "is its disk mounted?");
    }
    CHECK(ids_listed(place) == "a.txt\n");
    run(place, "echo w6 >m/b.txt");
    CHECK_THAT(place.mice("index add i m --sync").out, Contains("1 removed"));
    check_failure(place.mice("index add nosuch m --sync --dry-run"), 1, "there is no index");
}

TEST_CASE("fault 19: an odd file and a broken list lose nothing that came before") {
    const workplace place;
    run(place, "mkdir f; echo w5 >f/a.txt");
    REQUIRE(place.mice("index add i f --create").code == 0);
    place.write("f/a.txt", std::string("\x01\x00\x02\x00\xFF", 5));
    CHECK_THAT(place.mice("index add i f").err, Contains("the index keeps what it had"));
    CHECK(ids_listed(place) == "a.txt\n");
    place.write(
        "cut.json",
        "[{\"id\":\"a\",\"text\":\"w5\"},{\"id\":\"b\",\"text\":\"w6\"},{\"id\":\"c\",\"te");
    check_failure(place.mice("index add j cut.json --create"), 1, "2 documents before it are in");
    CHECK(ids_listed(place, "j") == "a\nb\n");
}

TEST_CASE("fault 08: index add says what was cut") {
    const workplace place;
    std::string text;
    for (int i = 0; i < 300; ++i) {
        text += "w" + std::to_string(5 + i % 20) + " ";
    }
    place.write("long.jsonl",
                "{\"id\":\"a\",\"text\":\"" + text + "\"}\n{\"id\":\"b\",\"text\":\"w5\"}\n");
    const result added = place.mice("index add i long.jsonl --create --first-passage");
    CHECK(added.code == 0);
    CHECK_THAT(added.err, Contains("1 documents were too long to be read to their end"));
    const result again = place.mice("index add j long.jsonl --create --first-passage --json");
    CHECK_THAT(again.out, Contains("\"documents_cut\":1") && !Contains("\"tokens_cut\":0"));
}

TEST_CASE("fault 27: a choice is one of its names and nothing else") {
    const workplace place;
    place.write("p.txt", "w5\n");
    check_failure(place.mice("rerank w5 p.txt --format jsonls"), 64, "did you mean 'jsonl'?");
    check_failure(place.mice("rerank w5 p.txt --format 2"), 64,
                  "expected auto, jsonl, lines or text");
    check_failure(place.mice("rerank w5 p.txt --precision 1"), 64, "got '1'");
}

TEST_CASE("fault 28: an index whose manifests are lost is told from none") {
    const workplace place;
    REQUIRE(place.mice("index add i corpus.jsonl --create").code == 0);
    run(place, "rm i/manifest-*");
    for (const char* call : {"search i w5", "index add i corpus.jsonl", "index repair i"}) {
        check_failure(place.mice(call), 1, "but no manifest");
    }
}
