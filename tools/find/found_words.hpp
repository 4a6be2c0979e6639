// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace mice::find {

/// A part of a text, in bytes.
struct text_part {
    std::size_t begin = 0, end = 0;

    friend bool operator==(const text_part&, const text_part&) = default;
};

/// The words of a passage that a line as parse_query() reads it looks for, in the order of the
/// passage: also in other forms, as they are found. Beginnings (begin*) count, what is asked of
/// paths does not.
[[nodiscard]] std::vector<text_part> found_words(std::string_view passage, std::string_view line);

} // namespace mice::find
