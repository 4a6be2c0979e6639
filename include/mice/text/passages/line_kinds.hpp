// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <mice/text/passages/kind.hpp>
#include <mice/text/passages/lines.hpp>
#include <mice/text/passages/unit.hpp>

// What a line is to the lines around it, for each kind of text. A blank line is never asked about.
MICE_NAMESPACE_BEGIN
namespace text {

enum class line_role : std::uint8_t {
    blank,     ///< but for the marks of a quotation
    begins,    ///< a paragraph or an item
    goes_on,   ///< with the paragraph or item before
    stands,    ///< by itself: code, a row of a table, an entry
    heading,   ///< by itself
    underline, ///< makes the paragraph before it a heading
};

struct line_fact {
    line_role role = line_role::begins;
    border before = border::paragraph;
    bool keeps_next = false; ///< what follows belongs to it
    std::size_t level = 0;   ///< of a heading
};

/// What is known where a line begins.
struct line_place {
    std::size_t blank = 0;  ///< blank lines before it
    bool paragraph = false; ///< the line before is in an open paragraph, which is no item
    bool item = false;      ///< ... in an open item
    std::string_view open;  ///< the text of what is open, or its first bytes
    bool first = false;     ///< the text's first line
};

/// Lines of source code.
class code_lines {
  public:
    [[nodiscard]] line_fact look(std::string_view line, const line_place& at) {
        const std::size_t indent = detail::indent_of(line);
        const std::string_view code = detail::trimmed(line);
        const border before = border_before(code, indent, at.blank > 0);
        const bool opens = detail::is_closer(code);
        last_indent_ = indent;
        last_closed_ = opens;
        return {line_role::stands, before, false, 0};
    }
    void restart() noexcept { last_indent_ = 0, last_closed_ = false; }

  private:
    [[nodiscard]] border border_before(std::string_view code, std::size_t indent,
                                       bool blank) const noexcept {
        if (detail::is_closer(code) || code.starts_with("* "))
            return border::joined;
        if (blank)
            return indent == 0 ? border::section : indent <= 4 ? border::item : border::row;
        if (indent < last_indent_)
            return indent == 0 ? border::paragraph : border::row;
        return last_closed_ && indent == last_indent_ ? border::row : border::line;
    }

    std::size_t last_indent_ = 0;
    bool last_closed_ = false;
};

/// Entries of a log; the lines of a stack trace belong to the entry before them.
class log_lines {
  public:
    [[nodiscard]] line_fact look(std::string_view line, const line_place& at) {
        const bool entry = detail::is_log_entry(line.substr(0, 64));
        dated_ = dated_ || entry;
        const bool indented = line.starts_with(' ') || line.starts_with('\t');
        const bool belongs = indented || (dated_ && !entry);
        return {line_role::stands,
                belongs        ? border::joined
                : at.blank > 0 ? border::paragraph
                               : border::line,
                false, 0};
    }

  private:
    bool dated_ = false; // entries begin with a date
};

/// Paragraphs.
class plain_lines {
  public:
    [[nodiscard]] line_fact look(std::string_view line, const line_place& at) const {
        const detail::list_marker marker = detail::marker_of(detail::trimmed(line.substr(0, 256)));
        const bool open = at.paragraph || at.item;
        if (marker.bytes > 0 && (marker.first || at.item || !open))
            return {line_role::begins, detail::indent_of(line) < 4 ? border::item : border::row,
                    false, 0};
        if (open && at.blank == 0)
            return {line_role::goes_on, border::line, false, 0};
        return {line_role::begins, at.blank > 1 ? border::section : border::paragraph, false, 0};
    }
};

/// Blocks of Markdown: CommonMark's, tables and front matter.
class markdown_lines {
  public:
    [[nodiscard]] line_fact look(std::string_view line, const line_place& at) {
        if (at.first && line.starts_with(byte_order_mark))
            line.remove_prefix(byte_order_mark.size());
        std::size_t depth = 0; // of quotation
        while (detail::indent_of(line) < 4 && detail::trimmed(line).starts_with('>')) {
            line.remove_prefix(line.find('>') + 1);
            if (line.starts_with(' '))
                line.remove_prefix(1);
            ++depth;
        }
        if (in_front_matter(line, at))
            return {line_role::stands, at.first ? border::always : border::line, false, 0};
        const std::size_t indent = detail::indent_of(line);
        const std::string_view text = detail::trimmed(line);
        if (fence_ != 0)
            return in_fence(line, text, depth, at);
        if (text.empty()) {
            table_row_ = 0;
            return {line_role::blank, border::paragraph, false, 0};
        }
        return block(text, indent, depth, at);
    }

    /// A blank line.
    void blank() noexcept { table_row_ = 0; }

  private:
    static constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

    [[nodiscard]] bool in_front_matter(std::string_view line, const line_place& at) noexcept {
        constexpr std::size_t longest = 1000; // lines; longer ones are no front matter
        if (at.first && line.starts_with("---") && detail::is_row_of(line, '-'))
            front_matter_ = longest;
        else if (front_matter_ > 0)
            --front_matter_;
        else
            return false;
        if (!at.first && (detail::is_row_of(line, '-') || line.starts_with("...")))
            front_matter_ = 0, begins_text_ = true;
        return true;
    }

    [[nodiscard]] line_fact in_fence(std::string_view line, std::string_view text,
                                     std::size_t depth, const line_place& at) {
        if (depth < fence_depth_) { // the quotation ended, and the fence with it
            fence_ = 0;
            return block(text, detail::indent_of(line), depth, at);
        }
        const bool closes = text.size() >= fence_size_ && detail::is_row_of(text, fence_) &&
                            detail::indent_of(line) <= fence_indent_ + 3;
        if (closes) {
            fence_ = 0;
            return {line_role::stands, border::joined, false, 0};
        }
        line_fact fact = code_.look(line, at);
        fact.before = std::min(fact.before, border::row);
        return fact;
    }

    [[nodiscard]] line_fact block(std::string_view text, std::size_t indent, std::size_t depth,
                                  const line_place& at) {
        const border fresh = begins_text_               ? border::section
                             : at.blank > 0 || at.first ? border::paragraph
                                                        : border::line;
        begins_text_ = false;
        const bool in_list = list_indent_ > 0 && (indent >= list_indent_ || at.blank == 0);
        const std::size_t base = in_list ? std::min(indent, list_indent_) : 0;
        const bool indented = indent >= base + 4;
        if (const std::size_t fence = indented ? 0 : detail::fence_of(text); fence > 0) {
            fence_ = text[0];
            fence_size_ = fence;
            fence_depth_ = depth;
            fence_indent_ = indent;
            code_.restart();
            return {line_role::stands, fresh, true, 0};
        }
        if (const std::size_t level = indented ? 0 : detail::heading_level(text); level > 0) {
            list_indent_ = 0;
            // In a quotation or a list it is no part of the file's own outline.
            if (depth > 0 || indent > 3)
                return {line_role::stands, fresh, true, 0};
            return {line_role::heading, heading_border(level), true, level};
        }
        if (at.paragraph && at.blank == 0 && indent < 4 && depth == 0)
            for (const char mark : {'=', '-'})
                if (detail::is_row_of(text, mark))
                    return {line_role::underline, border::joined, true, mark == '=' ? 1U : 2U};
        if (!indented && detail::is_thematic_break(text)) {
            list_indent_ = 0;
            return {line_role::stands, border::section, true, 0};
        }
        if (const line_fact row = table_row(text, indented, at); row.role == line_role::stands)
            return row;
        if (const detail::list_marker marker = detail::marker_of(text);
            !indented && marker.bytes > 0 && (marker.first || at.item || !at.paragraph)) {
            const bool inner = list_indent_ > 0 && indent >= 2;
            list_indent_ = indent + marker.bytes;
            return {line_role::begins, inner ? border::row : border::item, false, 0};
        }
        if ((at.paragraph || at.item) && at.blank == 0)
            return {line_role::goes_on, border::line, false, 0};
        if (indented && (at.blank > 0 || at.first || !at.paragraph))
            return {line_role::stands, at.blank > 0 ? border::row : border::line, false, 0};
        const bool belongs = list_indent_ > 0 && indent >= std::min<std::size_t>(list_indent_, 4);
        if (!belongs)
            list_indent_ = 0;
        return {line_role::begins, belongs ? border::row : fresh, false, 0};
    }

    /// Rows of a table; another role where the line is none.
    [[nodiscard]] line_fact table_row(std::string_view text, bool indented, const line_place& at) {
        const bool bar = text.find('|') != text.npos;
        if (indented || !bar) {
            table_row_ = 0;
            return {};
        }
        const bool begins = text[0] == '|' && !at.item;
        const bool rule = detail::is_table_rule(text);
        if (table_row_ == 0 && rule && at.paragraph && at.blank == 0 &&
            at.open.find('|') != at.open.npos)
            table_row_ = 1; // the line before was its head
        if (table_row_ == 0 && !begins)
            return {};
        ++table_row_;
        const border before = table_row_ == 1   ? (at.blank > 0 ? border::paragraph : border::line)
                              : table_row_ <= 3 ? border::joined
                                                : border::row;
        return {line_role::stands, before, false, 0};
    }

    code_lines code_;
    char fence_ = 0; // the character of the open fence
    std::size_t fence_size_ = 0, fence_depth_ = 0, fence_indent_ = 0;
    std::size_t front_matter_ = 0; // lines that it may still have
    bool begins_text_ = false;     // front matter has ended
    std::size_t list_indent_ = 0;  // where the text of the last item begins; 0: in no list
    std::size_t table_row_ = 0;
};

} // namespace text
MICE_NAMESPACE_END
