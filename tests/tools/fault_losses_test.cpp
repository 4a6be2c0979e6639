// SPDX-License-Identifier: Apache-2.0
// Faults of silence: what was cut or replaced, a model that is none, and time that ran out.
#include "cli_fixture.hpp"

#include <string>
#include <vector>

#include <mice/io/tensor.hpp>
#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;
using namespace fixtures;

namespace {

std::string many_words(int count) {
    std::string words;
    for (int i = 0; i < count; ++i) {
        words += "w" + std::to_string(5 + i % 200) + " ";
    }
    return words;
}

} // namespace

TEST_CASE("fault 08: score says what was cut and replaced") {
    const workplace place;
    place.write("pairs.jsonl", "{\"query\":\"w5\",\"document\":\"w6\"}\n"
                               "{\"query\":\"" +
                                   many_words(400) + "\",\"document\":\"w6\"}\n" +
                                   "{\"query\":\"w5\",\"document\":\"" + many_words(900) + "\"}\n" +
                                   "{\"query\":\"w5\xFF\",\"document\":\"w6 \\ud800\"}\n");
    const result scored = place.mice("score pairs.jsonl");
    CHECK(scored.code == 0);
    const std::vector<std::string> lines = lines_of(scored.out);
    REQUIRE(lines.size() == 4);
    CHECK(json::parse(lines[0]).size() == 1);
    CHECK(json::parse(lines[1])["query_tokens_cut"].get<int>() > 0);
    CHECK(json::parse(lines[2])["tokens_cut"].get<int>() > 0);
    CHECK(json::parse(lines[3])["replaced"] == 2);
    CHECK_THAT(scored.err, Contains("1 queries") && Contains("pairs.jsonl:2"));
    CHECK_THAT(scored.err, Contains("1 documents") && Contains("pairs.jsonl:3"));
    CHECK_THAT(scored.err, Contains("U+FFFD") && Contains("pairs.jsonl:4"));
    CHECK(place.shell("head -n 1 pairs.jsonl | \"$mice\" score").err.empty());
}

TEST_CASE("fault 08: tokenize says what was cut and replaced") {
    const workplace place;
    place.write("texts.jsonl", "{\"text\":\"w5\"}\n{\"text\":\"" + many_words(900) +
                                   "\"}\n{\"text\":\"w5 \xFF w6\"}\n");
    const result made = place.mice("tokenize texts.jsonl");
    CHECK(made.code == 0);
    REQUIRE(lines_of(made.out).size() == 3);
    CHECK(json::parse(lines_of(made.out)[2])["replaced"] == 1);
    CHECK_THAT(made.err, Contains("1 texts") && Contains("texts.jsonl:2"));
    CHECK_THAT(made.err, Contains("U+FFFD") && Contains("texts.jsonl:3"));
    CHECK(place.mice("tokenize texts.jsonl --no-limit").err.find("cut") == std::string::npos);
}

TEST_CASE("fault 08: every form of rerank and search notes a query that is cut or no UTF-8") {
    const workplace place;
    REQUIRE(place.mice("index add i corpus.jsonl --create").code == 0);
    for (const std::string form : {"", "--json", "--trec"}) {
        for (const std::string command : {"rerank Q corpus.jsonl ", "search i Q --all "}) {
            const auto with = [&](const std::string& query) {
                std::string line = command + form;
                return place.mice(line.replace(line.find('Q'), 1, quoted(query)));
            };
            INFO(command << form);
            const result invalid = with("w5 \xFF w6");
            CHECK(invalid.code == 0);
            CHECK_THAT(invalid.err, Contains("the query is not valid UTF-8"));
            CHECK_THAT(with(many_words(400)).err, Contains("too long"));
            CHECK(with("w5").err.empty());
        }
    }
}

TEST_CASE("fault 08: runs evaluations and attention say what they did not read") {
    const workplace place;
    place.write("corpus.jsonl", "{\"_id\":\"d1\",\"text\":\"" + many_words(900) +
                                    "\"}\n{\"_id\":\"d2\",\"text\":\"w5\"}\n"
                                    "{\"_id\":\"d4\",\"text\":\"w6\"}\n");
    place.write("queries.jsonl", "{\"_id\":\"q1\",\"text\":\"" + many_words(400) +
                                     "\"}\n{\"_id\":\"q2\",\"text\":\"w9\"}\n");
    const auto notes_both = [](const result& got) {
        CHECK(got.code == 0);
        CHECK_THAT(got.err, Contains("1 queries") && Contains("1 documents"));
    };
    notes_both(place.mice("rerank --first-passage --run a.trec --corpus corpus.jsonl "
                          "--queries queries.jsonl"));
    notes_both(place.mice("eval . --first-passage --run a.trec --json"));
    REQUIRE(place.mice("index add i corpus.jsonl --create --first-passage").code == 0);
    notes_both(place.mice("search i --queries queries.jsonl --all"));
    CHECK_THAT(place.mice("rerank w5 corpus.jsonl --trec --first-passage").err,
               Contains("1 passages"));
    CHECK_THAT(place.mice("attention w5 " + quoted(many_words(900))).err, Contains("1 documents"));
}

TEST_CASE("fault 16: a model that is something else is called by its name") {
    const workplace place;
    using namespace std::string_literals;
    const auto names = [&place](const std::string& path, const std::string& what) {
        INFO(path << ": " << what);
        check_failure(place.mice("rerank q corpus.jsonl --model " + path), 1, what);
        check_failure(place.mice("inspect " + path), 1, what);
        check_failure(place.shell("echo x | MICE_MODEL=" + path + " \"$mice\" rerank q"), 1, path);
    };
    place.shell("mkdir checkpoint pickles empty other models; echo '{}' > checkpoint/config.json; "
                "echo x > checkpoint/model.safetensors; echo '{}' > pickles/config.json; "
                "echo x > pickles/pytorch_model.bin; echo x > other/notes.txt; "
                "cp text.safetensors models/");
    names("checkpoint", "mice-convert 'checkpoint'");
    names("pickles", "pytorch_model.bin");
    names("empty", "empty folder");
    names("other", "without a model or checkpoint");
    names("models", "text.safetensors");
    REQUIRE(place.mice("index create i").code == 0);
    names("i", "index");
    const auto file = [&](const std::string& bytes, const std::string& what) {
        place.write("wrong.bin", bytes);
        names("wrong.bin", what);
    };
    file("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 90868376\n",
         "git lfs pull");
    file("<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", "HTML");
    file("\n  <HTML lang=en>", "HTML");
    file("<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", "XML");
    file("GGUF\x03\0\0\0"s + std::string(64, '\0'), "GGUF");
    file("PK\x03\x04"s + std::string(20, '\0') + "archive/data.pkl" + std::string(64, '\x80'),
         "PyTorch");
    file("\x80\x02\x8a\nl\xfc\x9c"s + std::string(64, '\1'), "pickle");
    file("\x08\x07\x12\x07pytorch\x1a\x05"s + std::string(64, '\1'), "ONNX");
    file("{\"model_type\": \"bert\"}", "JSON");
    file("Entry not found", "Entry not found");
    // a header of 640 bytes begins as a pickle, one of 35615 as a gzip archive
    for (const std::size_t length : {std::size_t{0x0280}, std::size_t{0x8b1f}}) {
        std::string header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
        header.resize(length, ' ');
        const std::string bytes{static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
        file(bytes + std::string(6, '\0') + header + "\1\2\3\4", "not a mice model");
    }
    file("", "empty");
    const fs::path stock = fs::path(MICE_TEST_DATA) / "models" / "bert_inverted_full";
    names(quoted(stock.string()), "mice-convert");
}

TEST_CASE("fault 24: a timeout that is not reached changes nothing of what is printed") {
    const workplace place;
    std::string lines;
    for (int i = 5; i < 105; ++i) {
        lines += "w" + std::to_string(i) + " w" + std::to_string(5 + i * i % 190) + "\n";
    }
    place.write("p.txt", lines);
    REQUIRE(place.mice("index add i corpus.jsonl --create").code == 0);
    for (const std::string command :
         {"rerank 'w5 w6' p.txt --json", "rerank 'w5 w6' --json --top-k 7 < p.txt",
          "rerank --run a.trec --corpus corpus.jsonl --queries queries.jsonl --trec",
          "rerank --run a.trec --corpus corpus.jsonl --queries queries.jsonl --json --threads 1",
          "search i w5 --all --json", "search i 'w5 w6' --json",
          "search i --queries queries.jsonl --all", "search i --queries queries.jsonl --json"}) {
        INFO(command);
        const result plain = place.mice(command);
        std::string timed = command;
        timed.insert(command.find(' '), " --timeout 1000");
        const result got = place.mice(timed);
        CHECK(got.code == plain.code);
        CHECK(got.out == plain.out);
        CHECK(got.err == plain.err);
    }
}

#if !defined(_WIN32)
TEST_CASE("fault 34: a timeout of any size is kept and one that is no number is refused") {
    const workplace place;
    for (const std::string huge : {"1e18", "1e300", "9e15", "1e9"}) {
        INFO(huge);
        const result got = place.mice("rerank w5 corpus.jsonl --json --timeout " + huge);
        CHECK(got.code == 0);
        CHECK(json::parse(got.out)["scored"] == 4);
    }
    for (const std::string wrong : {"nan", "-nan", "inf", "0", "-1", "1s", "''"}) {
        INFO(wrong);
        check_failure(place.mice("rerank w5 corpus.jsonl --timeout " + wrong), 64, "--timeout");
        check_failure(place.mice("search i w5 --timeout " + wrong), 64, "--timeout");
    }
}

TEST_CASE("fault 34: the timeout ends the wait for a slow standard input and ranks what came") {
    const workplace place;
    // the shell holds the writing end open: no end of the input ever comes
    const result got = place.shell("mkfifo in; exec 3<> in; printf 'w5 w6\\nw7\\nw8 hal' >&3; "
                                   "\"$mice\" rerank w5 --json --timeout 3 < in");
    CHECK(got.code == 3);
    const json object = json::parse(got.out);
    CHECK(object["complete"] == false);
    CHECK(object["candidates"] == 2); // a line that did not end is no passage
    CHECK(object["scored"] == 2);
    CHECK_THAT(got.err, Contains("standard input") && Contains("--timeout"));
    const result table =
        place.shell("exec 3<> in; echo w5 >&3; \"$mice\" rerank w5 in --timeout 2");
    CHECK(table.code == 3);
    CHECK_THAT(table.out, Contains("PARTIAL"));
}

TEST_CASE("fault 34: a run and a search stop at the timeout while they read") {
    const workplace place;
    REQUIRE(place.mice("index add i corpus.jsonl --create").code == 0);
    const result run = place.shell(
        "mkfifo in; exec 3<> in; echo '{\"_id\":\"d1\",\"text\":\"w5\"}' >&3; \"$mice\" "
        "rerank --run a.trec --corpus in --queries queries.jsonl --trec --timeout 1");
    CHECK(run.code == 3);
    CHECK(run.out.empty());
    CHECK_THAT(run.err, Contains("nothing was ranked"));
    const result search =
        place.shell("exec 3<> in; \"$mice\" search i --queries - --timeout 1 < in");
    CHECK(search.code == 3);
    CHECK_THAT(search.err, Contains("standard input"));
}
#endif
