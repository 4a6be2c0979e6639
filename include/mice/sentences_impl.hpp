// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <mice/sentences.hpp>
#include <mice/text/passages/lines.hpp>
#include <mice/text/passages/prose.hpp>

MICE_NAMESPACE_BEGIN

MICE_INLINE std::vector<sentence> sentences(std::string_view text) {
    std::vector<sentence> found;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text::sentence_end(text, at);
        const std::string_view whole = text.substr(at, end - at);
        const std::size_t space = text::detail::leading_space(whole);
        if (space < whole.size())
            found.push_back({at + space, at + text::detail::trimmed_size(whole)});
        at = end;
    }
    return found;
}

MICE_NAMESPACE_END
