// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// What stands in for bytes that are not UTF-8.
inline constexpr char32_t replacement_character = 0xFFFD;

/// One step of a decoder: a code point and the bytes it took.
struct decoded {
    char32_t code = replacement_character;
    std::uint8_t bytes =
        1; ///< 1 to 4; of an invalid sequence, the bytes that are replaced together
    bool valid = false;
};

/// Whether the byte is the second, third or fourth of a sequence.
[[nodiscard]] constexpr bool is_continuation(char byte) noexcept {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// Decodes the sequence at `position` (which must be inside `text`). An invalid one ends where the
/// Unicode Standard's "maximal subpart" ends (table 3-7), so each gives one U+FFFD, as Rust's
/// from_utf8_lossy and Python's errors="replace" do.
[[nodiscard]] constexpr decoded decode_utf8(std::string_view text, std::size_t position) noexcept {
    const auto lead = static_cast<unsigned char>(text[position]);
    if (lead < 0x80)
        return {lead, 1, true};
    if (lead < 0xC2 || lead > 0xF4)
        return {};
    const std::uint8_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    // The second byte's range is what excludes overlong forms, surrogates and codes past U+10FFFF.
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    char32_t code = lead & (0x7FU >> length);
    for (std::uint8_t i = 1; i < length; ++i) {
        const std::size_t at = position + i;
        const unsigned byte = at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
        if (byte < low || byte > high)
            return {replacement_character, i, false};
        code = code << 6 | (byte & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    return {code, length, true};
}

/// Appends the UTF-8 form of a code point; anything that is not a Unicode scalar value becomes
/// U+FFFD.
inline void append_utf8(std::string& out, char32_t code) {
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        code = replacement_character;
    const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
        return;
    }
    if (code < 0x800) {
        put(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        put(0xE0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3F));
    } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
        put(0x80 | (code >> 6 & 0x3F));
    }
    put(0x80 | (code & 0x3F));
}

/// Byte position of the first invalid sequence, or npos when all of `text` is UTF-8.
[[nodiscard]] inline std::size_t first_invalid_utf8(std::string_view text) noexcept {
    std::size_t position = 0;
    while (position < text.size()) {
        std::uint64_t eight = 0;
        if (position + sizeof eight <= text.size()) {
            std::memcpy(&eight, text.data() + position, sizeof eight);
            if ((eight & 0x8080808080808080U) == 0) {
                position += sizeof eight;
                continue;
            }
        }
        const decoded next = decode_utf8(text, position);
        if (!next.valid)
            return position;
        position += next.bytes;
    }
    return std::string_view::npos;
}

/// A copy in which each invalid sequence is one U+FFFD.
struct repaired_text {
    std::string text;
    std::size_t replaced = 0; ///< how many sequences were replaced
};

/// Replaces what is not UTF-8. The result is at most three times as long as `text`. Calls
/// `replaced(std::size_t before, std::size_t after)` behind each replacement, with the places in
/// both texts.
template <typename Replaced>
[[nodiscard]] repaired_text repair_utf8(std::string_view text, Replaced&& replaced) {
    repaired_text result;
    result.text.reserve(text.size());
    for (std::size_t position = 0; position < text.size();) {
        const decoded next = decode_utf8(text, position);
        if (next.valid) {
            result.text.append(text, position, next.bytes);
        } else {
            append_utf8(result.text, replacement_character);
            ++result.replaced;
            replaced(position + next.bytes, result.text.size());
        }
        position += next.bytes;
    }
    return result;
}

/// The same.
[[nodiscard]] inline repaired_text repair_utf8(std::string_view text) {
    return repair_utf8(text, [](std::size_t, std::size_t) {});
}

/// Code points as UTF-8; `Codes` is a range of char32_t.
template <class Codes> [[nodiscard]] std::string to_utf8(const Codes& codes) {
    std::string text;
    text.reserve(std::size(codes));
    for (const char32_t code : codes)
        append_utf8(text, code);
    return text;
}

} // namespace text
MICE_NAMESPACE_END
