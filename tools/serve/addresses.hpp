// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

// The addresses that a server answers at.
namespace mice::serve {

inline constexpr std::array<std::string_view, 5> ranking_addresses{
    "/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking"};

/// Whether a request to this path is to rank.
[[nodiscard]] inline bool ranks(std::string_view path) {
    return std::find(ranking_addresses.begin(), ranking_addresses.end(), path) !=
           ranking_addresses.end();
}

/// Whether there is anything at this path.
[[nodiscard]] inline bool is_address(std::string_view path) {
    return ranks(path) || path == "/health" || path == "/metrics" || path == "/v1/models";
}

} // namespace mice::serve
