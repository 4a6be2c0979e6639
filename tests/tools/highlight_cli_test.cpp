// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;
using namespace fixtures;

namespace {

const std::string lit_model = "--model " MICE_TEST_MODELS "/mice-minilm-l6x2-int8.safetensors ";
const std::string lit_question = "'why does bread dough rise' ";
const std::string lit_answer = "Yeast feeds on sugar and gives off gas, so the bread dough rises.";
const std::string lit_passage =
    "The kitchen was warm all day. " + lit_answer + " Nobody went out to fish.";

/// The text of each highlight, which is that of its bytes.
std::vector<std::string> texts_of(const json& hit, const char* text_key) {
    std::vector<std::string> texts;
    const std::string text = hit.at(text_key);
    for (const json& each : hit.at("highlights")) {
        const std::size_t begin = each.at("begin"), end = each.at("end");
        REQUIRE(begin < end);
        REQUIRE(end <= text.size());
        texts.push_back(text.substr(begin, end - begin));
        CHECK(texts.back() == each.at("text"));
        for (const json& word : each.at("words")) {
            const std::size_t from = word.at("begin"), to = word.at("end");
            REQUIRE(from >= begin);
            REQUIRE(to <= end);
            CHECK(text.substr(from, to - from) == word.at("text"));
        }
    }
    return texts;
}

} // namespace

TEST_CASE("rerank --highlight shows the sentence that answers, and its place in the text") {
    const workplace place;
    place.write("passages.jsonl",
                json{{"id", "bread"}, {"text", "  " + lit_passage + "\n"}}.dump() + "\n" +
                    json{{"id", "titled"}, {"title", "Fishing"}, {"text", lit_passage}}.dump() +
                    "\n" + json{{"id", "knives"}, {"text", "Knives need honing."}}.dump() + "\n");
    const std::string command =
        "rerank " + lit_model + lit_question + "passages.jsonl --highlight ";
    const result table = place.mice(command);
    CHECK(table.code == 0);
    CHECK_THAT(table.out, Contains(lit_answer));
    CHECK_THAT(table.out, !Contains("\x1b")); // not a terminal
    const json found = json::parse(place.mice(command + "--json").out);
    for (const json& hit : found["hits"]) {
        const std::vector<std::string> texts = texts_of(hit, "text");
        REQUIRE(texts.size() == 1);
        CHECK(texts[0] == (hit["id"] == "knives" ? "Knives need honing." : lit_answer));
        CHECK(hit["highlights"][0]["words"].size() == 3);
        CHECK(hit["highlights"][0].contains("in") == (hit["id"] == "titled"));
        CHECK(hit["highlights"][0]["line"] == 1);
    }
    CHECK(place.mice(command + "--sentences 0").code == 64); // the table shows one
    const json all = json::parse(place.mice(command + "--json --sentences 0 --top-k 1").out);
    CHECK(texts_of(all["hits"][0], "text").size() == 3);
    // a TREC run's lists, too
    place.write("queries.jsonl", "{\"_id\":\"q1\",\"text\":\"why does bread dough rise\"}\n");
    place.write("corpus.jsonl", json{{"_id", "bread"}, {"text", lit_passage}}.dump() + "\n");
    place.write("a.trec", "q1 Q0 bread 1 1.0 x\n");
    const json run = json::parse(
        place
            .mice("rerank " + lit_model +
                  "--run a.trec --corpus corpus.jsonl --queries queries.jsonl --highlight --json")
            .out);
    CHECK(texts_of(run["hits"][0], "text") == std::vector{lit_answer});
    const result trec = place.mice(command + "--trec");
    CHECK(trec.code == 64);
    CHECK_THAT(trec.err, Contains("no place in a TREC run"));
    CHECK(place.mice("rerank q passages.jsonl --sentences 2").code == 64);
}

TEST_CASE("bytes and lines are those of the text as it was given, also behind a title") {
    const workplace place;
    const std::string given = "\n\n \r\nThe kitchen was warm.\n\n" + lit_answer + "\n";
    for (const std::string title : {"", "Bread", "About bread.\nIn two lines."}) {
        INFO(title);
        json record{{"id", "a"}, {"text", given}};
        if (!title.empty()) {
            record["title"] = title;
        }
        place.write("a.jsonl", record.dump() + "\n");
        const json found = json::parse(
            place.mice("rerank " + lit_model + lit_question + "a.jsonl --highlight --json").out);
        const json& hit = found["hits"][0];
        CHECK(texts_of(hit, "text") == std::vector{lit_answer});
        CHECK(hit["highlights"][0]["line"] == 6);
        const std::size_t begin = hit["passage"]["begin"], end = hit["passage"]["end"];
        CHECK(given.substr(begin, end - begin) == "The kitchen was warm.\n\n" + lit_answer);
        CHECK(hit["passage"]["line"] == 4);
    }
    // the lit_passage that search shows begins where it does, too
    std::string text(40, ' ');
    for (int i = 0; i < 60; ++i) {
        text += i == 30 ? "\n\n" + lit_answer + "\n\n" : "Nobody in the town went out to fish. ";
    }
    place.write("long.txt", text);
    REQUIRE(place.mice("index add long long.txt --create --keep-text --format text " + lit_model)
                .code == 0);
    CHECK_THAT(place.mice("search long " + lit_model + lit_question).out,
               Contains("Yeast feeds on sugar"));
}

TEST_CASE("a long text that begins with what is no token is highlighted, too") {
    const workplace place;
    std::string text = "\xe2\x80\x8b\n\n";
    for (int i = 0; i < 400; ++i) {
        text += "Nobody went out to fish. ";
    }
    place.write("zw.txt", text + lit_answer);
    const std::string command = "rerank " + lit_model + lit_question + "--format text zw.txt ";
    for (const char* how : {"--first-passage", ""}) {
        const result found = place.mice(command + "--highlight --json " + how);
        CHECK(found.code == 0);
        CHECK(texts_of(json::parse(found.out)["hits"][0], "text").size() == 1);
    }
    const result late = place.mice(command + "--highlight --json --timeout 0.000001");
    CHECK(late.code == 3);
    CHECK(json::parse(late.out)["complete"] == false);
}

TEST_CASE("highlights of long texts are in the best passage, at their place in the file") {
    const workplace place;
    std::string text;
    for (int i = 0; i < 60; ++i) {
        text += "The harbour was closed in winter number " + std::to_string(i) + ".\n\n";
        text += i == 55 ? "Bread\r\n" + lit_answer + "\n\n" : "";
    }
    place.write("long.txt", text);
    const std::string common = lit_model + lit_question;
    const json found = json::parse(
        place.mice("rerank " + common + "--format text long.txt --highlight --json").out);
    CHECK_THAT(texts_of(found["hits"][0], "text").at(0), Contains(lit_answer));
    CHECK(found["hits"][0]["highlights"][0]["line"] >= 113);
    REQUIRE(place.mice("index add kept long.txt --create --keep-text --format text " + lit_model)
                .code == 0);
    const json searched =
        json::parse(place.mice("search kept " + common + "--highlight --json").out);
    CHECK_THAT(texts_of(searched["hits"][0], "metadata").at(0), Contains(lit_answer));
    CHECK(searched["hits"][0]["highlights"][0]["line"] ==
          found["hits"][0]["highlights"][0]["line"]);
    CHECK_THAT(place.mice("search kept " + common + "--highlight").out, Contains(lit_answer));
}

TEST_CASE("search --highlight says how to keep texts, and when they are encoded again") {
    const workplace place;
    place.write("corpus.jsonl", json{{"_id", "bread"}, {"text", lit_passage}}.dump() + "\n");
    REQUIRE(place.mice("index add plain corpus.jsonl --create " + lit_model).code == 0);
    const result refused = place.mice("search plain " + lit_model + lit_question + "--highlight");
    CHECK(refused.code == 2); // the hits are there
    CHECK_THAT(refused.out, Contains("bread"));
    CHECK_THAT(refused.err, Contains("--keep-text") && Contains("'bread'"));
    // one record with metadata of its own takes nothing from the others
    place.write("mixed.jsonl",
                json{{"_id", "bread"}, {"text", lit_passage}}.dump() + "\n" +
                    json{{"_id", "own"}, {"text", lit_passage}, {"metadata", "mine"}}.dump() +
                    "\n");
    REQUIRE(place.mice("index add mixed mixed.jsonl --create --keep-text " + lit_model).code == 0);
    const result mixed =
        place.mice("search mixed " + lit_model + lit_question + "--highlight --json");
    CHECK(mixed.code == 2);
    CHECK_THAT(mixed.err, Contains("metadata of its own") && Contains("'own'"));
    const json printed = json::parse(mixed.out); // a range of a temporary's member would dangle
    for (const json& hit : printed["hits"]) {
        CHECK(hit["highlights"].size() == (hit["id"] == "bread" ? 1 : 0));
    }
    REQUIRE(
        place.mice("index add kv corpus.jsonl --create --keep-text --codec kv-int8 " + lit_model)
            .code == 0);
    const result again = place.mice("search kv " + lit_model + lit_question + "--highlight --json");
    CHECK(again.code == 0);
    CHECK_THAT(again.err, Contains("encoded again"));
    CHECK(texts_of(json::parse(again.out)["hits"][0], "metadata") == std::vector{lit_answer});
    CHECK(place.mice("search kv " + lit_model + lit_question + "--highlight --trec").code == 64);
}

TEST_CASE("eval --highlights measures the best sentence beside its baselines") {
    const workplace place;
    const std::size_t begin = lit_passage.find("Yeast");
    const auto line = [&](const std::string& language, std::size_t from) {
        return json{{"query", "why does bread dough rise"},
                    {"passage", lit_passage},
                    {"language", language},
                    {"answers", {{from, from + 5}}}}
                   .dump() +
               "\n";
    };
    place.write("questions.jsonl", line("en", begin) + line("en", 0) + line("xx", begin));
    const result told = place.mice("eval " + lit_model + "--highlights questions.jsonl --json");
    CHECK(told.code == 0);
    std::vector<json> rows;
    for (const std::string& each : lines_of(told.out)) {
        rows.push_back(json::parse(each));
    }
    REQUIRE(rows.size() == 3);
    CHECK(rows[0]["language"] == "en");
    CHECK(rows[0]["questions"] == 2);
    CHECK(rows[0]["hit@1"] == 50); // the second asks for what the first sentence says
    CHECK(rows[0]["baselines"]["first_sentence"] == 50);
    CHECK(rows[0]["baselines"]["bm25"] == 50);
    CHECK(rows[1]["hit@1"] == 100);
    CHECK(rows[1]["answer_in_snippet"] == 100);
    CHECK(rows[2]["language"] == "all");
    CHECK(rows[2]["questions"] == 3);
    CHECK_THAT(place.mice("eval " + lit_model + "--highlights questions.jsonl").out,
               Contains("hit@1") && Contains("66.7"));
    // the project's own questions
    const result own =
        place.mice("eval " + lit_model +
                   "--json --highlights " MICE_TEST_MODELS "/../examples/data/highlights.jsonl");
    const json small = json::parse(own.out);
    CHECK(small["questions"] == 26);
    CHECK(small["hit@1"] >= 75);
}

TEST_CASE("questions for eval --highlights that are none are refused with their place") {
    const workplace place;
    for (const auto& [text, says] : std::vector<std::pair<std::string, std::string>>{
             {"", "holds no questions"},
             {"{\"query\":\"a\"}", "'passage' is no text"},
             {"{\"query\":\"a\",\"passage\":\"b\"}", "'answers'"},
             {"{\"query\":\"a\",\"passage\":\"b\",\"answers\":[]}", "'answers'"},
             {"{\"query\":\"a\",\"passage\":\"b\",\"answers\":[[0,2]]}", "not inside"},
             {"{\"query\":\"a\",\"passage\":\"b\",\"answers\":[[1,0]]}", "not inside"},
             {"{\"query\":\"a\",\"passage\":\"b\",\"answers\":[[-1,1]]}", "not [begin, end]"},
             {"{\"query\":\"a\",\"passage\":\"b\",\"answers\":[[0,18446744073709551616]]}",
              "not [begin, end]"},
             {"{\"query\":1,\"passage\":\"b\",\"answers\":[[0,1]]}", "'query' is no text"},
             {"{\"query\":\"a\",\"passage\":\"\xff\",\"answers\":[[0,1]]}", "UTF-8"},
             {"no json", "questions.jsonl:1"}}) {
        INFO(text);
        place.write("questions.jsonl", text + "\n");
        const result refused = place.mice("eval --highlights questions.jsonl");
        CHECK(refused.code == 1);
        CHECK_THAT(refused.err, Contains(says));
    }
    CHECK(place.mice("eval --highlights nowhere.jsonl").code == 1);
    CHECK(place.mice("eval").code == 64);
    CHECK(place.mice("eval . --highlights questions.jsonl").code == 64);
}
