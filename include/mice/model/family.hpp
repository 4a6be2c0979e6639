// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <mice/kernels/set.hpp>
#include <mice/text/pair_form.hpp>

// What differs between families of encoders, as data. The engine reads these fields and asks
// nowhere which family it runs: a family of encoders is added by its descriptor here, by the
// converter's names for its checkpoints and by tests.
MICE_NAMESPACE_BEGIN

/// Where LayerNorm stands in a block f of a layer.
enum class norm_place {
    after, ///< x = LN(x + f(x))
    before ///< x = x + f(LN(x)), and once more behind the last layer
};

/// How a token's place gets into its state.
enum class position_kind {
    learned, ///< a row of a table is added to the token's embedding
    rotary   ///< queries and keys are turned by an angle (RoPE); no table
};

/// Names of the tables in front of the first layer, without ".weight"; empty: there is none.
struct embedding_names {
    std::string_view words{};
    std::string_view positions{};
    std::string_view types{};
    std::string_view norm{};
    std::string_view projection{}; ///< to hidden_size, where embedding_size may differ from it
};

/// Names of an attention block's linear layers and norm, behind the name of its layer.
struct attention_names {
    std::string_view query{};
    std::string_view key{}; ///< empty: `query` has the rows of queries, then keys, then values
    std::string_view value{};
    std::string_view output{};
    std::string_view norm{};

    [[nodiscard]] constexpr bool is_stacked() const noexcept { return key.empty(); }
};

/// Names of a feed-forward block's linear layers and norm, behind the name of its layer.
struct feed_forward_names {
    std::string_view up{};
    std::string_view down{};
    std::string_view norm{};
};

/// From the last states to one logit: classifier(norm(activation(dense(pooled rows)))).
struct head_layout {
    std::string_view final_norm{}; ///< of the last layer's states; empty: none
    std::string_view dense{};      ///< empty: none
    bool dense_has_bias = true;
    bool dense_is_optional = false; ///< whether it is there is said by model_config::pooler
    kernels::epilogue activation = kernels::epilogue::keep; ///< behind dense
    std::string_view norm{};                                ///< behind the activation; empty: none
    std::string_view classifier = "classifier";
    bool may_average = false; ///< model_config::classifier_pooling chooses row 0 or the mean
};

/// One family of encoders.
struct encoder_family {
    std::string_view model_type{}; ///< in files
    std::string_view title{};      ///< what people call it
    norm_place norms = norm_place::after;
    bool first_norm = true; ///< whether the backbone's first attention block has a norm
    bool biases = true;     ///< whether norms and linear layers of the encoder have one
    bool gated = false; ///< feed-forward: down(gelu(a) * b), a and b the halves of up(x) (GeGLU)
    position_kind positions = position_kind::learned;
    pair_form pairs = pair_form::bert; ///< how a cross-encoder joins two texts
    std::size_t pair_types = 2; ///< token types that tell two texts apart; 0: a model needs none
    // what this version runs with it
    bool adapts = true;            ///< MICE: interaction layers narrower than the encoder
    bool has_lexical_bias = false; ///< MICE: matching ids may raise the logits of cross-attention
    bool late_interaction = true;

    embedding_names embeddings{};
    attention_names self{};
    attention_names cross{}; ///< MICE; with the norm of `self`, both blocks share it
    feed_forward_names feed_forward{};
    head_layout head{};      ///< of MICE models
    head_layout pair_head{}; ///< of cross-encoders
};

/// BERT (arXiv 1810.04805).
inline constexpr encoder_family bert_family{
    .model_type = "bert",
    .title = "BERT",
    .embeddings = {.words = "embeddings.word_embeddings",
                   .positions = "embeddings.position_embeddings",
                   .types = "embeddings.token_type_embeddings",
                   .norm = "embeddings.LayerNorm",
                   .projection = "embeddings_project"},
    .self = {.query = ".attention.self.query",
             .key = ".attention.self.key",
             .value = ".attention.self.value",
             .output = ".attention.output.dense",
             .norm = ".attention.output.LayerNorm"},
    .cross = {.query = ".crossattention.self.query",
              .key = ".crossattention.self.key",
              .value = ".crossattention.self.value",
              .output = ".crossattention.output.dense",
              .norm = ".crossattention.output.LayerNorm"},
    .feed_forward = {.up = ".intermediate.dense",
                     .down = ".output.dense",
                     .norm = ".output.LayerNorm"},
    .head = {.dense = "pooler.dense",
             .dense_is_optional = true,
             .activation = kernels::epilogue::tanh},
    .pair_head = {.dense = "pooler.dense",
                  .dense_is_optional = true,
                  .activation = kernels::epilogue::tanh},
};

/// ELECTRA (arXiv 2003.10555): BERT's encoder, with another head in cross-encoders.
inline constexpr encoder_family electra_family = [] {
    encoder_family family = bert_family;
    family.model_type = "electra";
    family.title = "ELECTRA";
    family.pair_head = {.dense = "classifier.dense",
                        .activation = kernels::epilogue::gelu,
                        .classifier = "classifier.out_proj"};
    return family;
}();

/// RoBERTa (arXiv 1907.11692) and XLM-RoBERTa (arXiv 1911.02116): BERT's encoder without types of
/// tokens, and another head in cross-encoders. Their MICE models have BERT's.
inline constexpr encoder_family roberta_family = [] {
    encoder_family family = bert_family;
    family.model_type = "roberta";
    family.title = "RoBERTa";
    family.pairs = pair_form::roberta;
    family.pair_types = 0;
    family.pair_head = {.dense = "classifier.dense",
                        .activation = kernels::epilogue::tanh,
                        .classifier = "classifier.out_proj"};
    return family;
}();

/// ModernBERT (arXiv 2412.13663). Its MICE models have one norm for both attention blocks of a
/// layer, whose weight the converter multiplies into the keys and values of documents.
inline constexpr encoder_family modernbert_family{
    .model_type = "modernbert",
    .title = "ModernBERT",
    .norms = norm_place::before,
    .first_norm = false,
    .biases = false,
    .gated = true,
    .positions = position_kind::rotary,
    .pair_types = 0,
    .adapts = false,
    .has_lexical_bias = true,
    .late_interaction = false,
    .embeddings = {.words = "embeddings.tok_embeddings", .norm = "embeddings.norm"},
    .self = {.query = ".attn.Wqkv", .output = ".attn.Wo", .norm = ".attn_norm"},
    .cross = {.query = ".crossattention.q_proj",
              .key = ".crossattention.k_proj",
              .value = ".crossattention.v_proj",
              .output = ".crossattention.Wo",
              .norm = ".attn_norm"},
    .feed_forward = {.up = ".mlp.Wi", .down = ".mlp.Wo", .norm = ".mlp_norm"},
    .head = {.final_norm = "final_norm",
             .dense = "head.dense",
             .dense_has_bias = false,
             .activation = kernels::epilogue::gelu,
             .norm = "head.norm",
             .may_average = true},
    .pair_head = {.final_norm = "final_norm",
                  .dense = "head.dense",
                  .dense_has_bias = false,
                  .activation = kernels::epilogue::gelu,
                  .norm = "head.norm",
                  .may_average = true},
};

/// Every family that this version runs.
inline constexpr std::array<const encoder_family*, 4> encoder_families{
    &bert_family, &electra_family, &roberta_family, &modernbert_family};

/// The family of that name in files, or null.
[[nodiscard]] constexpr const encoder_family* find_family(std::string_view model_type) noexcept {
    const auto found = std::find_if(
        encoder_families.begin(), encoder_families.end(),
        [model_type](const encoder_family* each) { return each->model_type == model_type; });
    return found == encoder_families.end() ? nullptr : *found;
}

MICE_NAMESPACE_END
