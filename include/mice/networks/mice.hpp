// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mice/networks/network.hpp>
#include <mice/nn/head.hpp>
#include <mice/nn/interaction_layer.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// A MICE model (arXiv 2602.16299): the query's rows attend to the states of a document, which
/// were computed alone. Immutable.
class mice_network final : public network {
  public:
    mice_network(const weights& source, const model_config& config)
        : network(source, config), product_(source.state_product()),
          normalisation_(config.interaction_hidden(), config.layer_norm_eps,
                         source.activation_product()),
          self_parts_(whole({.hide_first_column = config.mask_query_to_cls})),
          query_encoder_(source, tensor_names::query_layers(config), config.query_layers, config,
                         tables()),
          head_(source, config) {
        if (!config.bound_bottom_layers) {
            document_encoder_.emplace(source, tensor_names::document_layers(config),
                                      config.document_layers, config, tables());
        }
        if (config.has_adapter()) {
            adapter_ = linear(source, {{tensor_names::adapter}});
        }
        if (config.global_cls_token) {
            global_row_ = source[tensor_names::global_row].floats();
        }
        if (config.highlight_width > 0) {
            matches_.emplace(source);
        }
        layers_.reserve(config.interaction_layers);
        for (std::size_t i = 0; i < config.interaction_layers; ++i) {
            layers_.emplace_back(source, i, config, tables());
        }
    }

    [[nodiscard]] document_packing packing() const override {
        const bool normalise =
            config().family().norms == norm_place::before && !config().normalises_states();
        return {config().interaction_hidden(), product_, normalise ? &normalisation_ : nullptr};
    }
    void encode_documents(std::span<const token_ids> documents, float* out,
                          workspace& space) const override {
        const encoder& stack = document_encoder_ ? *document_encoder_ : query_encoder_;
        const std::size_t rows = encode(stack, documents, out, space);
        if (config().normalises_states()) {
            normalisation_.apply(matrix_at(out, rows, config().interaction_hidden()));
        }
    }
    inline void key_values(const float* states, std::size_t tokens, float* out,
                           workspace& space) const override;
    [[nodiscard]] inline prepared_query prepare_query(token_ids ids,
                                                      workspace& space) const override;
    inline void score(const prepared_query& query, document_batch& documents, float* scores,
                      workspace& space, const layer_observer& observer) const override;
    [[nodiscard]] const matching_head* matches() const noexcept override {
        return matches_ ? &*matches_ : nullptr;
    }
    [[nodiscard]] inline std::size_t bytes() const noexcept override;

  private:
    /// Rows written to out [rows, interaction hidden].
    std::size_t encode(const encoder& stack, std::span<const token_ids> sequences, float* out,
                       workspace& space) const;
    /// x [documents * query rows, interaction hidden] in place.
    void run_layer(std::size_t index, const prepared_query& query, document_batch& documents,
                   matrix_span x, workspace& space) const;
    /// The first `wanted` rows of each document's copy of the query, of `rows` rows.
    [[nodiscard]] static matrix_span first_rows(matrix_span x, std::size_t rows,
                                                std::size_t wanted) {
        return {x.data, x.rows / rows * wanted, x.columns, x.stride, wanted, rows * x.stride};
    }

    [[nodiscard]] bool is_last(std::size_t layer) const { return layer + 1 == layers_.size(); }
    /// The rows of layer `index` that the network needs behind its attention blocks.
    [[nodiscard]] std::size_t rows_after(std::size_t index, std::size_t rows) const {
        return is_last(index) && !head_.reads_all_rows() ? 1 : rows;
    }
    /// The rows that go through the cross-attention of layer `index`. In the inverted order the
    /// self-attention behind it still needs them all.
    [[nodiscard]] std::size_t rows_crossed(std::size_t index, std::size_t rows) const {
        return config().cross_attn_first ? rows : rows_after(index, rows);
    }
    /// Whether the self-attention of layer `index` computes only row 0. A probe sees all rows.
    [[nodiscard]] rows_wanted self_rows(std::size_t index, const workspace& space) const {
        const bool first = is_last(index) && !head_.reads_all_rows() && space.probe == nullptr;
        return {first ? std::size_t{1} : 0};
    }
    /// Lets a probe see the cross-attention of rows that no score needs. They go through it in a
    /// copy: which form it takes, and so the bits of row 0, depends on the number of rows.
    void show_cross(std::size_t index, const prepared_query& query, document_batch& documents,
                    matrix_view x, workspace& space) const {
        buffer memory;
        const matrix_span copy = matrix_in(memory, x.rows, x.columns);
        copy_rows(x, copy);
        layers_[index].cross.apply(
            copy, documents, {query.rows, cross_mask(), nullptr, query.match_ids.data()}, space);
    }
    [[nodiscard]] attention_mask cross_mask() const {
        return {.average_first_row = config().cls_cross_attention != cls_cross::full};
    }

    kernels::product_kind product_;
    layer_norm normalisation_; // of a document's states, the same for all layers
    part_maker self_parts_;    // which rows of the query see each other
    encoder query_encoder_;
    std::optional<encoder> document_encoder_; // absent: the query's
    linear adapter_;                          // absent: out() is 0
    std::vector<float> global_row_;           // [interaction hidden] or empty
    std::vector<interaction_layer> layers_;
    head head_;
    std::optional<matching_head> matches_; // absent: the model highlights by its scores alone
};

inline std::size_t mice_network::encode(const encoder& stack, std::span<const token_ids> sequences,
                                        float* out, workspace& space) const {
    std::size_t total = 0;
    for (const token_ids ids : sequences) {
        total += ids.size();
    }
    const matrix_span states = matrix_at(out, total, config().interaction_hidden());
    if (adapter_.out() == 0) {
        stack.apply(token_embeddings(), sequences, states, space);
        return total;
    }
    buffer memory;
    const matrix_span wide = matrix_in(memory, total, config().hidden_size);
    stack.apply(token_embeddings(), sequences, wide, space);
    adapter_.apply(wide, states, space);
    return total;
}

inline void mice_network::key_values(const float* states, std::size_t tokens, float* out,
                                     workspace& space) const {
    const std::size_t hidden = config().interaction_hidden();
    const matrix_view raw = matrix_at(states, tokens, hidden);
    matrix_view attended = raw;
    buffer memory;
    if (packing().normalise != nullptr) {
        const matrix_span normalised = matrix_in(memory, tokens, hidden);
        copy_rows(raw, normalised);
        normalisation_.apply(normalised);
        attended = normalised;
    }
    for (const interaction_layer& layer : layers_) {
        layer.cross.key_values(layer.cross.attends_to_raw() ? raw : attended,
                               matrix_at(out, tokens, 2 * hidden), space);
        out += tokens * 2 * hidden;
    }
}

inline prepared_query mice_network::prepare_query(token_ids ids, workspace& space) const {
    const std::size_t hidden = config().interaction_hidden();
    prepared_query query;
    query.ids.assign(ids.begin(), ids.end());
    query.states = global_row_;
    query.rows = ids.size() + (global_row_.empty() ? 0 : 1);
    query.states.resize(query.rows * hidden);
    encode(query_encoder_, {&ids, 1}, query.states.data() + global_row_.size(), space);

    const interaction_layer& first = layers_.front();
    if (config().lexical_bias) {
        query.match_ids = query.ids;
        for (std::int32_t& id : query.match_ids) {
            const std::vector<std::int32_t>& special = config().special_token_ids;
            id = std::binary_search(special.begin(), special.end(), id) ? -1 : id;
        }
    }
    if (first.exact) {
        return query; // its first step already reads the document
    }
    matrix_view crossed = matrix_at(query.states.data(), query.rows, hidden);
    if (!config().cross_attn_first && first.self) {
        query.first_self = query.states;
        const matrix_span x = matrix_at(query.first_self.data(), query.rows, hidden);
        first.self->apply(x, {&query.rows, 1, query.rows}, self_parts_, self_rows(0, space), space);
        crossed = x;
    }
    query.cross = first.cross.prepare(crossed.rows_from(0, rows_crossed(0, query.rows)), space);
    return query;
}

inline void mice_network::run_layer(std::size_t index, const prepared_query& query,
                                    document_batch& documents, matrix_span x,
                                    workspace& space) const {
    const interaction_layer& layer = layers_[index];
    const std::size_t rows = query.rows;
    const std::size_t count = documents.size();
    if (layer.exact) {
        layer.exact->apply(x, matrix_at(space.matched.data(), x.rows, x.columns), space);
    }
    const auto self = [&] {
        space.lists.lengths.assign(count, rows);
        layer.self->apply(x, {space.lists.lengths.data(), count, count * rows}, self_parts_,
                          self_rows(index, space), space);
    };
    const auto cross = [&] {
        const std::size_t crossed = rows_crossed(index, rows);
        if (space.probe != nullptr && crossed < rows) {
            show_cross(index, query, documents, x, space);
        }
        const cross_query* shared = index == 0 && query.cross ? &*query.cross : nullptr;
        layer.cross.apply(first_rows(x, rows, crossed), documents,
                          {crossed, cross_mask(), shared, query.match_ids.data()}, space);
    };
    if (config().cross_attn_first) {
        cross();
        self();
    } else {
        if (layer.self && (index > 0 || query.first_self.empty())) {
            self();
        }
        if (!is_last(index) || !config().skips_last_cross()) {
            cross();
        } else if (space.probe != nullptr) {
            show_cross(index, query, documents, x, space);
        }
    }
    layer.feed_forward.apply(first_rows(x, rows, rows_after(index, rows)), space);
}

inline void mice_network::score(const prepared_query& query, document_batch& documents,
                                float* scores, workspace& space,
                                const layer_observer& observer) const {
    const std::size_t hidden = config().interaction_hidden();
    const std::size_t count = documents.size();
    const matrix_span x = matrix_in(space.interaction, count * query.rows, hidden);
    const std::vector<float>& start = query.first_self.empty() ? query.states : query.first_self;
    for (std::size_t i = 0; i < count; ++i) {
        copy_rows(matrix_at(start.data(), query.rows, hidden),
                  x.rows_from(i * query.rows, query.rows));
    }
    if (config().extra_attn_bias) {
        const matrix_span matched = matrix_in(space.matched, x.rows, hidden);
        for (std::size_t i = 0; i < count; ++i) {
            match_states(query.ids, documents.states(i), {documents[i].ids, documents[i].tokens},
                         matched.rows_from(i * query.rows, query.rows));
        }
    }
    for (std::size_t index = 0; index < layers_.size(); ++index) {
        run_layer(index, query, documents, x, space);
        if (observer) {
            observer(index, first_rows(x, query.rows, rows_after(index, query.rows)));
        }
    }
    head_.apply(x, query.rows, scores, space);
}

inline std::size_t mice_network::bytes() const noexcept {
    std::size_t sum = shared_bytes() + query_encoder_.bytes() + adapter_.bytes() + head_.bytes() +
                      (document_encoder_ ? document_encoder_->bytes() : 0) +
                      (matches_ ? matches_->bytes() : 0);
    for (const interaction_layer& layer : layers_) {
        sum += layer.bytes();
    }
    return sum;
}

} // namespace nn
MICE_NAMESPACE_END
