// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mice/nn/attention.hpp>
#include <mice/nn/document_batch.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// A query's side of one cross-attention block, computed once for all documents.
struct cross_query {
    std::vector<float> projected; ///< [rows, hidden]
    /// [heads * rows, hidden], packed for the product with D; empty where the query is too long.
    std::vector<float> absorbed;
};

/// Linear_o(attention of x over D), joined to x, in either of two exact forms (MICE paper, section
/// 3): the plain one projects D to keys and values; the absorbed one multiplies W_k into the query
/// and W_v into the attended mean of D, and never touches a [tokens, hidden] projection. Immutable.
class cross_attention {
  public:
    /// Block of interaction layer `index`; says too which of a document's stored keys and values
    /// are its own.
    cross_attention(const weights& source, std::size_t index, const model_config& config)
        : cross_attention(source, cross_tensors("top_layers." + std::to_string(index), config),
                          index, config) {}

    /// Whether it attends to D itself where other layers attend to its rows normalised.
    [[nodiscard]] bool attends_to_raw() const noexcept { return attends_to_raw_; }

    /// out [tokens, 2 hidden] = the keys, then the values of states [tokens, hidden].
    void key_values(const float* states, std::size_t tokens, float* out, workspace& space) const {
        key_value_.apply({states, hidden_}, tokens, {out, 2 * hidden_}, space);
    }

    /// The query's side for x [rows, hidden] that is the same for every document.
    [[nodiscard]] cross_query prepare(const float* x, std::size_t rows, workspace& space) const {
        cross_query prepared;
        prepared.projected.resize(rows * hidden_);
        query_.apply(residual_.start(rows_in{x, hidden_}, rows, space), rows,
                     {prepared.projected.data(), hidden_}, space);
        if (can_absorb(rows)) {
            const kernels::product_set& product = kernels::active()[state_product_];
            float* absorbed = space.absorbed.reserve(heads_ * rows * hidden_);
            absorb({prepared.projected.data(), hidden_}, 1, rows, absorbed, space);
            prepared.absorbed.resize(product.packed_row_floats(heads_ * rows, hidden_));
            product.pack_rows({absorbed, hidden_}, heads_ * rows, hidden_,
                              prepared.absorbed.data());
        }
        return prepared;
    }

    /// What is the same for all documents of a call.
    struct shared_query {
        std::size_t rows;              ///< of each document's copy of the query
        attention_mask mask;           ///< without matches
        const cross_query* prepared;   ///< null where the rows differ from document to document
        const std::int32_t* match_ids; ///< [rows], -1 for none; read where the model has lexical
                                       ///< bias
    };
    /// x: the rows of each document's copy of the query, in place.
    void apply(rows_out x, document_batch& documents, const shared_query& shared,
               workspace& space) const {
        const std::size_t rows = shared.rows;
        const cross_query* prepared = shared.prepared;
        const std::size_t all = documents.size() * rows;
        rows_in query{prepared != nullptr ? prepared->projected.data() : nullptr, hidden_, rows, 0};
        if (prepared == nullptr) {
            const rows_out projected{space.query.reserve(all * hidden_), hidden_};
            query_.apply(residual_.start(x, all, space), all, projected, space);
            query = projected;
        }
        const rows_out attended{space.attended.reserve(all * hidden_), hidden_};
        const std::size_t most = documents_at_once(rows);
        for (std::size_t first = 0; first < documents.size();) {
            std::size_t last = first;
            while (last < documents.size() && last - first < most &&
                   !documents[last].has_key_values() && absorbs(rows, documents[last].tokens)) {
                ++last;
            }
            if (last > first) {
                attend_absorbed(query, documents, {first, last}, shared, attended, space);
                first = last;
            } else {
                if (documents[first].key_value_codes != nullptr) {
                    attend_codes(query, documents, first, shared, attended, space);
                } else {
                    attend_plain(query, documents, first, shared, attended, space);
                }
                ++first;
            }
        }
        const rows_out projected{space.projected.reserve(all * hidden_), hidden_};
        output_.apply(attended, all, projected, space);
        residual_.finish(projected, x, all, hidden_);
    }

    /// True where the absorbed form takes fewer multiply-adds: `rows` query rows against `tokens`
    /// document tokens. A rule of the pair alone, so a score never depends on its neighbours.
    [[nodiscard]] bool absorbs(std::size_t rows, std::size_t tokens) const {
        const std::size_t absorbed = rows * (2 * heads_ * tokens + 2 * hidden_);
        const std::size_t plain = 2 * tokens * hidden_ + 2 * rows * tokens;
        return can_absorb(rows) && absorbed <= plain;
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return query_.bytes() + key_value_.bytes() + output_.bytes() +
               (absorbed_keys_.capacity() + absorbed_values_.capacity()) * sizeof(float);
    }

  private:
    struct tensors {
        std::string query, key, value, output;
        std::optional<std::string> norm;
    };

    static tensors cross_tensors(const std::string& layer, const model_config& config) {
        const std::string name = layer + ".crossattention.";
        if (config.is_modernbert()) {
            const bool is_first = config.query_layers == 0 && layer == "top_layers.0";
            return {name + "q_proj", name + "k_proj", name + "v_proj", name + "Wo",
                    is_first ? std::nullopt : std::optional(layer + ".attn_norm")};
        }
        return {name + "self.query", name + "self.key", name + "self.value", name + "output.dense",
                name + "output.LayerNorm"};
    }

    cross_attention(const weights& source, const tensors& names, std::size_t index,
                    const model_config& config)
        : query_(source, {{names.query}, !config.is_modernbert()}),
          key_value_(source, {{names.key, names.value}, !config.is_modernbert()}),
          output_(source, {{names.output}, !config.is_modernbert()}),
          residual_(source, names.norm, config), heads_(config.interaction_heads()),
          hidden_(query_.out()), head_dim_(hidden_ / heads_), layer_(index),
          layers_(config.interaction_layers), attends_to_raw_(!names.norm),
          product_(source.activation_product()), state_product_(source.state_product()),
          absorbed_product_(std::min(source.product_of(source[names.key + ".weight"]),
                                     source.product_of(source[names.value + ".weight"]))),
          value_bias_(config.is_modernbert() ? std::vector<float>(hidden_)
                                             : source[names.value + ".bias"].floats()) {
        if (config.lexical_bias) {
            match_logits_ = source["top_layers." + std::to_string(index) +
                                   ".crossattention.lexical_bias_weight"]
                                .floats();
        }
        if (can_absorb(1)) {
            pack_absorbed(source, names);
        }
    }

    static constexpr std::size_t least_head_dim = 4;

    struct range {
        std::size_t first, last;
    };

    /// Whether any document is long enough for the absorbed form: the limit of `absorbs`. Narrower
    /// heads would mostly pack zeros.
    [[nodiscard]] bool can_absorb(std::size_t rows) const {
        return !attends_to_raw_ && head_dim_ >= least_head_dim && rows * (heads_ - 1) <= hidden_;
    }

    void pack_absorbed(const weights& source, const tensors& names) {
        const kernels::product_set& product = kernels::active()[absorbed_product_];
        key_floats_ = product.packed_floats(head_dim_, hidden_);
        value_floats_ = product.packed_floats(hidden_, head_dim_);
        (void)absorbed_keys_.reserve(heads_ * key_floats_);
        (void)absorbed_values_.reserve(heads_ * value_floats_);
        const std::vector<float> key = source[names.key + ".weight"].floats();
        const std::vector<float> value = source[names.value + ".weight"].floats();
        for (std::size_t head = 0; head < heads_; ++head) {
            const std::size_t first = head * head_dim_ * hidden_;
            product.pack(key.data() + first, hidden_, head_dim_, hidden_,
                         absorbed_keys_.data() + head * key_floats_);
            product.pack_transposed(value.data() + first, hidden_, hidden_, head_dim_,
                                    absorbed_values_.data() + head * value_floats_);
        }
    }

    /// The mask of document i, with what matching ids are worth.
    [[nodiscard]] attention_mask mask_of(const document_batch& documents, std::size_t i,
                                         const shared_query& shared, workspace& space) const {
        attention_mask mask = shared.mask;
        if (!match_logits_.empty()) {
            const document_view& document = documents[i];
            float* equal = space.equal_ids.reserve(shared.rows * document.tokens);
            for (std::size_t row = 0; row < shared.rows; ++row) {
                const std::int32_t id = shared.match_ids[row];
                for (std::size_t j = 0; j < document.tokens; ++j) {
                    equal[row * document.tokens + j] = document.ids[j] == id ? 1.0F : 0.0F;
                }
            }
            mask.matches = equal;
            mask.match_logits = match_logits_.data();
        }
        return mask;
    }

    /// How many documents' absorbed queries stay together in a typical L2 cache.
    [[nodiscard]] std::size_t documents_at_once(std::size_t rows) const {
        constexpr std::size_t floats = 65536;
        return std::max<std::size_t>(1, floats / (heads_ * rows * hidden_));
    }

    /// out [documents, heads, rows, hidden] = q_h W_k,h for each head h.
    void absorb(rows_in query, std::size_t documents, std::size_t rows, float* out,
                workspace& space) const {
        const std::size_t all = documents * rows;
        for (std::size_t head = 0; head < heads_; ++head) {
            rows_in part = query;
            part.base += head * head_dim_;
            const rows_out target{out + head * rows * hidden_, hidden_, rows,
                                  heads_ * rows * hidden_};
            multiply(absorbed_product_, part, all, absorbed_keys_.data() + head * key_floats_,
                     head_dim_, hidden_, nullptr, target, space);
        }
    }

    void attend_absorbed(rows_in query, document_batch& documents, range run,
                         const shared_query& shared, rows_out attended, workspace& space) const {
        const std::size_t rows = shared.rows;
        const cross_query* prepared = shared.prepared;
        const std::size_t count = run.last - run.first;
        const std::size_t per_document = heads_ * rows * hidden_;
        float* contexts = space.absorbed.reserve(count * per_document);
        if (prepared == nullptr) {
            rows_in part = query;
            part.base = query.row(run.first * rows);
            absorb(part, count, rows, contexts, space);
        }
        for (std::size_t i = 0; i < count; ++i) {
            float* context = contexts + i * per_document;
            mix_states(documents, run.first + i, shared, context, space);
        }
        for (std::size_t head = 0; head < heads_; ++head) {
            const rows_in context{contexts + head * rows * hidden_, hidden_, rows, per_document};
            const rows_out target{attended.row(run.first * rows) + head * head_dim_, hidden_};
            multiply(absorbed_product_, context, count * rows,
                     absorbed_values_.data() + head * value_floats_, hidden_, head_dim_,
                     value_bias_.data() + head * head_dim_, target, space);
        }
    }

    /// x [heads, rows, hidden] = softmax(x D^T / sqrt(head_dim)) D, with the prepared query instead
    /// of x where there is one.
    void mix_states(document_batch& documents, std::size_t i, const shared_query& shared, float* x,
                    workspace& space) const {
        packed_attention packed{documents.keys(i), hidden_, documents[i].tokens,
                                documents.values(i), hidden_};
        if (shared.prepared != nullptr) {
            packed.packed_query = shared.prepared->absorbed.data();
        }
        const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim_));
        attend_packed(state_product_, {x, hidden_}, heads_ * shared.rows, shared.rows, packed,
                      scale, mask_of(documents, i, shared, space), {x, hidden_}, space);
    }

    /// c [m, n] = a [m, k] B + bias, B packed for that product.
    static void multiply(kernels::product_kind kind, rows_in a, std::size_t m, const float* packed,
                         std::size_t k, std::size_t n, const float* bias, rows_out c,
                         workspace& space) {
        const kernels::product_set& product = kernels::active()[kind];
        product.gemm(a, m, packed, k, n, bias, c, space.gemm.reserve(product.gemm_scratch(m, k)),
                     kernels::epilogue::keep);
    }

    void attend_plain(rows_in query, document_batch& documents, std::size_t i,
                      const shared_query& shared, rows_out attended, workspace& space) const {
        const std::size_t rows = shared.rows;
        const document_view& document = documents[i];
        const std::size_t floats = document.tokens * 2 * hidden_;
        const float* key_value = nullptr;
        if (document.key_values != nullptr) {
            key_value = document.key_values + layer_ * floats;
        } else {
            float* projected = space.key_value.reserve(floats);
            key_values(attends_to_raw_ ? documents.states(i) : documents.attended(i),
                       document.tokens, projected, space);
            key_value = projected;
        }
        attend({{query.row(i * rows), hidden_},
                rows,
                {key_value, 2 * hidden_},
                {key_value + hidden_, 2 * hidden_},
                document.tokens,
                heads_,
                head_dim_,
                product_},
               mask_of(documents, i, shared, space), {attended.row(i * rows), hidden_}, space);
    }

    /// As attend_plain with keys and values in 8 bits, which int8_product multiplies as they are. A
    /// key's scale is that of a column of the scores; a value's goes into its weight.
    void attend_codes(rows_in query, const document_batch& documents, std::size_t i,
                      const shared_query& shared, rows_out attended, workspace& space) const {
        const std::size_t rows = shared.rows;
        attention_mask mask = mask_of(documents, i, shared, space);
        const kernels::kernel_set& set = kernels::active();
        const std::size_t tokens = documents[i].tokens;
        const std::size_t row = 2 * hidden_;
        const std::byte* codes = documents[i].key_value_codes + layer_ * tokens * row;
        const float* scales = code_scales(documents[i], space);
        const float* value_scales = scales + heads_ * tokens;
        const std::size_t key_floats = set.int8.packed_floats(head_dim_, tokens);
        const std::size_t value_floats = set.int8.packed_floats(tokens, head_dim_);
        float* keys = space.packed_keys.reserve(heads_ * key_floats);
        float* values = space.packed_values.reserve(heads_ * value_floats);
        set.pack_key_codes({codes, row, tokens, heads_, head_dim_}, scales, keys);
        set.pack_value_codes({codes + hidden_, row, tokens, heads_, head_dim_}, values);
        const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim_));
        for (std::size_t head = 0; head < heads_; ++head) {
            const packed_attention packed{
                keys + head * key_floats,     head_dim_, tokens,
                values + head * value_floats, head_dim_, value_scales + head * tokens};
            attend_packed(kernels::product_kind::int8,
                          {query.row(i * rows) + head * head_dim_, hidden_}, rows, rows, packed,
                          scale, mask, {attended.row(i * rows) + head * head_dim_, hidden_}, space);
            mask.match_logits += mask.matches != nullptr ? 1 : 0;
        }
    }

    /// [key, value][heads][tokens]: what 1 stands for in this layer's codes.
    [[nodiscard]] const float* code_scales(const document_view& document, workspace& space) const {
        const std::size_t tokens = document.tokens;
        const std::size_t both = 2 * heads_; // of keys and of values
        const std::byte* halves = document.key_value_codes + layers_ * tokens * 2 * hidden_ +
                                  layer_ * tokens * both * sizeof(std::uint16_t);
        float* scales = space.key_value.reserve(2 * both * tokens);
        float* of_tokens = scales + both * tokens;
        kernels::read_floats<std::uint16_t>(halves, both * tokens, of_tokens, [](std::uint16_t v) {
            return kernels::half_to_float(v);
        });
        for (std::size_t j = 0; j < both; ++j) {
            for (std::size_t token = 0; token < tokens; ++token) {
                scales[j * tokens + token] = of_tokens[token * both + j];
            }
        }
        return scales;
    }

    linear query_;
    linear key_value_; // plain form: keys, then values
    linear output_;
    residual residual_;
    std::size_t heads_;
    std::size_t hidden_;
    std::size_t head_dim_;
    std::size_t layer_;
    std::size_t layers_;
    bool attends_to_raw_;
    kernels::product_kind product_;          // of the plain form: f32 or bf16
    kernels::product_kind state_product_;    // with D
    kernels::product_kind absorbed_product_; // with W_k and W_v of the absorbed form
    std::vector<float> value_bias_;          // [hidden]
    std::vector<float> match_logits_;        // [heads], lexical bias, or empty
    std::size_t key_floats_ = 0;             // floats of one head in absorbed_keys_
    std::size_t value_floats_ = 0;           // floats of one head in absorbed_values_
    buffer absorbed_keys_;                   // per head W_k,h [head_dim, hidden], packed
    buffer absorbed_values_;                 // per head W_v,h^T [hidden, head_dim], packed
};

} // namespace nn
MICE_NAMESPACE_END
