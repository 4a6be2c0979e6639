// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mice::tools {

/// A table of short texts, for a terminal or a Markdown page. Cells may hold anything: they are
/// shown on one line, without control characters and, in Markdown, without markup.
struct text_table {
    enum class alignment { left, right };
    struct column {
        std::string title;
        alignment align = alignment::right;
    };
    std::vector<column> columns;
    std::vector<std::vector<std::string>> rows; ///< at most as many cells as there are columns

    /// Padded columns, two spaces apart. The first column is cut where lines would be longer than
    /// `width`.
    [[nodiscard]] std::string text(std::size_t width) const;
    [[nodiscard]] std::string markdown() const;
};

/// Text as Markdown shows it literally, on one line.
[[nodiscard]] std::string markdown_text(std::string_view text);

} // namespace mice::tools
