// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mice/nn/encoder.hpp>
#include <mice/nn/interaction_layer.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// A query ready to meet documents: its states and everything of the first interaction layer that
/// does not depend on the document.
struct prepared_query {
    std::vector<std::int32_t> ids;
    std::size_t rows = 0;             ///< ids, and the global row where the model has one
    std::vector<float> states;        ///< [rows, interaction hidden] before the first layer
    std::vector<float> first_self;    ///< [rows, hidden] after the first self-attention, or empty
    std::optional<cross_query> cross; ///< of the first cross-attention where it is shared
};

/// Called with (layer, rows of the state after it, their number); rows that are not computed are
/// left out. For tests and inspection.
using layer_observer = std::function<void(std::size_t layer, rows_in x, std::size_t rows)>;

/// All weights of a model in the form that the kernels want. Immutable, safe from many threads with
/// a workspace each; the file's bytes must outlive it.
class network {
  public:
    /// Packs the weights on the threads that `loading` names.
    network(const weights& source, const model_config& config, const parallel_options& loading)
        : config_(config), product_(source.state_product()), embeddings_(source, config),
          query_encoder_(source,
                         config.bound_bottom_layers ? "bottom_layers" : "query_bottom_layers",
                         config.query_layers, config),
          head_(source, config) {
        if (!config.bound_bottom_layers) {
            document_encoder_.emplace(source, "document_bottom_layers", config.document_layers,
                                      config);
        }
        if (config.has_adapter()) {
            adapter_ = linear(source, {{"adapter"}});
        }
        if (config.global_cls_token) {
            global_row_ = source["global_cls"].floats();
        }
        layers_.reserve(config.interaction_layers);
        for (std::size_t i = 0; i < config.interaction_layers; ++i) {
            layers_.emplace_back(source, i, config);
        }
        source.run_deferred(loading);
    }

    /// out [total tokens, interaction hidden]: the documents' states, one after the other. The ids
    /// have been checked.
    void encode_documents(std::span<const token_ids> documents, float* out,
                          workspace& space) const {
        const encoder& stack = document_encoder_ ? *document_encoder_ : query_encoder_;
        encode(stack, documents, out, space);
    }

    /// out [interaction layers][tokens, 2 interaction hidden]: the keys and values that every
    /// cross-attention makes of states [tokens, interaction hidden]; document_view takes them.
    void key_values(const float* states, std::size_t tokens, float* out, workspace& space) const {
        for (const interaction_layer& layer : layers_) {
            layer.cross.key_values(states, tokens, out, space);
            out += tokens * 2 * config_.interaction_hidden();
        }
    }

    /// Encodes a query and computes what all documents share. The ids have been checked.
    [[nodiscard]] prepared_query prepare_query(token_ids ids, workspace& space) const;

    /// scores [documents], logits.
    void score(const prepared_query& query, document_batch& documents, float* scores,
               workspace& space, const layer_observer& observer = {}) const;

    /// What a document_batch packs for.
    [[nodiscard]] kernels::product_kind state_product() const noexcept { return product_; }
    /// [vocabulary, embedding width], as the file holds them.
    [[nodiscard]] const weight_view& word_embeddings() const noexcept {
        return embeddings_.words();
    }
    /// Memory of the packed weights in bytes.
    [[nodiscard]] std::size_t bytes() const noexcept;

  private:
    void encode(const encoder& stack, std::span<const token_ids> sequences, float* out,
                workspace& space) const;
    void run_layer(std::size_t index, const prepared_query& query, document_batch& documents,
                   float* x, workspace& space) const;

    [[nodiscard]] bool is_last(std::size_t layer) const { return layer + 1 == layers_.size(); }
    /// Rows that the rest of the network needs of layer `index` once its attention blocks are done.
    [[nodiscard]] std::size_t rows_after(std::size_t index, std::size_t rows) const {
        return is_last(index) ? 1 : rows;
    }
    /// Rows that go through the cross-attention of layer `index`: in the inverted order the
    /// self-attention behind it still needs them all.
    [[nodiscard]] std::size_t rows_crossed(std::size_t index, std::size_t rows) const {
        return config_.cross_attn_first ? rows : rows_after(index, rows);
    }
    [[nodiscard]] attention_mask self_mask() const {
        return {.hide_first_column = config_.mask_query_to_cls};
    }
    [[nodiscard]] attention_mask cross_mask() const {
        return {.average_first_row = config_.cls_cross_attention != cls_cross::full};
    }

    model_config config_;
    kernels::product_kind product_;
    embeddings embeddings_;
    encoder query_encoder_;
    std::optional<encoder> document_encoder_; // absent: the query's
    linear adapter_;                          // absent: out() is 0
    std::vector<float> global_row_;           // [interaction hidden] or empty
    std::vector<interaction_layer> layers_;
    head head_;
};

inline void network::encode(const encoder& stack, std::span<const token_ids> sequences, float* out,
                            workspace& space) const {
    if (adapter_.out() == 0) {
        stack.apply(embeddings_, sequences, out, space);
        return;
    }
    std::size_t total = 0;
    for (const token_ids ids : sequences) {
        total += ids.size();
    }
    buffer wide(total * config_.hidden_size);
    stack.apply(embeddings_, sequences, wide.data(), space);
    adapter_.apply({wide.data(), config_.hidden_size}, total, {out, adapter_.out()}, space);
}

inline prepared_query network::prepare_query(token_ids ids, workspace& space) const {
    const std::size_t hidden = config_.interaction_hidden();
    prepared_query query;
    query.ids.assign(ids.begin(), ids.end());
    query.states = global_row_;
    query.rows = ids.size() + (global_row_.empty() ? 0 : 1);
    query.states.resize(query.rows * hidden);
    encode(query_encoder_, {&ids, 1}, query.states.data() + global_row_.size(), space);

    const interaction_layer& first = layers_.front();
    if (first.exact) {
        return query; // its first step adds something of the document to the query
    }
    const std::vector<float>* crossed = &query.states;
    if (!config_.cross_attn_first && first.self) {
        query.first_self = query.states;
        first.self->apply(query.first_self.data(), {&query.rows, 1, query.rows}, self_mask(),
                          {.first_row_only = is_last(0)}, space);
        crossed = &query.first_self;
    }
    query.cross = first.cross.prepare(crossed->data(), rows_crossed(0, query.rows), space);
    return query;
}

inline void network::run_layer(std::size_t index, const prepared_query& query,
                               document_batch& documents, float* x, workspace& space) const {
    const interaction_layer& layer = layers_[index];
    const std::size_t hidden = config_.interaction_hidden();
    const std::size_t rows = query.rows;
    const std::size_t count = documents.size();
    const auto first_rows = [&](std::size_t wanted) {
        return rows_out{x, hidden, wanted, rows * hidden};
    };
    if (layer.exact) {
        layer.exact->apply({x, hidden}, count * rows, {space.matched.data(), hidden}, space);
    }
    const auto self = [&] {
        const std::vector<std::size_t> lengths(count, rows);
        layer.self->apply(x, {lengths.data(), count, count * rows}, self_mask(),
                          {.first_row_only = is_last(index)}, space);
    };
    const auto cross = [&] {
        const std::size_t crossed = rows_crossed(index, rows);
        const cross_query* shared = index == 0 && query.cross ? &*query.cross : nullptr;
        layer.cross.apply(first_rows(crossed), crossed, documents, cross_mask(), shared, space);
    };
    if (config_.cross_attn_first) {
        cross();
        self();
    } else {
        if (layer.self && (index > 0 || query.first_self.empty())) {
            self();
        }
        if (!is_last(index) || config_.cls_cross_attention != cls_cross::mean_skip_last) {
            cross();
        }
    }
    const std::size_t kept = rows_after(index, rows);
    layer.feed_forward.apply(first_rows(kept), count * kept, space);
}

inline void network::score(const prepared_query& query, document_batch& documents, float* scores,
                           workspace& space, const layer_observer& observer) const {
    const std::size_t hidden = config_.interaction_hidden();
    const std::size_t floats = query.rows * hidden;
    const std::size_t count = documents.size();
    float* x = space.interaction.reserve(count * floats);
    const std::vector<float>& start = query.first_self.empty() ? query.states : query.first_self;
    for (std::size_t i = 0; i < count; ++i) {
        std::copy(start.begin(), start.end(), x + i * floats);
    }
    if (config_.extra_attn_bias) {
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
    head_.apply({x, floats}, count, scores, space);
}

inline std::size_t network::bytes() const noexcept {
    std::size_t sum = embeddings_.bytes() + query_encoder_.bytes() + adapter_.bytes() +
                      head_.bytes() + (document_encoder_ ? document_encoder_->bytes() : 0);
    for (const interaction_layer& layer : layers_) {
        sum += layer.bytes();
    }
    return sum;
}

} // namespace nn
MICE_NAMESPACE_END
