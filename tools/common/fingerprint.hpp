// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <mice/io/safetensors.hpp>
#include <mice/model_config.hpp>

#include "common/tokenizer_files.hpp"

namespace mice::tools {

/// Whether a tensor takes part in encoding a document: embeddings, the document's contextualization
/// layers and the adapter, or the layers and the projection of late interaction, row scales
/// included.
[[nodiscard]] bool shapes_documents(std::string_view tensor_name);

/// What `mice.document_fingerprint` holds: 32 hexadecimal digits, the XXH3-128 hash of everything
/// that shapes the state of an encoded document: the document side's tensors as stored, the
/// configuration that encoding reads, the tokenizer's settings and tensors. Two
/// models with the same fingerprint give the same states for the same text. `tokenizer` is null for
/// a model without one.
[[nodiscard]] std::string document_fingerprint(const model_config& config,
                                               const io::safetensors::tensor_map& tensors,
                                               const stored_tokenizer* tokenizer);

} // namespace mice::tools
