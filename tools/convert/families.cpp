// SPDX-License-Identifier: Apache-2.0
#include "families.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <vector>

#include "messages.hpp"

namespace mice::tools {
namespace {

constexpr std::string_view without_it = "convert a checkpoint without it";

void refuse_true(const json& backbone, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        if (backbone.value(key, json(false)) == true) {
            throw messages::not_yet(detail::errors::quoted(key) + " = true", without_it);
        }
    }
}

// ---- BERT and ELECTRA ----

void check_bert(const json& backbone) {
    check_positions(backbone);
    if (const auto heads = backbone.find("pruned_heads");
        heads != backbone.end() && !heads->empty()) {
        throw messages::not_yet("'pruned_heads'", without_it);
    }
    refuse_true(backbone, {"is_decoder"});
}

// ---- RoBERTa and XLM-RoBERTa ----

std::size_t count_at(const checkpoint_config& config, const char* key, std::size_t otherwise) {
    const auto found = config.values.find(key);
    if (found == config.values.end()) {
        return otherwise;
    }
    if (!found->is_number_unsigned()) {
        throw detail::errors::bad_option(key, "a whole number, not negative", to_text(*found));
    }
    return found->get<std::size_t>();
}

/// The first token of a text has the position behind the padding's, so the rows up to there serve
/// no text: they go, and positions count from 0 as everywhere.
void cut_positions(checkpoint& weights, checkpoint_config& config) {
    const std::size_t padding = count_at(config, "pad_token_id", 1);
    const std::size_t rows = count_at(config, "max_position_embeddings", 0);
    if (rows <= padding || rows - padding < 3) {
        throw detail::errors::bad_option("max_position_embeddings",
                                         "at least 3 above pad_token_id (" +
                                             std::to_string(padding) +
                                             "), behind which RoBERTa's positions begin",
                                         std::to_string(rows));
    }
    const std::size_t unread = padding + 1;
    config.values["max_position_embeddings"] = rows - unread;
    const std::string name = std::string(roberta_family.embeddings.positions) + ".weight";
    const auto table = weights.tensors.find(name);
    if (table == weights.tensors.end()) {
        return; // which is missed later
    }
    io::tensor_view& view = table->second;
    if (view.shape.rank() != 2 || view.shape[0] != rows) {
        throw messages::wrong_shape(name, "[" + std::to_string(rows) + ", hidden_size]",
                                    view.shape.text());
    }
    view = {view.type,
            {rows - unread, view.shape[1]},
            view.bytes.subspan(view.bytes.size() / rows * unread)};
    weights.notes.push_back("dropped the first " + std::to_string(unread) + " of " +
                            std::to_string(rows) +
                            " positions, which no text has: RoBERTa's begin behind pad_token_id");
}

void adapt_roberta(checkpoint& weights, checkpoint_config& config) {
    cut_positions(weights, config);
    const std::string types = std::string(roberta_family.embeddings.types) + ".weight";
    if (count_at(config, "type_vocab_size", 2) == 0 && weights.tensors.erase(types) > 0) {
        weights.notes.push_back("dropped '" + types + "', which type_vocab_size = 0 leaves empty");
    }
    if (has_prefix(weights, "classifier.dense.") && drop_prefix(weights, "pooler.") > 0) {
        weights.notes.emplace_back("dropped the pooler, which RoBERTa's classifier does not read");
    }
}

// ---- ModernBERT ----

void check_modernbert(const json& backbone) {
    refuse_true(backbone, {"norm_bias", "attention_bias", "mlp_bias", "classifier_bias"});
    if (const auto scaling = backbone.find("rope_scaling");
        scaling != backbone.end() && !scaling->is_null()) {
        const bool plain = scaling->is_object() &&
                           scaling->value("rope_type", scaling->value("type", json())) == "default";
        if (!plain) {
            throw messages::not_yet("'rope_scaling'", without_it);
        }
    }
    if (const auto share = backbone.find("partial_rotary_factor");
        share != backbone.end() && !share->is_null() && *share != 1) {
        throw messages::not_yet("'partial_rotary_factor'", without_it);
    }
    const std::string activation = text_or_empty(backbone, "classifier_activation");
    if (!activation.empty() && !is_exact_gelu(activation)) {
        throw messages::not_yet("classifier_activation " + detail::errors::quoted(activation),
                                without_it);
    }
}

// ---- all of them ----

constexpr checkpoint_family roberta_checkpoints(std::string_view model_type) {
    return {.model_type = model_type,
            .stored = &roberta_family,
            .has_unused_tokens = false,
            .check = check_bert,
            .adapt = adapt_roberta};
}

constexpr std::array families{
    checkpoint_family{.model_type = "bert", .stored = &bert_family, .check = check_bert},
    checkpoint_family{.model_type = "electra", .stored = &electra_family, .check = check_bert},
    roberta_checkpoints("roberta"), roberta_checkpoints("xlm-roberta"),
    checkpoint_family{.model_type = "modernbert",
                      .stored = &modernbert_family,
                      .activation_key = "hidden_activation",
                      .epsilon_key = "norm_eps",
                      .epsilon = 1e-5,
                      .usual_length = 1024,
                      .has_unused_tokens = false,
                      .check = check_modernbert}};

} // namespace

std::span<const checkpoint_family> checkpoint_families() {
    return families;
}

const checkpoint_family& checkpoint_family_of(std::string_view model_type) {
    const auto found =
        std::find_if(families.begin(), families.end(), [model_type](const checkpoint_family& each) {
            return each.model_type == model_type;
        });
    if (found == families.end()) {
        throw messages::not_yet("model_type " + detail::errors::quoted(model_type),
                                "convert a checkpoint of the " + family_titles() + " family");
    }
    return *found;
}

std::string family_titles(bool late_interaction) {
    std::vector<std::string_view> titles;
    for (const encoder_family* family : encoder_families) {
        if (!late_interaction || family->late_interaction) {
            titles.push_back(family->title);
        }
    }
    std::string text;
    for (std::size_t i = 0; i < titles.size(); ++i) {
        text += i == 0 ? "" : i + 1 < titles.size() ? ", " : " or ";
        text += titles[i];
    }
    return text;
}

void check_backbone_features(const json& backbone) {
    checkpoint_family_of(text_or_empty(backbone, "model_type")).check(backbone);
}

void adapt_to_family(checkpoint& weights, checkpoint_config& config) {
    const checkpoint_family& family =
        checkpoint_family_of(text_or_empty(config.values, "model_type"));
    if (family.adapt != nullptr) {
        family.adapt(weights, config);
    }
    if (family.model_type != family.stored->model_type) {
        config.notes.push_back("model_type " + std::string(family.model_type) + " is stored as " +
                               std::string(family.stored->model_type) + ": the same encoder");
        config.values["model_type"] = std::string(family.stored->model_type);
    }
}

void check_positions(const json& values) {
    const std::string positions = text_or_empty(values, "position_embedding_type");
    if (!positions.empty() && positions != "absolute") {
        throw messages::not_yet("position_embedding_type " + detail::errors::quoted(positions),
                                without_it);
    }
}

bool is_exact_gelu(std::string_view name) {
    return name == "gelu" || name == "gelu_python";
}

} // namespace mice::tools
