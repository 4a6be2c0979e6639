// SPDX-License-Identifier: Apache-2.0
// The library's side of bench/serve.py: ranks the requests of a file, JSON Lines {"query",
// "documents"}, in turns. Each line of standard input begins one and says of how many requests:
// "texts 20", where documents are encoded in the call, or "stored 20", where that was done before.
// Answers with the seconds it took.
//
//     bench_serve MODEL THREADS REQUESTS
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <mice/reranker.hpp>
#include <mice/texts.hpp>

namespace {

struct request {
    std::string query;
    std::vector<std::string> texts;
    std::vector<const mice::document*> stored;
};

double turn(const mice::reranker& ranker, std::span<const request> requests, bool stored,
            std::size_t threads) {
    const auto start = std::chrono::steady_clock::now();
    std::size_t hits = 0;
    for (const request& each : requests) {
        if (stored) {
            const std::span<const mice::document* const> documents(each.stored);
            const mice::query query = ranker.encode_query(each.query);
            hits += ranker.rank(query, documents, {.threads = threads}).size();
        } else {
            hits += mice::rank_texts(ranker, each.query, each.texts, {.threads = threads}).size();
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return hits == 0 ? 0 : took.count();
}

int run(const std::string& model, std::size_t threads, const std::string& file) {
    const mice::reranker ranker(model);
    std::map<std::string, std::unique_ptr<const mice::document>> documents;
    std::vector<request> requests;
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);) {
        const nlohmann::json record = nlohmann::json::parse(line);
        request& made = requests.emplace_back();
        made.query = record.at("query");
        made.texts = record.at("documents").get<std::vector<std::string>>();
        for (const std::string& text : made.texts) {
            auto& document = documents[text];
            if (!document) {
                document = std::make_unique<const mice::document>(ranker.encode(text));
            }
            made.stored.push_back(document.get());
        }
    }
    std::cout << "ready" << std::endl;
    std::size_t count = 0;
    for (std::string form; std::cin >> form >> count;) {
        const auto some = std::span(requests).first(std::min(count, requests.size()));
        std::cout << turn(ranker, some, form == "stored", threads) << std::endl;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc == 4) {
            return run(argv[1], std::stoul(argv[2]), argv[3]);
        }
        std::cerr << "bench_serve MODEL THREADS REQUESTS\n";
    } catch (const std::exception& problem) {
        std::cerr << "bench_serve: " << problem.what() << '\n';
    }
    return 1;
}
