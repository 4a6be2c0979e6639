// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <mice/kernels/buffer.hpp>
#include <mice/kernels/set.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

using kernels::buffer;
class attention_probe; // nn/attention/probe.hpp

/// Rows of one sequence that read the same keys.
struct attention_part {
    std::size_t first_row, rows;
    std::size_t first_key, keys;
    kernels::attention_mask mask;
};

/// Where the sequences of an encoder's call lie. The lists keep their memory from call to call.
struct sequence_lists {
    std::vector<std::size_t> lengths;  ///< [sequences]
    std::vector<std::size_t> seconds;  ///< [sequences] first row of a cross-encoder's document
    std::vector<std::int32_t> ids;     ///< of one pair
    std::vector<attention_part> parts; ///< of one sequence
};

/// Scratch memory of one thread in one call. Buffers grow to the largest size that they meet.
struct workspace {
    buffer gemm;            ///< what the kernels ask for
    buffer query;           ///< [rows, hidden]
    buffer normed;          ///< [rows, hidden], what a pre-norm block starts from
    buffer key_value;       ///< [rows, 2 hidden]
    buffer attended;        ///< [rows, hidden]
    buffer projected;       ///< [rows, hidden]
    buffer inner;           ///< [rows, intermediate], twice that where it is gated
    buffer embedded;        ///< [rows, embedding]
    buffer packed_keys;     ///< one head's keys
    buffer packed_values;   ///< one head's values
    buffer absorbed;        ///< [documents, heads, query rows, hidden]
    buffer document_states; ///< [rows, state width] of the documents of a cross-encoder's call
    buffer interaction;     ///< [documents, query rows, hidden]
    buffer matched;         ///< [documents, query rows, hidden], exact matches
    sequence_lists lists;
    buffer equal_ids;                 ///< [query rows, tokens], 1 where the ids are the same
    attention_probe* probe = nullptr; ///< sees the weights of attention; null: nobody does
    buffer probed;                    ///< [rows, tokens] of one head, where somebody does
};

} // namespace nn
MICE_NAMESPACE_END
