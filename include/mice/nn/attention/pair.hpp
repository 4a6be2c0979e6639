// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <mice/nn/attention/self.hpp>
#include <mice/nn/document_batch.hpp>

// What the forms of cross-attention share: plain.hpp, absorbed.hpp and coded.hpp.
MICE_NAMESPACE_BEGIN
namespace nn {

/// A query's side of one cross-attention block, computed once for all documents.
struct cross_query {
    std::vector<float> projected; ///< [rows, hidden]
    /// [heads * rows, hidden], packed for the product with D; empty where the query is too long.
    std::vector<float> absorbed;
};

/// What is the same for all documents of a call.
struct shared_query {
    std::size_t rows;              ///< of each document's copy of the query
    attention_mask mask;           ///< without matches
    const cross_query* prepared;   ///< null where the rows differ from document to document
    const std::int32_t* match_ids; ///< [rows], -1 for none; read where the model has lexical bias
};

/// The sizes of a cross-attention block, and its interaction layer.
struct cross_sizes {
    std::size_t heads;
    std::size_t hidden;
    std::size_t layer;
    std::size_t layers;

    [[nodiscard]] attention_place place() const noexcept { return {attention_role::cross, layer}; }
    [[nodiscard]] std::size_t head_dim() const noexcept { return hidden / heads; }
    /// Of a query's product with a key.
    [[nodiscard]] float scale() const { return 1.0F / std::sqrt(static_cast<float>(head_dim())); }
};

/// The masks of documents, with the bonus of matching ids (lexical bias). Immutable.
class document_masks {
  public:
    document_masks() = default;
    /// `match_logits` [heads]: what a match adds to a logit.
    explicit document_masks(std::vector<float> match_logits)
        : match_logits_(std::move(match_logits)) {}

    /// The mask of one document. Valid until space.equal_ids is used again.
    [[nodiscard]] attention_mask of(const document_view& document, const shared_query& shared,
                                    workspace& space) const {
        attention_mask mask = shared.mask;
        if (!match_logits_.empty()) {
            const matrix_span equal = matrix_in(space.equal_ids, shared.rows, document.tokens);
            for (std::size_t row = 0; row < shared.rows; ++row) {
                const std::int32_t id = shared.match_ids[row];
                float* matches = equal.row(row);
                for (std::size_t j = 0; j < document.tokens; ++j) {
                    matches[j] = document.ids[j] == id ? 1.0F : 0.0F;
                }
            }
            mask.matches = equal.data;
            mask.match_logits = match_logits_.data();
        }
        return mask;
    }

  private:
    std::vector<float> match_logits_; // [heads] or empty
};

} // namespace nn
MICE_NAMESPACE_END
