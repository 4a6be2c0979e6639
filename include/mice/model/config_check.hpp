// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/model/config.hpp>
#include <mice/model/config_limits.hpp>

// What model_config::validate refuses.
MICE_NAMESPACE_BEGIN
namespace detail {

inline void check_ids(std::string_view key, const std::vector<std::int32_t>& ids,
                      const model_config& c) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= c.vocab_size ||
            (i > 0 && ids[i - 1] >= ids[i])) {
            throw errors::bad_option(key, "ids of the vocabulary, ascending",
                                     std::to_string(ids[i]));
        }
    }
}

/// Where sizes have 32 bits (WebAssembly), numbers of values that calls work on could overflow
/// them: small multiples of a text's positions times the widest row, and positions of a query times
/// those of a document.
inline void check_counts(const model_config& c) {
    if constexpr (sizeof(std::size_t) < 8) {
        constexpr std::uint64_t most_positions = 32768;
        constexpr std::uint64_t most_values = std::uint64_t{1} << 26;
        const std::uint64_t widest =
            std::max({c.hidden_size, c.embedding_size, 2 * c.intermediate_size});
        const std::uint64_t positions = c.max_position_embeddings;
        if (positions > most_positions || positions * widest > most_values) {
            throw errors::not_supported("a model of " + std::to_string(positions) +
                                        " positions and rows of " + std::to_string(widest) +
                                        " values, where sizes have 32 bits,");
        }
    }
}

inline void check_sizes(const model_config& c) {
    check_range("hidden_size", c.hidden_size, 1, largest_width);
    check_range("embedding_size", c.embedding_size, 1, largest_width);
    check_range("num_attention_heads", c.num_attention_heads, 1, c.hidden_size);
    check_range("intermediate_size", c.intermediate_size, 1, largest_width);
    check_range("vocab_size", c.vocab_size, 1, largest_table);
    check_range("max_position_embeddings", c.max_position_embeddings, 2, largest_table);
    check_range("max_query_length", c.max_query_length, 2, c.max_position_embeddings);
    check_range("max_document_length", c.max_document_length, 2, c.max_position_embeddings);
    check_counts(c);
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

/// How many layers `sliding_layers` has to describe.
inline std::size_t typed_layers(const model_config& c) {
    return c.kind == model_kind::mice
               ? std::max(c.query_layers + c.interaction_layers, c.document_layers)
               : c.layers;
}

inline void check_rotary(const model_config& c) {
    if ((c.hidden_size / c.num_attention_heads) % 2 != 0) {
        throw errors::bad_config("heads of " +
                                 std::to_string(c.hidden_size / c.num_attention_heads) +
                                 " values; rotary positions need an even number");
    }
    // The tables of angles are computed, not read, so a small file could ask for huge ones.
    const std::size_t positions = largest_table / (c.hidden_size / c.num_attention_heads);
    check_range("max_position_embeddings", c.max_position_embeddings, 2, positions);
    if (c.sliding_layers.size() != typed_layers(c)) {
        throw errors::bad_option("layer_types",
                                 "one for each of " + std::to_string(typed_layers(c)) + " layers",
                                 std::to_string(c.sliding_layers.size()));
    }
    for (const auto& [key, theta] : {std::pair("global_rope_theta", c.global_rope_theta),
                                     std::pair("local_rope_theta", c.local_rope_theta)}) {
        if (!(theta > 1 && theta < 1e12)) {
            throw errors::bad_option(key, "between 1 and 1e12", std::to_string(theta));
        }
    }
    check_range("sliding_window", c.sliding_window, 0, largest_table);
}

inline void check_family(const model_config& c) {
    const encoder_family& family = c.family();
    if (!family.embeddings.types.empty()) {
        check_range("type_vocab_size", c.type_vocab_size, family.pair_types == 0 ? 0 : 1,
                    largest_width);
    }
    if (family.positions == position_kind::rotary) {
        check_rotary(c);
    }
    check_ids("special_token_ids", c.special_token_ids, c);
    if (c.has_embedding_projection() && family.embeddings.projection.empty()) {
        throw contradiction("model_type = " + c.model_type,
                            "embedding_size different from hidden_size");
    }
    if (c.pooler && !family.head.dense_is_optional) {
        throw contradiction("model_type = " + c.model_type, "pooler = true");
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
    if (c.has_adapter() && !c.family().adapts) {
        throw contradiction("compress_dim above 1", "model_type = " + c.model_type);
    }
}

inline void check_mice(const model_config& c) {
    check_range("n_contextualization_layers", c.query_layers, 0, largest_depth);
    check_range("n_docs_ctx_layers", c.document_layers, 0, largest_depth);
    check_range("n_interaction_layers", c.interaction_layers, 1, largest_depth);
    check_adapter(c);
    check_range("highlight_width", c.highlight_width, 0, c.interaction_hidden());
    if (c.bound_bottom_layers && c.query_layers != c.document_layers) {
        throw contradiction("bound_bottom_layers = true",
                            "n_docs_ctx_layers different from n_contextualization_layers");
    }
    if (c.global_cls_token && c.extra_attn_bias) {
        throw contradiction("global_cls_token", "extra_attn_bias");
    }
    if (c.global_cls_token && c.lexical_bias) {
        throw contradiction("global_cls_token", "lexical_bias");
    }
    if (c.global_cls_token && c.has_adapter()) {
        throw contradiction("global_cls_token", "compress_dim above 1");
    }
    if (c.lexical_bias && !c.family().has_lexical_bias) {
        throw contradiction("lexical_bias", "model_type = " + c.model_type);
    }
    if (c.cls_cross_attention == cls_cross::mean_skip_last && c.cross_attn_first) {
        throw contradiction("cls_cross_attention = mean_skip_last", "cross_attn_first = true");
    }
    if (!c.use_self_attention && c.cross_attn_first) {
        throw contradiction("use_self_attention = false", "cross_attn_first = true");
    }
}

inline void check_cross_encoder(const model_config& c) {
    check_range("layers", c.layers, 1, largest_depth);
    const std::size_t markers = 3 + c.leading_markers();
    check_range("max_pair_length", c.max_pair_length, markers + 1, c.max_position_embeddings);
    if (c.type_vocab_size < c.family().pair_types) {
        throw errors::bad_option("type_vocab_size",
                                 "at least 2: a cross-encoder's query and "
                                 "document have token types 0 and 1",
                                 std::to_string(c.type_vocab_size));
    }
    if (c.pair_truncation == truncation::only_second) { // so that the document keeps a token
        check_range("max_query_length", c.max_query_length, 2, c.max_pair_length + 1 - markers);
    }
    std::size_t covered = 0;
    for (const visibility_range& range : c.visibility) {
        check_range("visibility: layers", range.layers, 1, c.layers);
        covered += range.layers;
        check_range("visibility: document_window", range.document_window, 0, largest_table);
        if (!range.cls.cls || !range.query.query || !range.document.document) {
            throw errors::bad_option("visibility", "every group to see itself",
                                     "one that does not");
        }
    }
    if (c.states_per_token() > 0 && // no pair may be cut, because a stored document cannot be
        c.max_query_length + c.max_document_length + markers - 4 > c.max_pair_length) {
        throw errors::bad_config("documents are stored, so max_query_length " +
                                 std::to_string(c.max_query_length) + " and max_document_length " +
                                 std::to_string(c.max_document_length) + " may be no more than " +
                                 (markers > 3 ? "" : "one above ") + "max_pair_length " +
                                 std::to_string(c.max_pair_length) + " together");
    }
    const bool windows = std::any_of(c.visibility.begin(), c.visibility.end(),
                                     [](const visibility_range& r) { return r.document_window; });
    if (windows && c.family().positions == position_kind::rotary && c.sliding_window != 0) {
        throw contradiction("document_window", "sliding_window");
    }
    if (!c.visibility.empty() && covered != c.layers) {
        throw errors::bad_option("visibility",
                                 "ranges of " + std::to_string(c.layers) + " layers in all",
                                 std::to_string(covered));
    }
}

inline void check_late_interaction(const model_config& c) {
    check_range("layers", c.layers, 1, largest_depth);
    check_range("vector_size", c.vector_size, 1, largest_width);
    check_range("max_query_length", c.max_query_length, 3, c.max_position_embeddings);
    check_range("max_document_length", c.max_document_length, 3, c.max_position_embeddings);
    check_ids("query_marker", {c.query_marker}, c);
    check_ids("document_marker", {c.document_marker}, c);
    check_ids("filler", {c.filler}, c);
    check_ids("skipped", c.skipped, c);
    if (c.skips(c.document_marker)) { // so that every document keeps a vector
        throw contradiction("document_marker", "the same id in skipped");
    }
    if (!c.family().late_interaction) {
        throw errors::not_supported("late interaction with a " + std::string(c.family().title) +
                                    " backbone");
    }
}

} // namespace detail

MICE_INLINE void model_config::validate() const {
    (void)family();
    if (hidden_act != "gelu") {
        throw detail::errors::not_supported("hidden_act " + detail::errors::quoted(hidden_act) +
                                            " (only the exact gelu is)");
    }
    detail::check_sizes(*this);
    switch (kind) {
    case model_kind::cross_encoder:
        detail::check_cross_encoder(*this);
        break;
    case model_kind::late_interaction:
        detail::check_late_interaction(*this);
        break;
    default:
        detail::check_mice(*this);
    }
    detail::check_family(*this);
}

MICE_NAMESPACE_END
