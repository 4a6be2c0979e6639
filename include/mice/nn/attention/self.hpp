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

#include <mice/nn/attention/probe.hpp>
#include <mice/nn/norm.hpp>
#include <mice/nn/rotary.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

using kernels::attention_mask;
using kernels::packed_attention;

/// kernels::attend with the kernels of that product.
inline void attend_packed(kernels::product_kind kind, matrix_view query, std::size_t period,
                          const packed_attention& in, float scale, const attention_mask& mask,
                          matrix_span out, workspace& space) {
    check_shape(query.columns == in.width && out.columns == in.value_width &&
                    out.rows == query.rows,
                "attend_packed");
    const kernels::product_set& product = kernels::active()[kind];
    product.attend(query.kernel_rows(), query.rows, period, in, scale, mask, out.kernel_rows(),
                   space.gemm.reserve(product.attention_scratch(query.rows, in)));
}

/// One sequence's queries, keys and values, every head side by side in a row.
struct attention_operands {
    matrix_view query; ///< [queries, heads * head_dim]
    matrix_view key;   ///< [keys, heads * head_dim], one group
    matrix_view value; ///< [keys, heads * head_dim], one group
    std::size_t heads;
    kernels::product_kind product; ///< f32 or bf16
};

/// out [queries, heads * head_dim] = softmax(q k^T / sqrt(head_dim)) v for each head.
inline void attend(const attention_operands& in, const attention_mask& mask, matrix_span out,
                   workspace& space) {
    check_shape(in.key.per_group == 0 && in.value.per_group == 0 && in.key.rows == in.value.rows &&
                    in.key.columns == in.query.columns && in.value.columns == in.query.columns,
                "attend");
    const kernels::product_set& product = kernels::active()[in.product];
    const std::size_t tokens = in.key.rows;
    const std::size_t head_dim = in.query.columns / in.heads;
    float* keys = space.packed_keys.reserve(product.packed_floats(head_dim, tokens));
    float* values = space.packed_values.reserve(product.packed_floats(tokens, head_dim));
    const packed_attention packed{keys, head_dim, tokens, values, head_dim};
    const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
    attention_mask of_head = mask;
    for (std::size_t head = 0; head < in.heads; ++head) {
        const std::size_t column = head * head_dim;
        if (mask.matches != nullptr) {
            of_head.match_logits = mask.match_logits + head;
        }
        product.pack_transposed(in.key.data + column, in.key.stride, head_dim, tokens, keys);
        product.pack(in.value.data + column, in.value.stride, tokens, head_dim, values);
        attend_packed(in.product, in.query.columns_from(column, head_dim), in.query.rows, packed,
                      scale, of_head, out.columns_from(column, head_dim), space);
    }
}

/// Shows space.probe, which is set, the weights of each head. `seen` says which rows and columns
/// these are.
inline void show(const attention_operands& in, const attention_mask& mask,
                 const attention_weights& seen, workspace& space) {
    const kernels::product_set& product = kernels::active()[in.product];
    const std::size_t tokens = in.key.rows;
    const std::size_t head_dim = in.query.columns / in.heads;
    const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
    float* keys = space.packed_keys.reserve(product.packed_floats(head_dim, tokens));
    attention_weights of_head = seen;
    for (; of_head.head < in.heads; ++of_head.head) {
        const std::size_t column = of_head.head * head_dim;
        probed_head head{in.product, in.query.columns_from(column, head_dim), keys, tokens, scale,
                         mask};
        head.mask.match_logits += mask.matches != nullptr ? of_head.head : 0;
        product.pack_transposed(in.key.data + column, in.key.stride, head_dim, tokens, keys);
        show_head(head, of_head, space);
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

/// The rows of every sequence that a layer computes: all, or the first few.
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

/// Calls f(rows, number of the first) for the wanted rows of x [total, hidden]: once where they lie
/// at fixed distances, else once a sequence.
template <class Float, class Function>
void for_wanted(basic_matrix_view<Float> x, const sequence_stack& in, rows_wanted wanted,
                const Function& f) {
    check_shape(x.rows == in.total && x.per_group == 0, "for_wanted");
    const auto is_first = [&](std::size_t length) { return length == in.lengths[0]; };
    if (wanted.first == 0) {
        f(x, std::size_t{0});
    } else if (std::all_of(in.lengths, in.lengths + in.count, is_first)) {
        const std::size_t each = wanted.of(in.lengths[0]);
        f(basic_matrix_view<Float>{x.data, in.count * each, x.columns, x.stride, each,
                                   in.lengths[0] * x.stride},
          std::size_t{0});
    } else {
        std::size_t done = 0;
        std::size_t first = 0;
        for (std::size_t i = 0; i < in.count; ++i) {
            f(x.rows_from(first, wanted.of(in.lengths[i])), done);
            done += wanted.of(in.lengths[i]);
            first += in.lengths[i];
        }
    }
}

/// Called as (sequence, its rows that are queries, its rows, parts to add to).
using part_maker =
    std::function<void(std::size_t, std::size_t, std::size_t, std::vector<attention_part>&)>;

/// Every row sees every row that the mask allows.
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
        bool has_norm = true;                      ///< the first layer of some families has none
        std::shared_ptr<const rotary> positions{}; ///< null: none
        attention_place place{};
    };

    self_attention(const weights& source, const std::string& layer, const model_config& config,
                   options chosen)
        : residual_(source,
                    chosen.has_norm
                        ? std::optional(tensor_names::of(layer, config.family().self.norm))
                        : std::nullopt,
                    config),
          chosen_(std::move(chosen)), product_(source.activation_product()) {
        const attention_names& names = config.family().self;
        const bool biases = config.family().biases;
        const auto name = [&](std::string_view part) { return tensor_names::of(layer, part); };
        if (names.is_stacked()) {
            const std::size_t width = source[name(names.query) + ".weight"].columns();
            linear::parts rows{.names = {name(names.query)}, .with_bias = biases};
            rows.rows = width;
            query_ = linear(source, rows);
            rows.first_row = width;
            rows.rows = 2 * width;
            key_value_ = linear(source, rows);
        } else {
            query_ = linear(source, {{name(names.query)}, biases});
            key_value_ = linear(source, {{name(names.key), name(names.value)}, biases});
        }
        output_ = linear(source, {{name(names.output)}, biases});
    }

    /// x [total, hidden] in place; a sequence attends only to itself. Only the `wanted` rows of a
    /// sequence are computed and written; the others serve as keys and values.
    void apply(matrix_span x, const sequence_stack& in, const part_maker& parts_of,
               rows_wanted wanted, workspace& space) const {
        const std::size_t hidden = query_.out();
        const std::size_t rows = wanted.total(in);
        const matrix_view start = residual_.start(x, space);
        const matrix_span query = matrix_in(space.query, rows, hidden);
        const matrix_span key_value = matrix_in(space.key_value, in.total, 2 * hidden);
        const matrix_span attended = matrix_in(space.attended, rows, hidden);
        for_wanted(start, in, wanted, [&](matrix_view some, std::size_t to) {
            query_.apply(some, query.rows_from(to, some.rows), space);
        });
        key_value_.apply(start, key_value, space);
        const bool probed = is_probed(space, chosen_.place);
        std::size_t key_row = 0;
        std::size_t query_row = 0;
        for (std::size_t i = 0; i < in.count; ++i) {
            const std::size_t length = in.lengths[i];
            const std::size_t queries = wanted.of(length);
            if (chosen_.positions != nullptr) {
                const std::size_t restart = in.restarts != nullptr ? in.restarts[i] : length;
                rotate(query.rows_from(query_row, queries), restart);
                rotate(key_value.rows_from(key_row, length), restart);
            }
            space.lists.parts.clear();
            parts_of(i, queries, length, space.lists.parts);
            for (const attention_part& part : space.lists.parts) {
                const matrix_view seen = key_value.rows_from(key_row + part.first_key, part.keys);
                const attention_operands operands{
                    query.rows_from(query_row + part.first_row, part.rows),
                    seen.columns_from(0, hidden), seen.columns_from(hidden, hidden), chosen_.heads,
                    product_};
                attend(operands, part.mask,
                       attended.rows_from(query_row + part.first_row, part.rows), space);
                if (probed) {
                    show(operands, part.mask, {chosen_.place, i, 0, part.first_row, part.first_key},
                         space);
                }
            }
            key_row += length;
            query_row += queries;
        }
        const matrix_span projected = matrix_in(space.projected, rows, hidden);
        output_.apply(attended, projected, space);
        for_wanted(x, in, wanted, [&](matrix_span some, std::size_t from) {
            residual_.finish(projected.rows_from(from, some.rows), some);
        });
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return query_.bytes() + key_value_.bytes() + output_.bytes();
    }

  private:
    /// The keys, which stand in front of the values.
    void rotate(matrix_span x, std::size_t restart) const {
        for (std::size_t t = 0; t < x.rows; ++t) {
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
