// SPDX-License-Identifier: Apache-2.0
// What one document of TOKENS random words costs: the time to encode it and, once it is stored, to
// score a query of 12 tokens against it, on one thread; and how much further the process's resident
// memory goes up meanwhile. One JSON line. A process measures one length, as memory that was needed
// before is kept; bench/long_documents.py runs it for several. Linux.
//
//     bench_long_documents MODEL PRECISION TOKENS
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <mice/mice.hpp>
#include <nlohmann/json.hpp>

namespace {

using clock_type = std::chrono::steady_clock;

double seconds_since(clock_type::time_point start) {
    return std::chrono::duration<double>(clock_type::now() - start).count();
}

/// A line of /proc/self/status, in megabytes.
double status_mb(const std::string& key) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (word == key) {
            double kilobytes = 0;
            status >> kilobytes;
            return kilobytes / 1024;
        }
    }
    throw std::runtime_error("/proc/self/status has no " + key);
}

/// The most that has been resident counts from now on: loading a model needs more than many a
/// document does.
void forget_peak() {
    std::ofstream("/proc/self/clear_refs") << "5";
}

std::vector<std::int32_t> random_ids(std::size_t count, std::size_t vocabulary) {
    std::mt19937 chance(1);
    std::vector<std::int32_t> ids(count);
    for (std::int32_t& id : ids) {
        id = static_cast<std::int32_t>(chance() % vocabulary);
    }
    return ids;
}

/// The fastest of several runs, or the only one where it takes long.
template <class Work> double fastest_run(const Work& work) {
    constexpr double enough = 1;
    double best = 0;
    double total = 0;
    for (int run = 0; run < 10 && total < enough; ++run) {
        const auto start = clock_type::now();
        work();
        const double spent = seconds_since(start);
        total += spent;
        best = run == 0 ? spent : std::min(best, spent);
    }
    return best;
}

nlohmann::json measure(const mice::reranker& ranker, std::size_t tokens) {
    const std::vector<std::int32_t> ids = random_ids(tokens, ranker.config().vocab_size);
    const auto query = ranker.encode_query_ids(random_ids(12, ranker.config().vocab_size));
    const double loading = status_mb("VmHWM:");
    forget_peak();
    const double before = status_mb("VmRSS:");
    const double encoding = fastest_run([&] { (void)ranker.encode_ids(ids); });
    const double peak = status_mb("VmHWM:");
    const mice::document stored = ranker.encode_ids(ids);
    const double scoring =
        fastest_run([&] { (void)ranker.score(query, std::span(&stored, 1), {.threads = 1}); });
    return {{"tokens", tokens},
            {"encode_seconds", encoding},
            {"score_seconds", scoring},
            {"loaded_mb", before},
            {"document_mb", peak - before},
            {"process_mb", std::max(loading, peak)}};
}

} // namespace

int main(int count, char** arguments) {
    const auto computed = mice::precision_named(count == 4 ? arguments[2] : "");
    if (!computed) {
        std::cerr << "usage: bench_long_documents MODEL PRECISION TOKENS\n";
        return 64;
    }
    try {
        const mice::reranker ranker(arguments[1], *computed, {.threads = 1});
        std::cout << measure(ranker, std::stoul(arguments[3])).dump() << '\n';
        return 0;
    } catch (const std::exception& problem) {
        std::cerr << "bench_long_documents: " << problem.what() << '\n';
        return 1;
    }
}
