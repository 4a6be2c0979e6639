// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Hugging Face's normalizers do with Unicode 9.0 beyond NFC.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/unicode/nfc.hpp>
#include <mice/text/unicode/normalizer_data.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// The marks (M) of Unicode 9.0, which Hugging Face's StripAccents drops.
[[nodiscard]] constexpr bool is_accent(char32_t code) noexcept {
    const auto run =
        std::lower_bound(data::accent_runs.begin(), data::accent_runs.end(), code,
                         [](const data::code_run& entry, char32_t c) { return entry.last < c; });
    return run != data::accent_runs.end() && run->first <= code;
}

/// A Unicode normalization form.
enum class normal_form { nfc, nfd, nfkc, nfkd };

namespace detail {

inline void append_compatible(std::vector<char32_t>& codes, char32_t code) {
    const std::u32string_view parts = sequence_of(
        data::compatibility_codes, data::compatibility_places, data::compatibility_pool, code);
    if (!parts.empty()) {
        for (const char32_t part : parts)
            codes.push_back(part);
    } else {
        normal_tables{normalizer_version::unicode_9_0}.append_parts(codes, code);
    }
}

} // namespace detail

/// The form of a text in Unicode 9.0, as the Hugging Face library's normalizers have it. Time is n
/// log n in the longest run of marks.
[[nodiscard]] inline std::string to_form(normal_form form, std::string_view text) {
    const detail::normal_tables tables{normalizer_version::unicode_9_0};
    if (form == normal_form::nfc)
        return nfc(text, tables.version);
    if (std::all_of(text.begin(), text.end(),
                    [](char byte) { return static_cast<unsigned char>(byte) < 0x80; }))
        return std::string(text);
    std::vector<char32_t> codes;
    codes.reserve(text.size());
    for (std::size_t position = 0; position < text.size();) {
        const decoded next = decode_utf8(text, position);
        if (form == normal_form::nfd)
            tables.append_parts(codes, next.code);
        else
            detail::append_compatible(codes, next.code);
        position += next.bytes;
    }
    reorder_marks(codes, [&tables](char32_t code) { return tables.class_of(code); });
    if (form == normal_form::nfkc)
        detail::compose_all(codes, tables);
    return to_utf8(codes);
}

} // namespace text
MICE_NAMESPACE_END
