// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <mice/model/family.hpp>

#include "checkpoint.hpp"
#include "checkpoint_config.hpp"
#include "common/json.hpp"

// What differs between the checkpoints of the families of encoders. What differs between their
// models is in mice/model/family.hpp.
namespace mice::tools {

/// How the checkpoints of one model_type say what they are.
struct checkpoint_family {
    std::string_view model_type{};  ///< in config.json
    const encoder_family* stored{}; ///< the family that a model file names
    const char* activation_key = "hidden_act";
    const char* epsilon_key = "layer_norm_eps";
    double epsilon = 1e-12;         ///< where config.json says none
    std::size_t usual_length = 512; ///< tokens of a text or a pair where no file says a limit
    bool has_unused_tokens = true;  ///< [unused0] and [unused1] are the ids 1 and 2
    /// Refuses settings of config.json that change the computation into what mice does not have.
    void (*check)(const json& backbone){};
    /// Brings tensors and configuration into the stored family's form; null: they have it.
    void (*adapt)(checkpoint& weights, checkpoint_config& config){};
};

/// Every model_type that mice-convert reads.
[[nodiscard]] std::span<const checkpoint_family> checkpoint_families();

/// The entry of that model_type, under which a checkpoint or a model file names it. Throws
/// errc::unsupported where there is none.
[[nodiscard]] const checkpoint_family& checkpoint_family_of(std::string_view model_type);

/// The titles of the stored families, as messages list them: "BERT, ELECTRA, .. or ModernBERT".
/// `late_interaction`: only those that have it.
[[nodiscard]] std::string family_titles(bool late_interaction = false);

/// As check of the family that `backbone` names.
void check_backbone_features(const json& backbone);

/// As adapt of the family that the configuration names.
void adapt_to_family(checkpoint& weights, checkpoint_config& config);

/// Throws unless positions are a table of their own, which no RoPE model has or asks about.
void check_positions(const json& values);

/// Whether transformers calls the exact form of GELU so.
[[nodiscard]] bool is_exact_gelu(std::string_view name);

} // namespace mice::tools
