// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

#include <mice/text/sentencepiece/spec.hpp>

#include "common/tokenizer_config.hpp"

namespace mice::tools {

/// The sentencepiece model file of a checkpoint folder under one of its usual names.
[[nodiscard]] std::optional<std::filesystem::path>
find_sentencepiece(const std::filesystem::path& folder);

/// Reads a sentencepiece model file, and what its folder says about ids and special tokens: a
/// tokenizer.json that was generated from it, else tokenizer_config.json and config.json (an XLM-R
/// tokenizer_class or model_type), else the pieces themselves. A tokenizer.json of another model is
/// refused, but does not matter to a file that was chosen. Throws errc::unsupported for a tokenizer
/// that does more than the sentencepiece model, naming the step.
[[nodiscard]] sentencepiece_spec read_sentencepiece(const std::filesystem::path& path,
                                                    const side_config& side,
                                                    const tokenizer_request& request);

} // namespace mice::tools
