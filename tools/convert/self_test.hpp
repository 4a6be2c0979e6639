// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/model/config.hpp>
#include <mice/text/tokenizer.hpp>

namespace mice::tools {

/// Reference inputs and scores that a model file carries: pair i is the ids from offset i to
/// offset i + 1 of both flat lists.
struct self_test {
    std::vector<std::int32_t> query_ids, query_offsets{0};
    std::vector<std::int32_t> document_ids, document_offsets{0};
    std::vector<float> scores; ///< logits

    /// The five tensors `selftest.*`; views into this object.
    [[nodiscard]] std::vector<io::tensor_to_write> tensors() const;
};

/// Creates `pairs` inputs, from built-in English texts, or from seeded ids without a tokenizer
/// (`words` null), and scores them in double precision from the weights as stored. The same
/// arguments give the same result everywhere, but for the last bits of the scores.
[[nodiscard]] self_test make_self_test(const model_config& config,
                                       const io::safetensors::tensor_map& stored,
                                       const tokenizer* words, std::size_t pairs);

} // namespace mice::tools
