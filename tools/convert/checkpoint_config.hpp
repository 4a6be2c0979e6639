// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <mice/model/config.hpp>

#include "checkpoint.hpp"
#include "common/json.hpp"

namespace mice::tools {

/// The configuration of a checkpoint while it is put together: the backbone's keys and the MICE
/// options under their canonical names.
struct checkpoint_config {
    json values = json::object();
    json interaction = json::object(); ///< configuration of the (narrow) interaction layers
    std::string interaction_file;      ///< where that came from; empty: there is none
    std::string architecture;          ///< the first of `architectures`; may be empty
    std::vector<std::string> flags;    ///< keys that were given as flags
    std::vector<std::string> notes;
    std::vector<std::string> warnings; ///< what limits the use of the model
};

/// The JSON object in a file of the directory; nothing where there is no such file. Throws for a
/// file that holds anything else.
[[nodiscard]] std::optional<json> read_object(const std::filesystem::path& directory,
                                              const std::string& name);

/// Like read_object, for an existing file with any JSON.
[[nodiscard]] json read_json(const std::filesystem::path& directory, const std::string& name);

/// Reads config.json, contextualization_layers/config.json and interaction_layers/config.json or
/// head/config.json, whichever there are, and merges them. Throws mice::error where two files
/// contradict each other, and for models of another family.
[[nodiscard]] checkpoint_config read_config(const std::filesystem::path& directory);

/// Adds the options given as flags. A flag that contradicts the configuration is refused unless
/// `override_config`.
void apply_flags(checkpoint_config& config, const json& flags, bool override_config);

/// Fills in the options that have defaults or follow from the tensors, and turns the whole into a
/// valid configuration of that kind. Throws where an option is missing that cannot be inferred.
[[nodiscard]] model_config complete_config(checkpoint_config& config, const checkpoint& weights,
                                           model_kind kind);

} // namespace mice::tools
