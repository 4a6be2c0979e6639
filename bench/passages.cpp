// SPDX-License-Identifier: Apache-2.0
// Cutting a long text into passages, on one thread: megabytes a second and the most memory that the
// program took. The text is made while it is read: sentences of 60,000 words, drawn as often as
// words of a language are, in paragraphs, lists, code and sections. One JSON line.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <mice/passages.hpp>
#include <mice/reranker.hpp>

#include "../tests/support/random_numbers.hpp"

namespace {

using fixtures::random_numbers;

/// The number behind `key` in /proc/self/status, in MB; -1 where there is none.
double status_mb(std::string_view key) {
    std::ifstream stream("/proc/self/status");
    for (std::string line; std::getline(stream, line);) {
        if (line.starts_with(key)) {
            return std::stod(line.substr(key.size())) / 1024;
        }
    }
    return -1;
}

/// Makes text, some KB at a time.
class text_maker {
  public:
    text_maker() {
        constexpr std::size_t known = 60'000;
        static constexpr std::string_view syllables[] = {
            "the", "in",   "er", "con", "ma", "ti", "on", "re", "sta", "lo", "ver", "pre",
            "di",  "ment", "al", "ing", "ed", "so", "pu", "ra", "ne",  "ck", "ow",  "ship"};
        words_.reserve(known);
        for (std::size_t i = 0; i < known; ++i) {
            std::string word;
            const std::size_t longest = i < 100 ? 1 : i < 3000 ? 2 : 4;
            for (std::size_t left = 1 + random_.below(longest); left > 0; --left) {
                word += syllables[random_.below(std::size(syllables))];
            }
            words_.push_back(std::move(word));
        }
    }

    std::string next(std::size_t bytes) {
        std::string text;
        while (text.size() < bytes) {
            block(text);
        }
        return text;
    }

  private:
    /// By Zipf's law.
    const std::string& word() {
        const double chance = static_cast<double>(random_.next() >> 11) * 0x1p-53;
        const auto rank =
            static_cast<std::size_t>(std::pow(static_cast<double>(words_.size()), chance)) - 1;
        return words_[std::min(rank, words_.size() - 1)];
    }
    void sentence(std::string& text) {
        std::string first = word();
        first[0] = static_cast<char>(first[0] - 'a' + 'A');
        text += first;
        for (std::size_t left = 4 + random_.below(20); left > 0; --left) {
            text += random_.below(12) == 0 ? ", " : " ";
            text += random_.below(40) == 0 ? std::to_string(random_.below(100'000)) : word();
        }
        text += ". ";
    }
    void block(std::string& text) {
        const std::size_t kind = random_.below(20);
        if (kind == 0) {
            text += "## " + word() + " " + word() + "\n\n";
        } else if (kind == 1) {
            text += "```\n";
            for (std::size_t left = 3 + random_.below(8); left > 0; --left) {
                text += "    " + word() + "(" + word() + ", " + std::to_string(left) + ");\n";
            }
            text += "```\n\n";
        } else {
            for (std::size_t left = 1 + random_.below(8); left > 0; --left) {
                text += kind < 4 ? "* " : "";
                sentence(text);
                text += kind < 4 || left % 2 == 0 ? "\n" : "";
            }
            text += "\n\n";
        }
    }

    random_numbers random_{1};
    std::vector<std::string> words_;
};

void run(const std::string& model, std::size_t megabytes) {
    const mice::reranker ranker(model, mice::precision::automatic, {.threads = 1});
    constexpr std::size_t portion = std::size_t{1} << 18;
    text_maker maker;
    mice::passage_cutter cutter(ranker, {.kind = mice::text_kind::markdown});
    const double before = status_mb("VmRSS:");
    std::size_t bytes = 0, passages = 0, tokens = 0, longest = 0;
    double wall = 0;
    std::clock_t busy = 0;
    const auto timed = [&](auto&& work) {
        const std::clock_t begun = std::clock();
        const auto start = std::chrono::steady_clock::now();
        work();
        while (const auto next = cutter.next()) {
            ++passages;
            tokens += next->tokens;
            longest = std::max(longest, next->tokens);
        }
        wall += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        busy += std::clock() - begun;
    };
    while (bytes < megabytes * 1'000'000) {
        const std::string text = maker.next(portion);
        bytes += text.size();
        timed([&] { cutter.feed(text); });
    }
    timed([&] { cutter.finish(); });
    const double processor = static_cast<double>(busy) / CLOCKS_PER_SEC;
    const auto size = static_cast<double>(bytes) / 1e6;
    nlohmann::ordered_json told;
    told["megabytes"] = size;
    told["passages"] = passages;
    told["mean_tokens"] = static_cast<double>(tokens) / static_cast<double>(passages);
    told["most_tokens"] = longest;
    told["mb_per_second"] = size / wall;
    told["mb_per_processor_second"] = size / processor;
    told["model_mb"] = before;
    told["peak_mb"] = status_mb("VmHWM:");
    std::cout << told.dump() << '\n';
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: bench_passages MODEL [MEGABYTES]\n";
        return 64;
    }
    try {
        run(argv[1], argc > 2 ? std::stoull(argv[2]) : 100);
    } catch (const std::exception& e) {
        std::cerr << "bench_passages: " << e.what() << '\n';
        return 1;
    }
}
