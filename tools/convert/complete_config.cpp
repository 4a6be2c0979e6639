// SPDX-License-Identifier: Apache-2.0
#include "checkpoint_config.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include <mice/model/config_json.hpp>
#include <mice/model/config_limits.hpp>

#include "families.hpp"
#include "messages.hpp"
#include "select_tensors.hpp"

namespace mice::tools {
namespace {

/// Builds the canonical object key by key.
class config_completion {
  public:
    config_completion(checkpoint_config& config, const checkpoint& weights, model_kind kind)
        : config_(config), weights_(weights), kind_(kind) {}

    [[nodiscard]] model_config finish() {
        add_backbone();
        if (kind_ == model_kind::mice) {
            add_layers();
            add_switches();
            add_order();
        } else {
            add_cross_encoder();
        }
        if (is_modernbert()) {
            add_modernbert();
        }
        add_limits();
        check_flags();
        return config_from_json(to_text(result_));
    }

  private:
    [[nodiscard]] const json* find(const char* key) {
        read_.insert(key);
        const auto found = config_.values.find(key);
        return found == config_.values.end() || found->is_null() ? nullptr : &*found;
    }

    void require(const char* key) { require_as(key, key); }

    void require_as(const char* canonical, const char* key) {
        const json* value = find(key);
        if (value == nullptr) {
            throw messages::missing_key(key);
        }
        result_[canonical] = *value;
    }

    void take_or(const char* key, const json& otherwise) { take_as(key, key, otherwise); }

    void take_as(const char* canonical, const char* key, const json& otherwise) {
        const json* value = find(key);
        result_[canonical] = value != nullptr ? *value : otherwise;
    }

    /// An option that was left out but follows from the tensors or has a usual value.
    void take_or_note(const char* key, const json& otherwise, const std::string& reason) {
        if (find(key) == nullptr) {
            config_.notes.push_back(std::string(key) + " = " + to_text(otherwise) + ": " + reason);
        }
        take_or(key, otherwise);
    }

    /// How the family's checkpoints say what they are; it is read before anything else.
    [[nodiscard]] const checkpoint_family& family() const {
        const json& type = result_.at("model_type");
        return checkpoint_family_of(type.is_string() ? type.get_ref<const std::string&>() : "");
    }
    [[nodiscard]] bool is_modernbert() const { return family().stored == &modernbert_family; }

    void add_backbone() {
        for (const char* key : {"model_type", "hidden_size", "num_attention_heads", "vocab_size",
                                "intermediate_size", "max_position_embeddings"}) {
            require(key);
        }
        take_as("hidden_act", family().activation_key, "gelu");
        take_as("layer_norm_eps", family().epsilon_key, family().epsilon);
        if (!family().stored->embeddings.types.empty()) {
            take_or("type_vocab_size", 2U);
        }
        add_embedding_size();
        if (family().stored->head.dense_is_optional) {
            add_pooler();
        }
    }

    /// BERT's tables are as wide as its layers and its configuration says no width; ELECTRA's may
    /// be narrower.
    void add_embedding_size() {
        if (family().stored->embeddings.projection.empty()) {
            result_["embedding_size"] = result_["hidden_size"];
            return;
        }
        const auto table = weights_.tensors.find("embeddings.word_embeddings.weight");
        const json width = table != weights_.tensors.end() && table->second.shape.rank() == 2
                               ? json(table->second.shape[1])
                               : result_["hidden_size"];
        const json* said = find("embedding_size");
        const bool narrow = family().stored == &electra_family;
        if (!narrow && said != nullptr && *said != width) {
            config_.notes.push_back("embedding_size = " + to_text(*said) + " is not read: " +
                                    std::string(family().stored->title) + " has none");
            said = nullptr;
        }
        result_["embedding_size"] = said != nullptr ? *said
                                    : narrow        ? width
                                                    : result_["hidden_size"];
    }

    void add_pooler() {
        if (kind_ == model_kind::cross_encoder && !family().stored->pair_head.dense_is_optional) {
            result_["pooler"] = false; // its classifier has a layer of its own instead
            return;
        }
        const bool there = has_prefix(weights_, "pooler.");
        if (!there && find("pooler") == nullptr && kind_ == model_kind::cross_encoder &&
            has_prefix(weights_, "classifier.")) {
            throw messages::missing_pooler();
        }
        there ? take_or("pooler", true)
              : take_or_note("pooler", false, "the checkpoint has no 'pooler.dense'");
    }

    void require_layers(const char* key, const char* flag, std::string_view prefix) {
        if (find(key) == nullptr) {
            const std::string number = std::to_string(count_layers(weights_, prefix));
            throw messages::missing_option(key, std::string(flag) + " " + number,
                                           "the tensors show " + number + " layers");
        }
        require(key);
    }

    void add_layers() {
        const bool untied = has_prefix(weights_, "query_bottom_layers.") ||
                            has_prefix(weights_, "document_bottom_layers.");
        take_or_note("bound_bottom_layers", !untied, "from the tensors' names");
        require_layers("n_contextualization_layers", "--n-contextualization-layers",
                       untied ? "query_bottom_layers." : "bottom_layers.");
        require_layers("n_interaction_layers", "--n-interaction-layers", "top_layers.");
        take_or("n_docs_ctx_layers", result_["n_contextualization_layers"]);
    }

    void add_switches() {
        const bool row = has_prefix(weights_, "global_cls");
        const bool heads = has_prefix(weights_, "exact_match_heads.");
        take_or_note("global_cls_token", row, "from the tensors' names");
        take_or_note("extra_attn_bias", heads, "from the tensors' names");
        take_or_note("use_self_attention", true, "the configuration does not say otherwise");
        if (is_modernbert()) {
            const bool bias =
                weights_.tensors.contains("top_layers.0.crossattention.lexical_bias_weight");
            take_or_note("lexical_bias", bias, "from the tensors' names");
            add_special_ids();
            if (const json* factor = find("compress_dim"); factor != nullptr && *factor != 1) {
                throw detail::contradiction("compress_dim above 1", "model_type = modernbert");
            }
            return;
        }
        if (find("compress_dim") == nullptr && has_prefix(weights_, "adapter.")) {
            throw messages::missing_option("compress_dim", "--compress-dim C",
                                           "the tensors hold an adapter");
        }
        take_or("compress_dim", 1);
    }

    /// The ids that lexical bias leaves out; nothing else reads them.
    void add_special_ids() {
        result_["special_token_ids"] = json::array();
        if (result_["lexical_bias"] != true) {
            return;
        }
        require("special_token_ids");
        json& ids = result_["special_token_ids"];
        if (ids.is_array()) {
            std::sort(ids.begin(), ids.end());
            ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
        }
    }

    /// Only the training run knows these two, and a wrong guess gives wrong scores.
    void add_order() {
        if (find("cross_attn_first") == nullptr) {
            throw messages::missing_option(
                "cross_attn_first", "--cross-attn-first true or false",
                "false: self, cross, FFN, as in the paper's first version");
        }
        require("cross_attn_first");
        if (find("cls_cross_attention") == nullptr) {
            throw messages::missing_option("cls_cross_attention",
                                           "--cls-cross-attention full, mean or mean_skip_last",
                                           "mean where mask_cls_to_doc was true in training");
        }
        require("cls_cross_attention");
        take_or_note("mask_query_to_cls", true, "the reference's default");
    }

    void add_cross_encoder() {
        result_["kind"] = name_of(kind_);
        const std::size_t layers = count_layers(weights_, "layers.");
        require_as("layers", "num_hidden_layers");
        if (result_["layers"] != layers) {
            throw messages::config_conflict("num_hidden_layers", to_text(result_["layers"]),
                                            "the tensors show " + std::to_string(layers) +
                                                " layers");
        }
        take_or("positions_restart", false);
        take_or("visibility", json::array());
        take_or_note("pair_truncation", "only_second", "the document is cut, the query is not");
        take_or_note("max_pair_length", usual_length(), "tokens, the configuration gives no limit");
    }

    /// What the family's published models were trained with, if it has as many positions.
    [[nodiscard]] std::size_t usual_length() const {
        const std::size_t usual = family().usual_length;
        const json& positions = result_["max_position_embeddings"];
        return positions.is_number_unsigned() ? std::min(usual, positions.get<std::size_t>())
                                              : usual;
    }

    [[nodiscard]] std::size_t count_in_result(const char* key) const {
        const auto found = result_.find(key);
        return found != result_.end() && found->is_number_unsigned() ? found->get<std::size_t>()
                                                                     : 0;
    }

    void add_modernbert() {
        take_or("classifier_pooling", "cls");
        add_layer_types();
        add_rope();
        if (kind_ == model_kind::mice) {
            take_as("sliding_window", "ctx_sliding_window", 0U);
            return;
        }
        // Hugging Face's cross-encoder lets a token see half of it on each side.
        require_as("sliding_window", "local_attention");
        if (result_["sliding_window"].is_number_unsigned()) {
            result_["sliding_window"] = count_in_result("sliding_window") / 2;
        }
    }

    /// One type for each layer that the model has, from either form of the configuration.
    void add_layer_types() {
        const std::size_t layers = kind_ == model_kind::mice
                                       ? std::max(count_in_result("n_contextualization_layers") +
                                                      count_in_result("n_interaction_layers"),
                                                  count_in_result("n_docs_ctx_layers"))
                                       : count_in_result("layers");
        detail::check_range("layers", layers, 0, 2 * detail::largest_depth);
        json types = json::array();
        if (const json* listed = find("layer_types"); listed != nullptr) {
            if (!listed->is_array() || listed->size() < layers) {
                throw detail::errors::bad_option(
                    "layer_types", "a list for " + std::to_string(layers) + " layers",
                    listed->is_array() ? std::to_string(listed->size()) : listed->type_name());
            }
            types.insert(types.end(), listed->begin(),
                         listed->begin() + static_cast<std::ptrdiff_t>(layers));
        } else {
            const json* every = find("global_attn_every_n_layers");
            if (every == nullptr) {
                throw messages::missing_key("layer_types");
            }
            if (!every->is_number_unsigned() || *every == 0) {
                throw detail::errors::bad_option("global_attn_every_n_layers",
                                                 "a whole number above 0", to_text(*every));
            }
            for (std::size_t i = 0; i < layers; ++i) {
                types.push_back(i % every->get<std::size_t>() == 0 ? "full_attention"
                                                                   : "sliding_attention");
            }
        }
        result_["layer_types"] = std::move(types);
    }

    void add_rope() {
        const json* parameters = find("rope_parameters");
        if (parameters == nullptr) {
            require("global_rope_theta");
            if (const json* local = find("local_rope_theta"); local == nullptr) {
                result_["local_rope_theta"] = result_["global_rope_theta"];
            } else {
                result_["local_rope_theta"] = *local;
            }
            return;
        }
        const auto base = [&](const char* type) -> json {
            const auto found = parameters->is_object() ? parameters->find(type) : parameters->end();
            if (!parameters->is_object() || found == parameters->end() || !found->is_object() ||
                !found->contains("rope_theta")) {
                throw messages::missing_key(std::string("rope_parameters.") + type + ".rope_theta");
            }
            const json kind = found->value("rope_type", json("default"));
            if (kind != "default") {
                throw messages::not_yet("rope_type " + to_text(kind),
                                        "convert a checkpoint without it");
            }
            if (found->value("partial_rotary_factor", json(1)) != 1) {
                throw messages::not_yet("'partial_rotary_factor'",
                                        "convert a checkpoint without it");
            }
            return found->at("rope_theta");
        };
        result_["global_rope_theta"] = base("full_attention");
        result_["local_rope_theta"] = base("sliding_attention");
    }

    /// As model_config::leading_markers.
    [[nodiscard]] std::size_t leading_markers() const {
        return family().stored->pairs == pair_form::roberta ? 1 : 0;
    }

    void add_limits() {
        const std::size_t longest = usual_length();
        if (kind_ == model_kind::mice) {
            take_or_note("max_query_length", longest, "tokens, the configuration gives no limit");
            take_or_note("max_document_length", longest,
                         "tokens, the configuration gives no limit");
            return;
        }
        const std::size_t pair = count_in_result("max_pair_length");
        if (result_["positions_restart"] != true) {
            const std::size_t rest = 2 + leading_markers(); // which leaves a document a token
            take_or("max_query_length", pair > rest + 2 ? pair - rest : pair);
            take_or("max_document_length", pair);
            return;
        }
        // Documents may be stored before there is a query that could cut them.
        take_or_note("max_query_length", std::clamp<std::size_t>(pair / 4, 2, 64),
                     "tokens, so that stored documents have room");
        const std::size_t query = count_in_result("max_query_length");
        take_or("max_document_length", pair >= query ? pair - query + 1 - leading_markers() : pair);
    }

    /// A flag that nothing reads is a misunderstanding, and must not be ignored silently.
    void check_flags() const {
        for (const std::string& key : config_.flags) {
            if (!read_.contains(key)) {
                std::string flag = "--" + key;
                std::replace(flag.begin(), flag.end(), '_', '-');
                throw messages::unused_flag(flag, result_["model_type"].get<std::string>() + ", " +
                                                      std::string(title_of(kind_)));
            }
        }
    }

    checkpoint_config& config_;
    const checkpoint& weights_;
    model_kind kind_;
    std::set<std::string, std::less<>> read_; ///< keys that were asked for
    json result_ = json::object();
};

/// The separate configuration of the interaction layers must be the backbone's, divided.
void check_interaction_config(const checkpoint_config& source, const model_config& config) {
    const auto check = [&source](const char* key, const json& expected) {
        const auto found = source.interaction.find(key);
        if (found != source.interaction.end() && *found != expected) {
            throw messages::config_conflict(key, to_text(*found) + " in " + source.interaction_file,
                                            to_text(expected) +
                                                " follows from the backbone and compress_dim");
        }
    };
    check("hidden_size", config.interaction_hidden());
    check("num_attention_heads", config.interaction_heads());
    check("intermediate_size", config.interaction_intermediate());
    check("layer_norm_eps", config.layer_norm_eps);
    check("hidden_act", config.hidden_act);
}

} // namespace

model_config complete_config(checkpoint_config& config, const checkpoint& weights,
                             model_kind kind) {
    model_config result = config_completion(config, weights, kind).finish();
    check_interaction_config(config, result);
    return result;
}

} // namespace mice::tools
