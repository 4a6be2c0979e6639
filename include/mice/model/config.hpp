// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <mice/config.hpp>
#include <mice/error.hpp>
#include <mice/model/family.hpp>
#include <mice/text/encoding.hpp>

MICE_NAMESPACE_BEGIN

/// How a model scores a query and a document.
enum class model_kind {
    mice,            ///< the query attends to stored document states (arXiv 2602.16299)
    cross_encoder,   ///< both are one sequence, whose groups of tokens may be hidden from another
    late_interaction ///< both are vectors, compared by MaxSim (ColBERT)
};

/// What row 0 of the query reads of the document in cross-attention (MICE paper, section 3: the
/// mask between [CLS] and the document).
enum class cls_cross {
    full,          ///< it attends like every other row
    mean,          ///< it takes the plain mean of V over the document's tokens
    mean_skip_last ///< as mean, but in the last layer of the vanilla order it skips the block
};

/// What a classifier reads where its family lets the model choose (head_layout).
enum class pooling {
    cls, ///< row 0
    mean ///< the mean of all rows
};

/// Which groups of tokens one group sees: [CLS], the query with its [SEP], the document with its.
struct visible_groups {
    bool cls = true;
    bool query = true;
    bool document = true;
    bool operator==(const visible_groups&) const = default;
};

/// Visibility in a run of layers of a cross-encoder (MICE paper, section 3: the steps from a
/// cross-encoder to MICE; PreTTR; sparse cross-encoders).
struct visibility_range {
    std::size_t layers = 0; ///< how many layers it holds for, behind those of the ranges before
    visible_groups cls, query, document;
    /// 0: no limit; otherwise a document token sees neighbours up to this distance.
    std::size_t document_window = 0;
    bool operator==(const visibility_range&) const = default;

    /// Whether the document and the rest see nothing of each other.
    [[nodiscard]] bool separates_document() const {
        return blinds_document() && !cls.document && !query.document;
    }
    /// Whether the document sees itself alone.
    [[nodiscard]] bool blinds_document() const { return !document.cls && !document.query; }
};

/// The architecture of one model; every value is read from the model file.
struct model_config {
    model_kind kind = model_kind::mice;
    std::string model_type = "bert"; ///< names the family of encoders
    std::string hidden_act = "gelu"; ///< only "gelu", the exact erf form
    std::size_t hidden_size = 0;
    std::size_t embedding_size = 0; ///< width of the embedding tables; hidden_size but for ELECTRA
    std::size_t num_attention_heads = 0;
    std::size_t intermediate_size = 0;
    std::size_t vocab_size = 0;
    std::size_t max_position_embeddings = 0;
    std::size_t type_vocab_size = 0; ///< 0 where the family has no token types
    double layer_norm_eps = 1e-12;

    // rotary positions
    std::vector<bool> sliding_layers;    ///< [layers] whether each has the local RoPE base
    double global_rope_theta = 160000.0; ///< RoPE base of the other layers
    double local_rope_theta = 10000.0;   ///< RoPE base of sliding layers
    std::size_t sliding_window = 0;      ///< tokens that sliding layers of an encoder see on
                                         ///< each side; 0: all, as MICE's reference does
    pooling classifier_pooling = pooling::cls;
    bool lexical_bias = false; ///< MICE: matching ids raise the logits of cross-attention
    std::vector<std::int32_t> special_token_ids; ///< which lexical_bias leaves out, ascending

    // MICE
    std::size_t query_layers = 0;       ///< Lq, contextualization layers of the query
    std::size_t document_layers = 0;    ///< Ld, contextualization layers of the document
    std::size_t interaction_layers = 0; ///< Lx
    bool bound_bottom_layers = true;    ///< query and document share one contextualization stack
    bool cross_attn_first = false;      ///< false: self, cross, FFN; true: cross, self, FFN
    bool mask_query_to_cls = true; ///< rows 1.. do not attend to row 0 in the interaction layers
    cls_cross cls_cross_attention = cls_cross::full;
    bool global_cls_token = false;   ///< a learned row stands before the query's rows
    bool extra_attn_bias = false;    ///< exact-match heads, which need the document's ids
    bool use_self_attention = true;  ///< false: no self-attention in the interaction layers
    bool pooler = true;              ///< tanh(Linear(row 0)) before the classifier
    double compress_dim = 1;         ///< above 1: an adapter divides the interaction width by this
    std::size_t highlight_width = 0; ///< width of the matching head; 0: there is none

    // cross-encoder and late interaction
    std::size_t layers = 0;          ///< encoder layers
    std::size_t max_pair_length = 0; ///< cross-encoder: tokens of both, markers included
    truncation pair_truncation = truncation::only_second;
    bool positions_restart = false; ///< cross-encoder: the document's positions start at 0 again
    std::vector<visibility_range> visibility; ///< cross-encoder; none: every token sees every other

    std::size_t vector_size = 0;       ///< late interaction: width of a vector
    std::int32_t query_marker = 0;     ///< late interaction: id that follows a query's [CLS]
    std::int32_t document_marker = 0;  ///< late interaction: id that follows a document's [CLS]
    std::int32_t filler = 0;           ///< late interaction: id that fills queries up, [MASK]
    bool attend_to_filler = false;     ///< late interaction: whether fillers are attended to
    std::vector<std::int32_t> skipped; ///< late interaction: ids without a vector, ascending

    std::size_t max_query_length = 0;    ///< tokens, markers (and fillers) included
    std::size_t max_document_length = 0; ///< tokens, markers included

    /// Width of the states that the interaction layers see.
    [[nodiscard]] std::size_t interaction_hidden() const { return divided(hidden_size); }
    [[nodiscard]] std::size_t interaction_heads() const { return divided(num_attention_heads); }
    [[nodiscard]] std::size_t interaction_intermediate() const {
        return divided(intermediate_size);
    }
    /// Floats that a stored document has for each token; 0: only its ids are kept.
    [[nodiscard]] std::size_t state_width() const;
    [[nodiscard]] bool has_adapter() const { return compress_dim > 1; }
    [[nodiscard]] bool has_embedding_projection() const { return embedding_size != hidden_size; }
    /// The family that model_type names. Throws errc::unsupported where there is none.
    [[nodiscard]] const encoder_family& family() const {
        const encoder_family* found = find_family(model_type);
        if (found == nullptr) {
            throw detail::errors::not_supported("model_type " + detail::errors::quoted(model_type));
        }
        return *found;
    }
    /// For the converter, which reads each family's checkpoints; the engine reads family().
    [[nodiscard]] bool is_modernbert() const { return model_type == "modernbert"; }
    /// The head of this kind of model; without `dense` where the model has none.
    [[nodiscard]] head_layout head() const {
        head_layout layout = kind == model_kind::cross_encoder ? family().pair_head : family().head;
        if (layout.dense_is_optional && !pooler) {
            layout.dense = {};
        }
        return layout;
    }
    /// Markers that a document in a pair begins with: 1 in [CLS] query [SEP] [SEP] document [SEP].
    [[nodiscard]] std::size_t leading_markers() const {
        return family().pairs == pair_form::roberta ? 1 : 0;
    }
    /// Whether layer `index` of the backbone has a norm at its attention.
    [[nodiscard]] bool has_attention_norm(std::size_t index) const {
        return index > 0 || family().first_norm;
    }
    /// Whether layer `index` of the backbone uses the local RoPE base and may have a window.
    [[nodiscard]] bool is_sliding(std::size_t index) const {
        return family().positions == position_kind::rotary && sliding_layers[index];
    }
    /// Whether documents are stored as (D - mean) / deviation of each row, which every interaction
    /// layer of a pre-norm family starts from (MICE paper, section 3); else they are D.
    [[nodiscard]] bool normalises_states() const {
        return family().norms == norm_place::before && kind == model_kind::mice &&
               !extra_attn_bias && query_layers > 0;
    }
    /// Tokens that the model itself puts behind [CLS]: the marker of late interaction.
    [[nodiscard]] std::size_t marker_tokens() const {
        return kind == model_kind::late_interaction ? 1 : 0;
    }
    /// Whether a document's token of that id is encoded with the others and then left out.
    [[nodiscard]] bool skips(std::int32_t id) const {
        return std::binary_search(skipped.begin(), skipped.end(), id);
    }
    /// Whether row 0 skips the last cross-attention; with mean pooling no row does.
    [[nodiscard]] bool skips_last_cross() const {
        return cls_cross_attention == cls_cross::mean_skip_last &&
               classifier_pooling == pooling::cls;
    }
    /// Cross-encoder: leading layers in which the document neither sees the rest nor is seen by it.
    [[nodiscard]] std::size_t separate_layers() const {
        return leading_layers([](const visibility_range& r) { return r.separates_document(); });
    }
    /// Cross-encoder: leading layers in which the document sees nothing but itself.
    [[nodiscard]] std::size_t blind_layers() const {
        return leading_layers([](const visibility_range& r) { return r.blinds_document(); });
    }
    /// Cross-encoder: states of a token that are worth storing, one behind the other: the inputs of
    /// the layers from separate_layers() on, up to the first in which the document sees more than
    /// itself.
    [[nodiscard]] std::size_t states_per_token() const {
        const std::size_t blind = blind_layers();
        return positions_restart && blind > 0
                   ? std::min(blind, layers - 1) - std::min(separate_layers(), layers - 1) + 1
                   : 0;
    }

    /// Throws errc::config when a value is out of range or two options contradict each other, and
    /// errc::unsupported for what this version cannot run. Names the values.
    void validate() const;

  private:
    [[nodiscard]] std::size_t divided(std::size_t value) const {
        return static_cast<std::size_t>(static_cast<double>(value) / compress_dim);
    }
    template <class Holds> [[nodiscard]] std::size_t leading_layers(const Holds& holds) const {
        std::size_t count = 0;
        for (const visibility_range& range : visibility) {
            if (!holds(range)) {
                break;
            }
            count += range.layers;
        }
        return count;
    }
};

inline std::size_t model_config::state_width() const {
    switch (kind) {
    case model_kind::cross_encoder:
        return states_per_token() * hidden_size;
    case model_kind::late_interaction:
        return vector_size;
    default:
        return interaction_hidden();
    }
}

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/model/config_check.hpp>
#endif
