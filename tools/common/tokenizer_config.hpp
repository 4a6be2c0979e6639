// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/spec_parts.hpp>

namespace mice::tools {

/// The largest file of a tokenizer that is read.
inline constexpr std::size_t max_tokenizer_file_bytes = std::size_t{64} << 20;

/// What tokenizer_config.json may say about a tokenizer; absent = not said.
struct side_config {
    std::optional<std::string> tokenizer_class;
    std::optional<bool> add_prefix_space;
    std::optional<bool> lowercase, handle_chinese_chars;
    bool says_strip_accents = false;
    std::optional<bool> strip_accents;
    bool split_by_punct = false;  ///< a step of its own before sentencepiece
    bool sp_model_kwargs = false; ///< settings of the sentencepiece library
    std::optional<std::string> unk, cls, sep, pad, mask;
    std::vector<added_token> added;
};

/// The text of a file; throws errc::io, and errc::tokenizer for one that is too large.
[[nodiscard]] std::string read_text(const std::filesystem::path& path);

/// Reads tokenizer_config.json beside a tokenizer's file, if there is one. Every message names it.
[[nodiscard]] side_config read_side_config(const std::filesystem::path& tokenizer);

/// Throws errc::unsupported for a tokenizer_class that is not among the known ones.
void check_class(const side_config& side, std::span<const std::string_view> known);

/// Throws errc::tokenizer where tokenizer_config.json says another value than the tokenizer.
template <typename Value>
void must_agree(const char* key, const std::optional<Value>& said, const Value& actual) {
    if (said && *said != actual)
        throw errors::bad_vocabulary("tokenizer_config.json beside it says another " +
                                     errors::quoted(key) + "; correct one of them");
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
