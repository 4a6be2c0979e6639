// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/added_tokens.hpp>
#include <mice/text/token_table.hpp>

MICE_NAMESPACE_BEGIN

/// What a token stands for in a text.
struct word_piece {
    std::string_view text;  ///< without the mark of a piece inside a word; of byte-level BPE its
                            ///< bytes without a space before them, perhaps part of a character
    bool continues = false; ///< goes on with the word of the token before it
};

namespace text {

/// The tokens of a vocabulary and, once `include` was called, the added ones outside of it.
/// Immutable and thread-safe from then on.
class token_names {
  public:
    /// Throws errc::tokenizer as token_table does.
    explicit token_names(std::span<const std::string> vocabulary)
        : table_(vocabulary), size_(table_.size()) {}

    /// The tokens of the vocabulary alone.
    [[nodiscard]] const token_table& table() const noexcept { return table_; }

    /// Takes added tokens, which were checked against the vocabulary.
    void include(std::span<const added_token> added) {
        for (const added_token& token : added) {
            if (table_.token(token.id).empty())
                extra_.emplace_back(token.id, token.content);
            size_ = std::max(size_, static_cast<std::size_t>(token.id) + 1);
        }
        std::sort(extra_.begin(), extra_.end());
    }

    /// One more than the largest id.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// The token of an id, "" where there is none.
    [[nodiscard]] std::string_view token(std::int32_t id) const noexcept {
        const std::string_view known = table_.token(id);
        if (!known.empty())
            return known;
        const auto place = std::lower_bound(
            extra_.begin(), extra_.end(), id,
            [](const auto& entry, std::int32_t wanted) { return entry.first < wanted; });
        return place != extra_.end() && place->first == id ? std::string_view(place->second)
                                                           : std::string_view();
    }

    /// The id of a token's exact text.
    [[nodiscard]] std::optional<std::int32_t> id(std::string_view token) const noexcept {
        const std::int32_t known = table_.find(token);
        if (known != token_table::none)
            return known;
        for (const auto& [extra_id, content] : extra_)
            if (content == token)
                return extra_id;
        return std::nullopt;
    }

  private:
    token_table table_;
    std::vector<std::pair<std::int32_t, std::string>> extra_; // outside of the vocabulary, by id
    std::size_t size_;
};

} // namespace text
MICE_NAMESPACE_END
