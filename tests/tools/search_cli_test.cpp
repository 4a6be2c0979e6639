// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;
using namespace fixtures;

namespace {

/// An index of the workplace's collection with exact states.
void make_searchable(const workplace& place,
                     const std::string& options = "--codec f32 --keep-text") {
    const result made = place.mice("index add i corpus.jsonl --create " + options);
    INFO(made.err);
    REQUIRE(made.code == 0);
}

/// Id and score of each hit, as printed.
std::map<std::string, double> scores(const std::string& line) {
    std::map<std::string, double> result;
    const json object = json::parse(line);
    for (const json& hit : object["hits"]) {
        result[hit["id"]] = hit["score"];
    }
    return result;
}

} // namespace

TEST_CASE("search ranks the candidates of BM25 as rerank ranks their texts") {
    const workplace place;
    make_searchable(place);
    const result got = place.mice("search i 'w5 w6' --json");
    INFO(got.err);
    REQUIRE(got.code == 0);
    const json object = json::parse(got.out);
    CHECK(object["complete"] == true);
    CHECK(object["candidates"] == 3); // d1, d2 and d4 share a word
    CHECK_FALSE(object.contains("query_id"));
    REQUIRE(object["hits"].size() == 3);
    CHECK(object["hits"][0]["rank"] == 1);
    CHECK(object["hits"][0]["metadata"].get<std::string>().starts_with("w"));
    const auto texts = scores(place.mice("rerank 'w5 w6' corpus.jsonl --json").out);
    for (const auto& [id, score] : scores(got.out)) {
        CHECK(score == texts.at(id)); // f32: the same bits
    }
    CHECK(scores(place.mice("search i 'w5 w6' --json --depth 1").out).size() == 1);
    CHECK(scores(place.mice("search i 'w5 w6' --json --top-k 2").out).size() == 2);
}

TEST_CASE("search ranks all documents, or those of a file") {
    const workplace place;
    make_searchable(place);
    const auto texts = scores(place.mice("rerank 'w5 w6' corpus.jsonl --json").out);
    CHECK(scores(place.mice("search i 'w5 w6' --all --json").out) == texts);
    place.write("ids", "d3\nd1\nunknown\n");
    const result some = place.mice("search i 'w5 w6' --ids ids --json");
    CHECK(some.code == 2);
    CHECK_THAT(some.err, Contains("unknown"));
    CHECK(json::parse(some.out)["candidates"] == 2);
    CHECK(scores(some.out) ==
          std::map<std::string, double>{{"d1", texts.at("d1")}, {"d3", texts.at("d3")}});
    const auto half = scores(place.mice("search i 'w5 w6' --all --json --sigmoid").out);
    for (const auto& [id, score] : half) {
        CHECK(score > 0);
        CHECK(score < 1);
    }
}

TEST_CASE("search prints a table that shows what the index keeps") {
    const workplace place;
    make_searchable(place);
    const result table = place.mice("search i w13");
    CHECK(table.code == 0);
    CHECK_THAT(table.out, StartsWith("rank") && Contains("d4") && Contains("w13 w14 w6"));
    CHECK(lines_of(table.out).size() == 2);
    const result nothing = place.mice("search i w200");
    CHECK(nothing.code == 0);
    CHECK(lines_of(nothing.out).size() == 1);
    CHECK_THAT(nothing.err, Contains("--all"));
}

TEST_CASE("search answers a file of queries with a TREC run") {
    const workplace place;
    make_searchable(place);
    const result run = place.mice("search i --queries queries.jsonl --tag T");
    INFO(run.err);
    REQUIRE(run.code == 0);
    const std::vector<std::string> lines = lines_of(run.out);
    REQUIRE(lines.size() == 5); // q1: d1, d2, d4; q2: d2; q3: d3
    CHECK_THAT(lines[0], StartsWith("q1 Q0 d") && Contains(" 1 ") && Contains(" T"));
    CHECK_THAT(lines[4], StartsWith("q3 Q0 d3 1 "));
    CHECK(place.mice("search i --queries queries.jsonl --tag T --threads 1").out == run.out);
    const result all = place.mice("search i --queries queries.jsonl --all");
    CHECK(lines_of(all.out).size() == 12);
    const result objects = place.mice("search i --queries queries.jsonl --json --top-k 1");
    REQUIRE(lines_of(objects.out).size() == 3);
    CHECK(json::parse(lines_of(objects.out)[2])["query_id"] == "q3");
}

TEST_CASE("search re-ranks a run as rerank does with the texts") {
    const workplace place;
    make_searchable(place);
    const result from_texts =
        place.mice("rerank --run a.trec --corpus corpus.jsonl --queries queries.jsonl --trec");
    REQUIRE(from_texts.code == 0);
    place.write("q.jsonl",
                "{\"_id\":\"q1\",\"text\":\"w5 w6\"}\n{\"_id\":\"q2\",\"text\":\"w9\"}\n");
    const result from_index = place.mice("search i --queries q.jsonl --run a.trec");
    INFO(from_index.err);
    CHECK(from_index.code == 0);
    CHECK(from_index.out == from_texts.out);
    const result missing = place.mice("search i --queries queries.jsonl --run a.trec");
    CHECK(missing.code == 2);
    CHECK_THAT(missing.err, Contains("q3"));
}

TEST_CASE("search stops at its timeout and says so") {
    const workplace place;
    make_searchable(place);
    const result stopped = place.mice("search i w5 --all --json --timeout 0.000001");
    CHECK(stopped.code == 3);
    CHECK(json::parse(stopped.out)["complete"] == false);
    CHECK(json::parse(stopped.out)["scored"] == 0);
    CHECK_THAT(stopped.err, Contains("--timeout"));
}

TEST_CASE("search says what is wrong") {
    const workplace place;
    make_searchable(place);
    check_failure(place.mice("search"), 64, "INDEX");
    check_failure(place.mice("search i"), 64, "QUERY");
    check_failure(place.mice("search i w5 --queries queries.jsonl"), 64, "--queries");
    check_failure(place.mice("search i w5 --run a.trec"), 64, "--queries");
    check_failure(place.mice("search i w5 --all --ids ids"), 64, "--ids");
    check_failure(place.mice("search i w5 --json --trec"), 64, "--trec");
    check_failure(place.mice("search nowhere w5"), 1, "nowhere");
    check_failure(place.mice("search i w5 --ids absent"), 1, "absent");
    check_failure(place.mice("search i w5 --b 2"), 1, "BM25");
    REQUIRE(place.mice("index add n corpus.jsonl --create --no-words").code == 0);
    check_failure(place.mice("search n w5"), 1, "--all");
    CHECK(place.mice("search n w5 --all").code == 0);
}
