// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <mice/io/json.hpp>

#include "checkpoint.hpp"
#include "checkpoint_config.hpp"

// Folders of sentence-transformers and PyLate: modules.json lists a backbone and what stands behind
// it, each in a folder of its own.
namespace mice::tools {

/// One line of modules.json.
struct module_entry {
    std::string kind;             ///< the class without its package, such as "Dense"
    std::string path;             ///< its folder inside the checkpoint; "" is the checkpoint itself
    std::filesystem::path folder; ///< where that is
};

/// What a folder of modules makes of a text or a pair.
enum class module_use {
    whole,           ///< the transformer alone: its own head scores, if it has one
    cross_encoder,   ///< one score of a pair
    late_interaction ///< PyLate's ColBERT
};

struct module_list {
    std::filesystem::path backbone; ///< folder of the transformer
    std::vector<module_entry> rest; ///< in the order of computation
    module_use use = module_use::whole;
    io::json settings;       ///< config_sentence_transformers.json, an object
    bool lowercases = false; ///< texts, before the tokenizer sees them
};

/// Reads modules.json; nothing where there is none. Throws mice::error for modules that mice does
/// not have, naming them. With `backbone_only` what stands behind the transformer does not matter.
[[nodiscard]] std::optional<module_list> read_modules(const std::filesystem::path& directory,
                                                      bool backbone_only);

/// Puts the modules behind the transformer in place of a head: the tensors of one of mice's heads,
/// and in `config` which one. Throws errc::unsupported for modules that are none, naming what is
/// missing.
void join_head(const module_list& modules, checkpoint& weights, checkpoint_config& config);

/// Puts PyLate's Dense modules in place of `linear.weight`, their product where there are several.
/// Throws errc::unsupported for one that is more than a matrix.
void join_projection(const module_list& modules, checkpoint& weights);

/// PyLate's settings under the keys of ColBERT's own. Throws errc::unsupported for those that mice
/// does not have.
[[nodiscard]] io::json colbert_settings_of(const module_list& modules);

} // namespace mice::tools
