// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/tensor.hpp>
#include <mice/model/config.hpp>

// The tensors that a configuration asks for. Names are those of the public checkpoints, without a
// prefix. docs/format.md lists them. Every name is spelt here or in its family's descriptor.
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

/// Names that all families share.
namespace tensor_names {

inline constexpr const char* layers = "layers";         ///< cross-encoders, late interaction
inline constexpr const char* vectors = "linear";        ///< late interaction's projection
inline constexpr const char* adapter = "adapter";       ///< MICE, compress_dim
inline constexpr const char* global_row = "global_cls"; ///< MICE, global_cls_token

/// The encoder of a MICE model's queries.
[[nodiscard]] inline std::string query_layers(const model_config& c) {
    return c.bound_bottom_layers ? "bottom_layers" : "query_bottom_layers";
}
/// The encoder of a MICE model's documents.
[[nodiscard]] inline std::string document_layers(const model_config& c) {
    return c.bound_bottom_layers ? "bottom_layers" : "document_bottom_layers";
}
/// Layer `index` of a stack.
[[nodiscard]] inline std::string layer(const std::string& stack, std::size_t index) {
    return stack + "." + std::to_string(index);
}
/// Interaction layer `index` of a MICE model.
[[nodiscard]] inline std::string interaction_layer(std::size_t index) {
    return layer("top_layers", index);
}
/// What a match adds to the logits of that layer, one value a head (lexical_bias).
[[nodiscard]] inline std::string lexical_bias(std::size_t index) {
    return interaction_layer(index) + ".crossattention.lexical_bias_weight";
}
/// The exact-match head of interaction layer `index` (extra_attn_bias).
[[nodiscard]] inline std::string exact_match(std::size_t index) {
    return layer("exact_match_heads", index);
}
inline constexpr const char* exact_value = ".v_proj";    ///< of an exact-match head
inline constexpr const char* exact_output = ".out_proj"; ///< of an exact-match head
/// The matching head of highlights (highlight_width).
inline constexpr const char* highlight_projection = "highlight.projection";
inline constexpr const char* highlight_importance = "highlight.importance";
inline constexpr const char* highlight_mixture = "highlight.mixture";

/// `part`, a name of an encoder_family, of the layer of that name.
[[nodiscard]] inline std::string of(const std::string& layer, std::string_view part) {
    return layer + std::string(part);
}

} // namespace tensor_names

namespace detail {

/// Collects requirements in the order of their list.
struct requirement_list {
    std::vector<tensor_requirement> tensors;

    void matrix(const std::string& name, std::size_t out, std::size_t in) {
        tensors.push_back({name + ".weight", {out, in}, tensor_role::matrix});
    }
    void table(std::string_view name, std::size_t rows, std::size_t width) {
        tensors.push_back({std::string(name) + ".weight", {rows, width}, tensor_role::table});
    }
    void vector(const std::string& name, std::size_t width) {
        tensors.push_back({name, {width}, tensor_role::vector});
    }
    void linear(const std::string& name, std::size_t out, std::size_t in, bool bias = true) {
        matrix(name, out, in);
        if (bias) {
            vector(name + ".bias", out);
        }
    }
    void norm(const std::string& name, std::size_t width, bool bias) {
        vector(name + ".weight", width);
        if (bias) {
            vector(name + ".bias", width);
        }
    }
};

/// The tensors of one layer's blocks.
struct layer_requirements {
    requirement_list& list;
    const encoder_family& family;
    std::string layer;
    std::size_t width;

    /// A block's norm, if it stands there.
    void norm(norm_place place, std::string_view name) const {
        if (family.norms == place) {
            list.norm(tensor_names::of(layer, name), width, family.biases);
        }
    }
    void linear(std::string_view name, std::size_t out, std::size_t in) const {
        list.linear(tensor_names::of(layer, name), out, in, family.biases);
    }
    void attention(const attention_names& names) const {
        if (names.is_stacked()) {
            linear(names.query, 3 * width, width);
        } else {
            for (const std::string_view part : {names.query, names.key, names.value}) {
                linear(part, width, width);
            }
        }
        linear(names.output, width, width);
        norm(norm_place::after, names.norm);
    }
    void feed_forward(std::size_t inner) const {
        const feed_forward_names& names = family.feed_forward;
        norm(norm_place::before, names.norm);
        linear(names.up, family.gated ? 2 * inner : inner, width);
        linear(names.down, width, inner);
        norm(norm_place::after, names.norm);
    }
};

inline void require_embeddings(requirement_list& list, const model_config& c) {
    const encoder_family& family = c.family();
    const embedding_names& names = family.embeddings;
    const std::size_t width = c.embedding_size;
    list.table(names.words, c.vocab_size, width);
    if (!names.positions.empty()) {
        list.table(names.positions, c.max_position_embeddings, width);
    }
    if (!names.types.empty() && c.type_vocab_size > 0) {
        list.table(names.types, c.type_vocab_size, width);
    }
    list.norm(std::string(names.norm), width, family.biases);
    if (c.has_embedding_projection()) {
        list.linear(std::string(names.projection), c.hidden_size, width);
    }
}

inline void require_stack(requirement_list& list, const std::string& name, std::size_t layers,
                          const model_config& c) {
    const encoder_family& family = c.family();
    for (std::size_t i = 0; i < layers; ++i) {
        const layer_requirements of{list, family, tensor_names::layer(name, i), c.hidden_size};
        if (c.has_attention_norm(i)) {
            of.norm(norm_place::before, family.self.norm);
        }
        of.attention(family.self);
        of.feed_forward(c.intermediate_size);
    }
}

inline void require_interaction_layer(requirement_list& list, std::size_t index,
                                      const model_config& c) {
    const encoder_family& family = c.family();
    const std::size_t width = c.interaction_hidden();
    const layer_requirements of{list, family, tensor_names::interaction_layer(index), width};
    if (c.has_attention_norm(c.query_layers + index)) { // of both attention blocks
        of.norm(norm_place::before, family.self.norm);
    }
    if (c.use_self_attention) {
        of.attention(family.self);
    }
    // files of each family have always been written in this order
    if (family.norms == norm_place::after) {
        of.attention(family.cross);
    }
    of.feed_forward(c.interaction_intermediate());
    if (family.norms == norm_place::before) {
        of.attention(family.cross);
    }
    if (c.lexical_bias) {
        list.vector(tensor_names::lexical_bias(index), c.num_attention_heads);
    }
    if (c.extra_attn_bias) {
        for (const char* part : {tensor_names::exact_value, tensor_names::exact_output}) {
            list.matrix(tensor_names::exact_match(index) + part, width, width);
        }
    }
}

inline void require_mice(requirement_list& list, const model_config& c) {
    require_stack(list, tensor_names::query_layers(c), c.query_layers, c);
    if (!c.bound_bottom_layers) {
        require_stack(list, tensor_names::document_layers(c), c.document_layers, c);
    }
    const std::size_t width = c.interaction_hidden();
    if (c.has_adapter()) {
        list.linear(tensor_names::adapter, width, c.hidden_size);
    }
    if (c.global_cls_token) {
        list.tensors.push_back({tensor_names::global_row, {1, 1, width}, tensor_role::vector});
    }
    for (std::size_t i = 0; i < c.interaction_layers; ++i) {
        require_interaction_layer(list, i, c);
    }
    if (c.highlight_width > 0) {
        list.matrix(tensor_names::highlight_projection, c.highlight_width, width);
        list.vector(tensor_names::highlight_importance, width + 1);
        list.vector(tensor_names::highlight_mixture, 3);
    }
}

inline void require_head(requirement_list& list, const model_config& c) {
    const bool biases = c.family().biases;
    const std::size_t width = c.interaction_hidden();
    const head_layout head = c.head();
    if (!head.final_norm.empty()) {
        list.norm(std::string(head.final_norm), width, biases);
    }
    if (!head.dense.empty()) {
        list.linear(std::string(head.dense), width, width, head.dense_has_bias);
    }
    if (!head.norm.empty()) {
        list.norm(std::string(head.norm), width, biases);
    }
    const std::string classifier(head.classifier);
    list.tensors.push_back({classifier + ".weight", {1, width}, tensor_role::vector});
    list.vector(classifier + ".bias", 1);
}

} // namespace detail

inline std::vector<tensor_requirement> required_tensors(const model_config& config) {
    detail::requirement_list list;
    detail::require_embeddings(list, config);
    if (config.kind == model_kind::mice) {
        detail::require_mice(list, config);
    } else {
        detail::require_stack(list, tensor_names::layers, config.layers, config);
    }
    if (config.kind == model_kind::late_interaction) {
        list.matrix(tensor_names::vectors, config.vector_size, config.hidden_size);
    } else {
        detail::require_head(list, config);
    }
    return std::move(list.tensors);
}

MICE_NAMESPACE_END
