// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <mice/io/json.hpp>
#include <mice/model_config.hpp>

// The configuration's form in a model file: the metadata text "mice.config", one flat JSON object
// whose keys are those of the public checkpoints. docs/format.md lists them.
MICE_NAMESPACE_BEGIN

/// Every value of `cls_cross_attention` with its name in files.
inline constexpr std::array<std::pair<cls_cross, std::string_view>, 3> cls_cross_names{
    {{cls_cross::full, "full"},
     {cls_cross::mean, "mean"},
     {cls_cross::mean_skip_last, "mean_skip_last"}}};

/// The canonical JSON text of a configuration.
[[nodiscard]] std::string config_to_json(const model_config& config);

/// Reads and validates a configuration as config_to_json writes it: every key must be there and no
/// other. Throws errc::format, errc::config or errc::unsupported.
[[nodiscard]] model_config config_from_json(std::string_view text);

namespace detail {

/// One walk over all fields serves reading and writing, so that neither can forget one.
template <class Config, class Visitor> void visit_config(Config& config, Visitor&& visit) {
    visit("model_type", config.model_type);
    visit("hidden_act", config.hidden_act);
    visit("hidden_size", config.hidden_size);
    visit("embedding_size", config.embedding_size);
    visit("num_attention_heads", config.num_attention_heads);
    visit("intermediate_size", config.intermediate_size);
    visit("vocab_size", config.vocab_size);
    visit("max_position_embeddings", config.max_position_embeddings);
    visit("type_vocab_size", config.type_vocab_size);
    visit("layer_norm_eps", config.layer_norm_eps);
    visit("n_contextualization_layers", config.query_layers);
    visit("n_docs_ctx_layers", config.document_layers);
    visit("n_interaction_layers", config.interaction_layers);
    visit("bound_bottom_layers", config.bound_bottom_layers);
    visit("cross_attn_first", config.cross_attn_first);
    visit("mask_query_to_cls", config.mask_query_to_cls);
    visit("cls_cross_attention", config.cls_cross_attention);
    visit("global_cls_token", config.global_cls_token);
    visit("extra_attn_bias", config.extra_attn_bias);
    visit("use_self_attention", config.use_self_attention);
    visit("pooler", config.pooler);
    visit("compress_dim", config.compress_dim);
    visit("max_query_length", config.max_query_length);
    visit("max_document_length", config.max_document_length);
}

/// Takes fields out of a JSON object, each checked for its type.
struct config_reader {
    io::json& object;

    [[nodiscard]] io::json take(const char* key) const {
        const auto found = object.find(key);
        if (found == object.end()) {
            throw errors::bad_config("'" + std::string(key) + "' is missing");
        }
        io::json value = std::move(*found);
        object.erase(found);
        return value;
    }
    void operator()(const char* key, std::string& out) const {
        const io::json value = take(key);
        if (!value.is_string()) {
            throw errors::bad_option(key, "a text", value.type_name());
        }
        out = value.get<std::string>();
    }
    void operator()(const char* key, bool& out) const {
        const io::json value = take(key);
        if (!value.is_boolean()) {
            throw errors::bad_option(key, "true or false", value.type_name());
        }
        out = value.get<bool>();
    }
    void operator()(const char* key, double& out) const {
        const io::json value = take(key);
        if (!value.is_number()) {
            throw errors::bad_option(key, "a number", value.type_name());
        }
        out = value.get<double>();
    }
    void operator()(const char* key, std::size_t& out) const {
        const io::json value = take(key);
        if (!value.is_number_unsigned()) {
            throw errors::bad_option(key, "a whole number, not negative", value.type_name());
        }
        out = value.get<std::size_t>();
    }
    void operator()(const char* key, cls_cross& out) const {
        std::string name;
        (*this)(key, name);
        for (const auto& [value, known] : cls_cross_names) {
            if (name == known) {
                out = value;
                return;
            }
        }
        throw errors::bad_option(key, "full, mean or mean_skip_last", errors::quoted(name));
    }
};

struct config_writer {
    nlohmann::ordered_json& object;

    template <class Value> void operator()(const char* key, const Value& value) const {
        object[key] = value;
    }
    void operator()(const char* key, const cls_cross& value) const {
        object[key] = cls_cross_names[static_cast<std::size_t>(value)].second;
    }
};

} // namespace detail

inline std::string config_to_json(const model_config& config) {
    nlohmann::ordered_json object;
    detail::visit_config(config, detail::config_writer{object});
    return object.dump();
}

inline model_config config_from_json(std::string_view text) {
    io::json object = io::parse_json(text, "mice.config", {.max_bytes = 65536});
    if (!object.is_object()) {
        throw errors::bad_config("it is not a JSON object");
    }
    // Families of a later version have keys of their own: say the family before the first key.
    if (const auto type = object.find("model_type");
        type != object.end() && type->is_string() && *type != "bert" && *type != "electra") {
        throw errors::not_supported("model_type " + errors::quoted(type->get<std::string>()));
    }
    model_config config;
    detail::visit_config(config, detail::config_reader{object});
    if (!object.empty()) {
        throw errors::not_supported("the model option " + errors::quoted(object.begin().key()));
    }
    config.validate();
    return config;
}

MICE_NAMESPACE_END
