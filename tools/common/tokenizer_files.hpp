// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/tokenizer.hpp>

#include "common/tokenizer_config.hpp"
#include "common/tokenizer_json.hpp"

namespace mice::tools {

/// The tokenizer file of a checkpoint folder: a sentencepiece model, else tokenizer.json (which was
/// generated from such a model if there is one), else vocab.txt, else vocab.json, else nothing.
[[nodiscard]] std::optional<std::filesystem::path>
find_tokenizer(const std::filesystem::path& folder);

/// Reads a tokenizer from a folder, a tokenizer.json (WordPiece, byte-level BPE or Unigram), a
/// vocab.txt (WordPiece), a vocab.json (byte-level BPE; see read_byte_bpe_files) or a sentencepiece
/// model (*.model; see read_sentencepiece). Beside a vocab.txt tokenizer_config.json is read too
/// (do_lower_case, strip_accents, tokenize_chinese_chars); beside a tokenizer.json it must not
/// contradict. Added and special tokens of the files beside it (see side_config) are taken over.
/// Truncation, padding and decoder of a tokenizer.json are ignored: limits belong to the model.
/// Throws mice::error: errc::io, errc::format (not JSON), errc::unsupported (another kind of
/// tokenizer, named), errc::tokenizer. Every message names the file.
[[nodiscard]] tokenizer_spec read_tokenizer(const std::filesystem::path& path,
                                            const tokenizer_request& request = {});

/// A tokenizer as a model file holds it.
struct stored_tokenizer {
    std::string metadata;                                ///< "mice.tokenizer"
    std::optional<std::vector<std::byte>> vocabulary;    ///< U8 tensor "tokenizer.vocabulary"
    std::optional<std::vector<std::byte>> merges;        ///< I32 "tokenizer.merges" [merges, 2]
    std::optional<std::vector<std::byte>> sentencepiece; ///< U8 "tokenizer.sentencepiece"
    std::optional<std::vector<std::byte>> scores;        ///< F64 "tokenizer.scores" [pieces]
    std::optional<std::vector<std::byte>> charsmap;      ///< U8 "tokenizer.charsmap"
};

/// Brings a tokenizer into that form.
[[nodiscard]] stored_tokenizer to_stored(const tokenizer_spec& spec);

/// Like mice::make_tokenizer, for any kind.
[[nodiscard]] std::shared_ptr<const tokenizer> make_tokenizer(const tokenizer_spec& spec);

/// What people call the kind.
[[nodiscard]] std::string_view kind_name(const tokenizer_spec& spec);

} // namespace mice::tools
