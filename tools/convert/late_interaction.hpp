// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include <mice/model/config.hpp>

#include "checkpoint.hpp"
#include "convert.hpp"
#include "modules.hpp"

// Checkpoints of late interaction (ColBERT): a BERT or ELECTRA backbone and `linear.weight`.
namespace mice::tools {

/// Whether the folder's config.json holds `colbert` or names an architecture such as HF_ColBERT.
[[nodiscard]] bool is_late_interaction(const std::filesystem::path& directory);

/// Reads such a checkpoint and brings it into the form of a model file, fully checked. Its settings
/// come from PyLate's files where it is a folder of modules (else null), `colbert` in config.json,
/// or else from ColBERT's artifact.metadata, and missing ids come from the tokenizer. Throws
/// mice::error where a setting that changes scores cannot be found.
[[nodiscard]] model_config prepare_late_interaction(const convert_options& options,
                                                    const module_list* modules, checkpoint& weights,
                                                    conversion_report& report);

} // namespace mice::tools
