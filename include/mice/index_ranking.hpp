// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <mice/ranking.hpp>

MICE_NAMESPACE_BEGIN

/// What rank() does with an id that the index does not hold.
enum class unknown_ids {
    refuse, ///< errc::invalid_argument, naming the first
    report  ///< it is listed in index_ranking::unknown, and the others are ranked
};

/// One document's place in a ranking.
struct index_hit {
    std::string id;
    float score = std::numeric_limits<float>::quiet_NaN();
    std::size_t tokens_seen = 0; ///< tokens that were encoded, special tokens included
    std::size_t tokens_cut = 0;  ///< tokens beyond the model's limit, which it did not read
    std::size_t replaced = 0;    ///< invalid UTF-8 sequences that became U+FFFD
};

/// The answer to one query.
struct index_ranking {
    /// Best first; equal scores in the order of the given ids, or in index order. Documents that a
    /// stop left unscored are not among them.
    std::vector<index_hit> hits;
    std::vector<std::string> unknown;  ///< given ids that the index does not hold
    bool complete = true;              ///< false: a deadline or cancellation left some unscored
    std::size_t unscored = 0;          ///< how many; unknown ids are not counted
    std::size_t query_tokens_seen = 0; ///< as in index_hit
    std::size_t query_tokens_cut = 0;
    std::size_t query_replaced = 0;

    [[nodiscard]] std::size_t size() const noexcept { return hits.size(); }
    [[nodiscard]] bool empty() const noexcept { return hits.empty(); }
    [[nodiscard]] const index_hit& operator[](std::size_t i) const { return hits[i]; }
    [[nodiscard]] auto begin() const noexcept { return hits.begin(); }
    [[nodiscard]] auto end() const noexcept { return hits.end(); }
};

/// A document that shares words with a query.
struct index_candidate {
    std::string id;
    float score = 0; ///< BM25
};

MICE_NAMESPACE_END
