// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/tensor.hpp>
#include <mice/model_config.hpp>

// Which tensors a model of a configuration has; names as in the public checkpoints, without a
// prefix. docs/format.md lists them.
MICE_NAMESPACE_BEGIN

/// How the values of a tensor may be stored.
enum class tensor_role {
    matrix, ///< [out, in]: F32, F16, BF16, or I8 with one F32 scale per row
    table,  ///< an embedding table [rows, width]: as matrix
    vector  ///< a bias, norm weight or single row: F32, F16 or BF16
};

struct tensor_requirement {
    std::string name;
    io::tensor_shape shape;
    tensor_role role;
};

/// Name of the tensor that holds the row scales of an I8 tensor.
[[nodiscard]] inline std::string scale_name(std::string_view tensor) {
    return std::string(tensor) + ".scale";
}

/// Every tensor that a model file of this configuration holds, scales, tokenizer and self-test
/// apart. The configuration is valid.
[[nodiscard]] std::vector<tensor_requirement> required_tensors(const model_config& config);

namespace detail {

/// Collects requirements under a growing prefix.
struct requirement_list {
    std::vector<tensor_requirement> tensors;

    void matrix(const std::string& name, std::size_t out, std::size_t in) {
        tensors.push_back({name + ".weight", {out, in}, tensor_role::matrix});
    }
    void vector(const std::string& name, std::size_t width) {
        tensors.push_back({name, {width}, tensor_role::vector});
    }
    void linear(const std::string& name, std::size_t out, std::size_t in) {
        matrix(name, out, in);
        vector(name + ".bias", out);
    }
    void norm(const std::string& name, std::size_t width) {
        vector(name + ".weight", width);
        vector(name + ".bias", width);
    }
};

// ---- BERT and ELECTRA ----

inline void require_bert_attention(requirement_list& list, const std::string& name,
                                   std::size_t width) {
    for (const char* part : {".self.query", ".self.key", ".self.value", ".output.dense"}) {
        list.linear(name + part, width, width);
    }
    list.norm(name + ".output.LayerNorm", width);
}

inline void require_bert_feed_forward(requirement_list& list, const std::string& layer,
                                      std::size_t width, std::size_t inner) {
    list.linear(layer + ".intermediate.dense", inner, width);
    list.linear(layer + ".output.dense", width, inner);
    list.norm(layer + ".output.LayerNorm", width);
}

inline void require_bert_embeddings(requirement_list& list, const model_config& c) {
    const std::size_t width = c.embedding_size;
    const auto table = [&](const char* name, std::size_t rows) {
        list.tensors.push_back(
            {std::string("embeddings.") + name + ".weight", {rows, width}, tensor_role::table});
    };
    table("word_embeddings", c.vocab_size);
    table("position_embeddings", c.max_position_embeddings);
    table("token_type_embeddings", c.type_vocab_size);
    list.norm("embeddings.LayerNorm", width);
    if (c.has_embedding_projection()) {
        list.linear("embeddings_project", c.hidden_size, width);
    }
}

inline void require_bert_head(requirement_list& list, const model_config& c) {
    const std::size_t width = c.interaction_hidden();
    if (c.pooler) {
        list.linear("pooler.dense", width, width);
    }
    if (c.kind == model_kind::cross_encoder && c.model_type == "electra") {
        list.linear("classifier.dense", width, width);
        list.tensors.push_back({"classifier.out_proj.weight", {1, width}, tensor_role::vector});
        list.vector("classifier.out_proj.bias", 1);
        return;
    }
    list.tensors.push_back({"classifier.weight", {1, width}, tensor_role::vector});
    list.vector("classifier.bias", 1);
}

// ---- ModernBERT: no biases ----

inline void require_modernbert_layer(requirement_list& list, const std::string& layer,
                                     bool is_first, bool attends, const model_config& c) {
    const std::size_t width = c.hidden_size;
    if (!is_first) { // backbone layer 0 has no norm before its attention
        list.vector(layer + ".attn_norm.weight", width);
    }
    if (attends) {
        list.matrix(layer + ".attn.Wqkv", 3 * width, width);
        list.matrix(layer + ".attn.Wo", width, width);
    }
    list.vector(layer + ".mlp_norm.weight", width);
    list.matrix(layer + ".mlp.Wi", 2 * c.intermediate_size, width);
    list.matrix(layer + ".mlp.Wo", width, c.intermediate_size);
}

inline void require_modernbert_head(requirement_list& list, const model_config& c) {
    const std::size_t width = c.hidden_size;
    list.vector("final_norm.weight", width);
    list.matrix("head.dense", width, width);
    list.vector("head.norm.weight", width);
    list.tensors.push_back({"classifier.weight", {1, width}, tensor_role::vector});
    list.vector("classifier.bias", 1);
}

// ---- every family ----

inline void require_embeddings(requirement_list& list, const model_config& c) {
    if (!c.is_modernbert()) {
        require_bert_embeddings(list, c);
        return;
    }
    list.tensors.push_back(
        {"embeddings.tok_embeddings.weight", {c.vocab_size, c.hidden_size}, tensor_role::table});
    list.vector("embeddings.norm.weight", c.hidden_size);
}

inline void require_stack(requirement_list& list, const std::string& name, std::size_t layers,
                          const model_config& c) {
    for (std::size_t i = 0; i < layers; ++i) {
        const std::string layer = name + "." + std::to_string(i);
        if (c.is_modernbert()) {
            require_modernbert_layer(list, layer, i == 0, true, c);
        } else {
            require_bert_attention(list, layer + ".attention", c.hidden_size);
            require_bert_feed_forward(list, layer, c.hidden_size, c.intermediate_size);
        }
    }
}

inline void require_interaction_layer(requirement_list& list, std::size_t index,
                                      const model_config& c) {
    const std::size_t width = c.interaction_hidden();
    const std::string layer = "top_layers." + std::to_string(index);
    if (c.is_modernbert()) {
        require_modernbert_layer(list, layer, c.query_layers + index == 0, c.use_self_attention, c);
        for (const char* part : {"q_proj", "k_proj", "v_proj", "Wo"}) {
            list.matrix(layer + ".crossattention." + part, width, width);
        }
        if (c.lexical_bias) {
            list.vector(layer + ".crossattention.lexical_bias_weight", c.num_attention_heads);
        }
    } else {
        if (c.use_self_attention) {
            require_bert_attention(list, layer + ".attention", width);
        }
        require_bert_attention(list, layer + ".crossattention", width);
        require_bert_feed_forward(list, layer, width, c.interaction_intermediate());
    }
    if (c.extra_attn_bias) {
        const std::string heads = "exact_match_heads." + std::to_string(index);
        list.matrix(heads + ".v_proj", width, width);
        list.matrix(heads + ".out_proj", width, width);
    }
}

inline void require_mice(requirement_list& list, const model_config& c) {
    if (c.bound_bottom_layers) {
        require_stack(list, "bottom_layers", c.query_layers, c);
    } else {
        require_stack(list, "query_bottom_layers", c.query_layers, c);
        require_stack(list, "document_bottom_layers", c.document_layers, c);
    }
    const std::size_t width = c.interaction_hidden();
    if (c.has_adapter()) {
        list.linear("adapter", width, c.hidden_size);
    }
    if (c.global_cls_token) {
        list.tensors.push_back({"global_cls", {1, 1, width}, tensor_role::vector});
    }
    for (std::size_t i = 0; i < c.interaction_layers; ++i) {
        require_interaction_layer(list, i, c);
    }
}

} // namespace detail

inline std::vector<tensor_requirement> required_tensors(const model_config& config) {
    detail::requirement_list list;
    detail::require_embeddings(list, config);
    if (config.kind == model_kind::mice) {
        detail::require_mice(list, config);
    } else {
        detail::require_stack(list, "layers", config.layers, config);
    }
    if (config.kind == model_kind::late_interaction) {
        list.matrix("linear", config.vector_size, config.hidden_size);
    } else if (config.is_modernbert()) {
        detail::require_modernbert_head(list, config);
    } else {
        detail::require_bert_head(list, config);
    }
    return std::move(list.tensors);
}

MICE_NAMESPACE_END
