// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include <mice/highlights.hpp>
#include <mice/parallel/executor.hpp>
#include <mice/text/encoding.hpp>

MICE_NAMESPACE_BEGIN

/// The form of a score.
enum class activation {
    logit, ///< as the model gives it; any real number
    /// 1 / (1 + exp(-logit)), from 0 to 1. rank() orders by the logits, so the order is the same;
    /// logits above 16.6 all round to 1, so leave scores as they are if you compare them. Those of
    /// late interaction are sums, for which a sigmoid is useless.
    sigmoid
};

/// Options of a call. The defaults are what most callers want.
struct rank_options {
    std::size_t top_k = 0;   ///< how many hits rank() returns; 0: all. More than there are is fine.
    std::size_t threads = 0; ///< as in parallel_options
    executor* pool = nullptr; ///< the caller's threads; mice then starts none
    activation output = activation::logit;
    special_tokens specials = special_tokens::plain; ///< "[SEP]" in a text is plain text
    invalid_utf8 on_invalid = invalid_utf8::replace; ///< or refuse such a text
    /// When to stop. What is scored by then is returned, marked as not complete. A call that begins
    /// earlier scores at least one document, and works in pieces of a twentieth of the time.
    std::optional<std::chrono::steady_clock::time_point> deadline{};
    /// Lets another thread stop the call, like a deadline that has passed.
    const cancellation* cancel = nullptr;
    /// Called with (documents done, documents in all) after each piece of work, from any of the
    /// call's threads, one call at a time. Must not throw.
    std::function<void(std::size_t, std::size_t)> progress{};
    /// Where set, rank() and rank_batch() say what answers the query in each hit they return.
    std::optional<highlight_options> highlights{};
};

/// One document's place in a ranking.
struct hit {
    std::size_t index = 0;       ///< position in the caller's list
    float score = 0;             ///< NaN where `scored` is false
    std::size_t tokens_seen = 0; ///< tokens that the model read, special tokens included
    std::size_t tokens_cut = 0;  ///< tokens beyond the model's limit, which it did not read
    std::size_t replaced = 0;    ///< invalid UTF-8 sequences that became U+FFFD
    bool scored = false;         ///< false: the call stopped before this document
};

/// The answer to one query.
struct ranking {
    /// rank(): best first, equal scores in input order, unscored documents left out.
    /// score(): one for each document, in input order.
    std::vector<hit> hits;
    /// false: a deadline or cancellation left some unscored, or without highlights
    bool complete = true;
    std::size_t unscored = 0;          ///< how many
    std::size_t query_tokens_seen = 0; ///< as in hit
    std::size_t query_tokens_cut = 0;
    std::size_t query_replaced = 0;
    std::vector<mice::highlights> highlights{}; ///< one for each hit, where they are asked for

    [[nodiscard]] std::size_t size() const noexcept { return hits.size(); }
    [[nodiscard]] bool empty() const noexcept { return hits.empty(); }
    [[nodiscard]] const hit& operator[](std::size_t i) const { return hits[i]; }
    [[nodiscard]] auto begin() const noexcept { return hits.begin(); }
    [[nodiscard]] auto end() const noexcept { return hits.end(); }
};

MICE_NAMESPACE_END
