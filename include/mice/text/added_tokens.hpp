// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/encoding.hpp>
#include <mice/text/traced_text.hpp>
#include <mice/text/unicode/unicode.hpp>

MICE_NAMESPACE_BEGIN

/// A token that is cut out of a text before the rest is tokenised.
struct added_token {
    std::int32_t id = 0;
    std::string content;      ///< UTF-8, 1 to 256 bytes
    bool special = false;     ///< structure, such as [SEP]: plain text unless the caller parses it
    bool single_word = false; ///< only where no word character touches it
    bool lstrip = false;      ///< includes the white space before it
    bool rstrip = false;      ///< includes the white space after it
    bool normalized = false;  ///< matched, normalized, in the normalized text
};

namespace text {

/// Finds added tokens as Hugging Face's AddedVocabulary does: leftmost, then longest, without
/// overlap. Immutable and thread-safe. At worst the time is the text's length times the longest
/// token's.
class added_token_matcher {
  public:
    /// Looks for `pattern` (not empty, not added before) from now on.
    void add(const added_token& token, std::string_view pattern) {
        std::uint32_t at = root;
        for (const char byte : pattern)
            at = child_or_new(at, static_cast<std::uint8_t>(byte));
        nodes_[at].token = static_cast<std::uint32_t>(tokens_.size());
        tokens_.push_back({token.id, token.special, token.single_word, token.lstrip, token.rstrip});
        any_plain_ = any_plain_ || !token.special;
    }

    /// Whether there is nothing to find under that treatment of special tokens.
    [[nodiscard]] bool idle(special_tokens specials) const noexcept {
        return tokens_.empty() || (specials == special_tokens::plain && !any_plain_);
    }

    /// Cuts `text` (valid UTF-8) at the tokens and calls `piece(std::string_view)` and
    /// `token(std::int32_t id)` in text order, or `token(id, byte_range)` with the bytes of `text`,
    /// stripped white space included.
    template <typename Piece, typename Token>
    void split(std::string_view text, special_tokens specials, Piece&& piece, Token&& token) const {
        if (idle(specials)) {
            piece(text);
            return;
        }
        std::size_t start_of_piece = 0;
        std::size_t spaces_from = 0, spaces_to = 0; // the white space that rstrip looked at last
        for (std::size_t position = 0; position < text.size();) {
            if (first_[static_cast<std::uint8_t>(text[position])] == root) { // no token's
                ++position;
                continue;
            }
            const match found = longest_at(text, position);
            if (found.token == none) {
                ++position;
                continue;
            }
            const entry& hit = tokens_[found.token];
            const std::size_t start = position, stop = found.stop;
            position = stop;
            if (hit.special && specials == special_tokens::plain)
                continue;
            if (hit.single_word && (word_before(text, start) || word_at(text, stop)))
                continue;
            std::size_t first = start, last = stop;
            if (hit.lstrip)
                first = std::max(start_of_piece, spaces_before(text, start, start_of_piece));
            if (hit.rstrip) {
                // Without this memory a rstrip token of spaces would walk the whole run of spaces
                // again for every match inside it.
                if (stop < spaces_from || stop >= spaces_to) {
                    spaces_from = stop;
                    spaces_to = spaces_after(text, stop);
                }
                last = std::max(last, spaces_to);
            }
            if (start_of_piece < first)
                piece(text.substr(start_of_piece, first - start_of_piece));
            if (first < last) { // otherwise the token before took all of it as its white space
                if constexpr (range_sink<Token>)
                    token(hit.id, byte_range{first, last});
                else
                    token(hit.id);
            }
            start_of_piece = last;
        }
        if (start_of_piece < text.size())
            piece(text.substr(start_of_piece));
    }

  private:
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::uint32_t root = 0;

    struct entry {
        std::int32_t id;
        bool special, single_word, lstrip, rstrip;
    };
    struct node {
        std::uint32_t child = none, sibling = none, token = none;
        std::uint8_t byte = 0;
    };
    struct match {
        std::uint32_t token = none;
        std::size_t stop = 0;
    };

    [[nodiscard]] std::uint32_t child_of(std::uint32_t parent, std::uint8_t byte) const noexcept {
        std::uint32_t child = nodes_[parent].child;
        while (child != none && nodes_[child].byte != byte)
            child = nodes_[child].sibling;
        return child;
    }

    std::uint32_t child_or_new(std::uint32_t parent, std::uint8_t byte) {
        const std::uint32_t found = child_of(parent, byte);
        if (found != none)
            return found;
        const auto fresh = static_cast<std::uint32_t>(nodes_.size());
        nodes_.push_back({none, nodes_[parent].child, none, byte});
        nodes_[parent].child = fresh;
        if (parent == root)
            first_[byte] = fresh;
        return fresh;
    }

    /// A token begins with the byte at `start`.
    [[nodiscard]] match longest_at(std::string_view text, std::size_t start) const noexcept {
        match best;
        std::uint32_t here = first_[static_cast<std::uint8_t>(text[start])];
        for (std::size_t at = start + 1; here != none; ++at) {
            if (nodes_[here].token != none)
                best = {nodes_[here].token, at};
            if (at == text.size())
                break;
            here = child_of(here, static_cast<std::uint8_t>(text[at]));
        }
        return best;
    }

    /// Position where the code point before `position` (> 0) begins.
    [[nodiscard]] static std::size_t previous(std::string_view text, std::size_t position) {
        do
            --position;
        while (position > 0 && is_continuation(text[position]));
        return position;
    }

    [[nodiscard]] static bool word_before(std::string_view text, std::size_t position) {
        return position > 0 && is_word(decode_utf8(text, previous(text, position)).code);
    }

    [[nodiscard]] static bool word_at(std::string_view text, std::size_t position) {
        return position < text.size() && is_word(decode_utf8(text, position).code);
    }

    [[nodiscard]] static std::size_t spaces_before(std::string_view text, std::size_t position,
                                                   std::size_t floor) {
        while (position > floor) {
            const std::size_t before = previous(text, position);
            if (!is_whitespace(decode_utf8(text, before).code))
                break;
            position = before;
        }
        return position;
    }

    [[nodiscard]] static std::size_t spaces_after(std::string_view text, std::size_t position) {
        while (position < text.size()) {
            const decoded next = decode_utf8(text, position);
            if (!is_whitespace(next.code))
                break;
            position += next.bytes;
        }
        return position;
    }

    std::vector<node> nodes_ = std::vector<node>(1); // the root
    std::vector<entry> tokens_;
    std::array<std::uint32_t, 256>
        first_{}; // the root's child for each byte, root where there is none
    bool any_plain_ = false;
};

} // namespace text
MICE_NAMESPACE_END
