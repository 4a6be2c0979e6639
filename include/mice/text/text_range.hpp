// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <mice/config.hpp>

// What a caller may give as texts.
MICE_NAMESPACE_BEGIN

/// A range of texts that outlive the call: std::string, std::string_view or const char* elements.
template <class Range>
concept text_range =
    std::ranges::input_range<Range> && !std::is_convertible_v<Range, std::string_view> &&
    std::is_convertible_v<std::ranges::range_reference_t<Range>, std::string_view> &&
    (std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>> ||
     std::is_trivially_copyable_v<std::remove_cvref_t<std::ranges::range_reference_t<Range>>>);

namespace detail {

/// Throws errc::invalid_argument: text `i` of the `kind` of texts, or the only one, is a null
/// pointer.
[[noreturn]] void refuse_null_text(std::string_view kind, std::size_t i);
[[noreturn]] void refuse_null_text(std::string_view name);

/// The texts of a range. Throws errc::invalid_argument for a null pointer among them; `kind` is
/// what one of them is called.
template <class Range>
[[nodiscard]] std::vector<std::string_view> views_of(const Range& texts, std::string_view kind) {
    std::vector<std::string_view> views;
    if constexpr (std::ranges::sized_range<Range>) {
        views.reserve(std::ranges::size(texts));
    }
    for (auto&& text : texts) {
        if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(text)>>) {
            if (text == nullptr) {
                refuse_null_text(kind, views.size());
            }
        }
        views.push_back(text);
    }
    return views;
}

/// A text given as a pointer. Throws errc::invalid_argument where it is null; `name` is what it is
/// called.
[[nodiscard]] inline std::string_view view_of(const char* text, std::string_view name) {
    if (text == nullptr) {
        refuse_null_text(name);
    }
    return text;
}

} // namespace detail
MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/text/text_range_impl.hpp>
#endif
