// SPDX-License-Identifier: Apache-2.0
// Times one query against many documents in every precision and prints one JSON line a case.
// bench/run.py makes the input, runs this beside its peers and compares scores and times.
#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <mice/io/json.hpp>
#include <mice/mice.hpp>

namespace {

/// Runs `work` once unmeasured, then `repetitions` times; prints seconds and the last scores.
void measure(mice::precision computed, const std::string& name, std::size_t repetitions,
             const std::function<mice::ranking()>& work) {
    mice::ranking last = work();
    mice::io::json line = {{"peer", "mice " + std::string(mice::name_of(computed))},
                           {"case", name},
                           {"seconds", mice::io::json::array()}};
    for (std::size_t i = 0; i < repetitions; ++i) {
        const auto start = std::chrono::steady_clock::now();
        last = work();
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        line["seconds"].push_back(spent.count());
    }
    for (const mice::hit& hit : last) {
        line["scores"].push_back(hit.score);
    }
    std::cout << line.dump() << std::endl;
}

void run(mice::precision computed, const std::string& model, const std::string& input,
         std::size_t threads, std::size_t repetitions) {
    std::ifstream file(input);
    const mice::io::json data = mice::io::json::parse(file);
    const auto query = data.at("query").get<std::string>();
    const auto passages = data.at("documents").get<std::vector<std::string>>();
    const mice::rank_options options{.threads = threads};

    const mice::reranker ranker(std::filesystem::path(model), computed);
    const std::vector<mice::document> documents = ranker.encode_all(passages, options);
    for (const mice::document& document : documents) {
        if (document.tokens() != data.at("tokens").get<std::size_t>() ||
            document.tokens_cut() != 0) {
            throw std::runtime_error(
                "a document does not have the number of tokens that was asked for");
        }
    }
    measure(computed, "stored", repetitions,
            [&] { return ranker.score(query, documents, options); });
    measure(computed, "not stored", repetitions,
            [&] { return ranker.score(query, passages, options); });
}

} // namespace

int main(int count, char** arguments) {
    if (count != 5) {
        std::cerr << "usage: bench_rerank MODEL INPUT.json THREADS REPETITIONS\n";
        return 64;
    }
    try {
        for (const mice::precision each :
             {mice::precision::f32, mice::precision::bf16, mice::precision::int8}) {
            run(each, arguments[1], arguments[2], std::stoul(arguments[3]),
                std::stoul(arguments[4]));
        }
        return 0;
    } catch (const std::exception& problem) {
        std::cerr << "bench_rerank: " << problem.what() << '\n';
        return 1;
    }
}
