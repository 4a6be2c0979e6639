// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using namespace std::string_literals;
using nlohmann::json;
using namespace fixtures;

namespace {

using strings = std::vector<std::string>;

/// The ids of an index, sorted.
strings listed_ids(const workplace& place, const std::string& folder = "i") {
    const result got = place.mice("index list " + folder);
    INFO(got.err);
    REQUIRE(got.code == 0);
    strings all = lines_of(got.out);
    std::sort(all.begin(), all.end());
    return all;
}

std::string metadata(const workplace& place, const std::string& id) {
    for (const std::string& line : lines_of(place.mice("index export i").out)) {
        const json object = json::parse(line);
        if (object["id"] == id) {
            return object["metadata"];
        }
    }
    return "no such document";
}

json ranked(const workplace& place, const std::string& arguments, int code = 0) {
    const result got = place.mice("rerank w5 --json " + arguments);
    INFO(got.err);
    REQUIRE(got.code == code);
    return json::parse(got.out);
}

/// The key of each hit, by id.
strings hits(const json& object, const std::string& key) {
    strings all;
    for (const json& hit : object["hits"]) {
        all.push_back(hit["id"].get<std::string>() + "=" +
                      (hit[key].is_string() ? hit[key].get<std::string>() : hit[key].dump()));
    }
    std::sort(all.begin(), all.end());
    return all;
}

void make_folders(const workplace& place) {
    REQUIRE(place
                .shell("mkdir -p fa fb/sub; echo w5 w6 > fa/README.txt; echo w7 > fb/README.txt; "
                       "echo w8 > fb/sub/a.txt")
                .code == 0);
}

} // namespace

TEST_CASE("fault 02: files of one name in two folders are two documents") {
    const workplace place;
    make_folders(place);
    const result added = place.mice("index add i fa fb --create --keep-text");
    INFO(added.err);
    CHECK(added.code == 0);
    CHECK_THAT(added.out, Contains("3 added, 0 replaced"));
    CHECK(listed_ids(place) == strings{"fa/README.txt", "fb/README.txt", "fb/sub/a.txt"});
    CHECK(metadata(place, "fa/README.txt") == "w5 w6\n");
    // Nothing is encoded again, from wherever and in whatever order the folders are given.
    for (const char* again : {"add i fa fb", "add i ./fb/ fa/../fa", "add i fa", "add i fb/sub fb",
                              "add i fb/README.txt"}) {
        const result same = place.mice("index "s + again + " --keep-text --json");
        INFO(again << same.err);
        CHECK(json::parse(same.out)["added"] == 0);
        CHECK(json::parse(same.out)["replaced"] == 0);
    }
    const result elsewhere = place.shell("mkdir w; cd w; MICE_MODEL=../text.safetensors \"$mice\" "
                                         "index add ../i ../fb ../fa --keep-text");
    CHECK_THAT(elsewhere.out, Contains("0 added, 0 replaced, 3 unchanged, 0 left out"));
}

TEST_CASE("fault 02: folders added one after the other do not replace each other") {
    const workplace place;
    make_folders(place);
    REQUIRE(place.mice("index add i fa --create --keep-text").code == 0);
    CHECK(listed_ids(place) == strings{"README.txt"}); // as it always was
    const result second = place.mice("index add i fb --keep-text");
    CHECK(second.code == 0);
    CHECK_THAT(second.out, Contains("2 added, 0 replaced"));
    CHECK(listed_ids(place) == strings{"README.txt", "fb/README.txt", "fb/sub/a.txt"});
    CHECK(metadata(place, "README.txt") == "w5 w6\n");
    // A folder that was moved keeps its ids.
    REQUIRE(place.shell("mv fa moved").code == 0);
    CHECK_THAT(place.mice("index add i moved --keep-text").out, Contains("1 unchanged"));
}

TEST_CASE("fault 02: a record and a file of one name are two documents") {
    const workplace place;
    make_folders(place);
    place.write("c.jsonl", "{\"id\":\"README.txt\",\"text\":\"w9\"}\n");
    const result added = place.mice("index add i --create c.jsonl fa");
    INFO(added.err);
    CHECK(added.code == 0);
    CHECK_THAT(added.out, Contains("2 added"));
}

TEST_CASE("fault 03: the index in --json is the place in the input also behind a duplicate") {
    const workplace place;
    place.write("d.jsonl", "{\"id\":\"a\",\"text\":\"w5\"}\n{\"id\":\"a\",\"text\":\"w6\"}\n"
                           "{\"id\":\"b\",\"text\":\"w7\"}\n");
    CHECK(hits(ranked(place, "d.jsonl", 2), "index") == strings{"a=0", "b=2"});
    // Also behind a document of a run that the corpus lacks.
    place.write("lacks.trec", "q1 Q0 nowhere 1 9 x\nq1 Q0 d4 2 2 x\nq1 Q0 d1 3 1 x\n");
    const result run = place.mice("rerank --run lacks.trec --corpus corpus.jsonl --queries "
                                  "queries.jsonl --json");
    CHECK(run.code == 2);
    CHECK(hits(json::parse(run.out), "index") == strings{"d1=2", "d4=1"});
}

TEST_CASE("fault 04: numbers are those of lines and give way to ids") {
    const workplace place;
    place.write("lines.txt", "w5\n\n\nw6\n");
    CHECK(hits(ranked(place, "lines.txt"), "text") == strings{"1=w5", "4=w6"});
    place.write("own.jsonl", "{\"text\":\"w5\"}\n{\"id\":\"1\",\"text\":\"w6\"}\n");
    CHECK(hits(ranked(place, "own.jsonl"), "text") == strings{"#1=w5", "1=w6"});
    CHECK(hits(ranked(place, "lines.txt lines.txt"), "text") ==
          strings{"#lines.txt:1=w5", "#lines.txt:4=w6", "lines.txt:1=w5", "lines.txt:4=w6"});
}

TEST_CASE("fault 05: in every command the first of a duplicate id stays and the exit code is 2") {
    const workplace place;
    place.write("d.jsonl", "{\"_id\":\"d1\",\"text\":\"w5\"}\n{\"_id\":\"d1\",\"text\":\"w6 w7\"}\n"
                           "{\"_id\":\"d2\",\"text\":\"w9\"}\n{\"_id\":\"d2\",\"text\":\"w9\"}\n");
    const auto noted = [&](const result& got, const std::string& where) {
        INFO(where << ": " << got.err);
        CHECK(got.code == 2);
        CHECK_THAT(got.err, Contains(where) && Contains("first stays"));
    };
    const result added = place.mice("index add i d.jsonl --create --keep-text --json");
    noted(added, "d.jsonl:2");
    CHECK(json::parse(added.out)["added"] == 2);
    CHECK(json::parse(added.out)["replaced"] == 0);
    CHECK(json::parse(added.out)["left_out"] == 2);
    CHECK(metadata(place, "d1") == "w5");
    place.write("d.tsv", "d1\tw8\nd3\tw9\nd3\tw10\n");
    noted(place.mice("index add i d.jsonl d.tsv --keep-text"), "d.tsv:1");
    CHECK(metadata(place, "d1") == "w5"); // of the file that was given first
    CHECK(metadata(place, "d3") == "w9");
    place.write("new.jsonl", "{\"_id\":\"d1\",\"text\":\"w11\"}\n");
    CHECK_THAT(place.mice("index add i new.jsonl --keep-text").out, Contains("1 replaced"));

    const result reranked = place.mice("rerank w5 d.jsonl --json");
    noted(reranked, "d.jsonl:2");
    CHECK(hits(json::parse(reranked.out), "text") == strings{"d1=w5", "d2=w9"});
    place.write("ids", "d2\nd3\nd2\n");
    const result searched = place.mice("search i w5 --ids ids --json");
    noted(searched, "ids:3");
    CHECK(json::parse(searched.out)["candidates"] == 2);
    place.write("twice.trec", "q1 Q0 d1 1 3 x\nq1 Q0 d1 2 2 x\nq1 Q0 d2 3 1 x\n");
    noted(place.mice("search i --queries queries.jsonl --run twice.trec"), "twice.trec:2");
    noted(place.mice("rerank --run twice.trec --corpus corpus.jsonl --queries queries.jsonl"),
          "twice.trec:2");
    noted(place.mice("eval . --run twice.trec"), "twice.trec:2");
    REQUIRE(place
                .shell("mkdir e; cp queries.jsonl qrels.tsv e; cat corpus.jsonl d.jsonl > "
                       "e/corpus.jsonl")
                .code == 0);
    noted(place.mice("eval e"), "corpus.jsonl:5");
    noted(place.mice("compare $text --collection e --timed-queries 1"), "corpus.jsonl:5");
}

TEST_CASE("fault 06: documents whose ids are not UTF-8 do not replace each other") {
    const workplace place;
    place.write("bytes.jsonl",
                "{\"id\":\"a\xFF\",\"text\":\"w5\"}\n{\"id\":\"a\xFE\",\"text\":\"w6\"}\n"
                "{\"id\":\"ok\",\"text\":\"w7 \xFF\"}\n");
    check_failure(place.mice("rerank w5 bytes.jsonl"), 1, "bytes.jsonl:1");
    check_failure(place.mice("index add i bytes.jsonl --create"), 1, "bytes.jsonl:1");
    const result skipped = place.mice("index add i bytes.jsonl --skip-bad");
    CHECK(skipped.code == 2);
    CHECK_THAT(skipped.out, Contains("1 added, 0 replaced, 0 unchanged, 2 left out"));
    CHECK(listed_ids(place) == strings{"ok"});
}

TEST_CASE("fault 11: arrays are read by every command and other encodings refused") {
    const workplace place;
    place.write("c.json",
                "[\n {\"_id\": \"d1\",\n  \"text\": \"w5\"},\n {\"_id\": \"d2\", \"text\": "
                "\"w6\"}\n]\n");
    CHECK(hits(ranked(place, "c.json"), "text") == strings{"d1=w5", "d2=w6"});
    CHECK_THAT(place.mice("index add i c.json --create").out, Contains("2 added"));
    place.write("q.json", "[{\"_id\":\"q1\",\"text\":\"w5\"}]");
    CHECK(place.mice("search i --queries q.json").code == 0);
    place.write("one.trec", "q1 Q0 d1 1 3 x\n");
    CHECK(place.mice("rerank --run one.trec --corpus c.json --queries q.json").code == 0);
    place.write("pairs.json", "[{\"query\":\"w5\",\"document\":\"w6\"},\n"
                              "{\"query\":\"w5\",\"document\":\"w7\"}]");
    CHECK(lines_of(place.mice("score pairs.json").out).size() == 2);
    CHECK(lines_of(place.shell("\"$mice\" score < pairs.json").out).size() == 2);
    place.write("texts.json", "[{\"text\":\"w5\"}]");
    CHECK(lines_of(place.mice("tokenize texts.json").out).size() == 1);

    REQUIRE(place
                .shell("for e in UTF-16 UTF-16LE UTF-16BE UTF-32 UTF-32BE; do iconv -f UTF-8 -t $e "
                       "corpus.jsonl > $e.jsonl; done; gzip -c corpus.jsonl > c.gz; "
                       "mkdir f; cp UTF-16LE.jsonl f/a.txt; echo w5 > f/b.txt")
                .code == 0);
    for (const std::string& each :
         strings{"UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32BE"}) {
        const std::string name = each.substr(0, 6);
        for (const std::string& command :
             strings{"rerank w5 ", "index add i ", "score ", "search i w5 --ids "}) {
            const result got = place.mice(command + each + ".jsonl");
            INFO(command << each);
            check_failure(got, 1, name);
            CHECK_THAT(got.err, Contains("not UTF-8") && Contains("iconv"));
        }
    }
    check_failure(place.mice("rerank w5 c.gz"), 1, "gzip");
    check_failure(place.shell("\"$mice\" rerank w5 < UTF-16LE.jsonl"), 1, "UTF-16");
    const result folder = place.mice("index add i f");
    CHECK(folder.code == 2);
    CHECK_THAT(folder.err, Contains("a.txt") && Contains("UTF-16"));
}

TEST_CASE("fault 13: the judgements of a stock BEIR folder are found") {
    const workplace place;
    REQUIRE(place
                .shell("mkdir -p b/qrels; cp corpus.jsonl queries.jsonl b; cp qrels.tsv "
                       "b/qrels/test.tsv; head -n 2 qrels.tsv > b/qrels/train.tsv")
                .code == 0);
    const json test = json::parse(place.mice("eval b --json").out);
    CHECK(test["judgements"] == "qrels/test.tsv");
    CHECK(test["queries"] == 2);
    const json train = json::parse(place.mice("eval b --split train --json").out);
    CHECK(train["judgements"] == "qrels/train.tsv");
    CHECK(train["queries"] == 1);
    check_failure(place.mice("eval b --split nowhere"), 1, "nowhere.tsv");
    CHECK(place.mice("compare $text --collection b --timed-queries 1").code == 0);
    REQUIRE(place.shell("rm b/qrels/test.tsv").code == 0);
    const result only = place.mice("eval b --json");
    CHECK(json::parse(only.out)["judgements"] == "qrels/train.tsv");
    CHECK_THAT(only.err, Contains("no test judgements"));
    REQUIRE(place.shell("cp qrels.tsv b").code == 0);
    CHECK(json::parse(place.mice("eval b --json").out)["judgements"] == "qrels.tsv");
    REQUIRE(place.shell("rm -r b/qrels b/qrels.tsv").code == 0);
    check_failure(place.mice("eval b"), 1, "qrels/");
    check_failure(place.mice("compare $text --collection b"), 1, "qrels.tsv");
}

TEST_CASE("fault 17: files that are texts are added and ranked as files") {
    const workplace place;
    place.write("note.md", "# w5\n\nw6\tw7\n");
    place.write("plain", "w8 w9\nw10\n");
    place.write("tab.md", "id\ttext\n");
    const result one = place.mice("index add i note.md --create --keep-text");
    INFO(one.err);
    CHECK(one.code == 0);
    CHECK(listed_ids(place) == strings{"note.md"});
    CHECK(metadata(place, "note.md") == "# w5\n\nw6\tw7\n");
    const result several = place.mice("index add i note.md plain tab.md --keep-text");
    CHECK(several.code == 0);
    CHECK_THAT(several.out, Contains("2 added, 0 replaced, 1 unchanged"));
    CHECK(listed_ids(place) == strings{"note.md", "plain", "tab.md"});
    place.write("data.tsv", "t1\tw5\n");
    CHECK_THAT(place.mice("index add i data.tsv --format text").out, Contains("1 added"));
    CHECK(listed_ids(place).size() == 4);
    CHECK_THAT(place.mice("index add i data.tsv").out, Contains("1 added")); // the record t1

    CHECK(hits(ranked(place, "--format text note.md plain"), "text") ==
          strings{"note.md=# w5\n\nw6\tw7\n", "plain=w8 w9\nw10\n"});
    make_folders(place);
    CHECK(hits(ranked(place, "--format text fa fb"), "index").size() == 3);
    CHECK(hits(ranked(place, "note.md"), "text") == strings{"1=# w5", "3=w6\tw7"});
    check_failure(place.shell("echo w5 | \"$mice\" rerank w5 --format text"), 1, "standard input");
    place.write("bad", std::string("w5\0w6", 5));
    CHECK(hits(ranked(place, "--format text plain bad", 2), "tokens_cut").size() == 1);
}

TEST_CASE("fault 18: documents whose files are gone are shown and then removed") {
    const workplace place;
    make_folders(place);
    REQUIRE(place.mice("index add i corpus.jsonl fa fb --create").code == 0);
    const strings before = listed_ids(place);
    REQUIRE(before.size() == 7);
    REQUIRE(place.shell("rm fa/README.txt fb/sub/a.txt; echo w20 > fb/new.txt").code == 0);
    const result shown = place.mice("index add i fa fb --sync --dry-run");
    CHECK(shown.code == 0);
    CHECK(lines_of(shown.out).size() == 3);
    CHECK_THAT(shown.out, Contains("would remove fa/README.txt\n") &&
                              Contains("would remove fb/sub/a.txt\n") && Contains("2 documents"));
    CHECK(json::parse(place.mice("index add i fb --sync --dry-run --json").out)["would_remove"] ==
          json{"fb/sub/a.txt"});
    CHECK(listed_ids(place) == before);
    CHECK_THAT(place.mice("index add i fb").out, Contains("0 left out; 8 documents")); // keeps all
    const result synced = place.mice("index add i fb --sync");
    INFO(synced.err);
    CHECK(synced.code == 0);
    CHECK_THAT(synced.out, Contains("0 left out, 1 removed; 7 documents"));
    // What is not below the given folder stays, and so do records of other files.
    CHECK(listed_ids(place) ==
          strings{"d1", "d2", "d3", "d4", "fa/README.txt", "fb/README.txt", "fb/new.txt"});
    const json all = json::parse(place.mice("index add i fa fb --sync --json").out);
    CHECK(all["removed"] == 1);
    CHECK(all["documents"] == 6);
    check_failure(place.mice("index add i corpus.jsonl --sync"), 64, "--sync");
    check_failure(place.mice("index add i fb --dry-run"), 64, "--sync");
    check_failure(place.mice("index add i gone --sync"), 1, "gone");
    CHECK(place.mice("index add j fb --sync --dry-run --create").code == 0);
    CHECK_FALSE(fs::exists(place.path("j")));
}

TEST_CASE("fault 18: a record that took over the id of a file stays") {
    const workplace place;
    make_folders(place);
    place.write("c.jsonl", "{\"id\":\"README.txt\",\"text\":\"w9\"}\n");
    REQUIRE(place.mice("index add i fa --create").code == 0);
    REQUIRE(place.mice("index add i c.jsonl").code == 0);
    REQUIRE(place.shell("rm fa/README.txt").code == 0);
    CHECK_THAT(place.mice("index add i fa --sync").out, Contains("0 removed; 1 documents"));
}

TEST_CASE("fault 19: an odd file in a folder is listed and the others are added") {
    const workplace place;
    make_folders(place);
    place.write("fb/image.png", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16));
    REQUIRE(place.shell("ln -s nowhere fb/link; mkfifo fb/pipe").code == 0);
    const result added = place.mice("index add i fb --create");
    INFO(added.err);
    CHECK(added.code == 2);
    CHECK_THAT(added.out, Contains("2 added, 0 replaced, 0 unchanged, 3 left out"));
    CHECK_THAT(added.err, Contains("image.png") && Contains("link") && Contains("pipe"));
    CHECK(listed_ids(place) == strings{"README.txt", "sub/a.txt"});
    // An index that lies in the folder is no part of it.
    REQUIRE(place.shell("rm fb/image.png fb/link fb/pipe; mv i fb/i").code == 0);
    CHECK_THAT(place.mice("index add fb/i fb").out, Contains("0 added, 0 replaced, 2 unchanged"));
    REQUIRE(place.shell("mv fb/i i").code == 0);
    // A bad line of a file of records still stops the run: the file is not what was meant.
    place.write("bad.jsonl", "{\"id\":\"a\",\"text\":\"w5\"}\nnonsense\n");
    check_failure(place.mice("index add i bad.jsonl"), 1, "bad.jsonl:2");
}

TEST_CASE("fault 20: runs and judgements that hold no numbers are named by the commands") {
    const workplace place;
    place.write("nan.trec", "q1 Q0 d1 1 nan x\n");
    place.write("comma.trec", "q1 Q0 d1 1 1,5 x\n");
    const std::string files = " --corpus corpus.jsonl --queries queries.jsonl";
    check_failure(place.mice("rerank --run nan.trec" + files), 1, "nan.trec:1: the score 'nan'");
    check_failure(place.mice("rerank --run comma.trec" + files), 1, "decimal comma");
    check_failure(place.mice("eval . --run comma.trec"), 1, "'1.5'");
    REQUIRE(place.shell("mkdir g; cp corpus.jsonl queries.jsonl g").code == 0);
    place.write("g/qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2.0\nq2\td2\t1.0\n");
    CHECK(json::parse(place.mice("eval g --json").out)["queries"] == 2);
    place.write("head.tsv", "id\ttext\nx\tw5\n");
    CHECK_THAT(place.mice("index add i head.tsv --create").out, Contains("1 added"));
    CHECK(listed_ids(place) == strings{"x"});
}

TEST_CASE("fault 21: every command says that an index is empty") {
    const workplace place;
    REQUIRE(place.mice("index create i").code == 0);
    for (const std::string& command :
         strings{"search i w5", "search i w5 --all", "search i --queries queries.jsonl",
                 "index stats i", "index list i", "index verify i", "index export i",
                 "index compact i"}) {
        const result got = place.mice(command);
        INFO(command);
        CHECK(got.code == 0);
        CHECK_THAT(got.err, Contains("the index in 'i' is empty") && Contains("mice index add"));
        CHECK(lines_of(got.err).size() == 1);
    }
    REQUIRE(place.mice("index add i corpus.jsonl").code == 0);
    CHECK(place.mice("index stats i").err.empty());
    REQUIRE(place.shell("mkdir e; cp queries.jsonl qrels.tsv e; : > e/corpus.jsonl").code == 0);
    check_failure(place.mice("eval e"), 1, "is empty");
}

#if !defined(_WIN32)
TEST_CASE("fault 34: what never ends is refused with its name") {
    const workplace place;
    REQUIRE(place.mice("index create i").code == 0);
    for (const char* command :
         {"rerank w5 /dev/zero", "index add i /dev/zero", "score /dev/zero",
          "rerank w5 < /dev/zero", "search i w5 --ids /dev/zero", "eval . --run /dev/zero"}) {
        INFO(command);
        const result got = place.mice(command);
        CHECK(got.code == 1);
        CHECK_THAT(got.err, Contains("no text"));
    }
    const std::string endless = "tr '\\0' x < /dev/zero | \"$mice\" ";
    check_failure(place.shell(endless + "rerank w5"), 1, "standard input:1");
    check_failure(place.shell("mkfifo p; tr '\\0' x < /dev/zero > p & \"$mice\" rerank w5 p"), 1,
                  "256 MiB");
    check_failure(place.mice("rerank w5 ."), 1, "directory");
    check_failure(place.shell("\"$mice\" rerank w5 < ."), 1, "standard input");
    // A pipe with a name is read like a file.
    const result pipe = place.shell("mkfifo n; echo w5 > n & \"$mice\" rerank w5 n --json");
    CHECK(pipe.code == 0);
    CHECK(json::parse(pipe.out)["candidates"] == 1);
}
#endif
