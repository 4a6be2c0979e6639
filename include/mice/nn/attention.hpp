// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <mice/nn/layer_norm.hpp>
#include <mice/nn/rotary.hpp>

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
    attention_mask of_head = mask;
    for (std::size_t head = 0; head < in.heads; ++head) {
        const std::size_t column = head * in.head_dim;
        if (mask.matches != nullptr) {
            of_head.match_logits = mask.match_logits + head;
        }
        product.pack_transposed(in.key.base + column, in.key.stride, in.head_dim, in.keys, keys);
        product.pack(in.value.base + column, in.value.stride, in.keys, in.head_dim, values);
        attend_packed(in.product, {in.query.base + column, in.query.stride}, in.queries, in.queries,
                      packed, scale, of_head, {out.base + column, out.stride}, space);
    }
}

/// A stack of sequences of the same or of different lengths, row after row.
struct sequence_stack {
    const std::size_t* lengths; ///< [count]
    std::size_t count;
    std::size_t total; ///< their sum
    /// [count]: the row of each sequence at which positions start at 0 again; null: none does.
    const std::size_t* restarts = nullptr;
};

/// The rows of each sequence that a layer computes: all, or the first few.
struct rows_wanted {
    std::size_t first = 0; ///< how many; 0: all

    [[nodiscard]] std::size_t of(std::size_t length) const noexcept {
        return first == 0 ? length : std::min(first, length);
    }
    [[nodiscard]] std::size_t total(const sequence_stack& in) const {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < in.count; ++i) {
            sum += of(in.lengths[i]);
        }
        return sum;
    }
};

/// Calls f(rows, their number, number of the first) for the wanted rows of x: once where they lie
/// at fixed distances, else once for each sequence.
template <class Float, class Function>
void for_wanted(Float* x, std::size_t hidden, const sequence_stack& in, rows_wanted wanted,
                const Function& f) {
    using view = kernels::row_view<Float>;
    const auto is_first = [&](std::size_t length) { return length == in.lengths[0]; };
    if (wanted.first == 0) {
        f(view{x, hidden}, in.total, 0);
    } else if (std::all_of(in.lengths, in.lengths + in.count, is_first)) {
        const std::size_t each = wanted.of(in.lengths[0]);
        f(view{x, hidden, each, in.lengths[0] * hidden}, in.count * each, 0);
    } else {
        std::size_t done = 0;
        for (std::size_t i = 0; i < in.count; ++i) {
            f(view{x, hidden}, wanted.of(in.lengths[i]), done);
            done += wanted.of(in.lengths[i]);
            x += in.lengths[i] * hidden;
        }
    }
}

/// Called as (sequence, its rows that are queries, its rows, parts to add to).
using part_maker =
    std::function<void(std::size_t, std::size_t, std::size_t, std::vector<attention_part>&)>;

/// Every row sees every row, but for what the mask says.
[[nodiscard]] inline part_maker whole(const attention_mask& mask) {
    return [mask](std::size_t, std::size_t queries, std::size_t rows,
                  std::vector<attention_part>& parts) {
        parts.push_back({0, queries, 0, rows, mask});
    };
}

/// Every row sees itself and `window` rows on each side. Long sequences are cut into bands, so that
/// time and memory are linear in their length.
[[nodiscard]] inline part_maker banded(std::size_t window) {
    return [window](std::size_t, std::size_t queries, std::size_t rows,
                    std::vector<attention_part>& parts) {
        const std::size_t band = std::max<std::size_t>(128, window);
        for (std::size_t first = 0; first < queries; first += band) {
            const std::size_t count = std::min(band, queries - first);
            const std::size_t key = first > window ? first - window : 0;
            const std::size_t keys = std::min(rows, first + count + window) - key;
            parts.push_back(
                {first, count, key, keys, {.window = window, .first_row_column = first - key}});
        }
    };
}

/// Linear_o(attention of x over x), joined to x. Immutable.
class self_attention {
  public:
    struct options {
        std::size_t heads;
        bool has_norm = true;                      ///< ModernBERT's first layer has none
        std::shared_ptr<const rotary> positions{}; ///< null: none
    };

    self_attention(const weights& source, const std::string& layer, const model_config& config,
                   options chosen)
        : residual_(source, norm_name(layer, config, chosen.has_norm), config),
          chosen_(std::move(chosen)), product_(source.activation_product()) {
        if (config.is_modernbert()) {
            const std::size_t width = config.hidden_size;
            linear::parts rows{.names = {layer + ".attn.Wqkv"}, .with_bias = false};
            rows.rows = width;
            query_ = linear(source, rows);
            rows.first_row = width;
            rows.rows = 2 * width;
            key_value_ = linear(source, rows);
            output_ = linear(source, {{layer + ".attn.Wo"}, false});
        } else {
            const std::string name = layer + ".attention";
            query_ = linear(source, {{name + ".self.query"}});
            key_value_ = linear(source, {{name + ".self.key", name + ".self.value"}});
            output_ = linear(source, {{name + ".output.dense"}});
        }
    }

    /// x [total, hidden] in place, each sequence attending to itself alone. Of each sequence only
    /// the `wanted` rows are computed and written; the others serve as keys and values.
    void apply(float* x, const sequence_stack& in, const part_maker& parts_of, rows_wanted wanted,
               workspace& space) const {
        const std::size_t hidden = query_.out();
        const std::size_t rows = wanted.total(in);
        const rows_in start = residual_.start(rows_in{x, hidden}, in.total, space);
        const rows_out query{space.query.reserve(rows * hidden), hidden};
        const rows_out key_value{space.key_value.reserve(in.total * 2 * hidden), 2 * hidden};
        const rows_out attended{space.attended.reserve(rows * hidden), hidden};
        for_wanted(start.base, hidden, in, wanted,
                   [&](rows_in some, std::size_t m, std::size_t to) {
                       query_.apply(some, m, {query.row(to), hidden}, space);
                   });
        key_value_.apply(start, in.total, key_value, space);
        std::size_t key_row = 0;
        std::size_t query_row = 0;
        for (std::size_t i = 0; i < in.count; ++i) {
            const std::size_t length = in.lengths[i];
            const std::size_t queries = wanted.of(length);
            if (chosen_.positions != nullptr) {
                const std::size_t restart = in.restarts != nullptr ? in.restarts[i] : length;
                rotate({query.row(query_row), hidden}, queries, restart);
                rotate({key_value.row(key_row), 2 * hidden}, length, restart);
            }
            space.lists.parts.clear();
            parts_of(i, queries, length, space.lists.parts);
            for (const attention_part& part : space.lists.parts) {
                const float* keys = key_value.row(key_row + part.first_key);
                attend({{query.row(query_row + part.first_row), hidden},
                        part.rows,
                        {keys, 2 * hidden},
                        {keys + hidden, 2 * hidden},
                        part.keys,
                        chosen_.heads,
                        hidden / chosen_.heads,
                        product_},
                       part.mask, {attended.row(query_row + part.first_row), hidden}, space);
            }
            key_row += length;
            query_row += queries;
        }
        const rows_out projected{space.projected.reserve(rows * hidden), hidden};
        output_.apply(attended, rows, projected, space);
        for_wanted(x, hidden, in, wanted, [&](rows_out some, std::size_t m, std::size_t from) {
            residual_.finish({projected.row(from), hidden}, some, m, hidden);
        });
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return query_.bytes() + key_value_.bytes() + output_.bytes();
    }

  private:
    static std::optional<std::string> norm_name(const std::string& layer,
                                                const model_config& config, bool has_norm) {
        if (!config.is_modernbert()) {
            return layer + ".attention.output.LayerNorm";
        }
        return has_norm ? std::optional(layer + ".attn_norm") : std::nullopt;
    }

    void rotate(rows_out x, std::size_t rows, std::size_t restart) const {
        for (std::size_t t = 0; t < rows; ++t) {
            chosen_.positions->apply(x.row(t), chosen_.heads, t < restart ? t : t - restart);
        }
    }

    residual residual_;
    options chosen_;
    linear query_;
    linear key_value_; // keys, then values
    linear output_;
    kernels::product_kind product_; // of queries with keys, and with values
};

} // namespace nn
MICE_NAMESPACE_END
