// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/tensor.hpp>

MICE_NAMESPACE_BEGIN

/// What row 0 of the query takes from the document in cross-attention (MICE paper, section 3: the
/// mask between [CLS] and the document).
enum class cls_cross {
    full,          ///< it attends like every other row
    mean,          ///< it takes the plain mean of V over the document's tokens
    mean_skip_last ///< as mean, and the last interaction layer of the vanilla order skips the block
};

/// The architecture of one model of the BERT family; every value is read from the model file.
struct model_config {
    std::string model_type = "bert"; ///< "bert" or "electra"
    std::string hidden_act = "gelu"; ///< only "gelu", the exact erf form
    std::size_t hidden_size = 0;
    std::size_t embedding_size = 0; ///< width of the embedding tables; hidden_size but for ELECTRA
    std::size_t num_attention_heads = 0;
    std::size_t intermediate_size = 0;
    std::size_t vocab_size = 0;
    std::size_t max_position_embeddings = 0;
    std::size_t type_vocab_size = 0;
    double layer_norm_eps = 1e-12;

    std::size_t query_layers = 0;       ///< Lq, contextualization layers of the query
    std::size_t document_layers = 0;    ///< Ld, contextualization layers of the document
    std::size_t interaction_layers = 0; ///< Lx
    bool bound_bottom_layers = true;    ///< query and document share one contextualization stack
    bool cross_attn_first = false;      ///< false: self, cross, FFN; true: cross, self, FFN
    bool mask_query_to_cls = true; ///< rows 1.. do not attend to row 0 in the interaction layers
    cls_cross cls_cross_attention = cls_cross::full;
    bool global_cls_token = false;  ///< a learned row stands before the query's rows
    bool extra_attn_bias = false;   ///< exact-match heads, which need the document's ids
    bool use_self_attention = true; ///< false: no self-attention in the interaction layers
    bool pooler = true;             ///< tanh(Linear(row 0)) before the classifier
    double compress_dim = 1;        ///< above 1: an adapter divides the interaction width by this

    std::size_t max_query_length = 0;    ///< tokens, [CLS] and [SEP] included
    std::size_t max_document_length = 0; ///< tokens, [CLS] and [SEP] included

    /// Width of the states that the interaction layers see and that documents store.
    [[nodiscard]] std::size_t interaction_hidden() const { return divided(hidden_size); }
    [[nodiscard]] std::size_t interaction_heads() const { return divided(num_attention_heads); }
    [[nodiscard]] std::size_t interaction_intermediate() const {
        return divided(intermediate_size);
    }
    [[nodiscard]] bool has_adapter() const { return compress_dim > 1; }
    [[nodiscard]] bool has_embedding_projection() const { return embedding_size != hidden_size; }

    /// Throws errc::config when a value is out of range or two options contradict each other, and
    /// errc::unsupported for what this version cannot run. Names the values.
    void validate() const;

  private:
    [[nodiscard]] std::size_t divided(std::size_t value) const {
        return static_cast<std::size_t>(static_cast<double>(value) / compress_dim);
    }
};

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
/// apart; names as in the public checkpoints, without a prefix. The configuration is valid.
[[nodiscard]] std::vector<tensor_requirement> required_tensors(const model_config& config);

namespace detail {

// Far above any real model, far below where a product of three of them overflows 64 bits.
inline constexpr std::size_t largest_width = 65536;
inline constexpr std::size_t largest_table = 16'777'216;
inline constexpr std::size_t largest_depth = 1024;

inline void check_range(std::string_view key, std::size_t value, std::size_t least,
                        std::size_t most) {
    if (value < least || value > most) {
        throw errors::bad_option(key,
                                 "from " + std::to_string(least) + " to " + std::to_string(most),
                                 std::to_string(value));
    }
}

inline void check_sizes(const model_config& c) {
    check_range("hidden_size", c.hidden_size, 1, largest_width);
    check_range("embedding_size", c.embedding_size, 1, largest_width);
    check_range("num_attention_heads", c.num_attention_heads, 1, c.hidden_size);
    check_range("intermediate_size", c.intermediate_size, 1, largest_width);
    check_range("vocab_size", c.vocab_size, 1, largest_table);
    check_range("max_position_embeddings", c.max_position_embeddings, 2, largest_table);
    check_range("type_vocab_size", c.type_vocab_size, 1, largest_width);
    check_range("n_contextualization_layers", c.query_layers, 0, largest_depth);
    check_range("n_docs_ctx_layers", c.document_layers, 0, largest_depth);
    check_range("n_interaction_layers", c.interaction_layers, 1, largest_depth);
    check_range("max_query_length", c.max_query_length, 2, c.max_position_embeddings);
    check_range("max_document_length", c.max_document_length, 2, c.max_position_embeddings);
    if (c.hidden_size % c.num_attention_heads != 0) {
        throw errors::bad_config("hidden_size " + std::to_string(c.hidden_size) +
                                 " is not a multiple of num_attention_heads " +
                                 std::to_string(c.num_attention_heads));
    }
    if (!(c.layer_norm_eps > 0 && c.layer_norm_eps < 1)) {
        throw errors::bad_option("layer_norm_eps", "between 0 and 1",
                                 std::to_string(c.layer_norm_eps));
    }
}

inline void check_adapter(const model_config& c) {
    if (!(c.compress_dim >= 1 && c.compress_dim <= static_cast<double>(c.hidden_size))) {
        throw errors::bad_option("compress_dim", "from 1 to hidden_size",
                                 std::to_string(c.compress_dim));
    }
    if (c.interaction_heads() == 0 || c.interaction_intermediate() == 0 ||
        c.interaction_hidden() % c.interaction_heads() != 0) {
        throw errors::bad_config("compress_dim " + std::to_string(c.compress_dim) +
                                 " leaves a width of " + std::to_string(c.interaction_hidden()) +
                                 " for " + std::to_string(c.interaction_heads()) +
                                 " heads; the width must be a multiple of the heads");
    }
}

inline void check_options(const model_config& c) {
    const auto contradict = [](std::string_view first, std::string_view second) {
        return errors::bad_config(std::string(first) + " and " + std::string(second) +
                                  " contradict each other");
    };
    if (c.bound_bottom_layers && c.query_layers != c.document_layers) {
        throw contradict("bound_bottom_layers = true",
                         "n_docs_ctx_layers different from n_contextualization_layers");
    }
    if (c.global_cls_token && c.extra_attn_bias) {
        throw contradict("global_cls_token", "extra_attn_bias");
    }
    if (c.global_cls_token && c.has_adapter()) {
        throw contradict("global_cls_token", "compress_dim above 1");
    }
    if (c.cls_cross_attention == cls_cross::mean_skip_last && c.cross_attn_first) {
        throw contradict("cls_cross_attention = mean_skip_last", "cross_attn_first = true");
    }
    if (!c.use_self_attention && c.cross_attn_first) {
        throw contradict("use_self_attention = false", "cross_attn_first = true");
    }
}

/// Collects requirements under a growing prefix.
struct requirement_list {
    std::vector<tensor_requirement> tensors;

    void linear(const std::string& name, std::size_t out, std::size_t in) {
        tensors.push_back({name + ".weight", {out, in}, tensor_role::matrix});
        tensors.push_back({name + ".bias", {out}, tensor_role::vector});
    }
    void norm(const std::string& name, std::size_t width) {
        tensors.push_back({name + ".weight", {width}, tensor_role::vector});
        tensors.push_back({name + ".bias", {width}, tensor_role::vector});
    }
    void attention(const std::string& name, std::size_t width) {
        for (const char* part : {".self.query", ".self.key", ".self.value", ".output.dense"}) {
            linear(name + part, width, width);
        }
        norm(name + ".output.LayerNorm", width);
    }
    void feed_forward(const std::string& name, std::size_t width, std::size_t inner) {
        linear(name + ".intermediate.dense", inner, width);
        linear(name + ".output.dense", width, inner);
        norm(name + ".output.LayerNorm", width);
    }
    void stack(const std::string& name, std::size_t layers, const model_config& c) {
        for (std::size_t i = 0; i < layers; ++i) {
            const std::string layer = name + "." + std::to_string(i);
            attention(layer + ".attention", c.hidden_size);
            feed_forward(layer, c.hidden_size, c.intermediate_size);
        }
    }
};

inline void require_embeddings(requirement_list& list, const model_config& c) {
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

inline void require_interaction(requirement_list& list, const model_config& c) {
    const std::size_t width = c.interaction_hidden();
    for (std::size_t i = 0; i < c.interaction_layers; ++i) {
        const std::string layer = "top_layers." + std::to_string(i);
        if (c.use_self_attention) {
            list.attention(layer + ".attention", width);
        }
        list.attention(layer + ".crossattention", width);
        list.feed_forward(layer, width, c.interaction_intermediate());
        if (c.extra_attn_bias) {
            const std::string heads = "exact_match_heads." + std::to_string(i);
            list.tensors.push_back({heads + ".v_proj.weight", {width, width}, tensor_role::matrix});
            list.tensors.push_back(
                {heads + ".out_proj.weight", {width, width}, tensor_role::matrix});
        }
    }
}

} // namespace detail

inline void model_config::validate() const {
    if (model_type != "bert" && model_type != "electra") {
        throw errors::not_supported("model_type " + errors::quoted(model_type));
    }
    if (hidden_act != "gelu") {
        throw errors::not_supported("hidden_act " + errors::quoted(hidden_act) +
                                    " (only the exact gelu is)");
    }
    detail::check_sizes(*this);
    detail::check_adapter(*this);
    detail::check_options(*this);
}

inline std::vector<tensor_requirement> required_tensors(const model_config& config) {
    detail::requirement_list list;
    detail::require_embeddings(list, config);
    if (config.bound_bottom_layers) {
        list.stack("bottom_layers", config.query_layers, config);
    } else {
        list.stack("query_bottom_layers", config.query_layers, config);
        list.stack("document_bottom_layers", config.document_layers, config);
    }
    const std::size_t width = config.interaction_hidden();
    if (config.has_adapter()) {
        list.linear("adapter", width, config.hidden_size);
    }
    if (config.global_cls_token) {
        list.tensors.push_back({"global_cls", {1, 1, width}, tensor_role::vector});
    }
    detail::require_interaction(list, config);
    if (config.pooler) {
        list.linear("pooler.dense", width, width);
    }
    list.tensors.push_back({"classifier.weight", {1, width}, tensor_role::vector});
    list.tensors.push_back({"classifier.bias", {1}, tensor_role::vector});
    return std::move(list.tensors);
}

MICE_NAMESPACE_END
