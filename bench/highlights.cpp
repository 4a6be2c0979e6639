// SPDX-License-Identifier: Apache-2.0
// What highlights cost: 100 stored documents are ranked for a query, without highlights and with
// those of the ten best, in turns. One JSON line a codec; `ratio` is the median of the turns'.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <mice/index.hpp>

namespace {

using nlohmann::json;

struct input {
    std::vector<std::string> passages;
    std::vector<std::string> queries;
};

/// Lines with "query" and "passage", as `mice eval --highlights` reads them.
input read(const std::string& path) {
    constexpr std::size_t documents = 100;
    std::ifstream stream(path);
    input made;
    for (std::string line; std::getline(stream, line) && made.passages.size() < documents;) {
        const json record = json::parse(line);
        made.passages.push_back(record.at("passage"));
        made.queries.push_back(record.at("query"));
    }
    if (made.passages.empty()) {
        throw std::runtime_error("cannot read lines with query and passage from " + path);
    }
    for (std::size_t i = 0; made.passages.size() < documents; ++i) { // few lines: again
        made.passages.push_back(made.passages[i]);
    }
    made.queries.resize(std::min<std::size_t>(made.queries.size(), 20));
    return made;
}

double milliseconds(const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

void measure(const mice::reranker& ranker, const input& in, const std::string& codec,
             std::size_t threads) {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("mice-bench-highlights-" + codec);
    std::filesystem::remove_all(folder);
    mice::index_options options;
    options.codec.name = codec;
    mice::index index = mice::index::create(folder, ranker, options);
    for (std::size_t i = 0; i < in.passages.size(); ++i) {
        index.put(std::to_string(i), in.passages[i]);
    }
    index.commit();
    const mice::rank_options plain{.top_k = 10, .threads = threads};
    mice::rank_options lit = plain;
    lit.highlights.emplace();
    lit.highlights->text_of = [&in](std::string_view id, std::string_view) {
        return in.passages.at(std::stoul(std::string(id)));
    };
    std::vector<double> without, with, ratios;
    std::size_t sentences = 0;
    constexpr int turns = 15;
    for (int turn = 0; turn < turns; ++turn) {
        for (const std::string& query : in.queries) {
            without.push_back(milliseconds([&] { (void)index.rank(query, plain); }));
            mice::index_ranking got;
            with.push_back(milliseconds([&] { got = index.rank(query, lit); }));
            ratios.push_back(with.back() / without.back());
            sentences += got.highlights.size();
        }
    }
    std::filesystem::remove_all(folder);
    std::cout << json{{"codec", codec},
                      {"threads", threads},
                      {"documents", in.passages.size()},
                      {"rank_ms", median(without)},
                      {"with_highlights_ms", median(with)},
                      {"ratio", median(ratios)},
                      {"highlighted", sentences}}
                     .dump()
              << std::endl;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3 || argc > 4) {
        std::cerr << "usage: bench_highlights MODEL LINES.jsonl [THREADS]\n";
        return 64;
    }
    try {
        const mice::reranker ranker(argv[1]);
        const input in = read(argv[2]);
        for (const char* codec : {"f32", "int16", "int8", "int4", "kv-int8"}) {
            measure(ranker, in, codec, argc > 3 ? std::stoul(argv[3]) : 1);
        }
    } catch (const std::exception& e) {
        std::cerr << "bench_highlights: " << e.what() << '\n';
        return 1;
    }
}
