// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mice::tools {

/// The words that BM25 counts: runs of letters, marks and digits, lower-cased; a Chinese, Japanese
/// or Korean ideograph is a word of its own; English stop words are left out, and what remains is
/// stemmed by porter_stem. Invalid bytes separate words.
[[nodiscard]] std::vector<std::string> analyse(std::string_view text);

/// k1 = 0.9 and b = 0.4 are what Anserini uses for passages, and so what most published BM25
/// figures of BEIR collections are made with.
struct bm25_options {
    double k1 = 0.9;
    double b = 0.4;
};

struct bm25_hit {
    std::uint32_t document; ///< in the order of add()
    float score;
};

/// An inverted index in memory with Lucene's BM25:
/// sum over query words of ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 (1 - b + b
/// dl/avgdl)). Document lengths are exact, where Lucene rounds them. search() is const and
/// thread-safe.
class bm25_index {
  public:
    /// Throws mice::error (errc::invalid_argument) unless k1 >= 0 and 0 <= b <= 1.
    explicit bm25_index(const bm25_options& options = {});

    /// Adds the next document.
    void add(std::string_view text);
    [[nodiscard]] std::size_t size() const { return lengths_.size(); }

    /// At most `depth` documents that share a word with the query, best first; ties keep the order
    /// of add(). A word that the query repeats counts as often.
    [[nodiscard]] std::vector<bm25_hit> search(std::string_view query, std::size_t depth) const;

  private:
    struct posting {
        std::uint32_t document;
        std::uint32_t count;
    };

    bm25_options options_;
    std::unordered_map<std::string, std::uint32_t> words_;
    std::vector<std::vector<posting>> postings_;
    std::vector<std::uint32_t> lengths_;
    std::uint64_t total_length_ = 0;
};

} // namespace mice::tools
