// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include <mice/config.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unicode/utf8.hpp>

// What lines look like, for the kinds of text that consist of lines.
MICE_NAMESPACE_BEGIN
namespace text::detail {

[[nodiscard]] constexpr bool is_blank(char c) noexcept {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
[[nodiscard]] constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Bytes of white space (Unicode's) that `text` begins with.
[[nodiscard]] inline std::size_t leading_space(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size()) {
        if (static_cast<unsigned char>(text[at]) < 0x80) {
            if (!is_blank(text[at]))
                break;
            ++at;
            continue;
        }
        const decoded next = decode_utf8(text, at);
        if (!next.valid || !is_whitespace(next.code))
            break;
        at += next.bytes;
    }
    return at;
}

/// Bytes of `text` without the white space at its end.
[[nodiscard]] inline std::size_t trimmed_size(std::string_view text) noexcept {
    std::size_t end = text.size();
    while (end > 0) {
        if (static_cast<unsigned char>(text[end - 1]) < 0x80) {
            if (!is_blank(text[end - 1]))
                break;
            --end;
            continue;
        }
        std::size_t first = end - 1;
        while (first > 0 && end - first < 4 && is_continuation(text[first]))
            --first;
        const decoded last = decode_utf8(text, first);
        if (!last.valid || first + last.bytes != end || !is_whitespace(last.code))
            break;
        end = first;
    }
    return end;
}

[[nodiscard]] inline std::string_view trimmed(std::string_view text) noexcept {
    text.remove_prefix(leading_space(text));
    return text.substr(0, trimmed_size(text));
}

/// Columns that a line is indented by; a tab goes to the next multiple of four.
[[nodiscard]] constexpr std::size_t indent_of(std::string_view line) noexcept {
    constexpr std::size_t tab = 4, most = 256;
    std::size_t columns = 0;
    for (const char c : line) {
        if (columns > most || (c != ' ' && c != '\t'))
            break;
        columns = c == ' ' ? columns + 1 : columns / tab * tab + tab;
    }
    return columns;
}

/// A list item's marker; bytes is 0 where a line (without its indent) has none.
struct list_marker {
    std::size_t bytes = 0; ///< with the space behind it
    bool first = true;     ///< may begin a list in the middle of a paragraph
};

[[nodiscard]] constexpr list_marker marker_of(std::string_view line) noexcept {
    constexpr std::string_view bullet = "\xe2\x80\xa2"; // U+2022
    const auto spaced = [line](std::size_t at) {
        return at == line.size() || line[at] == ' ' || line[at] == '\t';
    };
    if (line.empty())
        return {};
    if ((line[0] == '-' || line[0] == '*' || line[0] == '+') && line.size() > 1 && spaced(1))
        return {2, true};
    if (line.starts_with(bullet))
        return {bullet.size(), true};
    std::size_t digits = 0;
    while (digits < line.size() && digits < 9 && is_digit(line[digits]))
        ++digits;
    if (digits == 0 || digits + 1 >= line.size() || (line[digits] != '.' && line[digits] != ')') ||
        !spaced(digits + 1))
        return {};
    return {digits + 2, digits == 1 && line[0] == '1'};
}

/// Level of an ATX heading (a line without its indent), 0 for another line.
[[nodiscard]] constexpr std::size_t heading_level(std::string_view line) noexcept {
    constexpr std::size_t deepest = 6;
    std::size_t level = 0;
    while (level < line.size() && line[level] == '#')
        ++level;
    const bool ends = level == line.size() || line[level] == ' ' || line[level] == '\t';
    return level <= deepest && ends ? level : 0;
}

/// Whether the line consists of that character alone, and white space behind it.
[[nodiscard]] constexpr bool is_row_of(std::string_view line, char c) noexcept {
    std::size_t at = 0;
    while (at < line.size() && line[at] == c)
        ++at;
    if (at == 0)
        return false;
    while (at < line.size() && is_blank(line[at]))
        ++at;
    return at == line.size();
}

/// Whether the line is a thematic break of Markdown (`---`, `* * *`, `___`).
[[nodiscard]] constexpr bool is_thematic_break(std::string_view line) noexcept {
    std::size_t count = 0;
    char mark = 0;
    for (const char c : line) {
        if (is_blank(c))
            continue;
        if ((c != '-' && c != '*' && c != '_') || (mark != 0 && c != mark))
            return false;
        mark = c;
        ++count;
    }
    return count >= 3;
}

/// Whether the line is the one under a table's head (`--- | :---:`).
[[nodiscard]] constexpr bool is_table_rule(std::string_view line) noexcept {
    bool dash = false, bar = false;
    for (const char c : line) {
        if (c != '-' && c != '|' && c != ':' && !is_blank(c))
            return false;
        dash = dash || c == '-';
        bar = bar || c == '|';
    }
    return dash && bar;
}

/// The characters of a code fence that the line begins with, 0 where there is none.
[[nodiscard]] constexpr std::size_t fence_of(std::string_view line) noexcept {
    if (line.empty() || (line[0] != '`' && line[0] != '~'))
        return 0;
    std::size_t length = 0;
    while (length < line.size() && line[length] == line[0])
        ++length;
    if (length < 3 || (line[0] == '`' && line.find('`', length) != line.npos))
        return 0;
    return length;
}

/// Whether the line begins as an entry of a log does: with a date or time, perhaps in brackets, or
/// an address and a date.
[[nodiscard]] constexpr bool is_log_entry(std::string_view line) noexcept {
    constexpr std::size_t looked_at = 48;
    line = line.substr(0, looked_at);
    std::size_t at = 0;
    while (at < line.size() && (line[at] == '[' || line[at] == '<' || line[at] == '('))
        ++at;
    // "12:34:56", "2024-05-01", "May  1 12:34:56", "[ 1234.567890]", "127.0.0.1 - - [01/May/2024:"
    std::size_t colons = 0, dashes = 0, digits = 0;
    for (std::size_t i = at; i < line.size(); ++i) {
        const char c = line[i];
        const bool between = i > 0 && i + 1 < line.size() && is_digit(line[i - 1]);
        digits += is_digit(c) ? 1U : 0U;
        if (between && is_digit(line[i + 1])) {
            colons += c == ':' ? 1U : 0U;
            dashes += c == '-' || c == '/' || c == '.' ? 1U : 0U;
        }
        if (colons >= 2 && digits >= 5)
            return i < 44;
        if (i - at <= 10 && dashes >= 2 && digits >= 8 && c != '.')
            return true;
    }
    return false;
}

/// Whether a line of code (without its indent) closes what lines before it opened.
[[nodiscard]] constexpr bool is_closer(std::string_view line) noexcept {
    return !line.empty() && (line[0] == '}' || line[0] == ')' || line[0] == ']' || line == "end" ||
                             line.starts_with("end ") || line.starts_with("end;") ||
                             line.starts_with("*/") || line.starts_with("</"));
}

} // namespace text::detail
MICE_NAMESPACE_END
