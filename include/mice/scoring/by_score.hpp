// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include <mice/config.hpp>

// One sort of scores for all that have one: every instance of a sort costs an app's compiler.
MICE_NAMESPACE_BEGIN
namespace detail {

/// The positions of scores, best first; equal scores in their order.
[[nodiscard]] inline std::vector<std::size_t> best_first(const std::vector<float>& scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&scores](std::size_t a, std::size_t b) {
        return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    });
    return order;
}

/// Sorts what has a member `score`, best first; equal ones stay in their order.
template <class Scored> void sort_by_score(std::vector<Scored>& items) {
    std::vector<float> scores;
    scores.reserve(items.size());
    for (const Scored& item : items) {
        scores.push_back(item.score);
    }
    std::vector<Scored> sorted;
    sorted.reserve(items.size());
    for (const std::size_t i : best_first(scores)) {
        sorted.push_back(std::move(items[i]));
    }
    items = std::move(sorted);
}

} // namespace detail
MICE_NAMESPACE_END
