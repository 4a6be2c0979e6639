// SPDX-License-Identifier: Apache-2.0
// An index of very many tiny documents: time and memory to build it; then, with nothing of it in
// the system's cache, what opening it and ranking a hundred of its documents take and read. One
// JSON line.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#if defined(__linux__)
#include <fcntl.h>
#include <unistd.h>
#endif

#include <mice/io/safetensors.hpp>
#include <mice/mice.hpp>
#include <nlohmann/json.hpp>

#include "../tests/support/random_model.hpp"

namespace {

namespace fs = std::filesystem;

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The number behind `key` in a file of /proc/self; -1 where there is none.
double told_by_system(const char* file, std::string_view key) {
    std::ifstream stream(std::string("/proc/self/") + file);
    for (std::string line; std::getline(stream, line);) {
        if (line.starts_with(key)) {
            return std::stod(line.substr(key.size()));
        }
    }
    return -1;
}

double megabytes_read() {
    return told_by_system("io", "read_bytes:") / 1e6;
}

/// Lets the system's cache forget a file that is on its disk.
void forget(const fs::path& file) {
#if defined(__linux__)
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)::fsync(descriptor);
        (void)::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
        (void)::close(descriptor);
    }
#else
    (void)file;
#endif
}

void run(std::uint64_t documents, const fs::path& folder) {
    using clock = std::chrono::steady_clock;
    // a model so small that the index is what takes time
    const std::vector<std::byte> file = fixtures::make_model(fixtures::tiny_config()).file();
    const mice::reranker ranker{std::span<const std::byte>(file), mice::precision::f32};
    nlohmann::json told;
    told["documents"] = documents;
    {
        const auto start = clock::now();
        mice::index index = mice::index::create(folder, ranker);
        for (std::uint64_t i = 0; i < documents; ++i) {
            const auto word = [i](std::uint64_t factor) {
                return static_cast<std::int32_t>(5 + i * factor % 100);
            };
            index.put_ids("document-" + std::to_string(i), std::vector{2, word(7), word(13), 3});
        }
        index.commit();
        told["build_seconds"] = seconds_since(start);
        told["build_peak_mb"] = told_by_system("status", "VmHWM:") / 1024;
    }
    std::size_t files = 0;
    double bytes = 0;
    for (const auto& each : fs::directory_iterator(folder)) {
        ++files;
        bytes += static_cast<double>(each.file_size());
        forget(each.path());
    }
    told["files"] = files;
    told["megabytes"] = bytes / 1e6;
    const double before = megabytes_read();
    auto start = clock::now();
    const mice::index index = mice::index::open(folder, ranker);
    told["open_ms"] = 1000 * seconds_since(start);
    told["open_read_mb"] = megabytes_read() - before;
    std::vector<std::string> ids;
    for (std::uint64_t i = 0; i < 100; ++i) {
        ids.push_back("document-" + std::to_string(i * (documents / 100)));
    }
    const std::vector<std::string_view> views(ids.begin(), ids.end());
    const mice::query query = ranker.encode_query("an old mill at the river");
    start = clock::now();
    if (index.rank(query, views).size() != ids.size()) {
        throw std::runtime_error("not every document was ranked");
    }
    told["first_rank_of_100_ms"] = 1000 * seconds_since(start);
    told["rank_read_mb"] = megabytes_read() - before - told["open_read_mb"].get<double>();
    std::cout << told.dump() << '\n';
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 2) {
        std::cerr << "usage: bench_index_scale [DOCUMENTS]\n";
        return 64;
    }
    const fs::path folder = fs::temp_directory_path() / "mice-index-scale";
    try {
        fs::remove_all(folder);
        run(argc > 1 ? std::stoull(argv[1]) : 1'000'000, folder);
        fs::remove_all(folder);
    } catch (const std::exception& e) {
        std::cerr << "bench_index_scale: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
