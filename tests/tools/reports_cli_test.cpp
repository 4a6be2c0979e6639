// SPDX-License-Identifier: Apache-2.0
// What people reported of other search tools and re-rankers, tried on ours; docs/faults.md has the
// addresses.
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

#include <mice/networks/network.hpp>

using Catch::Matchers::Contains;
using namespace fixtures;
using json = nlohmann::json;

namespace {

json object_of(const result& got) {
    INFO(got.err);
    REQUIRE(got.code == 0);
    return json::parse(got.out);
}

} // namespace

TEST_CASE("report: hidden files are passed over and the count is told") {
    const workplace place;
    REQUIRE(place
                .shell("mkdir -p f/.git f/sub; echo w5 >f/a.txt; echo w6 >f/.hidden.txt; "
                       "echo w7 >f/.git/HEAD; echo w8 >f/sub/b.txt")
                .code == 0);
    const result added = place.mice("index add i f --create");
    CHECK(added.code == 0);
    CHECK_THAT(added.out, Contains("2 added"));
    CHECK_THAT(added.err, Contains("2 files and folders were passed over: hidden"));
    CHECK_THAT(place.mice("rerank w5 --format text f").err, Contains("2 files and folders"));
    // Given by its own path it is what the user wants.
    CHECK_THAT(place.mice("index add i f/.hidden.txt").out, Contains("1 added"));
    REQUIRE(place.shell("mkdir g; echo w9 >g/a.txt").code == 0);
    CHECK(place.mice("index add j g --create").err.empty());
}

TEST_CASE("report: an index that cannot be written to is searched and says what to do") {
    const workplace place;
    REQUIRE(place.mice("index add i corpus.jsonl --create").code == 0);
    // A folder in the place of the lock: no right of root's helps against that.
    REQUIRE(place.shell("rm -f i/lock; mkdir i/lock").code == 0);
    CHECK_THAT(place.mice("search i w5").out, Contains("d1"));
    CHECK(place.mice("index stats i").code == 0);
    place.write("new.jsonl", "{\"id\":\"n\",\"text\":\"w9\"}\n");
    const result refused = place.mice("index add i new.jsonl");
    CHECK(refused.code == 1);
    CHECK_THAT(refused.err,
               Contains("cannot be written to") && Contains("make its folder writable"));
}

TEST_CASE("report: relevant documents that the corpus lacks are told beside the figures") {
    const workplace place;
    REQUIRE(place.shell("mkdir c; cp corpus.jsonl queries.jsonl c").code == 0);
    place.write("c/qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\tlost\t1\nq2\tgone\t0\n");
    const result evaluated = place.mice("eval c");
    CHECK(evaluated.code == 0);
    CHECK_THAT(evaluated.err, Contains("1 documents that are judged relevant are not in") &&
                                  Contains("'lost'") && !Contains("gone"));
    place.write("c/qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\n");
    CHECK(place.mice("eval c").err.empty());
}

TEST_CASE("report: numbers as ids keep all digits or are refused by name") {
    const workplace place;
    place.write("n.jsonl", "{\"id\":12345678901234567890,\"text\":\"w5\"}\n"
                           "{\"id\":12345678901234567891,\"text\":\"w6\"}\n"
                           "{\"id\":9007199254740993,\"text\":\"w7\"}\n");
    std::set<std::string> ids;
    const json ranked = object_of(place.mice("rerank w5 n.jsonl --json"));
    for (const json& hit : ranked["hits"]) {
        ids.insert(hit["id"].get<std::string>());
    }
    CHECK(ids == std::set<std::string>{"12345678901234567890", "12345678901234567891",
                                       "9007199254740993"});
    for (const char* number : {"123456789012345678901234567890", "1.5", "1e3"}) {
        place.write("n.jsonl", std::string("{\"id\":") + number + ",\"text\":\"w5\"}\n");
        const result refused = place.mice("rerank w5 n.jsonl");
        CHECK(refused.code == 1);
        CHECK_THAT(refused.err, Contains("n.jsonl:1") && Contains("put other numbers in quotes"));
    }
}

TEST_CASE("report: empty passages are ranked and cost no other its score") {
    const workplace place;
    place.write("e.jsonl", "{\"id\":\"a\",\"text\":\"w5 w6\"}\n{\"id\":\"b\",\"text\":\"\"}\n"
                           "{\"id\":\"c\",\"text\":\"  \"}\n{\"id\":\"d\",\"text\":\"w7\"}\n");
    place.write("f.jsonl", "{\"id\":\"a\",\"text\":\"w5 w6\"}\n{\"id\":\"d\",\"text\":\"w7\"}\n");
    const json with = object_of(place.mice("rerank w5 e.jsonl --json"));
    const json without = object_of(place.mice("rerank w5 f.jsonl --json"));
    CHECK(with["scored"] == 4);
    for (const json& each : without["hits"]) {
        const auto same = [&](const json& hit) {
            return hit["id"] == each["id"] && hit["score"] == each["score"];
        };
        CHECK(std::any_of(with["hits"].begin(), with["hits"].end(), same));
    }
}

TEST_CASE("report: a search that finds nothing is no failure") {
    const workplace place;
    REQUIRE(place.mice("index add i corpus.jsonl --create").code == 0);
    const result none = place.mice("search i zzzz --json");
    CHECK(none.code == 0);
    CHECK(json::parse(none.out)["hits"].empty());
    CHECK_THAT(none.err, Contains("shares a word") && Contains("--all"));
}

TEST_CASE("report: every hit has the score of its own text") {
    const workplace place;
    std::string lines;
    std::string pairs;
    for (int i = 0; i < 40; ++i) {
        const std::string text =
            "w" + std::to_string(5 + i % 20) + " w" + std::to_string(i % 7 + 5);
        lines += "{\"id\":\"p" + std::to_string(i) + "\",\"text\":\"" + text + "\"}\n";
        pairs += "{\"query\":\"w5 w6\",\"document\":\"" + text + "\"}\n";
    }
    place.write("p.jsonl", lines);
    place.write("pairs.jsonl", pairs);
    std::vector<double> alone;
    const result scored = place.mice("score pairs.jsonl");
    REQUIRE(scored.code == 0);
    for (const std::string& line : lines_of(scored.out)) {
        alone.push_back(json::parse(line)["score"].get<double>());
    }
    REQUIRE(alone.size() == 40);
    const json ranked = object_of(place.mice("rerank 'w5 w6' p.jsonl --json --top-k 15"));
    REQUIRE(ranked["hits"].size() == 15);
    for (const json& hit : ranked["hits"]) {
        CHECK(hit["score"].get<double>() == alone.at(hit["index"].get<std::size_t>()));
        CHECK(hit["id"] == "p" + std::to_string(hit["index"].get<std::size_t>()));
    }
}

TEST_CASE("report: another model is refused by the index of the first") {
    const workplace place;
    REQUIRE(place.mice("index add i corpus.jsonl --create").code == 0);
    const std::string other =
        "--model " + quoted(MICE_TEST_MODELS "/mice-minilm-l2x2-int8.safetensors");
    for (const char* call : {"search i w5 ", "index add i corpus.jsonl "}) {
        const result refused = place.mice(call + other);
        CHECK(refused.code == 1);
        CHECK_THAT(refused.err, Contains("was made with another model"));
    }
    CHECK_THAT(place.mice("search i w5").out, Contains("d1"));
}
