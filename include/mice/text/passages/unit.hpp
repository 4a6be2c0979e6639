// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// How good a place is to cut at, from the worst on.
enum class border : std::uint8_t {
    character, ///< inside a word
    word,
    clause,
    joined, ///< behind a heading, inside a stack trace: what follows belongs to it
    sentence,
    line, ///< of code, of a log
    row,  ///< of a table; an item inside an item, an outdent
    item, ///< of a list; a blank line inside a function
    paragraph,
    section,  ///< a thematic break, a blank line between functions, a page
    heading6, ///< before a heading of the deepest level
    heading1 = heading6 + 5,
    always ///< the text's beginning, and behind very much white space
};

/// The border before a heading of a level, 1 to 6.
[[nodiscard]] constexpr border heading_border(std::size_t level) noexcept {
    return static_cast<border>(static_cast<std::size_t>(border::heading1) + 1 - level);
}

/// A part of a text that is not cut further: a sentence, a line of code.
struct unit {
    std::uint64_t begin = 0, end = 0; ///< bytes of the text; no white space at the ends
    std::uint64_t first_line = 1, last_line = 1;
    std::uint32_t tokens = 0; ///< without markers
    std::uint32_t cost = 1;   ///< tokens, but at least one, and one for every 32 bytes
    std::uint64_t hash = 0;   ///< of what stands at its beginning: orders equal borders
    border before = border::paragraph;
    std::uint8_t level = 0; ///< of borders of one class, those far from better ones first
    bool touches = false;   ///< its tokens may depend on the unit before it
    std::shared_ptr<const std::vector<std::string>> path; ///< headings above it; null: none
};

/// A well-mixed hash of up to 32 bytes.
[[nodiscard]] inline std::uint64_t hash_of(std::string_view bytes) noexcept {
    constexpr std::size_t most = 32;
    std::uint64_t hash = 0xcbf29ce484222325U; // FNV-1a, then splitmix64's last steps
    for (const char c : bytes.substr(0, most))
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebU;
    return hash ^ hash >> 31;
}

} // namespace text
MICE_NAMESPACE_END
