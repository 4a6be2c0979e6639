// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/config.hpp>
#include <mice/text/stemmer.hpp>
#include <mice/text/unicode.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Longest word in bytes; a longer run of letters is split there, between two code points.
inline constexpr std::size_t longest_word = 255;

/// English words that say nothing of a text's subject, sorted. "s" and "t" are what is left of
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

namespace detail {

/// Appends the lower-case base letters of a code point: no accents, so that "Café" finds "cafe".
inline void append_folded(std::string& word, char32_t code) {
    const mapping lower = lowercase(code);
    for (const char32_t letter : lower.view()) {
        const mapping parts = decompose(letter);
        for (const char32_t part : parts.view()) {
            if (!is_nonspacing_mark(part)) {
                append_utf8(word, part);
            }
        }
    }
}

inline bool separates_words(char32_t code) {
    return !is_word(code) || general_category(code) == category::pc;
}

inline void finish_word(std::string& word, std::vector<std::string>& words) {
    if (!word.empty() && !is_stop_word(word)) {
        words.push_back(porter_stem(std::move(word)));
    }
    word.clear();
}

} // namespace detail

/// The words that BM25 counts: runs of letters, marks and digits, lower-cased and without accents;
/// a Chinese, Japanese or Korean ideograph is a word of its own; English stop words are left out,
/// and what remains is stemmed by porter_stem. Invalid bytes separate words. A word has at most
/// longest_word bytes. Thread-safe.
[[nodiscard]] inline std::vector<std::string> analyse(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    for (std::size_t position = 0; position < text.size();) {
        const decoded next = decode_utf8(text, position);
        position += next.bytes;
        const bool ideograph = is_cjk(next.code);
        const bool separator = detail::separates_words(next.code);
        constexpr std::size_t longest_folded = 16; // four code points of four bytes
        if (ideograph || separator || word.size() > longest_word - longest_folded) {
            detail::finish_word(word, words);
        }
        if (!separator) {
            detail::append_folded(word, next.code);
        }
        if (ideograph) {
            detail::finish_word(word, words);
        }
    }
    detail::finish_word(word, words);
    return words;
}

} // namespace text
MICE_NAMESPACE_END
