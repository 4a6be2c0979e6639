// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>

#include "common/records.hpp"
#include "temporary_folder.hpp"

using namespace mice::tools;
using Catch::Matchers::Contains;

namespace {

passage_list passages_of(std::string_view text, passage_format format = passage_format::detect,
                         bad_text policy = bad_text::replace) {
    std::istringstream stream{std::string(text)};
    line_reader input(stream, "in");
    passage_list list;
    reading_notes notes;
    read_passages(input, format, policy, list, notes);
    return list;
}

std::string message_of(std::string_view text, passage_format format = passage_format::detect,
                       bad_text policy = bad_text::replace) {
    try {
        (void)passages_of(text, format, policy);
    } catch (const mice::error& problem) {
        return problem.what();
    }
    return "no error";
}

} // namespace

TEST_CASE("plain lines become passages with the numbers of their lines as ids") {
    const passage_list list = passages_of("\xEF\xBB\xBFone\r\n\n  \t\r\ntwo words\nlast");
    REQUIRE(list.size() == 3);
    CHECK(list[0].text == "one");
    CHECK(list[1].text == "two words");
    CHECK(list[1].id == "4");
    CHECK(list[2].text == "last");
    CHECK(passages_of("").size() == 0);
    CHECK(passages_of("\n\r\n").size() == 0);
}

TEST_CASE("JSON Lines are detected and read with either name of the id") {
    const passage_list list = passages_of("\n{\"_id\":\"a\",\"title\":\"T\",\"text\":\"x\"}\r\n"
                                          "{\"id\":7,\"text\":\"y\",\"title\":null,\"url\":[1]}\n"
                                          "{\"title\":\"only\"}\n");
    REQUIRE(list.size() == 3);
    CHECK(list[0].id == "a");
    CHECK(list[0].joined() == "T x");
    CHECK(list[1].id == "7");
    CHECK(list[1].joined() == "y");
    CHECK(list[2].id == "4");
    CHECK(list[2].joined() == "only");
    REQUIRE(list.find("7") != nullptr);
    CHECK(*list.find("7") == 1);
    CHECK(list.find("8") == nullptr);
}

TEST_CASE("a line that starts with a brace is text when the format says lines") {
    const passage_list list = passages_of("{not json\n", passage_format::lines);
    REQUIRE(list.size() == 1);
    CHECK(list[0].text == "{not json");
}

TEST_CASE("title and text are joined as the models were trained") {
    const auto joined = [](const char* title, const char* text) {
        return passage{"", title, text, 0}.joined();
    };
    CHECK(joined(" A title ", " and text ") == "A title and text");
    CHECK(joined("A title", "A title and text") == "A title and text");
    CHECK(joined("", " text\n") == "text");
    CHECK(joined("title", " ") == "title");
    CHECK(joined("", "").empty());
}

TEST_CASE("every kind of bad passage line names its file and number") {
    const std::string good = "{\"text\":\"x\"}\n";
    CHECK_THAT(message_of(good + "{\"text\":"), Contains("in:2"));
    CHECK_THAT(message_of(good + "plain"), Contains("in:2"));
    CHECK_THAT(message_of(good + "[1]"), Contains("in:2") && Contains("array"));
    CHECK_THAT(message_of(good + "{\"text\":5}"), Contains("in:2") && Contains("\"text\""));
    CHECK_THAT(message_of(good + "{\"id\":\"q\"}"), Contains("in:2") && Contains("neither"));
    CHECK_THAT(message_of(good + "{\"id\":\"\",\"text\":\"\"}"), Contains("in:2"));
    CHECK_THAT(message_of(good + "{\"id\":1.5,\"text\":\"\"}"), Contains("whole number"));
    CHECK_THAT(message_of(good + "{\"id\":[],\"text\":\"\"}"), Contains("in:2"));
    CHECK_THAT(message_of(good + "{\"text\":\"x\"} {}"), Contains("in:2"));
    CHECK_THAT(message_of(good + std::string(100'000, '[')), Contains("in:2"));
    CHECK_THAT(message_of(good + "{\"text\":\"a\",\"text\":\"b\"}"), Contains("twice"));
}

TEST_CASE("invalid UTF-8 in passages is repaired and counted or refused") {
    const passage_list json = passages_of("{\"text\":\"a\xFF\xE2\x82z\"}");
    CHECK(json[0].text == "a\uFFFD\uFFFDz");
    CHECK(json[0].replaced == 2);
    const passage_list lines = passages_of("ok\nb\x80\n");
    CHECK(lines[1].text == "b\uFFFD");
    CHECK(lines[1].replaced == 1);
    CHECK_THAT(message_of("ok\nb\x80\n", passage_format::detect, bad_text::refuse),
               Contains("in:2") && Contains("byte 1"));
    CHECK_THAT(message_of("{\"text\":\"\xC0\"}", passage_format::detect, bad_text::refuse),
               Contains("in:1"));
}

TEST_CASE("lone surrogates in JSON escapes are repaired and true pairs kept") {
    const auto text_of = [](const std::string& escaped) {
        return passages_of("{\"text\":\"" + escaped + "\"}")[0].text;
    };
    CHECK(text_of("\\ud83d\\ude00") == "\U0001F600");
    CHECK(text_of("x\\ud83d") == "x\uFFFD");
    CHECK(text_of("\\ude00y") == "\uFFFDy");
    CHECK(text_of("\\ud83d\\ud83d\\ude00") == "\uFFFD\U0001F600");
    CHECK(text_of("\\ud83d\\u0041") == "\uFFFDA");
    CHECK(text_of("\\\\ud83d") == "\\ud83d");
    CHECK(passages_of("{\"text\":\"\\uD800\"}")[0].replaced == 1);
    CHECK_THAT(message_of("{\"text\":\"\\uD800\"}", passage_format::detect, bad_text::refuse),
               Contains("in:1") && Contains("surrogate"));
}

TEST_CASE("NUL bytes and very long lines pass through") {
    CHECK(passages_of(std::string_view("a\0b\n", 4))[0].text == std::string("a\0b", 3));
    CHECK(passages_of("{\"text\":\"a\\u0000b\"}")[0].text == std::string("a\0b", 3));
    CHECK(passages_of(std::string(10'000'000, 'x'))[0].text.size() == 10'000'000);
}

TEST_CASE("a duplicate id keeps the first passage and is noted") {
    std::istringstream stream("{\"id\":\"a\",\"text\":\"1\"}\n{\"id\":\"a\",\"text\":\"2\"}\n");
    line_reader input(stream, "in");
    passage_list list;
    reading_notes notes;
    read_passages(input, passage_format::detect, bad_text::replace, list, notes);
    REQUIRE(list.size() == 1);
    CHECK(list[0].text == "1");
    CHECK(notes.anything_skipped());
    REQUIRE(notes.lines().size() == 1);
    CHECK_THAT(notes.lines()[0], Contains("in:2") && Contains("'a'"));
}

TEST_CASE("a numbered passage never takes the id of another") {
    const passage_list list = passages_of("{\"id\":\"2\",\"text\":\"x\"}\n{\"text\":\"y\"}\n");
    REQUIRE(list.size() == 2);
    CHECK(list[1].id == "#2");
}

TEST_CASE("notes show a few examples and count the rest") {
    reading_notes notes;
    CHECK(notes.lines().empty());
    for (int i = 0; i < 25; ++i) {
        notes.skipped("note " + std::to_string(i));
    }
    notes.replaced("in:3", 2);
    notes.replaced("in:4", 0);
    notes.replaced("in:9", 1);
    const std::vector<std::string> lines = notes.lines();
    REQUIRE(lines.size() == 12);
    CHECK_THAT(lines[10], Contains("15 more"));
    CHECK_THAT(lines[11], Contains("3 times in 2 lines") && Contains("in:3"));
}

TEST_CASE("a collection's files are read") {
    const temporary_folder folder;
    reading_notes notes;
    const auto corpus =
        folder.write("corpus.jsonl", "{\"_id\":\"d1\",\"title\":\"\",\"text\":\"a\"}\n");
    CHECK(read_corpus(corpus, bad_text::replace, notes).size() == 1);
    const auto queries = folder.write("queries.jsonl", "{\"_id\":\"q1\",\"text\":\"a\"}\n"
                                                       "{\"_id\":\"q1\",\"text\":\"b\"}\n");
    const auto read = read_queries(queries, bad_text::replace, notes);
    REQUIRE(read.size() == 1);
    CHECK(read[0].text == "a");
    CHECK(notes.anything_skipped());
    const auto qrels = folder.write("qrels.tsv", "query-id\tcorpus-id\tscore\r\nq1\td1\t2\r\n"
                                                 "q1\td 2\t-1\r\n");
    const judgements judged = read_qrels(qrels, notes);
    REQUIRE(judged.contains("q1"));
    CHECK(judged.at("q1").at("d1") == 2);
    CHECK(judged.at("q1").at("d 2") == -1);
    const auto bare = folder.write("bare.tsv", "q1\td1\t1\n");
    CHECK(read_qrels(bare, notes).at("q1").size() == 1);
    const auto trec = folder.write("qrels.txt", "q1 0 d1 1\nq2 0 d1 0\n");
    CHECK(read_qrels(trec, notes).size() == 2);
}

TEST_CASE("bad lines of a collection name file and number") {
    const temporary_folder folder;
    reading_notes notes;
    const auto no_id = folder.write("corpus.jsonl", "{\"text\":\"a\"}\n");
    CHECK_THROWS_WITH(read_corpus(no_id, bad_text::replace, notes),
                      Contains("corpus.jsonl:1") && Contains("_id"));
    const auto no_text = folder.write("queries.jsonl", "\n{\"_id\":\"q\"}\n");
    CHECK_THROWS_WITH(read_queries(no_text, bad_text::replace, notes), Contains("queries.jsonl:2"));
    const auto grade = folder.write("qrels.tsv", "q\td\t1\nq\td\tmany\n");
    CHECK_THROWS_WITH(read_qrels(grade, notes), Contains("qrels.tsv:2"));
    const auto short_line = folder.write("short.tsv", "q\td\n");
    CHECK_THROWS_WITH(read_qrels(short_line, notes), Contains("short.tsv:1"));
    const auto run = folder.write("a.run", "q Q0 d 1 2.5 t\nq Q0 d 1 nan t\n");
    CHECK_THROWS_WITH(read_run(run, notes), Contains("a.run:2"));
    const auto columns = folder.write("b.run", "q Q0 d 1 2.5\n");
    CHECK_THROWS_WITH(read_run(columns, notes), Contains("b.run:1"));
    CHECK_THROWS_WITH(read_run(folder.path() / "absent", notes), Contains("absent"));
    CHECK_THROWS_WITH(read_run(folder.path(), notes), Contains("cannot open"));
}

TEST_CASE("a run is ordered by score, then rank, and duplicates are noted") {
    const temporary_folder folder;
    reading_notes notes;
    const auto file = folder.write("a.run", "q2 Q0 a 3 1.0 t\nq2 Q0 b 2 1.0 t\nq1 Q0 a 1 0 t\n"
                                            "q2\tQ0\tc\t9\t1e1\tt\nq2 Q0 a 4 9 t\n");
    const std::vector<run_list> run = read_run(file, notes);
    REQUIRE(run.size() == 2);
    CHECK(run[0].query_id == "q2");
    CHECK(run[0].document_ids == std::vector<std::string>{"c", "b", "a"});
    CHECK(run[1].document_ids == std::vector<std::string>{"a"});
    CHECK(notes.anything_skipped());
}

TEST_CASE("run lines refuse names with spaces and control characters") {
    CHECK(run_line("q", "d", 1, "0.5", "mice") == "q Q0 d 1 0.5 mice\n");
    CHECK(run_line("q", "\"d\"", 1, "0.5", "mice") == "q Q0 \"d\" 1 0.5 mice\n");
    CHECK_THROWS_WITH(run_line("q", "a b", 1, "0", "mice"), Contains("--json"));
    CHECK_THROWS_AS(run_line("", "d", 1, "0", "mice"), mice::error);
    for (const char* bad : {"a\x1b[31m", "a\x7f", "a\xC2\x9b", "a\xE2\x80\xA8", "a\tb"}) {
        CHECK_THROWS_AS(run_line("q", bad, 1, "0", "mice"), mice::error);
        CHECK_THROWS_AS(run_line(bad, "d", 1, "0", "mice"), mice::error);
    }
}
