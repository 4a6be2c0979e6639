// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <mice/text/byte_range.hpp>
#include <mice/text/unicode/unicode.hpp>

MICE_NAMESPACE_BEGIN

/// What Hugging Face's trim_offsets takes off a token's offsets; ids do not change.
enum class offset_trim {
    none,
    spaces,        ///< white space before and behind
    all_but_prefix ///< the same, but for one space before the first token
};

namespace text {

/// The white space around a token, in characters; of white space alone, both are all of it.
struct spaces_around {
    std::size_t before = 0, behind = 0;
};

/// Of a token's bytes, which begin and end anywhere in characters.
[[nodiscard]] inline spaces_around spaces_of_bytes(std::string_view bytes) noexcept {
    const std::size_t first = std::min(bytes.find_first_not_of(' '), bytes.size());
    const std::size_t last = bytes.find_last_not_of(' ');
    return {first, last == bytes.npos ? bytes.size() : bytes.size() - last - 1};
}

/// Of an added token's text, with what lstrip and rstrip took in. The library takes U+0120 for a
/// space here, too.
[[nodiscard]] inline spaces_around spaces_of_text(std::string_view text) noexcept {
    spaces_around found;
    bool inside = false;
    for (std::size_t at = 0; at < text.size();) {
        const decoded next = decode_utf8(text, at);
        const bool space = next.code == 0x120 || is_whitespace(next.code);
        inside = inside || !space;
        found.before += space && !inside ? 1U : 0U;
        found.behind = space ? found.behind + 1 : 0;
        at += next.bytes;
    }
    return found;
}

/// Takes white space off offsets as Hugging Face's ByteLevel and RobertaProcessing do. For the
/// tokens of one text in their order.
class offset_trimmer {
  public:
    /// `text`: valid UTF-8, which the offsets are of.
    offset_trimmer(offset_trim how, std::string_view text) : how_(how), text_(text) {}

    /// The offsets of the next token, which is that text, trimmed.
    [[nodiscard]] byte_range next(byte_range range, std::string_view token) {
        return next(range, how_ == offset_trim::none ? spaces_around{} : spaces_of_text(token));
    }

    /// The same, the white space around the token given.
    [[nodiscard]] byte_range next(byte_range range, spaces_around spaces) {
        const bool first = first_ || range.begin == 0;
        first_ = false;
        if (how_ == offset_trim::none)
            return range;
        if (spaces.before == 1 && first && how_ == offset_trim::all_but_prefix)
            spaces.before = 0;
        for (; spaces.before > 0 && range.begin < range.end; --spaces.before)
            range.begin += decode_utf8(text_, range.begin).bytes;
        std::size_t end = range.end, left = spaces.behind;
        for (; left > 0 && end > 0; --left)
            do
                --end;
            while (is_continuation(text_[end]));
        if (left == 0) // there are so many characters
            range.end = std::max(end, range.begin);
        return range;
    }

  private:
    offset_trim how_;
    std::string_view text_;
    bool first_ = true;
};

} // namespace text
MICE_NAMESPACE_END
