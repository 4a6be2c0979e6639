// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <mice/config.hpp>
#include <mice/text/passages/abbreviations.hpp>
#include <mice/text/passages/lines.hpp>
#include <mice/text/passages/sentence_rules.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unicode/utf8.hpp>

// Where sentences end in the texts of people: Unicode's rules, and what they leave to a language.
MICE_NAMESPACE_BEGIN
namespace text {

namespace detail {

/// What a byte may be to the end of a sentence.
enum class prose_byte : std::uint8_t { plain, stop, line_end, page_end, more };

inline constexpr std::array<prose_byte, 256> prose_bytes = [] {
    std::array<prose_byte, 256> kinds{};
    kinds['.'] = kinds['!'] = kinds['?'] = prose_byte::stop;
    kinds['\n'] = kinds['\r'] = prose_byte::line_end;
    kinds['\f'] = kinds['\v'] = prose_byte::page_end;
    for (std::size_t byte = 0x80; byte < kinds.size(); ++byte)
        kinds[byte] = prose_byte::more;
    return kinds;
}();

/// Thai and Lao have no mark between sentences, but a space.
[[nodiscard]] constexpr bool is_thai(char32_t code) noexcept {
    return code >= 0xE00 && code <= 0xEFF;
}

/// Finds the end of one sentence.
class prose_scanner {
  public:
    prose_scanner(std::string_view text, std::size_t begin) noexcept : text_(text), begin_(begin) {}

    [[nodiscard]] std::size_t end() {
        std::size_t at = begin_;
        while (at < text_.size()) {
            const auto byte = static_cast<unsigned char>(text_[at]);
            switch (prose_bytes[byte]) {
            case prose_byte::plain:
                ++at;
                continue;
            case prose_byte::stop:
                if (ends_at_stop(at))
                    return at;
                continue;
            case prose_byte::line_end:
                if (ends_at_line(at))
                    return at;
                continue;
            case prose_byte::page_end:
                return past_space(at);
            case prose_byte::more:
                if (ends_beyond_ascii(at))
                    return at;
            }
        }
        return at;
    }

  private:
    /// Past all white space from there.
    [[nodiscard]] std::size_t past_space(std::size_t at) const {
        return at + leading_space(text_.substr(at));
    }

    [[nodiscard]] decoded look(std::size_t at) const {
        return at < text_.size() ? decode_utf8(text_, at) : decoded{0, 0, false};
    }
    [[nodiscard]] sentence_class kind_at(std::size_t at) const {
        return at < text_.size() ? sentence_class_of(decode_utf8(text_, at).code)
                                 : sentence_class::other;
    }

    /// A code point that is not ASCII.
    [[nodiscard]] bool ends_beyond_ascii(std::size_t& at) {
        const decoded here = decode_utf8(text_, at);
        const sentence_class kind = sentence_class_of(here.code);
        if (is_terminator(kind))
            return ends_at_stop(at);
        at += here.bytes;
        if (kind == sentence_class::separator) {
            at = past_space(at);
            return true;
        }
        constexpr std::size_t shortest = 24; // bytes: eight letters
        if (!is_thai(here.code) || at >= text_.size() || text_[at] != ' ' || at - begin_ < shortest)
            return false;
        const std::size_t next = past_space(at);
        const bool ends = next < text_.size() && is_thai(look(next).code) &&
                          !is_decimal(look(next).code) && !is_decimal(here.code);
        at = next;
        return ends;
    }
    [[nodiscard]] static bool is_decimal(char32_t code) {
        return sentence_class_of(code) == sentence_class::numeric;
    }

    /// A line's end: white space, unless a paragraph or a list item ends there, or the line was
    /// ended before its time.
    [[nodiscard]] bool ends_at_line(std::size_t& at) {
        const std::size_t line_end = at;
        at += text_.substr(at, 2) == "\r\n" ? 2 : 1;
        const std::size_t next_line = at;
        at = past_space(at);
        if (at == text_.size())
            return true;
        const std::string_view between = text_.substr(next_line, at - next_line);
        if (between.find_first_of("\n\r\v\f") != between.npos)
            return true;
        const std::string_view next = text_.substr(at, 16);
        if (next[0] == '|' || next[0] == '>' || heading_level(next.substr(0, next.find('\n'))) > 0)
            return true;
        if (const list_marker marker = marker_of(next); marker.bytes > 0 && marker.first)
            return true;
        return is_short_line(line_end) && !is_small(at);
    }

    [[nodiscard]] bool is_small(std::size_t at) const {
        at += leading_space(text_.substr(at));
        while (at < text_.size() && kind_at(at) == sentence_class::close)
            at += look(at).bytes;
        const sentence_class kind = kind_at(at);
        return at < text_.size() && kind == sentence_class::lower;
    }

    /// Whether the line that ends there is a title, a verse or the like.
    [[nodiscard]] bool is_short_line(std::size_t end) const {
        constexpr std::size_t short_line = 40; // bytes
        std::size_t start = end;
        while (start > 0 && end - start <= short_line && text_[start - 1] != '\n' &&
               text_[start - 1] != '\r')
            --start;
        const std::string_view line = trimmed(text_.substr(start, end - start));
        return end - start < short_line && !line.empty() && line.back() != ',' &&
               line.back() != '-' && line.back() != ';';
    }

    /// A terminator. Leaves `at` behind the sentence, or behind the terminator.
    [[nodiscard]] bool ends_at_stop(std::size_t& at) {
        const std::size_t stop = at;
        const decoded mark = decode_utf8(text_, at);
        const bool dot = sentence_class_of(mark.code) == sentence_class::dot;
        const bool narrow = mark.code < 0x80 || mark.code == 0x2024;
        std::size_t end = at + mark.bytes;
        at = end;
        // More terminators ("?!", "..."), marks and what closes.
        bool several = false, quoted = false;
        for (; end < text_.size(); end += look(end).bytes) {
            const sentence_class kind = kind_at(end);
            if (is_terminator(kind) && !quoted)
                several = true;
            else if (kind == sentence_class::close && !opens(end, narrow))
                quoted = true;
            else if (!is_mark(kind))
                break;
        }
        if (narrow && text_.substr(end, 1) == "[")
            end = past_citations(end);
        const std::size_t next = past_space(end);
        at = end;
        if (next == text_.size() || has_paragraph_end(end, next) || begins_item(end, next)) {
            at = next;
            return true;
        }
        if (narrow && next == end) // inside an address, a number or a name
            return false;
        if (goes_on(next, dot, narrow, quoted) ||
            (dot && narrow && !several && !quoted && is_abbreviation(stop, next)))
            return at = next, false;
        at = next;
        return true;
    }

    /// Brackets and quotes that open are of the class Close, too. Behind a full stop without a
    /// space, a quote closes: so do German ones, which open in English.
    [[nodiscard]] bool opens(std::size_t at, bool narrow) const {
        const category kind = general_category(look(at).code);
        return kind == category::ps || (kind == category::pi && !narrow);
    }

    /// Past marks of sources ("[12][3]").
    [[nodiscard]] std::size_t past_citations(std::size_t at) const {
        constexpr std::size_t longest = 6;
        while (at < text_.size() && text_[at] == '[') {
            std::size_t close = at + 1;
            while (close < text_.size() && close - at < longest &&
                   (is_digit(text_[close]) || is_letter(text_[close])))
                ++close;
            if (close >= text_.size() || text_[close] != ']')
                break;
            at = close + 1;
        }
        return at;
    }

    [[nodiscard]] bool has_paragraph_end(std::size_t from, std::size_t to) const {
        std::size_t lines = 0;
        for (; from < to; ++from) {
            lines += text_[from] == '\n' ||
                     (text_[from] == '\r' && text_.substr(from + 1, 1) != std::string_view("\n"));
            if (lines > 1 || text_[from] == '\f' || text_[from] == '\v')
                return true;
        }
        return false;
    }

    /// Whether a list item begins at `to`, on a line of its own.
    [[nodiscard]] bool begins_item(std::size_t from, std::size_t to) const {
        const list_marker marker = marker_of(text_.substr(to, 16));
        return marker.bytes > 0 && marker.first &&
               text_.substr(from, to - from).find_first_of("\n\r") != std::string_view::npos;
    }

    /// Whether what follows belongs to the sentence.
    [[nodiscard]] bool goes_on(std::size_t next, bool dot, bool narrow, bool quoted) const {
        const decoded first = look(next);
        const sentence_class kind = sentence_class_of(first.code);
        constexpr std::string_view quotes = "\xe3\x81\xa8"; // U+3068, behind what somebody said
        if (!narrow)
            return kind == sentence_class::goes_on ||
                   (quoted && text_.substr(next).starts_with(quotes)) ||
                   (dot && kind == sentence_class::numeric);
        if (kind == sentence_class::goes_on && marker_of(text_.substr(next, 12)).bytes == 0)
            return first.code != '-' || dot;
        constexpr std::size_t farthest = 32;
        std::size_t at = next;
        while (at < text_.size() && at - next < farthest) {
            const sentence_class here = kind_at(at);
            if (here == sentence_class::lower)
                return true;
            if (here == sentence_class::upper || here == sentence_class::letter ||
                here == sentence_class::numeric || is_paragraph_end(here) || is_terminator(here))
                return false;
            at += look(at).bytes;
        }
        return false;
    }

    /// Whether the full stop at `stop` belongs to the word before it; `next` is what follows.
    [[nodiscard]] bool is_abbreviation(std::size_t stop, std::size_t next) const {
        const std::size_t first = word_before(stop);
        if (first == stop)
            return false;
        const std::string_view word = text_.substr(first, stop - first);
        constexpr std::size_t longest = 24;
        if (word.size() > longest)
            return false;
        const bool leads = trimmed(text_.substr(begin_, first - begin_)).size() <= 1;
        if (word.find_first_not_of("0123456789") == word.npos)
            return word.size() <= 3 && (leads || (word.size() <= 2 && before_ordinal(next)));
        const decoded letter = decode_utf8(word, 0);
        const bool single = letter.bytes == word.size();
        if (single && (leads || sentence_class_of(letter.code) == sentence_class::upper))
            return true;
        const std::string small = lower(word);
        if (lists(always_followed, small))
            return true;
        if (lists(before_numbers, small))
            return kind_at(next) == sentence_class::numeric;
        return (lists(perhaps_last, small) || is_dotted(word)) &&
               !lists(beginnings, lower(word_at(next)));
    }

    /// Where the word ends that begins behind white space or a bracket and stops at `stop`.
    [[nodiscard]] std::size_t word_before(std::size_t stop) const {
        constexpr std::size_t longest = 32;
        std::size_t first = stop;
        while (first > begin_ && stop - first < longest) {
            const char before = text_[first - 1];
            if (is_blank(before) || before == '(' || before == '[' || before == '"' ||
                before == '\'' || before == '*' || before == '_' || before == '/')
                break;
            --first;
        }
        constexpr std::string_view spaces = "\xc2\xa0\xe2\x80\x9c\xe2\x80\x9e\xc2\xab";
        for (const std::string_view mark :
             {spaces.substr(0, 2), spaces.substr(2, 3), spaces.substr(5, 3), spaces.substr(8, 2)}) {
            const std::size_t found = text_.substr(first, stop - first).rfind(mark);
            if (found != std::string_view::npos)
                first += found + mark.size();
        }
        return first;
    }

    [[nodiscard]] std::string_view word_at(std::size_t at) const {
        std::size_t end = at;
        constexpr std::size_t longest = 16;
        while (end < text_.size() && end - at < longest && is_letter(text_[end]))
            ++end;
        return text_.substr(at, end - at);
    }

    [[nodiscard]] bool before_ordinal(std::size_t next) const {
        const std::size_t end = std::min(text_.find_first_of(" \n.,;", next), text_.size());
        constexpr std::size_t longest = 16;
        return end - next <= longest &&
               lists(after_ordinals, lower(text_.substr(next, end - next)));
    }

    /// "U.S", "a.m", "J.R.R": single letters between full stops.
    [[nodiscard]] static bool is_dotted(std::string_view word) {
        bool letter = true, any = false;
        for (std::size_t at = 0; at < word.size();) {
            const decoded next = decode_utf8(word, at);
            const sentence_class kind = sentence_class_of(next.code);
            if (letter ? kind != sentence_class::upper && kind != sentence_class::lower
                       : next.code != '.')
                return false;
            any = any || !letter;
            letter = !letter;
            at += next.bytes;
        }
        return any && !letter;
    }

    [[nodiscard]] static std::string lower(std::string_view word) {
        std::string result;
        for (std::size_t at = 0; at < word.size();) {
            const decoded next = decode_utf8(word, at);
            const mapping small = lowercase(next.code);
            for (const char32_t code : small.view())
                append_utf8(result, code);
            at += next.bytes;
        }
        return result;
    }

    std::string_view text_;
    std::size_t begin_;
};

} // namespace detail

/// Where the sentence that begins at `position` ends, white space behind it included. A single line
/// end is white space, unless a list item, a table or a heading follows or the line is a short one.
/// Linear in the sentence. Invalid bytes are U+FFFD.
[[nodiscard]] inline std::size_t sentence_end(std::string_view text, std::size_t position) {
    return detail::prose_scanner(text, position).end();
}

} // namespace text
MICE_NAMESPACE_END
