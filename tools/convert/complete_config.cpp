// SPDX-License-Identifier: Apache-2.0
#include "checkpoint_config.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <mice/config_json.hpp>

#include "messages.hpp"

namespace mice::tools {
namespace {

/// Builds the canonical object key by key.
class config_completion {
  public:
    config_completion(checkpoint_config& config, const checkpoint& weights)
        : config_(config), weights_(weights) {}

    [[nodiscard]] model_config finish() {
        add_backbone();
        add_layers();
        add_switches();
        add_order();
        add_limits();
        return config_from_json(io::to_text(result_));
    }

  private:
    [[nodiscard]] const io::json* find(const char* key) const {
        const auto found = config_.values.find(key);
        return found == config_.values.end() || found->is_null() ? nullptr : &*found;
    }

    void require(const char* key) {
        const io::json* value = find(key);
        if (value == nullptr) {
            throw messages::missing_key(key);
        }
        result_[key] = *value;
    }

    void take_or(const char* key, const io::json& otherwise) {
        const io::json* value = find(key);
        result_[key] = value != nullptr ? *value : otherwise;
    }

    /// An option that was left out but shows in the tensors or has a usual value.
    void take_or_note(const char* key, const io::json& otherwise, const std::string& reason) {
        if (find(key) == nullptr) {
            config_.notes.push_back(std::string(key) + " = " + io::to_text(otherwise) + ": " +
                                    reason);
        }
        take_or(key, otherwise);
    }

    void add_backbone() {
        for (const char* key : {"model_type", "hidden_size", "num_attention_heads", "vocab_size",
                                "intermediate_size", "max_position_embeddings"}) {
            require(key);
        }
        take_or("hidden_act", "gelu");
        take_or("type_vocab_size", 2U);
        take_or("layer_norm_eps", 1e-12);
        const auto table = weights_.tensors.find("embeddings.word_embeddings.weight");
        const bool inferred = result_["model_type"] == "electra" &&
                              table != weights_.tensors.end() && table->second.shape.rank() == 2;
        take_or("embedding_size",
                inferred ? io::json(table->second.shape[1]) : result_["hidden_size"]);
    }

    /// How many layers `prefix`N. the tensors show: one more than the largest N.
    [[nodiscard]] std::size_t layers_in_tensors(std::string_view prefix) const {
        std::size_t count = 0;
        for (auto place = weights_.tensors.lower_bound(prefix);
             place != weights_.tensors.end() && place->first.starts_with(prefix); ++place) {
            const std::string_view rest = std::string_view(place->first).substr(prefix.size());
            std::size_t index = 0;
            const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
            if (code == std::errc() && index < detail::largest_depth) {
                count = std::max(count, index + 1);
            }
        }
        return count;
    }

    void require_layers(const char* key, const char* flag, std::string_view prefix) {
        if (find(key) == nullptr) {
            const std::string number = std::to_string(layers_in_tensors(prefix));
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
        if (find("compress_dim") == nullptr && has_prefix(weights_, "adapter.")) {
            throw messages::missing_option("compress_dim", "--compress-dim C",
                                           "the tensors hold an adapter");
        }
        take_or("compress_dim", 1);
        result_["pooler"] = weights_.tensors.contains("pooler.dense.weight");
    }

    /// Nothing but the training run knows these two, and a wrong guess gives wrong scores.
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

    void add_limits() {
        const io::json& positions = result_["max_position_embeddings"];
        const std::size_t longest = positions.is_number_unsigned()
                                        ? std::min<std::size_t>(512, positions.get<std::size_t>())
                                        : 512;
        take_or_note("max_query_length", longest, "tokens, the configuration gives no limit");
        take_or_note("max_document_length", longest, "tokens, the configuration gives no limit");
    }

    checkpoint_config& config_;
    const checkpoint& weights_;
    io::json result_ = io::json::object();
};

/// The separate configuration of the interaction layers must be the backbone's, divided.
void check_interaction_config(const checkpoint_config& source, const model_config& config) {
    const auto check = [&source](const char* key, const io::json& expected) {
        const auto found = source.interaction.find(key);
        if (found != source.interaction.end() && *found != expected) {
            throw messages::config_conflict(
                key, io::to_text(*found) + " in " + source.interaction_file,
                io::to_text(expected) + " follows from the backbone and compress_dim");
        }
    };
    check("hidden_size", config.interaction_hidden());
    check("num_attention_heads", config.interaction_heads());
    check("intermediate_size", config.interaction_intermediate());
    check("layer_norm_eps", config.layer_norm_eps);
    check("hidden_act", config.hidden_act);
}

} // namespace

model_config complete_config(checkpoint_config& config, const checkpoint& weights) {
    model_config result = config_completion(config, weights).finish();
    check_interaction_config(config, result);
    return result;
}

} // namespace mice::tools
