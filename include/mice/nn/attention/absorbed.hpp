// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mice/nn/attention/pair.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// The absorbed form of cross-attention (MICE paper, section 3): W_k is multiplied into the query
/// and W_v into the attended mean of D, so that no [tokens, hidden] projection is ever computed.
/// Immutable.
class absorbed_attention {
  public:
    absorbed_attention() = default;
    /// Packs the weights of those names; `value_bias` [hidden].
    absorbed_attention(const weights& source, const std::string& key, const std::string& value,
                       std::vector<float> value_bias, const cross_sizes& sizes)
        : sizes_(sizes), state_product_(source.state_product()),
          value_bias_(std::move(value_bias)) {
        const weight_view& keys = source[key + ".weight"];
        const weight_view& values = source[value + ".weight"];
        const kernels::product_kind product =
            std::min(source.product_of(keys), source.product_of(values));
        const std::size_t width = sizes.head_dim();
        pack(keys, [&](matrix_view all, std::size_t head) {
            keys_.emplace_back(product, all.rows_from(head * width, width));
        });
        pack(values, [&](matrix_view all, std::size_t head) {
            values_.emplace_back().pack_transposed(product, all.rows_from(head * width, width));
        });
    }

    /// Whether any document can be long enough for this form (is_cheaper in the limit). Narrower
    /// heads would mostly pack zeros.
    [[nodiscard]] static bool fits(const cross_sizes& sizes, std::size_t rows) {
        constexpr std::size_t least_head_dim = 4;
        return sizes.head_dim() >= least_head_dim && rows * (sizes.heads - 1) <= sizes.hidden;
    }
    /// Whether this form takes fewer multiply-adds than the plain one.
    [[nodiscard]] static bool is_cheaper(const cross_sizes& sizes, std::size_t rows,
                                         std::size_t tokens) {
        const std::size_t absorbed = rows * (2 * sizes.heads * tokens + 2 * sizes.hidden);
        const std::size_t plain = 2 * tokens * sizes.hidden + 2 * rows * tokens;
        return absorbed <= plain;
    }

    /// cross_query::absorbed of a projected query [rows, hidden].
    [[nodiscard]] std::vector<float> prepare(matrix_view query, workspace& space) const {
        const kernels::product_set& product = kernels::active()[state_product_];
        const matrix_span rows =
            matrix_in(space.absorbed, sizes_.heads * query.rows, sizes_.hidden);
        absorb(query, query.rows, rows, space);
        std::vector<float> packed(product.packed_row_floats(rows.rows, rows.columns));
        product.pack_rows(matrix_view(rows).kernel_rows(), rows.rows, rows.columns, packed.data());
        return packed;
    }

    /// How many documents' absorbed queries fit together into a typical L2 cache.
    [[nodiscard]] static std::size_t documents_at_once(const cross_sizes& sizes, std::size_t rows) {
        constexpr std::size_t floats = 65536;
        return std::max<std::size_t>(1, floats / (sizes.heads * rows * sizes.hidden));
    }

    /// Attends to documents first..first+count-1; query and out [count * rows, hidden] belong to
    /// them.
    void attend(matrix_view query, document_batch& documents, std::size_t first, std::size_t count,
                const shared_query& shared, const document_masks& masks, matrix_span out,
                workspace& space) const {
        const std::size_t each = sizes_.heads * shared.rows;
        const std::size_t width = sizes_.head_dim();
        const matrix_span contexts = matrix_in(space.absorbed, count * each, sizes_.hidden);
        if (shared.prepared == nullptr) {
            absorb(query, shared.rows, contexts, space);
        }
        for (std::size_t i = 0; i < count; ++i) {
            mix_states(documents, first + i, shared, masks, contexts.rows_from(i * each, each),
                       space);
        }
        for (std::size_t head = 0; head < sizes_.heads; ++head) {
            const std::size_t column = head * width;
            values_[head].multiply(of_head(contexts, head, shared.rows),
                                   out.columns_from(column, width), space.gemm,
                                   {.bias = std::span(value_bias_).subspan(column, width)});
        }
        if (is_probed(space, sizes_.place())) {
            for (std::size_t i = 0; i < count; ++i) {
                show(query.rows_from(i * shared.rows, shared.rows), documents, first + i, shared,
                     masks, space);
            }
        }
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t sum = 0;
        for (const std::vector<packed_matrix>* heads : {&keys_, &values_}) {
            for (const packed_matrix& each : *heads) {
                sum += each.bytes();
            }
        }
        return sum;
    }

  private:
    template <class Add> void pack(const weight_view& weight, const Add& add) const {
        const std::vector<float> floats = weight.floats();
        for (std::size_t head = 0; head < sizes_.heads; ++head) {
            add(matrix_at(floats.data(), weight.rows(), weight.columns()), head);
        }
    }

    /// The rows of one head in x [documents, heads, rows, hidden].
    [[nodiscard]] matrix_span of_head(matrix_span x, std::size_t head, std::size_t rows) const {
        return {x.row(head * rows),
                x.rows / sizes_.heads,
                x.columns,
                x.stride,
                rows,
                sizes_.heads * rows * x.stride};
    }

    /// out [documents, heads, rows, hidden] = q_h W_k,h for each head h.
    void absorb(matrix_view query, std::size_t rows, matrix_span out, workspace& space) const {
        const std::size_t width = sizes_.head_dim();
        for (std::size_t head = 0; head < sizes_.heads; ++head) {
            keys_[head].multiply(query.columns_from(head * width, width), of_head(out, head, rows),
                                 space.gemm);
        }
    }

    /// x [heads * rows, hidden] = softmax(x D^T / sqrt(head_dim)) D, with the prepared query
    /// instead of x where there is one.
    void mix_states(document_batch& documents, std::size_t i, const shared_query& shared,
                    const document_masks& masks, matrix_span x, workspace& space) const {
        packed_attention packed{documents.keys(i), sizes_.hidden, documents[i].tokens,
                                documents.values(i), sizes_.hidden};
        if (shared.prepared != nullptr) {
            packed.packed_query = shared.prepared->absorbed.data();
        }
        attend_packed(state_product_, x, shared.rows, packed, sizes_.scale(),
                      masks.of(documents[i], shared, space), x, space);
    }

    /// Shows space.probe, which is set, the weights of a document's query [rows, hidden].
    void show(matrix_view query, document_batch& documents, std::size_t i,
              const shared_query& shared, const document_masks& masks, workspace& space) const {
        const std::size_t rows = shared.rows;
        const matrix_span absorbed = matrix_in(space.absorbed, sizes_.heads * rows, sizes_.hidden);
        absorb(query, rows, absorbed, space);
        attention_mask mask = masks.of(documents[i], shared, space);
        for (std::size_t head = 0; head < sizes_.heads; ++head) {
            show_head({state_product_, absorbed.rows_from(head * rows, rows), documents.keys(i),
                       documents[i].tokens, sizes_.scale(), mask},
                      {.place = sizes_.place(), .sequence = i, .head = head}, space);
            mask.match_logits += mask.matches != nullptr ? 1 : 0;
        }
    }

    cross_sizes sizes_{};
    kernels::product_kind state_product_ = kernels::product_kind::f32; // with D
    std::vector<float> value_bias_;                                    // [hidden]
    std::vector<packed_matrix> keys_;                                  // per head W_k,h
    std::vector<packed_matrix> values_;                                // per head W_v,h^T
};

} // namespace nn
MICE_NAMESPACE_END
