// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <mice/highlights.hpp>
#include <mice/text/byte_range.hpp>

#include "common/json_output.hpp"

// Showing what answers a query in a text.
namespace mice::tools {

/// The most characters of a snippet.
inline constexpr std::size_t snippet_characters = 160;

/// The part of a sentence that is shown where there is room for so many characters: all of it, or
/// what is around its best words. No border splits a character.
[[nodiscard]] byte_range snippet_range(std::string_view text, const highlight& sentence,
                                       std::size_t characters = snippet_characters);

/// Highlights for programs: an array of {"begin", "end", "score", "line", "text", "words"}, in
/// bytes of the text.
[[nodiscard]] ordered_json to_json(std::string_view text, const highlights& found);

/// The best sentence as one line for people, of at most so many columns, with its best words in
/// bold where `bold` says so; then what there is of the text around it. "" without a highlight.
[[nodiscard]] std::string shown_line(std::string_view text, const highlights& found,
                                     std::size_t columns, bool bold);

} // namespace mice::tools
