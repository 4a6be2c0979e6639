// SPDX-License-Identifier: Apache-2.0
#include "common/fingerprint.hpp"

namespace mice::tools {

std::string document_fingerprint(const model_config& config,
                                 const io::safetensors::tensor_map& tensors,
                                 const stored_tokenizer* tokenizer) {
    if (tokenizer == nullptr) {
        return mice::document_fingerprint(config, tensors, {}, {});
    }
    return mice::document_fingerprint(config, tensors, tokenizer->metadata,
                                      {tokenizer->vocabulary, tokenizer->merges,
                                       tokenizer->sentencepiece, tokenizer->scores,
                                       tokenizer->charsmap});
}

} // namespace mice::tools
