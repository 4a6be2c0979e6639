// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <mice/error.hpp>
#include <mice/text/passages/lines.hpp>
#include <mice/text/passages/token_counter.hpp>
#include <mice/text/passages/unit.hpp>
#include <mice/text/unicode/graphemes.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

namespace detail {

/// Where the clause that begins at `at` ends, white space behind it included.
[[nodiscard]] inline std::size_t clause_end(std::string_view text, std::size_t at) noexcept {
    while (at < text.size()) {
        const decoded next = decode_utf8(text, at);
        at += next.bytes;
        const bool narrow = next.code == ',' || next.code == ';' || next.code == ':' ||
                            next.code == ')' || next.code == 0x2013 || next.code == 0x2014;
        const bool wide = next.code == 0x3001 || next.code == 0xFF0C || next.code == 0xFF1B ||
                          next.code == 0xFF1A || next.code == 0x3002 || next.code == 0x60C;
        if (!narrow && !wide)
            continue;
        const std::size_t space = leading_space(text.substr(at));
        if (wide || space > 0)
            return at + space;
    }
    return at;
}

/// Where the word ends, white space behind it included.
[[nodiscard]] inline std::size_t spaced_word_end(std::string_view text, std::size_t at) noexcept {
    while (at < text.size()) {
        const std::size_t space = leading_space(text.substr(at));
        if (space > 0)
            return at + space;
        at += decode_utf8(text, at).bytes;
    }
    return at;
}

/// Where a part of a long word ends: 16 to 64 bytes, by the bytes themselves, so that the parts
/// behind a change are the same again. Splits no grapheme cluster of a usual length.
[[nodiscard]] inline std::size_t fragment_end(std::string_view text, std::size_t begin) noexcept {
    constexpr std::size_t least = 16, most = 64, longest_cluster = 32, looked_at = 8, one_in = 8;
    std::size_t at = begin;
    while (at < text.size()) {
        std::size_t next = cluster_end(text.substr(0, at + longest_cluster), at);
        if (next >= at + longest_cluster - 4 || !decode_utf8(text, at).valid)
            next = at + decode_utf8(text, at).bytes;
        if (next - begin > most && at > begin)
            break;
        at = next;
        const auto last = static_cast<unsigned char>(text[at - 1]);
        if (at - begin >= least && ((last < 0x80 && is_punctuation(last)) ||
                                    hash_of(text.substr(at - looked_at, looked_at)) % one_in == 0))
            break;
    }
    return at;
}

} // namespace detail

/// Makes units that cost no more than a limit of what a text is read in: sentences, lines.
class unit_maker {
  public:
    unit_maker(token_counter& counter, std::size_t limit) : counter_(&counter), limit_(limit) {}

    /// Calls `emit(begin, end, border, tokens, cost)` for each unit of `part` (no white space at
    /// its ends): itself, or where it costs more than the limit its clauses, words or less. The
    /// first has the border `before`. Places are those of `part`. Throws errc::invalid_argument for
    /// a character that has more tokens than the limit; `place` is where `part` begins.
    template <typename Emit>
    void make(std::string_view part, border before, std::uint64_t place, Emit&& emit) {
        cut<0>(part, 0, before, place, emit);
    }

  private:
    static constexpr std::size_t cost_bytes = 32; // of a passage for each token of the limit

    template <int Step, typename Emit>
    void cut(std::string_view part, std::size_t offset, border before, std::uint64_t place,
             Emit& emit) {
        const std::size_t tokens = part.size() > limit_ * cost_bytes ? 0 : counter_->sum(part);
        const std::size_t cost =
            std::max({std::size_t{1}, tokens, (part.size() + cost_bytes - 1) / cost_bytes});
        if (cost <= limit_) {
            emit(offset, offset + part.size(), before, tokens, cost);
            return;
        }
        for (std::size_t at = 0; at < part.size();) {
            const std::size_t end = Step == 0   ? detail::clause_end(part, at)
                                    : Step == 1 ? detail::spaced_word_end(part, at)
                                    : Step == 2 ? detail::fragment_end(part, at)
                                                : half(part, at, place + offset);
            const std::string_view inner = part.substr(at, end - at);
            const std::size_t size = detail::trimmed_size(inner);
            if (size > 0) {
                if constexpr (Step < 3)
                    cut<Step + 1>(inner.substr(0, size), offset + at, before, place, emit);
                else
                    cut<3>(inner.substr(0, size), offset + at, before, place, emit);
            }
            before = Step == 0 ? border::clause : Step == 1 ? border::word : border::character;
            at = end;
        }
    }

    /// The middle of what is too much still.
    [[nodiscard]] std::size_t half(std::string_view part, std::size_t at,
                                   std::uint64_t place) const {
        if (at > 0)
            return part.size();
        const std::size_t first = decode_utf8(part, 0).bytes;
        if (first == part.size())
            throw mice::detail::errors::bad_argument(
                "the passages' max_tokens is too small: the character at byte " +
                std::to_string(place) + " alone has more tokens");
        std::size_t middle = std::max(first, part.size() / 2);
        while (middle < part.size() && is_continuation(part[middle]))
            ++middle;
        return middle < part.size() ? middle : first;
    }

    token_counter* counter_;
    std::size_t limit_;
};

} // namespace text
MICE_NAMESPACE_END
