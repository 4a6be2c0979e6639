// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <mice/fingerprint.hpp>

#include "common/tokenizer_files.hpp"

namespace mice::tools {

/// mice::document_fingerprint of a model that is being made. `tokenizer` is null for one without.
[[nodiscard]] std::string document_fingerprint(const model_config& config,
                                               const io::safetensors::tensor_map& tensors,
                                               const stored_tokenizer* tokenizer);

} // namespace mice::tools
