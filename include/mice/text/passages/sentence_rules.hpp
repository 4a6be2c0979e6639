// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include <mice/config.hpp>
#include <mice/text/unicode/sentence_data.hpp>
#include <mice/text/unicode/utf8.hpp>

// Where sentences end by Unicode's rules alone (UAX #29 of Unicode 15.0, section 5).
MICE_NAMESPACE_BEGIN
namespace text {

/// The Sentence_Break property of a code point.
[[nodiscard]] constexpr sentence_class sentence_class_of(char32_t code) noexcept {
    if (code < data::sentence_limit) {
        const std::size_t block = data::sentence_index[code / data::sentence_block];
        return static_cast<sentence_class>(
            data::sentence_blocks[block * data::sentence_block + code % data::sentence_block]);
    }
    constexpr char32_t last_ideograph = 0x323AF;
    if (code <= last_ideograph)
        return sentence_class::letter;
    if (code == 0xE0001)
        return sentence_class::format;
    const bool extends =
        (code >= 0xE0020 && code <= 0xE007F) || (code >= 0xE0100 && code <= 0xE01EF);
    return extends ? sentence_class::extend : sentence_class::other;
}

namespace detail {

[[nodiscard]] constexpr bool is_paragraph_end(sentence_class kind) noexcept {
    return kind == sentence_class::cr || kind == sentence_class::lf ||
           kind == sentence_class::separator;
}
[[nodiscard]] constexpr bool is_terminator(sentence_class kind) noexcept {
    return kind == sentence_class::dot || kind == sentence_class::stop;
}
[[nodiscard]] constexpr bool is_mark(sentence_class kind) noexcept {
    return kind == sentence_class::extend || kind == sentence_class::format;
}

/// Walks over code points, each with the marks behind it (SB5).
class sentence_cursor {
  public:
    sentence_cursor(std::string_view text, std::size_t position) : text_(text), at_(position) {
        look();
    }
    [[nodiscard]] bool done() const noexcept { return at_ >= text_.size(); }
    [[nodiscard]] std::size_t position() const noexcept { return at_; }
    [[nodiscard]] sentence_class kind() const noexcept { return kind_; } ///< other at the end
    [[nodiscard]] char32_t code() const noexcept { return next_.code; }

    /// To the next code point that is no mark; marks behind a line's end stay.
    void advance() noexcept {
        const bool alone = is_paragraph_end(kind_);
        do {
            at_ += next_.bytes;
            look();
        } while (!alone && !done() && is_mark(kind_));
    }
    void skip(sentence_class kind) noexcept {
        while (!done() && kind_ == kind)
            advance();
    }

  private:
    void look() noexcept {
        next_ = done() ? decoded{} : decode_utf8(text_, at_);
        kind_ = done() ? sentence_class::other : sentence_class_of(next_.code);
    }

    std::string_view text_;
    std::size_t at_;
    decoded next_;
    sentence_class kind_ = sentence_class::other;
};

/// SB8: whether a small letter comes before any other letter, line end or stop.
[[nodiscard]] inline bool goes_on_small(sentence_cursor ahead) noexcept {
    while (!ahead.done() && ahead.kind() != sentence_class::letter &&
           ahead.kind() != sentence_class::upper && ahead.kind() != sentence_class::lower &&
           !is_paragraph_end(ahead.kind()) && !is_terminator(ahead.kind()))
        ahead.advance();
    return !ahead.done() && ahead.kind() == sentence_class::lower;
}

/// Takes the line end that `at` stands on.
inline void take_line_end(sentence_cursor& at) noexcept {
    const bool cr = at.kind() == sentence_class::cr;
    at.advance();
    if (cr && !at.done() && at.kind() == sentence_class::lf)
        at.advance();
}

/// Goes past the terminator that `at` stands on and what belongs to it; whether the sentence ends
/// there (SB6 to SB11). `before` is what stood before the terminator.
[[nodiscard]] inline bool pass_terminator(sentence_cursor& at, sentence_class before) noexcept {
    const bool dot = at.kind() == sentence_class::dot;
    at.advance();
    const bool in_word = before == sentence_class::upper || before == sentence_class::lower;
    if (dot && !at.done() &&
        (at.kind() == sentence_class::numeric || (in_word && at.kind() == sentence_class::upper)))
        return false;
    at.skip(sentence_class::close);
    at.skip(sentence_class::space);
    if (at.done())
        return true;
    if (is_paragraph_end(at.kind())) {
        take_line_end(at);
        return true;
    }
    return at.kind() != sentence_class::goes_on && !is_terminator(at.kind()) &&
           !(dot && goes_on_small(at));
}

} // namespace detail

/// Where the sentence that begins at `position` ends by UAX #29, white space behind it included.
/// Linear in the sentence. Invalid bytes are U+FFFD.
[[nodiscard]] inline std::size_t unicode_sentence_end(std::string_view text,
                                                      std::size_t position) noexcept {
    detail::sentence_cursor at(text, position);
    sentence_class before = sentence_class::other;
    while (!at.done()) {
        if (detail::is_paragraph_end(at.kind())) {
            detail::take_line_end(at);
            break;
        }
        if (!detail::is_terminator(at.kind())) {
            before = at.kind();
            at.advance();
            continue;
        }
        if (detail::pass_terminator(at, before))
            break;
        before = sentence_class::other;
    }
    return at.position();
}

} // namespace text
MICE_NAMESPACE_END
