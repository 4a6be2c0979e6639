// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/index_options.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/words/words.hpp>

MICE_NAMESPACE_BEGIN

namespace store {

namespace detail {

/// Whether a piece of a word is nothing but punctuation and symbols; part of a character is not.
inline bool is_all_marks(std::string_view piece) {
    for (std::size_t position = 0; position < piece.size();) {
        const text::decoded next = text::decode_utf8(piece, position);
        position += next.bytes;
        const text::category is = text::general_category(next.code);
        const bool symbol = is == text::category::sm || is == text::category::sc ||
                            is == text::category::sk || is == text::category::so;
        if (!next.valid || (!symbol && !text::is_punctuation(next.code))) {
            return false;
        }
    }
    return !piece.empty();
}

inline bool is_function_word(std::string_view piece) {
    std::string folded;
    for (std::size_t position = 0; position < piece.size();) {
        const text::decoded next = text::decode_utf8(piece, position);
        position += next.bytes;
        text::detail::append_folded(folded, next.code);
    }
    return text::is_stop_word(folded);
}

} // namespace detail

/// Says which tokens of a document are stored. Immutable.
class token_filter {
  public:
    /// Keeps every token.
    token_filter() = default;
    token_filter(const tokenizer& words, dropped_tokens drop) {
        if (drop == dropped_tokens::none) {
            return;
        }
        kinds_.resize(words.vocabulary_size());
        for (std::size_t id = 0; id < kinds_.size(); ++id) {
            const word_piece piece = words.piece(static_cast<std::int32_t>(id));
            const bool function_word = drop == dropped_tokens::stop_words && !piece.continues &&
                                       detail::is_function_word(piece.text);
            kinds_[id] = static_cast<std::uint8_t>((detail::is_all_marks(piece.text) ? marks : 0) |
                                                   (piece.continues ? inside : 0) |
                                                   (function_word ? whole_word : 0));
        }
    }

    [[nodiscard]] bool keeps_all() const noexcept { return kinds_.empty(); }

    /// The stored positions, in order; the first one where none would be left.
    [[nodiscard]] std::vector<std::size_t> kept(std::span<const std::int32_t> ids) const {
        std::vector<std::size_t> positions;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const bool goes_on = i + 1 < ids.size() && (kind(ids[i + 1]) & inside) != 0;
            const std::uint8_t here = kind(ids[i]);
            if ((here & marks) == 0 && ((here & whole_word) == 0 || goes_on)) {
                positions.push_back(i);
            }
        }
        if (positions.empty() && !ids.empty()) {
            positions.push_back(0);
        }
        return positions;
    }

  private:
    static constexpr unsigned marks = 1;      // punctuation and symbols alone
    static constexpr unsigned inside = 2;     // continues the word before it
    static constexpr unsigned whole_word = 4; // a function word, unless the next token continues it

    [[nodiscard]] std::uint8_t kind(std::int32_t id) const {
        const auto place = static_cast<std::size_t>(id);
        return place < kinds_.size() ? kinds_[place] : std::uint8_t{0};
    }

    std::vector<std::uint8_t> kinds_; // of each token; empty: all are kept
};

} // namespace store
MICE_NAMESPACE_END
