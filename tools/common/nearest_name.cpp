// SPDX-License-Identifier: Apache-2.0
#include "common/nearest_name.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace mice::tools {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    constexpr std::size_t longest = 256;
    a = a.substr(0, longest);
    b = b.substr(0, longest);
    std::vector<std::size_t> above(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(above.begin(), above.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = above[j] + (a[i] == b[j] ? 0 : 1);
            row[j + 1] = std::min({replaced, above[j + 1] + 1, row[j] + 1});
        }
        std::swap(above, row);
    }
    return above[b.size()];
}

std::optional<std::string> nearest_name(std::string_view name,
                                        std::span<const std::string> candidates) {
    constexpr std::size_t most_candidates = 20'000;
    std::size_t best = (name.size() + 1) / 2; // anything closer is closer than half
    const std::string* nearest = nullptr;
    for (const std::string& candidate :
         candidates.first(std::min(candidates.size(), most_candidates))) {
        const std::size_t distance = edit_distance(name, candidate);
        if (distance < best) {
            best = distance;
            nearest = &candidate;
        }
    }
    return nearest == nullptr ? std::nullopt : std::optional(*nearest);
}

} // namespace mice::tools
