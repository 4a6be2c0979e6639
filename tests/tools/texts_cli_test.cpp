// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <algorithm>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;
using namespace fixtures;

namespace {

const std::string small_model = "--model " MICE_TEST_MODELS "/mice-minilm-l2x2-int8.safetensors ";
const std::string answer = "Yeast feeds on sugar and gives off gas, so the bread dough rises.";

/// Paragraphs about other things, about eight times the model's limit, and the answer near the end.
std::string long_text() {
    std::string text;
    for (int i = 0; i < 60; ++i) {
        text += "The harbour was closed in winter number " + std::to_string(i) +
                " because of the ice, and all of the ships had to wait for the spring.\n"
                "Nobody in the town went out to fish, and the nets hung in the sheds.\n\n";
        text += i == 55 ? answer + "\n\n" : "";
    }
    return text;
}

/// A corpus whose long document alone has the answer, behind what the model reads at once.
void write_collection(const workplace& place) {
    place.write("corpus.jsonl",
                json{{"_id", "long"}, {"text", long_text()}}.dump() + "\n" +
                    "{\"_id\":\"short\",\"text\":\"The kitchen was warm all day.\"}\n"
                    "{\"_id\":\"other\",\"text\":\"Knives need honing.\"}\n");
    place.write("queries.jsonl", "{\"_id\":\"q1\",\"text\":\"why does bread dough rise\"}\n");
    place.write("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\tlong\t1\n");
    place.write("a.trec", "q1 Q0 short 1 3 x\nq1 Q0 other 2 2 x\nq1 Q0 long 3 1 x\n");
}

std::map<std::string, json> hits_of(const result& ranked) {
    std::map<std::string, json> hits;
    const json answer_of = json::parse(ranked.out);
    for (const json& each : answer_of["hits"]) {
        hits[each["id"]] = each;
    }
    return hits;
}

} // namespace

TEST_CASE("rerank reads long texts to their end and tells where the best passage is") {
    const workplace place;
    const std::string text = long_text();
    place.write("long.txt", text);
    place.write("short.txt", "Knives need honing.\n");
    const std::string common =
        small_model + "'why does bread dough rise' --format text long.txt short.txt ";
    const auto hits = hits_of(place.mice("rerank " + common + "--json"));
    REQUIRE(hits.size() == 2);
    const json& best = hits.at("long.txt")["passage"];
    const auto begin = best["begin"].get<std::size_t>(), end = best["end"].get<std::size_t>();
    CHECK(text.substr(begin, end - begin).find(answer) != std::string::npos);
    CHECK(best["of"].get<int>() > 4);
    CHECK(best["index"].get<int>() > 3);
    CHECK(best["line"].get<long>() ==
          1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(begin), '\n'));
    CHECK(best.size() == 5);
    CHECK(hits.at("long.txt")["tokens_cut"] == 0);
    CHECK(hits.at("long.txt")["tokens_seen"].get<int>() > 1000);
    CHECK(hits.at("short.txt")["passage"] ==
          json({{"begin", 0}, {"end", 19}, {"line", 1}, {"index", 0}, {"of", 1}}));

    const result table = place.mice("rerank " + common);
    CHECK(table.err.empty());
    CHECK_THAT(lines_of(table.out).at(1), Contains("[passage ") && !Contains("winter number 0"));
    CHECK_THAT(lines_of(table.out).at(2), !Contains("[passage "));

    const result first = place.mice("rerank " + common + "--json --first-passage");
    const auto beginnings = hits_of(first);
    CHECK(beginnings.at("long.txt").count("passage") == 0);
    CHECK(beginnings.at("long.txt")["tokens_cut"].get<int>() > 1000);
    CHECK(beginnings.at("long.txt")["score"] < hits.at("long.txt")["score"]);
    CHECK(beginnings.at("short.txt")["score"] == hits.at("short.txt")["score"]);
    CHECK_THAT(place.mice("rerank " + common + "--first-passage").out, Contains("tokens cut"));
}

TEST_CASE("a run's documents are read to their end, with the scores of rerank") {
    const workplace place;
    write_collection(place);
    const auto by_run =
        hits_of(place.mice("rerank --json " + small_model +
                           "--run a.trec --corpus corpus.jsonl --queries queries.jsonl"));
    const auto by_query = hits_of(place.mice("rerank --json " + small_model +
                                             "'why does bread dough rise' "
                                             "corpus.jsonl"));
    REQUIRE(by_run.size() == 3);
    for (const auto& [id, hit] : by_query) {
        INFO(id);
        for (const char* key : {"score", "passage", "tokens_seen", "tokens_cut"}) {
            CHECK(by_run.at(id)[key] == hit[key]);
        }
    }
    const std::string beginnings = "--first-passage --run a.trec --corpus corpus.jsonl "
                                   "--queries queries.jsonl --trec";
    const result first = place.mice("rerank " + small_model + beginnings);
    CHECK_THAT(first.err, Contains("documents"));
    CHECK_THAT(first.out, Contains("q1 Q0 long 3 ") || Contains("q1 Q0 long 2 "));
}

TEST_CASE("eval reads whole documents, or with --first-passage their beginnings") {
    const workplace place;
    write_collection(place);
    const result whole = place.mice("eval . --json --run a.trec " + small_model);
    REQUIRE(whole.code == 0);
    CHECK(whole.err.empty());
    const json all = json::parse(whole.out);
    CHECK(all["reranked"]["ndcg@10"] == 1);
    CHECK(all["documents_cut"] == 0);
    CHECK(all["pairs"] == 3);
    CHECK(all["passages"].get<int>() > 6);
    const result beginnings =
        place.mice("eval . --json --first-passage --run a.trec " + small_model);
    const json first = json::parse(beginnings.out);
    CHECK(first["reranked"]["ndcg@10"] < 1);
    CHECK(first["documents_cut"] == 1);
    CHECK(first["passages"] == 3);
    CHECK_THAT(beginnings.err, Contains("documents"));
}

TEST_CASE("index add keeps whole texts, and search tells where their best passage is") {
    const workplace place;
    write_collection(place);
    const auto stats = [&] {
        return json::parse(place.mice("index stats i --json " + small_model).out);
    };
    const std::string add = "index add i corpus.jsonl --create --codec f32 --keep-text ";
    const result added = place.mice(add + "--json " + small_model);
    REQUIRE(added.code == 0);
    CHECK(added.err.empty());
    CHECK(json::parse(added.out)["documents"] == 3);
    CHECK(json::parse(added.out)["documents_cut"] == 0);
    CHECK(stats()["documents"] == 3);
    CHECK(stats()["passages"].get<int>() > 6);
    CHECK_THAT(place.mice(add + small_model).out, Contains("3 unchanged"));
    CHECK(lines_of(place.mice("index list i " + small_model).out).size() == 3);
    CHECK(place.mice("index verify i " + small_model).code == 0);

    const std::string query = "'why does bread dough rise' ";
    const auto ranked =
        hits_of(place.mice("rerank --json " + small_model + query + "corpus.jsonl"));
    const auto found = hits_of(place.mice("search i --all --json " + small_model + query));
    REQUIRE(found.size() == 3);
    for (const auto& [id, hit] : found) {
        INFO(id);
        CHECK(hit["score"] == ranked.at(id)["score"]); // f32: the same bits
        CHECK(hit["tokens_seen"] == ranked.at(id)["tokens_seen"]);
    }
    CHECK(found.at("long")["passage"] == ranked.at("long")["passage"]);
    CHECK(found.at("short").count("passage") == 0);
    const std::string text = long_text();
    CHECK(found.at("long")["metadata"] == text.substr(0, text.size() - 2)); // trimmed
    const result table = place.mice("search i " + small_model + query);
    CHECK(lines_of(table.out).size() == 2); // by its words
    CHECK_THAT(table.out, Contains("[passage ") && !Contains("winter number 0"));

    const result first = place.mice(add + "--first-passage " + small_model);
    CHECK_THAT(first.out, Contains("1 replaced, 2 unchanged"));
    CHECK_THAT(first.err, Contains("documents"));
    CHECK(stats()["passages"] == 3);
    CHECK_THAT(place.mice("search i " + small_model + query).out, Contains("tokens cut"));
}
