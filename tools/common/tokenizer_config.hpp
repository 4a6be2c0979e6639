// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/spec_parts.hpp>

namespace mice::tools {

/// Larger files of a tokenizer are refused.
inline constexpr std::size_t max_tokenizer_file_bytes = std::size_t{64} << 20;

/// What the files beside a tokenizer say about it; absent = not said. Names of special tokens and
/// added tokens come from where Hugging Face takes them: a tokenizer_config.json that has
/// added_tokens_decoder says all of them; without it special_tokens_map.json goes before
/// tokenizer_config.json, and added_tokens.json lists the added tokens.
struct side_config {
    std::optional<std::string> tokenizer_class;
    std::optional<bool> add_prefix_space;
    std::optional<bool> lowercase, handle_chinese_chars;
    bool says_strip_accents = false;
    std::optional<bool> strip_accents;
    bool split_by_punct = false;  ///< a step of its own before sentencepiece
    bool sp_model_kwargs = false; ///< settings of the sentencepiece library
    std::optional<std::string> unk, cls, sep, pad, mask;
    std::vector<added_token> added; ///< with the ids that the files give them, ascending
    std::vector<added_token> named; ///< special tokens under their names; no file gives an id
    std::vector<added_token> extra; ///< further special tokens (also bos, eos), likewise
    std::string names_file = "tokenizer_config.json"; ///< which names unk, cls, sep, pad, mask
};

/// What the caller knows about the tokenizer.
struct tokenizer_request {
    /// Rows of the embedding table. A special token that no file gives an id would get the next
    /// one; where that has no row it is left out, as no model can read it.
    std::size_t rows = std::numeric_limits<std::size_t>::max();
    bool chosen = false; ///< the user named this very file: ignore another beside it
};

/// The text of a file; throws errc::io, and errc::tokenizer for one that is too large.
[[nodiscard]] std::string read_text(const std::filesystem::path& path);

/// Reads tokenizer_config.json, special_tokens_map.json and added_tokens.json beside a tokenizer's
/// file, whichever there are. Every message names the file.
[[nodiscard]] side_config read_side_config(const std::filesystem::path& tokenizer);

/// The token of that text in a list, or null.
[[nodiscard]] const added_token* find_added(std::span<const added_token> tokens,
                                            std::string_view content);

/// Throws errc::unsupported for a tokenizer_class that is not among the known ones.
void check_class(const side_config& side, std::span<const std::string_view> known);

/// Throws errc::tokenizer where the file beside a tokenizer contradicts it.
template <typename Value>
void must_agree(const char* key, const std::optional<Value>& said, const Value& actual,
                std::string_view file = "tokenizer_config.json") {
    if (said && *said != actual)
        throw detail::errors::bad_vocabulary(std::string(file) + " beside it says another " +
                                             detail::errors::quoted(key) + "; correct one of them");
}

/// Runs `step` and puts the file's name in front of its errors.
template <typename Step> auto named(const std::filesystem::path& path, Step&& step) {
    try {
        return step();
    } catch (const error& problem) {
        if (problem.code() == errc::io) // these name the path already
            throw;
        throw error(problem.code(), path.string() + ": " + problem.what());
    }
}

} // namespace mice::tools
