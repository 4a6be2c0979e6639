// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"
#include "random_model.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <mice/io/safetensors.hpp>

// Runs the program with every set of kernels that this machine has, by MICE_SIMD.
namespace {

using fixtures::lines_of;
using fixtures::result;
using fixtures::workplace;

/// The line of `mice --version` that starts like this, without its start; empty if there is none.
std::string version_line(const std::string& text, const std::string& start) {
    for (const std::string& line : lines_of(text)) {
        if (line.starts_with(start)) {
            return line.substr(start.size());
        }
    }
    return {};
}

/// The sets that the program can choose among, the slowest first; none without mice::dispatch.
std::vector<std::string> set_names(const workplace& place) {
    std::string list = version_line(place.mice("--version").out, "kernels: ");
    list = list.substr(0, list.find(';'));
    std::vector<std::string> names;
    std::istringstream stream(list);
    for (std::string name; stream >> name;) {
        names.push_back(name.substr(0, name.find(',')));
    }
    return names;
}

/// Whether one of the sets, the slowest first, multiplies and adds with a single rounding. That in
/// Eigen is compiled as the slowest of the others.
bool rounds_once(const std::string& name, const std::vector<std::string>& sets) {
    const std::string& same = name == "eigen" && sets.size() > 1 ? sets[1] : name;
    return same.starts_with("avx2") || same.starts_with("avx512") || same == "neon";
}

/// Of JSON, best first.
std::vector<double> scores_of(const std::string& out) {
    const std::string key = "\"score\":";
    std::vector<double> scores;
    for (std::size_t at = out.find(key); at != std::string::npos; at = out.find(key, at + 1)) {
        scores.push_back(std::stod(out.substr(at + key.size(), 32)));
    }
    return scores;
}

/// Compares what `mice ARGUMENTS --json` scores with every set in every precision: the same bits
/// where both round as often, else within `allowed`.
void check_sets(const workplace& place, const std::vector<std::string>& sets,
                const std::string& arguments, double allowed) {
    for (const char* precision : {"f32", "bf16", "int8"}) {
        const auto run = [&](const std::string& set) {
            const result got = place.shell("MICE_SIMD=" + set + " \"$mice\" " + arguments +
                                           " --json --precision " + precision);
            INFO(got.err);
            REQUIRE(got.code == 0);
            return got.out;
        };
        const std::string expected = run(sets.back());
        const std::vector<double> exact = scores_of(expected);
        REQUIRE(exact.size() > 3);
        for (const std::string& set : sets) {
            INFO(arguments << ", " << precision << ", " << set << " beside " << sets.back());
            const std::string found = run(set);
            if (rounds_once(set, sets) == rounds_once(sets.back(), sets)) {
                CHECK(found == expected);
                continue;
            }
            const std::vector<double> near = scores_of(found);
            REQUIRE(near.size() == exact.size());
            for (std::size_t i = 0; i < near.size(); ++i) {
                CHECK(std::fabs(near[i] - exact[i]) <= allowed);
            }
        }
    }
}

} // namespace

TEST_CASE("fault 36: the default models score alike with every set of kernels of this machine") {
    const workplace place;
    const std::vector<std::string> sets = set_names(place);
    if (sets.size() < 2) {
        WARN("one set of kernels in this build: nothing to compare");
        return;
    }
    // a dozen: under sanitizers, in Eigen, each takes a second
    std::ifstream corpus(fixtures::fs::path(MICE_TEST_EXAMPLES) / "corpus.jsonl");
    std::string dozen;
    std::string line;
    for (int i = 0; i < 12; ++i) {
        REQUIRE(std::getline(corpus, line));
        dozen += line + "\n";
    }
    place.write("dozen.jsonl", dozen);
    for (const char* name : {"mice-minilm-l2x2-int8", "mice-minilm-l6x2-int8"}) {
        const auto file =
            fixtures::fs::path(MICE_TEST_MODELS) / (std::string(name) + ".safetensors");
        check_sets(place, sets,
                   "rerank 'why does bread dough rise' dozen.jsonl --model " +
                       fixtures::quoted(file.string()),
                   1e-4);
    }
}

TEST_CASE("fault 36: models of every kind score alike with every set of kernels") {
    const workplace place;
    const std::vector<std::string> sets = set_names(place);
    if (sets.size() < 2) {
        WARN("one set of kernels in this build: nothing to compare");
        return;
    }
    place.write("river.txt", "the old river\nover the stone bridge and under the mill\nlight\n"
                             "it is not day it is night and the water is not small\nnew stone\n");
    auto configs = fixtures::every_kind();
    configs.push_back({"late interaction", fixtures::late_interaction_config()});
    for (const fixtures::named_config& each : configs) {
        const auto bytes = fixtures::make_model(each.config).file();
        place.write("model.safetensors",
                    {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        INFO(each.name);
        // One step of bf16 in a vector shows in a score of late interaction.
        check_sets(place, sets, "rerank 'the river bridge' river.txt --model model.safetensors",
                   each.name == "late interaction" ? 2e-2 : 1e-3);
    }
}

TEST_CASE("fault 37: MICE_SIMD chooses a lower set of kernels and nothing that is not there") {
    const workplace place;
    const std::vector<std::string> sets = set_names(place);
    const auto chosen = [&](const std::string& wanted) {
        const result got = place.shell("MICE_SIMD=" + wanted + " \"$mice\" --version");
        CHECK(got.code == 0);
        return version_line(got.out, "SIMD: ");
    };
    if (sets.empty()) {
        WARN("built without mice::dispatch: MICE_SIMD is not read");
        CHECK(chosen("sse2") == chosen("''"));
        return;
    }
    for (const std::string& set : sets) {
        CHECK(chosen(set) == set + ", chosen at run time by MICE_SIMD");
    }
    CHECK(chosen("''") == sets.back() + ", chosen at run time");
    for (const char* unknown :
         {"avx9000", "AVX2", "'avx2 '", "../sse2", "\"$(printf '\\033[2J')\""}) {
        INFO(unknown);
        CHECK(chosen(unknown) ==
              sets.back() +
                  ", chosen at run time; MICE_SIMD is ignored, as it names no set of kernels");
    }
    // Names of sets that may be missing here: never one above what was asked, never one unknown.
    for (const char* known : {"generic", "neon", "sse4", "avx512_vnni_bf16"}) {
        const std::string said = chosen(known);
        const std::string name = said.substr(0, said.find(','));
        CHECK(std::find(sets.begin(), sets.end(), name) != sets.end());
        CHECK((name == known || said.find("lacks") != std::string::npos));
        CHECK((name != "eigen" || sets.size() == 1)); // only by its own name
    }
}
