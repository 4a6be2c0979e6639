// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mice/nn/head.hpp>
#include <mice/nn/interaction_layer.hpp>
#include <mice/nn/network.hpp>

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
          query_encoder_(source,
                         config.bound_bottom_layers ? "bottom_layers" : "query_bottom_layers",
                         config.query_layers, config, tables()),
          head_(source, config) {
        if (!config.bound_bottom_layers) {
            document_encoder_.emplace(source, "document_bottom_layers", config.document_layers,
                                      config, tables());
        }
        if (config.has_adapter()) {
            adapter_ = linear(source, {{"adapter"}});
        }
        if (config.global_cls_token) {
            global_row_ = source["global_cls"].floats();
        }
        layers_.reserve(config.interaction_layers);
        for (std::size_t i = 0; i < config.interaction_layers; ++i) {
            layers_.emplace_back(source, i, config, tables());
        }
    }

    [[nodiscard]] document_packing packing() const override {
        const bool normalise = config().is_modernbert() && !config().normalises_states();
        return {config().interaction_hidden(), product_, normalise ? &normalisation_ : nullptr};
    }
    void encode_documents(std::span<const token_ids> documents, float* out,
                          workspace& space) const override {
        const encoder& stack = document_encoder_ ? *document_encoder_ : query_encoder_;
        const std::size_t rows = encode(stack, documents, out, space);
        if (config().normalises_states()) {
            normalisation_.apply({out, config().interaction_hidden()}, rows);
        }
    }
    void key_values(const float* states, std::size_t tokens, float* out,
                    workspace& space) const override;
    [[nodiscard]] prepared_query prepare_query(token_ids ids, workspace& space) const override;
    void score(const prepared_query& query, document_batch& documents, float* scores,
               workspace& space, const layer_observer& observer) const override;
    [[nodiscard]] std::size_t bytes() const noexcept override;

  private:
    /// Rows written to out [rows, interaction hidden].
    std::size_t encode(const encoder& stack, std::span<const token_ids> sequences, float* out,
                       workspace& space) const;
    void run_layer(std::size_t index, const prepared_query& query, document_batch& documents,
                   float* x, workspace& space) const;

    [[nodiscard]] bool is_last(std::size_t layer) const { return layer + 1 == layers_.size(); }
    /// Rows that the rest of the network needs of layer `index` once its attention blocks are done.
    [[nodiscard]] std::size_t rows_after(std::size_t index, std::size_t rows) const {
        return is_last(index) && !head_.reads_all_rows() ? 1 : rows;
    }
    /// Rows that go through the cross-attention of layer `index`: in the inverted order the
    /// self-attention behind it still needs them all.
    [[nodiscard]] std::size_t rows_crossed(std::size_t index, std::size_t rows) const {
        return config().cross_attn_first ? rows : rows_after(index, rows);
    }
    /// Whether the self-attention of layer `index` computes row 0 alone.
    [[nodiscard]] rows_wanted self_rows(std::size_t index) const {
        return {is_last(index) && !head_.reads_all_rows() ? std::size_t{1} : 0};
    }
    [[nodiscard]] attention_mask cross_mask() const {
        return {.average_first_row = config().cls_cross_attention != cls_cross::full};
    }

    kernels::product_kind product_;
    layer_norm normalisation_; // of a document's states, the same for all layers
    part_maker self_parts_;    // what rows of the query see of each other
    encoder query_encoder_;
    std::optional<encoder> document_encoder_; // absent: the query's
    linear adapter_;                          // absent: out() is 0
    std::vector<float> global_row_;           // [interaction hidden] or empty
    std::vector<interaction_layer> layers_;
    head head_;
};

inline std::size_t mice_network::encode(const encoder& stack, std::span<const token_ids> sequences,
                                        float* out, workspace& space) const {
    std::size_t total = 0;
    for (const token_ids ids : sequences) {
        total += ids.size();
    }
    if (adapter_.out() == 0) {
        stack.apply(first(), sequences, out, space);
        return total;
    }
    const std::size_t hidden = config().hidden_size;
    buffer wide(total * hidden);
    stack.apply(first(), sequences, wide.data(), space);
    adapter_.apply({wide.data(), hidden}, total, {out, adapter_.out()}, space);
    return total;
}

inline void mice_network::key_values(const float* states, std::size_t tokens, float* out,
                                     workspace& space) const {
    const std::size_t hidden = config().interaction_hidden();
    const float* attended = states;
    buffer normalised;
    if (packing().normalise != nullptr) {
        normalised = buffer(tokens * hidden);
        std::copy_n(states, tokens * hidden, normalised.data());
        normalisation_.apply({normalised.data(), hidden}, tokens);
        attended = normalised.data();
    }
    for (const interaction_layer& layer : layers_) {
        layer.cross.key_values(layer.cross.attends_to_raw() ? states : attended, tokens, out,
                               space);
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
        return query; // its first step adds something of the document to the query
    }
    const std::vector<float>* crossed = &query.states;
    if (!config().cross_attn_first && first.self) {
        query.first_self = query.states;
        first.self->apply(query.first_self.data(), {&query.rows, 1, query.rows}, self_parts_,
                          self_rows(0), space);
        crossed = &query.first_self;
    }
    query.cross = first.cross.prepare(crossed->data(), rows_crossed(0, query.rows), space);
    return query;
}

inline void mice_network::run_layer(std::size_t index, const prepared_query& query,
                                    document_batch& documents, float* x, workspace& space) const {
    const interaction_layer& layer = layers_[index];
    const std::size_t hidden = config().interaction_hidden();
    const std::size_t rows = query.rows;
    const std::size_t count = documents.size();
    const auto first_rows = [&](std::size_t wanted) {
        return rows_out{x, hidden, wanted, rows * hidden};
    };
    if (layer.exact) {
        layer.exact->apply({x, hidden}, count * rows, {space.matched.data(), hidden}, space);
    }
    const auto self = [&] {
        space.lists.lengths.assign(count, rows);
        layer.self->apply(x, {space.lists.lengths.data(), count, count * rows}, self_parts_,
                          self_rows(index), space);
    };
    const auto cross = [&] {
        const std::size_t crossed = rows_crossed(index, rows);
        const cross_query* shared = index == 0 && query.cross ? &*query.cross : nullptr;
        layer.cross.apply(first_rows(crossed), documents,
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
        }
    }
    const std::size_t kept = rows_after(index, rows);
    layer.feed_forward.apply(first_rows(kept), count * kept, space);
}

inline void mice_network::score(const prepared_query& query, document_batch& documents,
                                float* scores, workspace& space,
                                const layer_observer& observer) const {
    const std::size_t hidden = config().interaction_hidden();
    const std::size_t floats = query.rows * hidden;
    const std::size_t count = documents.size();
    float* x = space.interaction.reserve(count * floats);
    const std::vector<float>& start = query.first_self.empty() ? query.states : query.first_self;
    for (std::size_t i = 0; i < count; ++i) {
        std::copy(start.begin(), start.end(), x + i * floats);
    }
    if (config().extra_attn_bias) {
        float* matched = space.matched.reserve(count * floats);
        for (std::size_t i = 0; i < count; ++i) {
            match_states(query.ids, documents.states(i), {documents[i].ids, documents[i].tokens},
                         hidden, matched + i * floats);
        }
    }
    for (std::size_t index = 0; index < layers_.size(); ++index) {
        run_layer(index, query, documents, x, space);
        if (observer) {
            const std::size_t kept = rows_after(index, query.rows);
            observer(index, {x, hidden, kept, floats}, count * kept);
        }
    }
    head_.apply(x, count, query.rows, floats, scores, space);
}

inline std::size_t mice_network::bytes() const noexcept {
    std::size_t sum = shared_bytes() + query_encoder_.bytes() + adapter_.bytes() + head_.bytes() +
                      (document_encoder_ ? document_encoder_->bytes() : 0);
    for (const interaction_layer& layer : layers_) {
        sum += layer.bytes();
    }
    return sum;
}

} // namespace nn
MICE_NAMESPACE_END
