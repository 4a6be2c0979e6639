// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/added_tokens.hpp>
#include <mice/text/encoding.hpp>
#include <mice/text/token_table.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN

namespace text {
namespace detail {

/// A piece of a model whose words begin with `space`: without it where it has it, else a piece that
/// continues a word unless it begins with punctuation.
[[nodiscard]] inline word_piece spaced_piece(std::string_view piece, std::string_view space) {
    if (piece.starts_with(space))
        return {piece.substr(space.size()), false};
    const decoded first = decode_utf8(piece, 0);
    return {piece, !first.valid || is_word(first.code)};
}

} // namespace detail

/// The tokens of a vocabulary and, after a call of `include`, the added ones outside it. From then
/// on immutable and thread-safe.
class token_names {
  public:
    /// Throws errc::tokenizer like token_table.
    explicit token_names(const std::vector<std::string>& vocabulary)
        : table_(vocabulary), size_(table_.size()) {}

    /// The tokens of the vocabulary alone.
    [[nodiscard]] const token_table& table() const noexcept { return table_; }

    /// Takes added tokens, which were checked against the vocabulary.
    void include(const std::vector<added_token>& added) {
        std::vector<std::pair<std::int32_t, std::string_view>> extra;
        for (const added_token& token : added) {
            if (table_.token(token.id).empty())
                extra.emplace_back(token.id, token.content);
            size_ = std::max(size_, static_cast<std::size_t>(token.id) + 1);
        }
        std::sort(extra.begin(), extra.end());
        for (const auto& [id, content] : extra)
            extra_.emplace_back(id, content);
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
