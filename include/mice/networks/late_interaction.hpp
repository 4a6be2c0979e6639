// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <mice/networks/network.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// Late interaction (ColBERT, arXiv 2004.12832, 2112.01488): queries and documents become unit
/// vectors, each side alone, and
///
///     score = sum over the query's rows of the largest dot product with a row of the document
///
/// A query is [CLS] marker tokens [SEP] and then fillers up to max_query_length, all of which have
/// a vector; a document is [CLS] marker tokens [SEP], and the tokens that the model skips have
/// none. Immutable.
class late_interaction final : public network {
  public:
    late_interaction(const weights& source, const model_config& config)
        : network(source, config), product_(source.activation_product()),
          encoder_(source, tensor_names::layers, config.layers, config, tables()),
          // a small part of the work, and what all dot products depend on
          projection_(source,
                      {.names = {tensor_names::vectors}, .with_bias = false, .in_f32 = true}) {}

    [[nodiscard]] document_packing packing() const override {
        return {.width = config().vector_size, .as_rows = true};
    }
    inline void encode_documents(std::span<const token_ids> documents, float* out,
                                 workspace& space) const override;
    void key_values(const float*, std::size_t, float*, workspace&) const override {
        throw errors::not_supported("keys and values of a late-interaction model");
    }
    [[nodiscard]] inline prepared_query prepare_query(token_ids ids,
                                                      workspace& space) const override;
    inline void score(const prepared_query& query, document_batch& documents, float* scores,
                      workspace& space, const layer_observer& observer) const override;
    [[nodiscard]] std::size_t bytes() const noexcept override {
        return shared_bytes() + encoder_.bytes() + projection_.bytes();
    }

  private:
    /// out [rows, vector size]: the vectors of states x [rows, hidden].
    void project(matrix_view x, matrix_span out, workspace& space) const;

    kernels::product_kind product_; // of query rows with document rows
    encoder encoder_;
    linear projection_; // [vector size, hidden]
};

inline void late_interaction::project(matrix_view x, matrix_span out, workspace& space) const {
    projection_.apply(x, out, space);
    for (std::size_t i = 0; i < out.rows; ++i) {
        to_unit_length(out.row(i), out.columns, "a vector of late interaction");
    }
}

inline void late_interaction::encode_documents(std::span<const token_ids> documents, float* out,
                                               workspace& space) const {
    const std::size_t hidden = config().hidden_size;
    std::size_t total = 0;
    for (const token_ids ids : documents) {
        total += ids.size();
    }
    const matrix_span states = matrix_in(space.document_states, total, hidden);
    encoder_.apply(token_embeddings(), documents, states, space);
    std::size_t rows = 0; // with a vector, moved to the front
    std::size_t row = 0;
    for (const token_ids ids : documents) {
        for (const std::int32_t id : ids) {
            if (!config().skips(id)) {
                if (rows != row) {
                    std::copy_n(states.row(row), hidden, states.row(rows));
                }
                ++rows;
            }
            ++row;
        }
    }
    project(states.rows_from(0, rows), matrix_at(out, rows, config().vector_size), space);
}

inline prepared_query late_interaction::prepare_query(token_ids ids, workspace& space) const {
    const std::size_t hidden = config().hidden_size;
    const std::size_t width = config().vector_size;
    prepared_query query;
    query.ids.assign(ids.begin(), ids.end());
    query.rows = std::max(ids.size(), config().max_query_length);
    std::vector<std::int32_t> filled = query.ids;
    filled.resize(query.rows, config().filler);

    std::vector<float> memory(query.rows * hidden);
    const matrix_span states = matrix_at(memory.data(), query.rows, hidden);
    token_embeddings().apply({filled}, states, space);
    const std::size_t seen = config().attend_to_filler ? query.rows : ids.size();
    const part_maker parts = [seen](std::size_t, std::size_t queries, std::size_t,
                                    std::vector<attention_part>& made) {
        made.push_back({0, queries, 0, seen, {}});
    };
    for (const encoder_layer& layer : encoder_.layers()) {
        layer.apply(states, {&query.rows, 1, query.rows}, parts, {}, space);
    }
    query.states.resize(query.rows * width);
    const matrix_span vectors = matrix_at(query.states.data(), query.rows, width);
    project(states, vectors, space);
    query.packed.pack_transposed(product_, vectors);
    return query;
}

inline void late_interaction::score(const prepared_query& query, document_batch& documents,
                                    float* scores, workspace& space, const layer_observer&) const {
    // The query is the packed operand: it serves all documents, and their rows lie as they are.
    const std::size_t rows = query.rows;
    for (std::size_t i = 0; i < documents.size(); ++i) {
        const std::size_t tokens = documents[i].tokens;
        const matrix_view states = documents.states(i);
        float* maxima = space.interaction.reserve((tokens + 1) * rows);
        const matrix_span products = matrix_at(maxima + rows, tokens, rows);
        query.packed.multiply(states, products, space.gemm);
        kernels::active().column_maxima(products.data, products.stride, tokens, rows, maxima);
        double sum = 0;
        for (std::size_t row = 0; row < rows; ++row) {
            sum += static_cast<double>(maxima[row]);
        }
        scores[i] = static_cast<float>(sum);
    }
}

} // namespace nn
MICE_NAMESPACE_END
