// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint.hpp"
#include "checkpoint_config.hpp"

namespace mice::tools {

/// A cut through a backbone: "l4+3" is 4 contextualization and 3 interaction layers.
struct derive_cut {
    std::size_t contextualization = 0;
    std::optional<std::size_t> interaction; ///< nothing: all layers above
};

/// Reads "l4+3" or "l4+all"; nothing of another text.
[[nodiscard]] std::optional<derive_cut> parse_cut(std::string_view text);

struct derivation {
    std::string text;                      ///< as on the command line
    std::optional<std::size_t> from_layer; ///< backbone layer of interaction layer 0
};

/// Turns a backbone or cross-encoder into an untrained MICE checkpoint (no training): the first
/// layers become the contextualization layers, the layers above become interaction layers whose
/// cross-attention starts as a copy of their self-attention. Rewrites `weights` and `config`;
/// returns warnings for the user. Throws where the checkpoint or the cut does not allow it.
[[nodiscard]] std::vector<std::string> derive_mice(checkpoint& weights, checkpoint_config& config,
                                                   const derivation& how);

} // namespace mice::tools
