// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <mice/nn/network.hpp>

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
          encoder_(source, "layers", config.layers, config, tables()),
          // a small part of the work, and what all dot products depend on
          projection_(source, {.names = {"linear"}, .with_bias = false, .in_f32 = true}) {}

    [[nodiscard]] document_packing packing() const override {
        return {.width = config().vector_size, .as_rows = true};
    }
    void encode_documents(std::span<const token_ids> documents, float* out,
                          workspace& space) const override;
    void key_values(const float*, std::size_t, float*, workspace&) const override {
        throw errors::not_supported("keys and values of a late-interaction model");
    }
    [[nodiscard]] prepared_query prepare_query(token_ids ids, workspace& space) const override;
    void score(const prepared_query& query, document_batch& documents, float* scores,
               workspace& space, const layer_observer& observer) const override;
    [[nodiscard]] std::size_t bytes() const noexcept override {
        return shared_bytes() + encoder_.bytes() + projection_.bytes();
    }

  private:
    /// out [rows, vector size]: the vectors of states x [rows, hidden].
    void project(const float* x, std::size_t rows, float* out, workspace& space) const;

    kernels::product_kind product_; // of query rows with document rows
    encoder encoder_;
    linear projection_; // [vector size, hidden]
};

namespace detail {

/// x[n] / max(|x|, 1e-12), as PyTorch's normalize: a zero vector stays one, and scores 0 with
/// everything. Throws errc::tensor for numbers that are not finite, which a maximum could hide.
inline void to_unit_length(float* x, std::size_t n) {
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
        squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    if (!std::isfinite(squares)) {
        throw errors::not_finite("a vector of late interaction");
    }
    const double length = std::max(std::sqrt(squares), 1e-12);
    for (std::size_t i = 0; i < n; ++i) {
        x[i] = static_cast<float>(static_cast<double>(x[i]) / length);
    }
}

} // namespace detail

inline void late_interaction::project(const float* x, std::size_t rows, float* out,
                                      workspace& space) const {
    const std::size_t width = projection_.out();
    projection_.apply({x, projection_.in()}, rows, {out, width}, space);
    for (std::size_t i = 0; i < rows; ++i) {
        detail::to_unit_length(out + i * width, width);
    }
}

inline void late_interaction::encode_documents(std::span<const token_ids> documents, float* out,
                                               workspace& space) const {
    const std::size_t hidden = config().hidden_size;
    std::size_t total = 0;
    for (const token_ids ids : documents) {
        total += ids.size();
    }
    float* states = space.document_states.reserve(total * hidden);
    encoder_.apply(first(), documents, states, space);
    std::size_t rows = 0; // with a vector, moved to the front
    std::size_t row = 0;
    for (const token_ids ids : documents) {
        for (const std::int32_t id : ids) {
            if (!config().skips(id)) {
                if (rows != row) {
                    std::copy_n(states + row * hidden, hidden, states + rows * hidden);
                }
                ++rows;
            }
            ++row;
        }
    }
    project(states, rows, out, space);
}

inline prepared_query late_interaction::prepare_query(token_ids ids, workspace& space) const {
    const std::size_t hidden = config().hidden_size;
    const std::size_t width = config().vector_size;
    prepared_query query;
    query.ids.assign(ids.begin(), ids.end());
    query.rows = std::max(ids.size(), config().max_query_length);
    std::vector<std::int32_t> filled = query.ids;
    filled.resize(query.rows, config().filler);

    std::vector<float> states(query.rows * hidden);
    first().apply({filled}, states.data(), space);
    const std::size_t seen = config().attend_to_filler ? query.rows : ids.size();
    const part_maker parts = [seen](std::size_t, std::size_t queries, std::size_t,
                                    std::vector<attention_part>& made) {
        made.push_back({0, queries, 0, seen, {}});
    };
    for (const encoder_layer& layer : encoder_.layers()) {
        layer.apply(states.data(), hidden, {&query.rows, 1, query.rows}, parts, {}, space);
    }
    query.states.resize(query.rows * width);
    project(states.data(), query.rows, query.states.data(), space);
    const kernels::product_set& product = kernels::active()[product_];
    product.pack_transposed(query.states.data(), width, width, query.rows,
                            query.packed.reserve(product.packed_floats(width, query.rows)));
    return query;
}

inline void late_interaction::score(const prepared_query& query, document_batch& documents,
                                    float* scores, workspace& space, const layer_observer&) const {
    // The query is the packed operand: it serves all documents, and their rows lie as they are.
    const kernels::product_set& product = kernels::active()[product_];
    const std::size_t width = config().vector_size;
    const std::size_t rows = query.rows;
    for (std::size_t i = 0; i < documents.size(); ++i) {
        const std::size_t tokens = documents[i].tokens;
        const float* states = documents.states(i);
        float* maxima = space.interaction.reserve((tokens + 1) * rows);
        float* products = maxima + rows;
        product.gemm({states, width}, tokens, query.packed.data(), width, rows, nullptr,
                     {products, rows}, space.gemm.reserve(product.gemm_scratch(tokens, width)),
                     kernels::epilogue::keep);
        kernels::active().column_maxima(products, rows, tokens, rows, maxima);
        double sum = 0;
        for (std::size_t row = 0; row < rows; ++row) {
            sum += static_cast<double>(maxima[row]);
        }
        scores[i] = static_cast<float>(sum);
    }
}

} // namespace nn
MICE_NAMESPACE_END
