// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <mice/text/unicode/utf8.hpp>

namespace mice::tools {

/// The most bytes, `most` or fewer, to which a text can be cut without parting a UTF-8 sequence.
[[nodiscard]] constexpr std::size_t whole_characters(std::string_view text, std::size_t most) {
    std::size_t size = std::min(text.size(), most);
    while (size > 0 && size < text.size() && text::is_continuation(text[size])) {
        --size;
    }
    return size;
}

} // namespace mice::tools
