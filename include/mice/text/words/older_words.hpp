// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <mice/text/unicode/unicode.hpp>
#include <mice/text/words/stemmer.hpp>
#include <mice/text/words/word_form.hpp>

// The words of word_form::older, for indexes that hold them. Such an index keeps words, not texts,
// so queries have to be cut as its texts were.
MICE_NAMESPACE_BEGIN
namespace text::detail {

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

template <class Sink> void finish_older_word(std::string& word, Sink& sink) {
    if (!word.empty() && !is_stop_word(word)) {
        sink(porter_stem(std::move(word)));
    }
    word.clear();
}

/// Runs of letters, marks and digits, lower-cased and without accents; an ideograph is a word of
/// its own.
template <class Sink> void each_older_word(std::string_view text, Sink& sink) {
    std::string word;
    for (std::size_t position = 0; position < text.size();) {
        const decoded next = decode_utf8(text, position);
        position += next.bytes;
        const bool ideograph = is_cjk(next.code);
        const bool separator = separates_words(next.code);
        constexpr std::size_t longest_folded = 16; // four code points of four bytes
        if (ideograph || separator || word.size() > longest_word - longest_folded) {
            finish_older_word(word, sink);
        }
        if (!separator) {
            append_folded(word, next.code);
        }
        if (ideograph) {
            finish_older_word(word, sink);
        }
    }
    finish_older_word(word, sink);
}

} // namespace text::detail
MICE_NAMESPACE_END
