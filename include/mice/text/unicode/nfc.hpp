// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/unicode/unicode.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// The Unicode version of a normalization. A character that is younger stays as it is and moves no
/// other.
enum class normalizer_version {
    unicode_9_0, ///< that of Hugging Face's normalizers
    unicode_15_0
};

/// Whether no code point of valid UTF-8 is U+0300 or above: such a text is its own NFC.
[[nodiscard]] inline bool is_below_marks(std::string_view text) noexcept {
    // 0xCC is the first byte of U+0300; continuation bytes are smaller.
    return std::none_of(text.begin(), text.end(),
                        [](char byte) { return static_cast<unsigned char>(byte) >= 0xCC; });
}

namespace detail {

/// The tables of a version. `normalizes` is set where Unicode 9.0 has a decomposition or a class.
struct normal_tables {
    normalizer_version version;

    [[nodiscard]] bool knows(char32_t code) const noexcept {
        return version == normalizer_version::unicode_15_0 ||
               has(bert_flags(code), bert_flag::normalizes);
    }
    [[nodiscard]] std::uint8_t class_of(char32_t code) const noexcept {
        return knows(code) ? combining_class(code) : std::uint8_t{0};
    }
    [[nodiscard]] char32_t composed(char32_t first, char32_t second) const noexcept {
        const char32_t composite = compose(first, second);
        return composite != 0 && knows(composite) ? composite : 0;
    }
    void append_parts(std::vector<char32_t>& codes, char32_t code) const {
        if (!knows(code)) {
            codes.push_back(code);
            return;
        }
        const mapping parts = decompose(code);
        for (const char32_t part : parts.view())
            codes.push_back(part);
    }
};

[[nodiscard]] inline char32_t code_of(char32_t code) noexcept {
    return code;
}
inline void join(char32_t& starter, char32_t composite, char32_t /*taken*/) noexcept {
    starter = composite;
}

/// The Unicode Standard's canonical composition (D117) of decomposed and ordered code points; of
/// `Code` there are `code_of(code)` and `join(starter, composite, taken)`.
template <class Code> void compose_all(std::vector<Code>& codes, const normal_tables& tables) {
    constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
    std::size_t starter = none, size = 0;
    std::uint8_t last_class = 0; // of the last character kept
    for (const Code code : codes) {
        const std::uint8_t own_class = tables.class_of(code_of(code));
        // In canonical order only the neighbour can block a mark from its starter.
        if (starter != none && (starter + 1 == size || last_class < own_class)) {
            const char32_t composite = tables.composed(code_of(codes[starter]), code_of(code));
            if (composite != 0) {
                join(codes[starter], composite, code);
                continue;
            }
        }
        if (own_class == 0)
            starter = size;
        last_class = own_class;
        codes[size++] = code;
    }
    codes.resize(size);
}

} // namespace detail

/// Normalization form C of a text; invalid UTF-8 becomes U+FFFD. Time is n log n in the longest run
/// of marks, memory follows the longest run without ASCII.
[[nodiscard]] inline std::string
nfc(std::string_view text, normalizer_version version = normalizer_version::unicode_15_0) {
    const detail::normal_tables tables{version};
    const auto ascii = [text](std::size_t at) {
        return static_cast<unsigned char>(text[at]) < 0x80;
    };
    std::string result;
    result.reserve(text.size());
    std::vector<char32_t> codes;
    for (std::size_t position = 0; position < text.size();) {
        // An ASCII character never joins what is before it, so it begins a new segment.
        std::size_t stop = position + 1;
        while (stop < text.size() && !ascii(stop))
            ++stop;
        if (stop == position + 1 && ascii(position)) {
            result += text[position++];
            continue;
        }
        codes.clear();
        while (position < stop) {
            const decoded next = decode_utf8(text, position);
            tables.append_parts(codes, next.code);
            position += next.bytes;
        }
        reorder_marks(codes, [&tables](char32_t code) { return tables.class_of(code); });
        detail::compose_all(codes, tables);
        for (const char32_t code : codes)
            append_utf8(result, code);
    }
    return result;
}

} // namespace text
MICE_NAMESPACE_END
