// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint.hpp"
#include "checkpoint_config.hpp"
#include "common/json.hpp"

// Folders of sentence-transformers and PyLate: modules.json lists a backbone and what stands behind
// it, each in a folder of its own.
namespace mice::tools {

/// One line of modules.json.
struct module_entry {
    std::string kind;             ///< the class without its package, such as "Dense"
    std::string path;             ///< its folder inside the checkpoint; "" is the checkpoint itself
    std::filesystem::path folder; ///< where that is
};

/// What a folder of modules computes from a text or a pair.
enum class module_use {
    whole,           ///< the transformer alone: its own head scores, if it has one
    cross_encoder,   ///< one score of a pair
    late_interaction ///< PyLate's ColBERT
};

struct module_list { // NOLINT(bugprone-exception-escape): a JSON value moves without one
    std::filesystem::path backbone; ///< folder of the transformer
    std::vector<module_entry> rest; ///< in the order of computation
    module_use use = module_use::whole;
    json settings;           ///< config_sentence_transformers.json, an object
    bool lowercases = false; ///< texts, before the tokenizer sees them
};

/// Reads modules.json; nothing where there is none. Throws mice::error for modules that mice does
/// not have, naming them. With `backbone_only` the modules behind the transformer are ignored.
[[nodiscard]] std::optional<module_list> read_modules(const std::filesystem::path& directory,
                                                      bool backbone_only);

/// Turns the modules behind the transformer into one of mice's heads: its tensors, and in `config`
/// which one. Throws errc::unsupported where they are none of them, naming what is missing.
void join_head(const module_list& modules, checkpoint& weights, checkpoint_config& config);

/// Turns PyLate's Dense modules into `linear.weight`: their product where there are several. Throws
/// errc::unsupported for one that is more than a matrix.
void join_projection(const module_list& modules, checkpoint& weights);

/// PyLate's settings under the keys of ColBERT's own. Throws errc::unsupported for those that mice
/// does not have.
[[nodiscard]] json colbert_settings_of(const module_list& modules);

} // namespace mice::tools
