// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/traced_text.hpp>
#include <mice/text/unicode/compatibility.hpp>
#include <mice/text/unicode/nfc.hpp>

MICE_NAMESPACE_BEGIN
namespace text::detail {

/// Appends what a code point decomposes to: the first in its place, the others besides.
inline void append_changes(std::vector<code_change>& changes, const std::vector<char32_t>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i)
        changes.push_back({parts[i], i == 0 ? 0 : 1});
}

/// ASCII is in every form already.
[[nodiscard]] inline bool is_ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(),
                       [](char byte) { return static_cast<unsigned char>(byte) < 0x80; });
}

} // namespace text::detail
namespace text {

/// As to_form of a text alone, with the origins that Hugging Face's library gives: what is composed
/// has the origin of its first character.
[[nodiscard]] inline traced_text to_form(normal_form form, const traced_text& work) {
    if (detail::is_ascii(work.text))
        return work;
    const detail::normal_tables tables{normalizer_version::unicode_9_0};
    std::vector<code_change> changes;
    changes.reserve(work.text.size());
    std::vector<char32_t> parts;
    for (std::size_t at = 0; at < work.text.size();) {
        const decoded next = decode_utf8(work.text, at);
        parts.clear();
        if (form == normal_form::nfkc || form == normal_form::nfkd)
            detail::append_compatible(parts, next.code);
        else
            tables.append_parts(parts, next.code);
        detail::append_changes(changes, parts);
        at += next.bytes;
    }
    reorder_marks(changes,
                  [&tables](const code_change& each) { return tables.class_of(each.code); });
    if (form == normal_form::nfc || form == normal_form::nfkc)
        detail::compose_all(changes, tables);
    traced_text result;
    result.text.reserve(work.text.size());
    result.origins.reserve(work.text.size());
    origin_walk walk(work.text, work.origins);
    for (const code_change& each : changes)
        result.append(each.code, walk.next(each.change));
    return result;
}

} // namespace text
MICE_NAMESPACE_END
