// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

// What the programs compute in where nobody says, and what an index says of it.
namespace {

using Catch::Matchers::Contains;
using fixtures::lines_of;
using fixtures::result;
using fixtures::workplace;
using nlohmann::json;

std::string good(const result& got) {
    INFO(got.err);
    REQUIRE(got.code == 0);
    return got.out;
}

/// What `mice --version` says that automatic stands for, with a set of kernels.
std::string automatic(const workplace& place, const std::string& set) {
    for (const std::string& line :
         lines_of(good(place.shell(set + "\"$default_mice\" --version")))) {
        const std::string start = "precision: automatic is ";
        const std::string end = " here";
        if (line.starts_with(start) && line.ends_with(end)) {
            return line.substr(start.size(), line.size() - start.size() - end.size());
        }
    }
    return {};
}

json stats(const workplace& place, const std::string& folder) {
    return json::parse(good(place.mice("index stats --json " + folder)));
}

/// Commands, of which the last part prints something that a precision changes.
const std::vector<std::string> scoring_commands{
    "score pairs.jsonl", "rerank w5 corpus.jsonl --json",
    "rerank --run a.trec --corpus corpus.jsonl --queries queries.jsonl", "search i 'w5 w6' --json"};

} // namespace

TEST_CASE("commands compute in automatic where no precision is named") {
    const workplace place;
    place.write("pairs.jsonl", "{\"query\":\"w5 w6\",\"document\":\"w6 w7\"}\n");
    good(place.mice("index add i corpus.jsonl --create"));
    // the set of this processor, and one without instructions for less than f32
    for (const std::string set : {"", "MICE_SIMD=sse2 "}) {
        const std::string meant = automatic(place, set);
        CAPTURE(set, meant);
        REQUIRE((meant == "f32" || meant == "bf16" || meant == "int8"));
        const auto run = [&](const std::string& command, const std::string& more) {
            std::string out = good(place.shell(set + "\"$default_mice\" " + command + more));
            const std::size_t seconds = out.find("\"seconds\":"); // which differ
            return seconds == std::string::npos
                       ? out
                       : out.erase(seconds, out.find(',', seconds) + 1 - seconds);
        };
        for (const std::string& command : scoring_commands) {
            CAPTURE(command);
            const std::string found = run(command, "");
            CHECK(found == run(command, " --precision " + meant));
            CHECK(found == run(command, " --precision automatic"));
            CHECK((meant == "f32" || found != run(command, " --precision f32")));
        }
        run("index add " + meant + "-index corpus.jsonl --create", "");
        CHECK(stats(place, meant + "-index")["precisions"] == json::array({meant}));
        CHECK(json::parse(run("eval . --run a.trec --json", ""))["precision"] == meant);
        const json compared = json::parse(run(
            "compare $text $text@f32 --collection . --run a.trec --json --timed-queries 1", ""));
        CHECK(compared["models"][0]["precision"] == meant);
        CHECK(compared["models"][1]["precision"] == "f32");
        CHECK(json::parse(run("inspect --json", ""))["computed_in"] == meant);
        // what a model file's reference scores are compared with is always the reference
        CHECK(json::parse(run("selftest --tolerance 1e-4 --json", ""))["passed"] == true);
    }
}

TEST_CASE("help says what a precision is for and which is the default") {
    const workplace place;
    for (const char* command : {"rerank", "score", "search", "eval", "compare", "index add"}) {
        CAPTURE(command);
        std::string help =
            good(place.shell("\"$default_mice\" " + std::string(command) + " --help"));
        std::string text;
        for (const char c : help) { // lines are wrapped
            if (c != '\n' && !(c == ' ' && text.ends_with(' '))) {
                text += c;
            } else if (!text.ends_with(' ')) {
                text += ' ';
            }
        }
        CHECK_THAT(text, Contains("PRECISION=automatic") && Contains("f32 (the reference)") &&
                             Contains("third digit"));
    }
}

TEST_CASE("stats of an index say what its documents were encoded in") {
    const workplace place;
    good(place.mice("index create i"));
    CHECK(stats(place, "i")["precisions"].empty());
    CHECK(stats(place, "i")["precisions_recorded"] == true);
    CHECK_THAT(place.mice("index stats i").out, Contains("encoded in       none"));
    good(place.mice("index add i corpus.jsonl --precision bf16"));
    CHECK(stats(place, "i")["precisions"] == json::array({"bf16"}));
    CHECK(stats(place, "i")["precisions_recorded"] == true);
    CHECK_THAT(place.mice("index stats i").out, Contains("encoded in       bf16\n"));
}

TEST_CASE("adding documents in another precision than the index has is noted") {
    const workplace place;
    place.write("more.jsonl",
                "{\"_id\":\"d5\",\"text\":\"w7 w8\"}\n{\"_id\":\"d6\",\"text\":\"w9\"}\n");
    place.write("last.jsonl", "{\"_id\":\"d7\",\"text\":\"w7\"}\n");
    const result first = place.mice("index add i corpus.jsonl --create --precision f32");
    CHECK(first.err.empty());
    CHECK(
        place.mice("index add i corpus.jsonl --precision int8").err.empty()); // nothing is encoded
    const result second = place.mice("index add i more.jsonl --precision int8");
    CHECK(second.code == 0);
    CHECK(lines_of(second.err).size() == 1);
    CHECK_THAT(second.err, Contains("mice: note: ") && Contains("encoded in f32") &&
                               Contains("in int8") && Contains("--precision"));
    CHECK(stats(place, "i")["precisions"] == json::array({"f32", "int8"}));
    CHECK_THAT(place.mice("index stats i").out, Contains("encoded in       f32, int8\n"));
    CHECK(place.mice("index add i last.jsonl --precision int8").err.empty()); // said before
}

TEST_CASE("merging parts of different precisions is noted") {
    const workplace place;
    place.write("more.jsonl", "{\"_id\":\"d5\",\"text\":\"w7 w8\"}\n");
    place.write("last.jsonl", "{\"_id\":\"d6\",\"text\":\"w7\"}\n");
    good(place.mice("index add a corpus.jsonl --create --precision int8"));
    good(place.mice("index add b more.jsonl --create --precision int8"));
    good(place.mice("index add c last.jsonl --create --precision f32"));
    const result alike = place.mice("index merge m a b --json");
    CHECK_THAT(alike.err, !Contains("precision"));
    CHECK(json::parse(good(alike))["precisions"] == json::array({"int8"}));
    CHECK(json::parse(alike.out)["precisions_recorded"] == true);
    const result mixed = place.mice("index merge m c --json");
    CHECK(json::parse(good(mixed))["precisions"] == json::array({"f32", "int8"}));
    CHECK_THAT(mixed.err, Contains("different precisions (f32, int8)") && Contains("'c' is f32") &&
                              Contains("third digit"));
    CHECK(stats(place, "m")["precisions"] == json::array({"f32", "int8"}));
    CHECK(stats(place, "m")["documents"] == 6);
}
