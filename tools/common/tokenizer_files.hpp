// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

#include <mice/tokenizer.hpp>

namespace mice::tools {

/// The tokenizer file of a checkpoint folder: tokenizer.json before vocab.txt, nothing if neither
/// is there.
[[nodiscard]] std::optional<std::filesystem::path>
find_tokenizer(const std::filesystem::path& folder);

/// Reads a WordPiece tokenizer from a folder, a tokenizer.json or a vocab.txt. Beside a vocab.txt
/// tokenizer_config.json is read too (do_lower_case, strip_accents, tokenize_chinese_chars, special
/// tokens); beside a tokenizer.json it must not contradict. Truncation, padding and decoder of a
/// tokenizer.json are ignored: limits belong to the model. Throws mice::error: errc::io,
/// errc::format (not JSON), errc::unsupported (another kind of tokenizer, named), errc::tokenizer.
/// Every message names the file.
[[nodiscard]] wordpiece_spec read_tokenizer(const std::filesystem::path& path);

} // namespace mice::tools
