// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include <mice/nn/linear.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

using kernels::attention_mask;
using kernels::packed_attention;

/// kernels::attend with the kernels of that product.
inline void attend_packed(kernels::product_kind kind, rows_in query, std::size_t rows,
                          std::size_t period, const packed_attention& in, float scale,
                          const attention_mask& mask, rows_out out, workspace& space) {
    const kernels::product_set& product = kernels::active()[kind];
    product.attend(query, rows, period, in, scale, mask, out,
                   space.gemm.reserve(product.attention_scratch(rows, in)));
}

/// One sequence's queries, keys and values, every head side by side in a row.
struct attention_operands {
    rows_in query; ///< [queries, heads * head_dim]
    std::size_t queries;
    rows_in key;   ///< [keys, heads * head_dim], one group
    rows_in value; ///< [keys, heads * head_dim], one group
    std::size_t keys;
    std::size_t heads;
    std::size_t head_dim;
    kernels::product_kind product; ///< f32 or bf16
};

/// out [queries, heads * head_dim] = softmax(q k^T / sqrt(head_dim)) v for each head.
inline void attend(const attention_operands& in, const attention_mask& mask, rows_out out,
                   workspace& space) {
    const kernels::product_set& product = kernels::active()[in.product];
    float* keys = space.packed_keys.reserve(product.packed_floats(in.head_dim, in.keys));
    float* values = space.packed_values.reserve(product.packed_floats(in.keys, in.head_dim));
    const packed_attention packed{keys, in.head_dim, in.keys, values, in.head_dim};
    const float scale = 1.0F / std::sqrt(static_cast<float>(in.head_dim));
    for (std::size_t head = 0; head < in.heads; ++head) {
        const std::size_t column = head * in.head_dim;
        product.pack_transposed(in.key.base + column, in.key.stride, in.head_dim, in.keys, keys);
        product.pack(in.value.base + column, in.value.stride, in.keys, in.head_dim, values);
        attend_packed(in.product, {in.query.base + column, in.query.stride}, in.queries, in.queries,
                      packed, scale, mask, {out.base + column, out.stride}, space);
    }
}

/// A stack of sequences of the same or of different lengths, row after row.
struct sequence_lengths {
    const std::size_t* lengths; ///< [count]
    std::size_t count;
    std::size_t total; ///< their sum
};

/// LN(x + Linear_o(attention of x over x)). Immutable.
class self_attention {
  public:
    self_attention(const weights& source, const std::string& name, std::size_t heads,
                   double epsilon)
        : query_(source, {{name + ".self.query"}}),
          key_value_(source, {{name + ".self.key", name + ".self.value"}}),
          output_(source, {{name + ".output.dense"}}),
          norm_(source, name + ".output.LayerNorm", epsilon), heads_(heads),
          product_(source.activation_product()) {}

    /// x [total, hidden] in place, each sequence attending to itself alone. With `first_row_only`
    /// only row 0 of each sequence is computed and written; the other rows serve as keys and
    /// values.
    struct rows_wanted {
        bool first_row_only = false;
    };
    void apply(float* x, const sequence_lengths& in, const attention_mask& mask, rows_wanted wanted,
               workspace& space) const {
        const std::size_t hidden = query_.out();
        const std::size_t rows = wanted.first_row_only ? in.count : in.total;
        const rows_out all{x, hidden};
        // the first rows of sequences of one length lie at a fixed distance
        const rows_out changed = wanted.first_row_only ? rows_out{x, hidden * in.lengths[0]} : all;
        const rows_out query{space.query.reserve(rows * hidden), hidden};
        const rows_out key_value{space.key_value.reserve(in.total * 2 * hidden), 2 * hidden};
        const rows_out attended{space.attended.reserve(rows * hidden), hidden};
        query_.apply(changed, rows, query, space);
        key_value_.apply(all, in.total, key_value, space);
        std::size_t key_row = 0;
        std::size_t query_row = 0;
        for (std::size_t i = 0; i < in.count; ++i) {
            const std::size_t length = in.lengths[i];
            const std::size_t queries = wanted.first_row_only ? 1 : length;
            const float* keys = key_value.row(key_row);
            attend({{query.row(query_row), hidden},
                    queries,
                    {keys, 2 * hidden},
                    {keys + hidden, 2 * hidden},
                    length,
                    heads_,
                    hidden / heads_,
                    product_},
                   mask, {attended.row(query_row), hidden}, space);
            key_row += length;
            query_row += queries;
        }
        const rows_out projected{space.projected.reserve(rows * hidden), hidden};
        output_.apply(attended, rows, projected, space);
        norm_.add_and_apply(projected, changed, rows);
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return query_.bytes() + key_value_.bytes() + output_.bytes();
    }

  private:
    linear query_;
    linear key_value_; // keys, then values
    linear output_;
    layer_norm norm_;
    std::size_t heads_;
    kernels::product_kind product_; // of queries with keys, and with values
};

} // namespace nn
MICE_NAMESPACE_END
