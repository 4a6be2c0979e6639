// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include <mice/text/unicode/unicode.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

namespace detail {

/// Where the run of code points of one class around `position` ends.
[[nodiscard]] inline std::size_t end_of_class(std::string_view text, std::size_t position,
                                              split_class of) noexcept {
    while (position < text.size()) {
        const auto byte = static_cast<unsigned char>(text[position]);
        if (byte < 0x80) { // most of them; compilers may leave decode_utf8 a call
            if (split_class_of(byte) != of)
                break;
            ++position;
            continue;
        }
        const decoded next = decode_utf8(text, position);
        if (split_class_of(next.code) != of)
            break;
        position += next.bytes;
    }
    return position;
}

/// Bytes of the English ending 's 't 're 've 'm 'll 'd that `text` begins with; 0 if there is none.
[[nodiscard]] inline std::size_t english_ending(std::string_view text) noexcept {
    constexpr std::array<std::string_view, 7> endings = {"'s", "'t",  "'re", "'ve",
                                                         "'m", "'ll", "'d"};
    if (text.empty() || text.front() != '\'')
        return 0;
    for (const std::string_view ending : endings)
        if (text.starts_with(ending))
            return ending.size();
    return 0;
}

/// Where the word that begins with the white space at `position` ends. A run leaves its last
/// character to the word behind it, if there is one.
[[nodiscard]] inline std::size_t end_of_spaces(std::string_view text,
                                               std::size_t position) noexcept {
    std::size_t stop = position, last = position;
    while (stop < text.size()) {
        const decoded next = decode_utf8(text, stop);
        if (split_class_of(next.code) != split_class::white_space)
            break;
        last = stop;
        stop += next.bytes;
    }
    return stop == text.size() || last == position ? stop : last;
}

/// Where the word that begins at `position` (inside valid UTF-8) ends.
[[nodiscard]] inline std::size_t end_of_word(std::string_view text, std::size_t position) noexcept {
    if (const std::size_t ending = english_ending(text.substr(position)); ending != 0)
        return position + ending;
    std::size_t first = position; // behind one space, which may precede a word of any class
    if (text[position] == ' ' && position + 1 < text.size())
        ++first;
    const split_class of = split_class_of(decode_utf8(text, first).code);
    return of == split_class::white_space ? end_of_spaces(text, position)
                                          : end_of_class(text, first, of);
}

} // namespace detail

/// Cuts valid UTF-8 into words as GPT-2's regular expression does, without losing a byte, and calls
/// `sink(std::string_view)` for each:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. Linear in the
/// text.
template <typename Sink> void split_gpt2(std::string_view text, Sink&& sink) {
    for (std::size_t position = 0; position < text.size();) {
        const std::size_t stop = detail::end_of_word(text, position);
        sink(text.substr(position, stop - position));
        position = stop;
    }
}

} // namespace text
MICE_NAMESPACE_END
