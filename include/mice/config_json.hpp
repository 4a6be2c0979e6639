// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/json.hpp>
#include <mice/model_config.hpp>

// The configuration's form in a model file: the metadata text "mice.config", one flat JSON object
// whose keys are those of the public checkpoints. docs/format.md lists them.
MICE_NAMESPACE_BEGIN

// Every value of an option with its name in files, in the order of the values.
inline constexpr std::array<std::pair<cls_cross, std::string_view>, 3> cls_cross_names{
    {{cls_cross::full, "full"},
     {cls_cross::mean, "mean"},
     {cls_cross::mean_skip_last, "mean_skip_last"}}};
inline constexpr std::array<std::pair<model_kind, std::string_view>, 3> model_kind_names{
    {{model_kind::mice, "mice"},
     {model_kind::cross_encoder, "cross_encoder"},
     {model_kind::late_interaction, "late_interaction"}}};
inline constexpr std::array<std::pair<pooling, std::string_view>, 2> pooling_names{
    {{pooling::cls, "cls"}, {pooling::mean, "mean"}}};
inline constexpr std::array<std::pair<truncation, std::string_view>, 2> truncation_names{
    {{truncation::only_second, "only_second"}, {truncation::longest_first, "longest_first"}}};

/// The name of a value in files.
template <class Value, std::size_t Count>
[[nodiscard]] constexpr std::string_view
name_in(const std::array<std::pair<Value, std::string_view>, Count>& names, Value value) {
    return names[static_cast<std::size_t>(value)].second;
}
[[nodiscard]] constexpr std::string_view name_of(model_kind kind) {
    return name_in(model_kind_names, kind);
}
/// What people call a kind of model.
[[nodiscard]] constexpr std::string_view title_of(model_kind kind) {
    switch (kind) {
    case model_kind::cross_encoder:
        return "cross-encoder";
    case model_kind::late_interaction:
        return "late interaction (ColBERT)";
    default:
        return "MICE";
    }
}

/// The canonical JSON text of a configuration.
[[nodiscard]] std::string config_to_json(const model_config& config);

/// Reads and validates a configuration as config_to_json writes it: every key must be there and no
/// other. Throws errc::format, errc::config or errc::unsupported.
[[nodiscard]] model_config config_from_json(std::string_view text);

namespace detail {

/// Fields of MICE models.
template <class Config, class Visitor> void visit_mice(Config& config, Visitor&& visit) {
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
    if (config.is_modernbert()) {
        visit("lexical_bias", config.lexical_bias);
        visit("special_token_ids", config.special_token_ids);
    } else {
        visit("compress_dim", config.compress_dim);
    }
}

/// Fields of the models that MICE is compared with.
template <class Config, class Visitor> void visit_baseline(Config& config, Visitor&& visit) {
    visit("layers", config.layers);
    if (config.kind == model_kind::cross_encoder) {
        visit("max_pair_length", config.max_pair_length);
        visit("pair_truncation", config.pair_truncation);
        visit("positions_restart", config.positions_restart);
        visit("visibility", config.visibility);
    } else {
        visit("vector_size", config.vector_size);
        visit("query_marker", config.query_marker);
        visit("document_marker", config.document_marker);
        visit("filler", config.filler);
        visit("attend_to_filler", config.attend_to_filler);
        visit("skipped", config.skipped);
    }
}

/// One walk over all fields serves reading and writing, so that neither can forget one. Files of
/// MICE models of the BERT family have no `kind`.
template <class Config, class Visitor> void visit_config(Config& config, Visitor&& visit) {
    visit("model_type", config.model_type);
    visit.optional("kind", config.kind, model_kind::mice);
    visit("hidden_act", config.hidden_act);
    visit("hidden_size", config.hidden_size);
    visit("embedding_size", config.embedding_size);
    visit("num_attention_heads", config.num_attention_heads);
    visit("intermediate_size", config.intermediate_size);
    visit("vocab_size", config.vocab_size);
    visit("max_position_embeddings", config.max_position_embeddings);
    visit("layer_norm_eps", config.layer_norm_eps);
    if (config.is_modernbert()) {
        visit("layer_types", config.sliding_layers);
        visit("global_rope_theta", config.global_rope_theta);
        visit("local_rope_theta", config.local_rope_theta);
        visit("sliding_window", config.sliding_window);
        visit("classifier_pooling", config.classifier_pooling);
    } else {
        visit("type_vocab_size", config.type_vocab_size);
        if (config.kind != model_kind::late_interaction) { // which reads every row
            visit("pooler", config.pooler);
        }
    }
    config.kind == model_kind::mice ? visit_mice(config, visit) : visit_baseline(config, visit);
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
    void operator()(const char* key, std::int32_t& out) const { out = id(key, take(key)); }
    void operator()(const char* key, std::vector<std::int32_t>& out) const {
        for (const io::json& each : list(key)) {
            out.push_back(id(key, each));
        }
    }
    void operator()(const char* key, std::vector<bool>& out) const {
        for (const io::json& each : list(key)) {
            if (each != "full_attention" && each != "sliding_attention") {
                throw errors::bad_option(key, "full_attention or sliding_attention",
                                         io::to_text(each));
            }
            out.push_back(each == "sliding_attention");
        }
    }
    void operator()(const char* key, std::vector<visibility_range>& out) const {
        for (io::json each : list(key)) {
            if (!each.is_object()) {
                throw errors::bad_option(key, "objects", each.type_name());
            }
            const config_reader range{each};
            range("layers", out.emplace_back().layers);
            range("cls", out.back().cls);
            range("query", out.back().query);
            range("document", out.back().document);
            range("document_window", out.back().document_window);
            if (!each.empty()) {
                throw errors::not_supported("the visibility option " +
                                            errors::quoted(each.begin().key()));
            }
        }
    }
    void operator()(const char* key, visible_groups& out) const {
        std::string letters;
        (*this)(key, letters);
        if (letters.find_first_not_of("cqd") != std::string::npos || letters.size() > 3) {
            throw errors::bad_option(key, "letters of c, q and d", errors::quoted(letters));
        }
        out.cls = letters.find('c') != std::string::npos;
        out.query = letters.find('q') != std::string::npos;
        out.document = letters.find('d') != std::string::npos;
    }
    void operator()(const char* key, cls_cross& out) const { choose(key, cls_cross_names, out); }
    void operator()(const char* key, model_kind& out) const { choose(key, model_kind_names, out); }
    void operator()(const char* key, pooling& out) const { choose(key, pooling_names, out); }
    void operator()(const char* key, truncation& out) const { choose(key, truncation_names, out); }

    template <class Value> void optional(const char* key, Value& out, const Value&) const {
        if (object.contains(key)) {
            (*this)(key, out);
        }
    }

  private:
    [[nodiscard]] io::json list(const char* key) const {
        io::json value = take(key);
        if (!value.is_array()) {
            throw errors::bad_option(key, "a list", value.type_name());
        }
        return value;
    }
    [[nodiscard]] static std::int32_t id(const char* key, const io::json& value) {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest_table) {
            throw errors::bad_option(key, "token ids", io::to_text(value));
        }
        return value.get<std::int32_t>();
    }
    template <class Value, std::size_t Count>
    void choose(const char* key, const std::array<std::pair<Value, std::string_view>, Count>& names,
                Value& out) const {
        std::string name;
        (*this)(key, name);
        std::string known;
        for (std::size_t i = 0; i < Count; ++i) {
            if (name == names[i].second) {
                out = names[i].first;
                return;
            }
            known += (i == 0 ? "" : i + 1 == Count ? " or " : ", ") + std::string(names[i].second);
        }
        throw errors::bad_option(key, known, errors::quoted(name));
    }
};

struct config_writer {
    nlohmann::ordered_json& object;

    template <class Value> void operator()(const char* key, const Value& value) const {
        object[key] = value;
    }
    void operator()(const char* key, const cls_cross& value) const {
        object[key] = name_in(cls_cross_names, value);
    }
    void operator()(const char* key, const model_kind& value) const {
        object[key] = name_in(model_kind_names, value);
    }
    void operator()(const char* key, const pooling& value) const {
        object[key] = name_in(pooling_names, value);
    }
    void operator()(const char* key, const truncation& value) const {
        object[key] = name_in(truncation_names, value);
    }
    void operator()(const char* key, const std::vector<bool>& sliding) const {
        object[key] = nlohmann::ordered_json::array();
        for (const bool each : sliding) {
            object[key].push_back(each ? "sliding_attention" : "full_attention");
        }
    }
    void operator()(const char* key, const visible_groups& seen) const {
        object[key] =
            std::string(seen.cls ? "c" : "") + (seen.query ? "q" : "") + (seen.document ? "d" : "");
    }
    void operator()(const char* key, const std::vector<visibility_range>& ranges) const {
        object[key] = nlohmann::ordered_json::array();
        for (const visibility_range& each : ranges) {
            nlohmann::ordered_json range;
            const config_writer write{range};
            write("layers", each.layers);
            write("cls", each.cls);
            write("query", each.query);
            write("document", each.document);
            write("document_window", each.document_window);
            object[key].push_back(std::move(range));
        }
    }
    template <class Value>
    void optional(const char* key, const Value& value, const Value& otherwise) const {
        if (value != otherwise) {
            (*this)(key, value);
        }
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
    if (const auto type = object.find("model_type"); type != object.end() && type->is_string() &&
                                                     *type != "bert" && *type != "electra" &&
                                                     *type != "modernbert") {
        throw errors::not_supported("model_type " + errors::quoted(type->get<std::string>()));
    }
    model_config config;
    config.pooler = false; // where the family has none, no key says so
    detail::visit_config(config, detail::config_reader{object});
    if (!object.empty()) {
        throw errors::not_supported("the model option " + errors::quoted(object.begin().key()));
    }
    config.validate();
    return config;
}

MICE_NAMESPACE_END
