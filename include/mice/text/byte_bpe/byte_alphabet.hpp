// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

namespace detail {

[[nodiscard]] constexpr bool stands_for_itself(unsigned byte) noexcept {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

inline constexpr std::array<char32_t, 256> byte_characters = [] {
    std::array<char32_t, 256> table{};
    char32_t fresh = 0x100;
    for (unsigned byte = 0; byte < table.size(); ++byte)
        table[byte] = stands_for_itself(byte) ? char32_t{byte} : fresh++;
    return table;
}();

/// The byte that a character stands for, or -1.
inline constexpr std::array<std::int16_t, 0x144> character_bytes = [] {
    std::array<std::int16_t, 0x144> table{};
    table.fill(-1);
    for (std::size_t byte = 0; byte < byte_characters.size(); ++byte)
        table[byte_characters[byte]] = static_cast<std::int16_t>(byte);
    return table;
}();

} // namespace detail

/// The character of a byte in GPT-2's alphabet, so that tokens of any bytes can be written as text:
/// printable bytes of Latin-1 stand for themselves, the others follow from U+0100 on.
[[nodiscard]] constexpr char32_t byte_character(std::uint8_t byte) noexcept {
    return detail::byte_characters[byte];
}

/// The bytes that a token spells; nothing where a character is outside the alphabet.
[[nodiscard]] inline std::optional<std::string> spelled_bytes(std::string_view token) {
    std::string bytes;
    bytes.reserve(token.size());
    for (std::size_t position = 0; position < token.size();) {
        const decoded next = decode_utf8(token, position);
        if (!next.valid || next.code >= detail::character_bytes.size() ||
            detail::character_bytes[next.code] < 0)
            return std::nullopt;
        bytes += static_cast<char>(detail::character_bytes[next.code]);
        position += next.bytes;
    }
    return bytes;
}

} // namespace text
MICE_NAMESPACE_END
