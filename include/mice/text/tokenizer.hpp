// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <mice/text/encoding.hpp>

MICE_NAMESPACE_BEGIN

struct wordpiece_spec;     // mice/text/wordpiece/spec.hpp
struct byte_bpe_spec;      // mice/text/byte_bpe/spec.hpp
struct sentencepiece_spec; // mice/text/sentencepiece/spec.hpp
struct unigram_spec;       // mice/text/unigram/spec.hpp

/// Turns text into token ids. Immutable: every member is safe to call from many threads at once.
class tokenizer {
  public:
    tokenizer() = default;
    tokenizer(const tokenizer&) = delete;
    tokenizer& operator=(const tokenizer&) = delete;
    virtual ~tokenizer() = default;

    /// Any bytes are a text. Tokens past the limit are counted, not stored. Throws
    /// errc::invalid_argument when max_tokens leaves no room for the markers, errc::encoding for
    /// invalid UTF-8 that is to be refused.
    [[nodiscard]] virtual encoding encode(std::string_view text,
                                          const encode_options& options = {}) const = 0;

    /// As encode, for two texts; cuts them as Hugging Face's truncation strategies do. Throws
    /// errc::invalid_argument also when only_second would have to cut the first text, or all of
    /// the second.
    [[nodiscard]] virtual pair_encoding encode_pair(std::string_view first, std::string_view second,
                                                    const pair_options& options = {}) const = 0;

    /// One more than the largest id: the rows an embedding table needs.
    [[nodiscard]] virtual std::size_t vocabulary_size() const noexcept = 0;

    /// The token of an id, "" where there is none. Lives as long as the tokenizer.
    [[nodiscard]] virtual std::string_view token(std::int32_t id) const noexcept = 0;

    /// The token of an id as a piece of a word; empty where there is none. Lives as token().
    [[nodiscard]] virtual word_piece piece(std::int32_t id) const noexcept = 0;

    /// The id of a token's exact text.
    [[nodiscard]] virtual std::optional<std::int32_t> id(std::string_view token) const noexcept = 0;
};

/// Makes a WordPiece tokenizer; throws errc::tokenizer as wordpiece_spec::validate does.
[[nodiscard]] std::shared_ptr<const tokenizer> make_tokenizer(const wordpiece_spec& spec);

/// Makes a byte-level BPE tokenizer; throws errc::tokenizer as byte_bpe_spec::validate does.
[[nodiscard]] std::shared_ptr<const tokenizer> make_tokenizer(const byte_bpe_spec& spec);

/// Makes a unigram tokenizer; throws as unigram_spec::validate does.
[[nodiscard]] std::shared_ptr<const tokenizer> make_tokenizer(const unigram_spec& spec);

/// Makes a sentencepiece tokenizer; throws as sentencepiece_spec::validate does, errc::tokenizer
/// where the library refuses the model, and errc::unsupported in a program without the library.
[[nodiscard]] std::shared_ptr<const tokenizer> make_tokenizer(const sentencepiece_spec& spec);

/// What a model file holds of its tokenizer besides "mice.tokenizer": the bytes of the tensors
/// "tokenizer.vocabulary", "tokenizer.merges", "tokenizer.sentencepiece", "tokenizer.scores" and
/// "tokenizer.charsmap", nullopt where it has no such tensor.
struct tokenizer_tensors {
    std::optional<std::span<const std::byte>> vocabulary, merges, sentencepiece;
    std::optional<std::span<const std::byte>> scores = std::nullopt, charsmap = std::nullopt;
};

/// Makes the tokenizer that a model file holds, of the kind that its metadata "mice.tokenizer"
/// names. Nothing is trusted; throws as wordpiece_from_model, byte_bpe_from_model,
/// unigram_from_model, sentencepiece_from_model and make_tokenizer do, and errc::tokenizer for
/// tensors that the kind lacks or does not have.
[[nodiscard]] std::shared_ptr<const tokenizer>
tokenizer_from_model(std::string_view metadata, const tokenizer_tensors& tensors);

/// As above, for a tokenizer of a vocabulary, and perhaps merges.
[[nodiscard]] std::shared_ptr<const tokenizer>
tokenizer_from_model(std::string_view metadata, std::span<const std::byte> vocabulary,
                     std::optional<std::span<const std::byte>> merges = std::nullopt);

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/text/tokenizer_impl.hpp>
#endif
