// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint.hpp"
#include "checkpoint_config.hpp"

namespace mice::tools {

/// Whether a text for --derive names masks rather than a cut: "masked" and what follows.
[[nodiscard]] bool is_masks(std::string_view text);

/// Turns a cross-encoder into one of the steps between it and MICE (MICE paper, section 3): the
/// same weights, with some groups of tokens hidden from others. `text` is "masked:" and words with
/// commas between them; docs/convert.md lists them. Rewrites `config`; returns warnings for the
/// user. Throws errc::invalid_argument for words that it does not know or that contradict.
[[nodiscard]] std::vector<std::string>
derive_masks(const checkpoint& weights, checkpoint_config& config, std::string_view text);

} // namespace mice::tools
