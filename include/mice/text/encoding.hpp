// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include <mice/config.hpp>
#include <mice/text/byte_range.hpp>

// What a tokenizer is told, and what it gives.
MICE_NAMESPACE_BEGIN

/// What to do with special tokens that are written in a text.
enum class special_tokens {
    plain, ///< they are ordinary text: no text can forge a [SEP]
    parse  ///< they become the special token, as Hugging Face's default does
};

/// How two texts that are too long together are cut.
enum class truncation {
    only_second,  ///< cuts the second; a first text that is too long is an error
    longest_first ///< cuts the longer one until both have the same length
};

/// What happens to bytes that are not UTF-8.
enum class invalid_utf8 {
    replace, ///< each invalid sequence becomes one U+FFFD and is counted
    refuse   ///< errc::encoding, naming the first invalid byte
};

/// Whether the model's markers ([CLS] text [SEP]) are put around a text.
enum class markers { add, omit };

/// How a text becomes ids.
struct encode_options {
    std::size_t max_tokens = std::numeric_limits<std::size_t>::max(); ///< markers included
    special_tokens specials = special_tokens::plain;
    invalid_utf8 on_invalid = invalid_utf8::replace;
    markers add_markers = markers::add;
    bool offsets = false; ///< gives encoding::offsets
};

/// One text as ids.
struct encoding {
    std::vector<std::int32_t> ids;
    std::size_t cut = 0;      ///< tokens of the text that max_tokens left out, exactly
    std::size_t replaced = 0; ///< invalid UTF-8 sequences that were replaced
    /// Of each id the bytes of the text that it came from, where encode_options asks for them; {0,
    /// 0} for a marker. They hold whole characters, and their begins never go back.
    std::vector<byte_range> offsets{};
};

/// How two texts become one input.
struct pair_options {
    std::size_t max_tokens = std::numeric_limits<std::size_t>::max(); ///< markers included
    truncation strategy = truncation::only_second;
    special_tokens specials = special_tokens::plain;
    invalid_utf8 on_invalid = invalid_utf8::replace;
    bool offsets = false; ///< gives pair_encoding::offsets
};

/// Two texts as one input: [CLS] first [SEP] second [SEP], or the form that the model has.
struct pair_encoding {
    std::vector<std::int32_t> ids;
    std::vector<std::int32_t> type_ids; ///< 0 up to and including the first [SEP], then 1; see
                                        ///< pair_form
    std::size_t cut_first = 0;          ///< tokens of the first text left out
    std::size_t cut_second = 0;         ///< tokens of the second text left out
    std::size_t replaced = 0;           ///< invalid UTF-8 sequences replaced in both
    std::vector<byte_range> offsets;    ///< as encoding::offsets, each into its own text
};

/// The part of a word that a token stands for.
struct word_piece {
    std::string_view text;  ///< without the mark of a piece inside a word; of byte-level BPE its
                            ///< bytes without a space before them, perhaps part of a character
    bool continues = false; ///< continues the word of the token before it
};

MICE_NAMESPACE_END
