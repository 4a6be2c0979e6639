// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <mice/kernels/convert.hpp>
#include <mice/nn/attention/pair.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// [key, value][heads][tokens]: the scales of the codes of the block's layer. Valid until
/// space.key_value is used again.
[[nodiscard]] inline const float* stored_scales(const cross_sizes& sizes,
                                                const document_view& document, workspace& space) {
    const std::size_t tokens = document.tokens;
    const std::size_t both = 2 * sizes.heads; // of keys and of values
    const std::byte* halves = document.key_value_codes + sizes.layers * tokens * 2 * sizes.hidden +
                              sizes.layer * tokens * both * sizeof(std::uint16_t);
    float* scales = space.key_value.reserve(2 * both * tokens);
    float* of_tokens = scales + both * tokens;
    kernels::read_floats<std::uint16_t>(halves, both * tokens, of_tokens,
                                        [](std::uint16_t v) { return kernels::half_to_float(v); });
    for (std::size_t j = 0; j < both; ++j) {
        for (std::size_t token = 0; token < tokens; ++token) {
            scales[j * tokens + token] = of_tokens[token * both + j];
        }
    }
    return scales;
}

/// The plain form of cross-attention with keys and values stored in 8 bits, which int8_product
/// multiplies as they are. A key's scale becomes the scale of a column of the scores; a value's
/// goes into its weight. query and out [rows, hidden] are those of document i.
inline void attend_codes(const cross_sizes& sizes, matrix_view query,
                         const document_batch& documents, std::size_t i, attention_mask mask,
                         matrix_span out, workspace& space) {
    const kernels::kernel_set& set = kernels::active();
    const document_view& document = documents[i];
    const bool probed = is_probed(space, sizes.place());
    const std::size_t width = sizes.head_dim();
    const std::size_t tokens = document.tokens;
    const std::size_t row = 2 * sizes.hidden;
    const std::byte* codes = document.key_value_codes + sizes.layer * tokens * row;
    const float* scales = stored_scales(sizes, document, space);
    const float* value_scales = scales + sizes.heads * tokens;
    const std::size_t key_floats = set.int8.packed_floats(width, tokens);
    const std::size_t value_floats = set.int8.packed_floats(tokens, width);
    float* keys = space.packed_keys.reserve(sizes.heads * key_floats);
    float* values = space.packed_values.reserve(sizes.heads * value_floats);
    set.pack_key_codes({codes, row, tokens, sizes.heads, width}, scales, keys);
    set.pack_value_codes({codes + sizes.hidden, row, tokens, sizes.heads, width}, values);
    for (std::size_t head = 0; head < sizes.heads; ++head) {
        const packed_attention packed{
            keys + head * key_floats,     width, tokens,
            values + head * value_floats, width, value_scales + head * tokens};
        attend_packed(kernels::product_kind::int8, query.columns_from(head * width, width),
                      query.rows, packed, sizes.scale(), mask,
                      out.columns_from(head * width, width), space);
        if (probed) {
            show_head({kernels::product_kind::int8, query.columns_from(head * width, width),
                       packed.keys, tokens, sizes.scale(), mask},
                      {.place = sizes.place(), .sequence = i, .head = head}, space);
        }
        mask.match_logits += mask.matches != nullptr ? 1 : 0;
    }
}

} // namespace nn
MICE_NAMESPACE_END
