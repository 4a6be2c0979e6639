// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include <mice/nn/attention/pair.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// The plain form of cross-attention: D is projected to keys and values, or they are stored.
/// Immutable.
class plain_attention {
  public:
    /// `key_value` projects a state to its keys, then its values.
    plain_attention(const weights& source, const linear::parts& key_value, const cross_sizes& sizes)
        : key_value_(source, key_value), sizes_(sizes), product_(source.activation_product()) {}

    /// out [tokens, 2 hidden] = the keys, then the values of states [tokens, hidden].
    void key_values(matrix_view states, matrix_span out, workspace& space) const {
        key_value_.apply(states, out, space);
    }

    /// Attends to document i; query and out [rows, hidden] are the document's. `raw`: to D itself
    /// where other layers attend to its normalised rows.
    void attend(matrix_view query, document_batch& documents, std::size_t i, bool raw,
                const attention_mask& mask, matrix_span out, workspace& space) const {
        const document_view& document = documents[i];
        const std::size_t hidden = sizes_.hidden;
        matrix_view both;
        if (document.key_values != nullptr) {
            both = matrix_at(document.key_values + sizes_.layer * document.tokens * 2 * hidden,
                             document.tokens, 2 * hidden);
        } else {
            const matrix_span projected = matrix_in(space.key_value, document.tokens, 2 * hidden);
            key_values(raw ? documents.states(i) : documents.attended(i), projected, space);
            both = projected;
        }
        const attention_operands operands{query, both.columns_from(0, hidden),
                                          both.columns_from(hidden, hidden), sizes_.heads,
                                          product_};
        nn::attend(operands, mask, out, space);
        if (is_probed(space, sizes_.place())) {
            show(operands, mask, {.place = sizes_.place(), .sequence = i}, space);
        }
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return key_value_.bytes(); }

  private:
    linear key_value_; // keys, then values
    cross_sizes sizes_;
    kernels::product_kind product_; // f32 or bf16
};

} // namespace nn
MICE_NAMESPACE_END
