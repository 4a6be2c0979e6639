// SPDX-License-Identifier: Apache-2.0
#include "common/text_table.hpp"

#include <algorithm>
#include <numeric>

#include "common/terminal.hpp"

namespace mice::tools {
namespace {

/// One line of padded cells, without spaces at its end.
std::string padded_line(const std::vector<std::string>& cells,
                        const std::vector<text_table::column>& columns,
                        const std::vector<std::size_t>& widths) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const std::string cell = i < cells.size() ? cells[i] : "";
        const std::size_t width = display_width(cell);
        const std::string space(widths[i] > width ? widths[i] - width : 0, ' ');
        line += i == 0 ? "" : "  ";
        line += columns[i].align == text_table::alignment::left ? cell + space : space + cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
}

} // namespace

std::string text_table::text(std::size_t width) const {
    std::vector<std::vector<std::string>> lines(1);
    for (const column& each : columns) {
        lines[0].push_back(each.title);
    }
    lines.insert(lines.end(), rows.begin(), rows.end());
    std::vector<std::size_t> widths(columns.size());
    for (std::vector<std::string>& line : lines) {
        line.resize(columns.size());
        for (std::size_t i = 0; i < columns.size(); ++i) {
            line[i] = printable(line[i]);
            widths[i] = std::max(widths[i], display_width(line[i]));
        }
    }
    if (!columns.empty()) {
        constexpr std::size_t narrowest = 10;
        const std::size_t others = std::accumulate(widths.begin() + 1, widths.end(),
                                                   std::size_t{2} * (columns.size() - 1));
        const std::size_t room = std::max(narrowest, width > others ? width - others : 0);
        widths[0] = std::min(widths[0], room);
    }
    std::string result;
    for (std::vector<std::string>& line : lines) {
        if (!line.empty()) {
            line[0] = fit(line[0], widths[0]);
        }
        result += padded_line(line, columns, widths);
    }
    return result;
}

std::string text_table::markdown() const {
    std::string result = "|";
    for (const column& each : columns) {
        result += " " + markdown_text(each.title) + " |";
    }
    result += "\n|";
    for (const column& each : columns) {
        result += each.align == alignment::left ? " --- |" : " ---: |";
    }
    result += "\n";
    for (const std::vector<std::string>& row : rows) {
        result += "|";
        for (std::size_t i = 0; i < columns.size(); ++i) {
            result += " " + (i < row.size() ? markdown_text(row[i]) : std::string()) + " |";
        }
        result += "\n";
    }
    return result;
}

std::string markdown_text(std::string_view text) {
    constexpr std::string_view markup = "\\`*_[]|~$";
    std::string result;
    for (const char c : printable(text)) {
        if (c == '<') {
            result += "&lt;";
        } else if (c == '>') {
            result += "&gt;";
        } else if (c == '&') {
            result += "&amp;";
        } else {
            result += markup.find(c) == std::string_view::npos ? "" : "\\";
            result += c;
        }
    }
    return result;
}

} // namespace mice::tools
