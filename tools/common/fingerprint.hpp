// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <mice/model/fingerprint.hpp>

#include "common/tokenizer_files.hpp"

namespace mice::tools {

/// mice::document_fingerprint of a model that is being written. `tokenizer` is null where it has
/// none.
[[nodiscard]] std::string document_fingerprint(const model_config& config,
                                               const io::safetensors::tensor_map& tensors,
                                               const stored_tokenizer* tokenizer);

} // namespace mice::tools
