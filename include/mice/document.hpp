// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// How a text became tokens.
struct text_origin {
    std::size_t tokens_cut = 0; ///< tokens beyond the model's limit
    std::size_t replaced = 0;   ///< invalid UTF-8 sequences that became U+FFFD
    std::size_t skipped = 0;    ///< tokens that were encoded but have no state
};

/// A document encoded by one model: its states, its token ids, and what its encoding left out. An
/// immutable value: copy, move, store, and read it from many threads.
class document {
  public:
    /// states [ids, hidden] and the ids of their tokens, special ones included, computed by the
    /// model of that fingerprint; no states where the model keeps none (a cross-encoder). Throws
    /// errc::invalid_argument when the sizes do not fit.
    document(std::vector<float> states, std::vector<std::int32_t> ids, std::string fingerprint,
             text_origin from = {});

    /// Tokens that were encoded, special tokens included.
    [[nodiscard]] std::size_t tokens() const noexcept { return rows() + from_.skipped; }
    /// Tokens that have a state: all, except in late interaction, which skips some.
    [[nodiscard]] std::size_t rows() const noexcept { return ids_.size(); }
    [[nodiscard]] std::size_t hidden() const noexcept { return states_.size() / rows(); }
    /// [rows, hidden]: what a query attends to.
    [[nodiscard]] std::span<const float> states() const noexcept { return states_; }
    /// [rows], special tokens included.
    [[nodiscard]] std::span<const std::int32_t> ids() const noexcept { return ids_; }
    /// How its text became tokens.
    [[nodiscard]] const text_origin& origin() const noexcept { return from_; }
    /// Tokens that the model's limit cut off.
    [[nodiscard]] std::size_t tokens_cut() const noexcept { return from_.tokens_cut; }
    /// Invalid UTF-8 sequences that were replaced.
    [[nodiscard]] std::size_t replaced() const noexcept { return from_.replaced; }
    /// Names the weights that shaped the states: a model with another fingerprint refuses them.
    [[nodiscard]] std::string_view fingerprint() const noexcept { return fingerprint_; }

    /// The document as a small safetensors file; docs/format.md describes it.
    [[nodiscard]] std::vector<std::byte> serialize() const;
    /// Reads what serialize wrote. Throws errc::format or errc::tensor; trusts nothing in the
    /// bytes.
    [[nodiscard]] static document deserialize(std::span<const std::byte> bytes);

  private:
    std::vector<float> states_;
    std::vector<std::int32_t> ids_;
    std::string fingerprint_;
    text_origin from_;
};

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/document_impl.hpp>
#endif
