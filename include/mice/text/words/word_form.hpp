// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// The rule by which texts are cut into words. Queries are cut as the documents were. One section
/// never holds words of two forms.
enum class word_form : std::uint32_t {
    older = 1, ///< no compatibility forms, no scripts without spaces: see older_words.hpp
    current = 2
};

/// The most bytes of a word; a longer run of letters is split there, between two code points.
inline constexpr std::size_t longest_word = 255;

/// English words that say nothing about a text's subject, sorted. "s" and "t" are the rest of
/// "it's" and "don't".
inline constexpr std::array<std::string_view, 55> stop_words{
    "a",    "an",   "and",  "are",  "as",    "at",    "be",    "but",  "by",   "can",  "did",
    "do",   "does", "for",  "from", "had",   "has",   "have",  "he",   "how",  "if",   "in",
    "into", "is",   "it",   "its",  "no",    "not",   "of",    "on",   "or",   "s",    "she",
    "such", "t",    "that", "the",  "their", "then",  "there", "they", "this", "to",   "was",
    "we",   "were", "what", "when", "where", "which", "who",   "why",  "will", "with", "you"};
static_assert(std::is_sorted(stop_words.begin(), stop_words.end()));

/// Whether a lower-case word is one of stop_words.
[[nodiscard]] constexpr bool is_stop_word(std::string_view word) noexcept {
    return std::binary_search(stop_words.begin(), stop_words.end(), word);
}

} // namespace text
MICE_NAMESPACE_END
