// SPDX-License-Identifier: Apache-2.0
#include "checkpoint_config.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <mice/io/mapped_file.hpp>

#include "common/nearest_name.hpp"
#include "families.hpp"
#include "messages.hpp"

namespace mice::tools {
namespace {

constexpr std::array<std::string_view, 27> backbone_keys{
    "model_type", "vocab_size", "hidden_size", "embedding_size", "num_hidden_layers",
    "num_attention_heads", "intermediate_size", "hidden_act", "max_position_embeddings",
    "type_vocab_size", "layer_norm_eps", "initializer_range", "pad_token_id",
    // ModernBERT
    "hidden_activation", "norm_eps", "norm_bias", "attention_bias", "mlp_bias", "classifier_bias",
    "classifier_activation", "layer_types", "rope_parameters", "rope_scaling",
    "global_attn_every_n_layers", "global_rope_theta", "local_rope_theta", "local_attention"};

constexpr std::array<std::string_view, 23> mice_keys{"n_contextualization_layers",
                                                     "n_docs_ctx_layers",
                                                     "n_interaction_layers",
                                                     "bound_bottom_layers",
                                                     "cross_attn_first",
                                                     "mask_query_to_cls",
                                                     "cls_cross_attention",
                                                     "mask_cls_to_doc",
                                                     "global_cls_token",
                                                     "extra_attn_bias",
                                                     "lexical_bias",
                                                     "compress_dim",
                                                     "use_self_attention",
                                                     "classifier_pooling",
                                                     "ctx_sliding_window",
                                                     "max_query_length",
                                                     "max_document_length",
                                                     "special_token_ids",
                                                     "max_pair_length",
                                                     "pair_truncation",
                                                     "positions_restart",
                                                     "visibility",
                                                     "pooler"};

struct config_file {
    std::string name;
    json values;
};

/// The file's JSON object, or nothing where there is no such file.
std::vector<config_file> read_file(const std::filesystem::path& directory,
                                   const std::string& name) {
    std::optional<json> values = read_object(directory, name);
    return values ? std::vector<config_file>{{name, std::move(*values)}}
                  : std::vector<config_file>{};
}

bool is_known(std::string_view key) {
    return std::find(mice_keys.begin(), mice_keys.end(), key) != mice_keys.end() ||
           std::find(backbone_keys.begin(), backbone_keys.end(), key) != backbone_keys.end();
}

/// A misspelt MICE option would silently change every score, so a near miss is refused. Keys that
/// are far from every option belong to training or to other software.
void check_spelling(const config_file& file) {
    constexpr std::size_t near_miss = 2;
    for (const auto& [key, value] : file.values.items()) {
        if (is_known(key)) {
            continue;
        }
        for (const std::string_view option : mice_keys) {
            const std::size_t longer = std::max(key.size(), option.size());
            if (longer - std::min(key.size(), option.size()) > near_miss) {
                continue;
            }
            if (edit_distance(key, option) <= near_miss) {
                throw messages::misspelt_key(file.name, key, option);
            }
        }
    }
}

/// transformers' other name for the exact form.
void rename_activation(json& values) {
    for (const char* key : {"hidden_act", "hidden_activation"}) {
        if (const auto found = values.find(key);
            found != values.end() && found->is_string() &&
            is_exact_gelu(found->get_ref<const std::string&>())) {
            *found = "gelu";
        }
    }
}

/// What the whole configuration says beside values.
void read_remarks(checkpoint_config& config, const json& backbone) {
    if (const auto names = backbone.find("architectures"); names != backbone.end() &&
                                                           names->is_array() && !names->empty() &&
                                                           names->front().is_string()) {
        config.architecture = names->front().get<std::string>();
    }
    if (const auto code = backbone.find("auto_map");
        code != backbone.end() && code->is_object() && !code->empty()) {
        config.warnings.emplace_back(
            "config.json names code of its own ('auto_map'), which is not read: the result is a "
            "standard model with these weights");
    }
}

void merge_key(checkpoint_config& config, std::vector<std::string>& origins, const std::string& key,
               const config_file& file) {
    const auto found = file.values.find(key);
    if (found == file.values.end() || found->is_null()) {
        return;
    }
    const auto present = config.values.find(key);
    if (present == config.values.end()) {
        config.values[key] = *found;
        origins.push_back(file.name);
    } else if (*present != *found) {
        throw messages::config_conflict(key, to_text(*present) + " in " + origins.back(),
                                        to_text(*found) + " in " + file.name);
    }
}

/// The public runs say `mask_cls_to_doc`, which cannot tell mean from mean_skip_last.
void translate_mask_cls_to_doc(checkpoint_config& config) {
    const auto found = config.values.find("mask_cls_to_doc");
    if (found == config.values.end()) {
        return;
    }
    if (!found->is_boolean()) {
        throw detail::errors::bad_option("mask_cls_to_doc", "true or false", to_text(*found));
    }
    const bool masked = found->get<bool>();
    config.values.erase(found);
    const std::string given = text_or_empty(config.values, "cls_cross_attention");
    if (given.empty()) {
        const std::string meaning = masked ? "mean" : "full";
        config.values["cls_cross_attention"] = meaning;
        config.notes.push_back("mask_cls_to_doc = " + std::string(masked ? "true" : "false") +
                               " is read as cls_cross_attention = " + meaning);
    } else if (masked == (given == "full")) {
        throw messages::config_conflict("cls_cross_attention", detail::errors::quoted(given),
                                        std::string("mask_cls_to_doc is ") +
                                            (masked ? "true" : "false"));
    }
}

/// Options that exist in the ModernBERT family only: gone from others when they are off.
void drop_modernbert_options(checkpoint_config& config) {
    const std::string type = text_or_empty(config.values, "model_type");
    if (checkpoint_family_of(type).stored->has_lexical_bias) {
        return;
    }
    const std::array<std::pair<const char*, json>, 3> off{
        {{"lexical_bias", false}, {"classifier_pooling", "cls"}, {"ctx_sliding_window", 0}}};
    for (const auto& [key, value] : off) {
        const auto found = config.values.find(key);
        if (found == config.values.end()) {
            continue;
        }
        if (!found->is_null() && *found != value) {
            throw messages::config_conflict(key, to_text(*found),
                                            "model_type is " + type +
                                                ", and it is an option of the ModernBERT family");
        }
        config.values.erase(found);
    }
    config.values.erase("special_token_ids");
}

} // namespace

json read_json(const std::filesystem::path& directory, const std::string& name) {
    const io::mapped_file file(directory / name);
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                                file.bytes().size());
    return parse_json(text, name, {.max_bytes = std::size_t{4} << 20});
}

std::optional<json> read_object(const std::filesystem::path& directory, const std::string& name) {
    std::error_code ignored;
    if (!std::filesystem::exists(directory / name, ignored)) {
        return std::nullopt;
    }
    json values = read_json(directory, name);
    if (!values.is_object()) {
        throw detail::errors::bad_json(name, "it is not an object");
    }
    return values;
}

checkpoint_config read_config(const std::filesystem::path& directory) {
    std::vector<config_file> files = read_file(directory, "contextualization_layers/config.json");
    const bool split = !files.empty();
    for (config_file& file : read_file(directory, "config.json")) {
        files.push_back(std::move(file));
    }
    if (files.empty()) {
        throw messages::no_config(directory.string());
    }
    if (text_or_empty(files.front().values, "model_type").empty()) {
        throw messages::missing_key("model_type");
    }
    check_backbone_features(files.front().values);
    checkpoint_config config;
    read_remarks(config, files.front().values);
    for (const char* name : {"interaction_layers/config.json", "head/config.json"}) {
        for (config_file& file : read_file(directory, name)) {
            const std::string type = text_or_empty(files.front().values, "model_type");
            if (checkpoint_family_of(type).stored->positions == position_kind::learned) {
                check_positions(file.values);
            }
            config.interaction = file.values;
            rename_activation(config.interaction);
            config.interaction_file = file.name;
            files.push_back(std::move(file));
        }
    }
    for (const std::string_view key : backbone_keys) {
        std::vector<std::string> origins;
        merge_key(config, origins, std::string(key), files.front());
        // A root config beside a backbone config may name a model type of its own.
        if (split && files.size() > 1 && files[1].name == "config.json" && key != "model_type") {
            merge_key(config, origins, std::string(key), files[1]);
        }
    }
    for (const std::string_view key : mice_keys) {
        std::vector<std::string> origins;
        for (const config_file& file : files) {
            merge_key(config, origins, std::string(key), file);
        }
    }
    for (const config_file& file : files) {
        check_spelling(file);
    }
    rename_activation(config.values);
    translate_mask_cls_to_doc(config);
    drop_modernbert_options(config);
    return config;
}

void apply_flags(checkpoint_config& config, const json& flags, bool override_config) {
    for (const auto& [key, value] : flags.items()) {
        const auto found = config.values.find(key);
        const bool set = found != config.values.end() && !found->is_null();
        if (set && *found != value) {
            if (!override_config) {
                throw messages::flag_conflict(key, to_text(*found), to_text(value));
            }
            config.notes.push_back(key + " = " + to_text(value) + " on the command line replaces " +
                                   to_text(*found));
        }
        config.values[key] = value;
        config.flags.push_back(key);
    }
}

} // namespace mice::tools
