// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <mice/text/unicode/normalizer_data.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// What a code point is to the ends of grapheme clusters.
[[nodiscard]] constexpr cluster_class cluster_class_of(char32_t code) noexcept {
    constexpr char32_t first_syllable = 0xAC00, last_syllable = 0xD7A3, trails = 28;
    if (code >= first_syllable && code <= last_syllable)
        return (code - first_syllable) % trails == 0 ? cluster_class::lv : cluster_class::lvt;
    const std::size_t run = detail::count_below(data::cluster_lasts, code);
    if (run == data::cluster_lasts.size() || data::cluster_firsts[run] >> 8 > code)
        return cluster_class::other;
    return static_cast<cluster_class>(data::cluster_firsts[run] & 0xFF);
}

namespace detail {

/// Follows the rules of UAX #29 over the code points of one cluster.
class cluster_rules {
  public:
    explicit constexpr cluster_rules(char32_t first) noexcept { take(first, class_of(first)); }

    /// Whether the next code point belongs to the cluster; takes it if so.
    constexpr bool extend(char32_t code) noexcept {
        const cluster_class next = class_of(code);
        const bool joined = joins(next);
        if (joined)
            take(code, next);
        return joined;
    }

  private:
    using kind = cluster_class;

    [[nodiscard]] static constexpr kind class_of(char32_t code) noexcept {
        return cluster_class_of(code);
    }
    [[nodiscard]] static constexpr bool is_control(kind each) noexcept {
        return each == kind::cr || each == kind::lf || each == kind::control;
    }
    [[nodiscard]] static constexpr bool is_extend(kind each) noexcept {
        return each == kind::extend || each == kind::linker;
    }

    /// Rules GB3 to GB999.
    [[nodiscard]] constexpr bool joins(kind next) const noexcept {
        if (last_ == kind::cr && next == kind::lf)
            return true;
        if (is_control(last_) || is_control(next))
            return false;
        const bool to_vowel = next == kind::v, to_trail = next == kind::t;
        if ((last_ == kind::l &&
             (next == kind::l || to_vowel || next == kind::lv || next == kind::lvt)) ||
            ((last_ == kind::lv || last_ == kind::v) && (to_vowel || to_trail)) ||
            ((last_ == kind::lvt || last_ == kind::t) && to_trail))
            return true;
        if (is_extend(next) || next == kind::zwj || next == kind::spacing_mark ||
            last_ == kind::prepend)
            return true;
        if (next == kind::consonant && conjunct_ && linked_)
            return true;
        if (next == kind::pictographic && last_ == kind::zwj && picture_)
            return true;
        return next == kind::regional_indicator && odd_indicators_;
    }

    constexpr void take(char32_t code, kind next) noexcept {
        constexpr char32_t non_joiner = 0x200C;
        odd_indicators_ = next == kind::regional_indicator && !odd_indicators_;
        // A picture, marks, and perhaps a joiner behind them.
        picture_ = next == kind::pictographic ||
                   (picture_ && last_ != kind::zwj && (is_extend(next) || next == kind::zwj));
        if (next == kind::consonant) {
            conjunct_ = true;
            linked_ = false;
        } else if ((is_extend(next) || next == kind::zwj) && code != non_joiner) {
            linked_ = linked_ || next == kind::linker;
        } else {
            conjunct_ = linked_ = false;
        }
        last_ = next;
    }

    kind last_ = kind::other;
    bool odd_indicators_ = false;
    bool picture_ = false;                   // GB11
    bool conjunct_ = false, linked_ = false; // GB9c
};

} // namespace detail

/// Where the extended grapheme cluster ends that begins at `position` (valid UTF-8), by UAX #29 of
/// Unicode 17.0. Time is linear in the cluster.
[[nodiscard]] inline std::size_t cluster_end(std::string_view text, std::size_t position) noexcept {
    const auto ascii = [&text](std::size_t at) {
        return static_cast<unsigned char>(text[at]) < 0x80;
    };
    const decoded first = decode_utf8(text, position);
    std::size_t end = position + first.bytes;
    if (end < text.size() && ascii(position) && ascii(end) && text[position] != '\r')
        return end;
    detail::cluster_rules rules(first.code);
    while (end < text.size()) {
        const decoded next = decode_utf8(text, end);
        if (!rules.extend(next.code))
            break;
        end += next.bytes;
    }
    return end;
}

} // namespace text
MICE_NAMESPACE_END
