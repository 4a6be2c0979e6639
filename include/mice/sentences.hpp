// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// A sentence of a text: bytes [begin, end) of it, without the white space around.
struct sentence {
    std::size_t begin = 0;
    std::size_t end = 0; ///< behind the last byte

    [[nodiscard]] bool operator==(const sentence&) const = default;
};

/// The sentences of a text, in its order; every byte that is not white space is in one of them.
/// Borders are those of Unicode (UAX #29), but not behind abbreviations and initials, in numbers,
/// addresses and file names, or at the ends of lines inside a paragraph; Thai and Lao end a
/// sentence at a space. Any bytes are a text; a border never splits a code point. Time is linear,
/// and any thread may call it.
[[nodiscard]] std::vector<sentence> sentences(std::string_view text);

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/sentences_impl.hpp>
#endif
