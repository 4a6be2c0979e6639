// SPDX-License-Identifier: Apache-2.0
#pragma once

// What holds for the offsets of any text.
#include <cstddef>
#include <string_view>
#include <vector>

#include "catch.hpp"

#include <mice/text/tokenizer.hpp>
#include <mice/text/unicode/utf8.hpp>

namespace fixtures {

/// Whether each byte, and the end, begins a character or a sequence that is no UTF-8.
inline std::vector<bool> borders_of(std::string_view text) {
    std::vector<bool> borders(text.size() + 1);
    for (std::size_t at = 0; at < text.size(); at += mice::text::decode_utf8(text, at).bytes)
        borders[at] = true;
    borders[text.size()] = true;
    return borders;
}

/// Offsets are inside the text, of whole characters, and in its order; {0, 0} for the markers.
inline void check_offsets(std::string_view text, const mice::encoding& encoded) {
    REQUIRE(encoded.offsets.size() == encoded.ids.size());
    REQUIRE(encoded.offsets.front() == mice::byte_range{});
    REQUIRE(encoded.offsets.back() == mice::byte_range{});
    const std::vector<bool> borders = borders_of(text);
    std::size_t last = 0, wrong = 0; // one assertion for all: the texts may be long
    for (std::size_t i = 1; i + 1 < encoded.offsets.size(); ++i) {
        const auto [begin, end] = encoded.offsets[i];
        const bool right =
            begin >= last && end >= begin && end <= text.size() && borders[begin] && borders[end];
        wrong += right ? 0U : 1U;
        last = begin;
    }
    REQUIRE(wrong == 0);
}

} // namespace fixtures
