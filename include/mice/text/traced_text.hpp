// SPDX-License-Identifier: Apache-2.0
#pragma once

// How offsets follow a text through its normalizer: the counterpart of Hugging Face's
// NormalizedString. Only callers that ask for offsets get here.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <mice/text/byte_range.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// What takes `(std::int32_t id, byte_range)`, so it asks for offsets. Tokenizers look at this at
/// compile time: for another sink they keep no track of anything.
template <class Sink>
concept range_sink = std::invocable < std::remove_reference_t<Sink>
&, std::int32_t, byte_range > ;

/// The origin of each byte of a text on its way through a normalizer. All bytes of a character have
/// one origin.
using byte_origins = std::vector<byte_range>;

/// A text and the origin of each of its bytes.
struct traced_text {
    std::string text;
    byte_origins origins;

    /// Appends a code point that came from there.
    void append(char32_t code, byte_range origin) {
        append_utf8(text, code);
        origins.resize(text.size(), origin);
    }
};

/// Where the bytes [start, stop) came from. The first and the last one tell it.
[[nodiscard]] inline byte_range origin_of(const byte_range* origins, std::size_t start,
                                          std::size_t stop) noexcept {
    return {origins[start].begin, origins[stop - 1].end};
}

/// Valid UTF-8 that nothing has changed; it begins at byte `place` of the whole.
[[nodiscard]] inline byte_origins own_origins(std::string_view text, std::size_t place) {
    byte_origins origins(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t stop = at + decode_utf8(text, at).bytes;
        for (const byte_range whole{place + at, place + stop}; at < stop; ++at)
            origins[at] = whole;
    }
    return origins;
}

/// A code point of a changed text. `change` says how: 0 in the place of one before, 1 besides
/// those, -n in the place of n + 1.
struct code_change {
    char32_t code = 0;
    std::ptrdiff_t change = 0;

    // what compose_all() needs
    friend char32_t code_of(const code_change& each) noexcept { return each.code; }
    /// A starter takes in a character behind it, and its place.
    friend void join(code_change& starter, char32_t composite, const code_change& taken) noexcept {
        starter = {composite, starter.change + taken.change - 1};
    }
};

/// Finds the origins of a changed text's characters, one after the other, as Hugging Face's
/// NormalizedString::transform does. It goes by places alone: characters that changed their order
/// have the origins of the places that they came to, so origins never go back.
class origin_walk {
  public:
    /// The text before the change, valid UTF-8, and its origins; both outlive the walk.
    origin_walk(std::string_view before, const byte_origins& origins)
        : before_(before), origins_(&origins) {}

    /// The origin of the next character.
    [[nodiscard]] byte_range next(std::ptrdiff_t change) {
        if (change > 0) // one more: that of the one before it
            return at_ == 0 ? byte_range{} : (*origins_)[at_ - 1];
        const byte_range origin = at_ < before_.size()
                                      ? (*origins_)[at_]
                                      : (before_.empty() ? byte_range{} : origins_->back());
        for (std::ptrdiff_t i = change; i <= 0 && at_ < before_.size(); ++i)
            at_ += decode_utf8(before_, at_).bytes;
        return origin;
    }

  private:
    std::string_view before_;
    const byte_origins* origins_;
    std::size_t at_ = 0;
};

} // namespace text
MICE_NAMESPACE_END
