// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/tokenizer_config.hpp"

// The ids of added tokens that the files beside a tokenizer list.
namespace mice::tools {

/// The ids of a vocabulary's tokens, which must outlive this.
class id_index {
  public:
    explicit id_index(const std::vector<std::string>& vocabulary) : size_(vocabulary.size()) {
        for (std::size_t id = 0; id < size_; ++id)
            ids_.emplace(vocabulary[id], static_cast<std::int32_t>(id));
    }
    [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const {
        const auto found = token.empty() ? ids_.end() : ids_.find(token);
        return found == ids_.end() ? std::nullopt : std::optional(found->second);
    }
    /// The id of the next token that is neither in the vocabulary nor among `added`.
    [[nodiscard]] std::int32_t next(std::span<const added_token> added) const {
        auto result = static_cast<std::int32_t>(size_);
        for (const added_token& token : added)
            result = std::max(result, token.id + 1);
        return result;
    }

  private:
    std::size_t size_;
    std::unordered_map<std::string_view, std::int32_t> ids_;
};

/// Adds the tokens that the files list with ids. Hugging Face gives a token its id in the
/// vocabulary or the next free one, whatever the file says, so the two must be the same: throws
/// errc::tokenizer where they are not, and where the tokenizer describes a token in another way.
void add_listed(const side_config& side, const id_index& ids, std::vector<added_token>& tokens);

/// Adds the further special tokens, which no file gives an id: that of the vocabulary or the next
/// one, if the embedding table of `rows` rows has it.
void add_unlisted(const side_config& side, const id_index& ids, std::size_t rows,
                  std::vector<added_token>& tokens);

} // namespace mice::tools
