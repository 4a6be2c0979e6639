// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/json.hpp>
#include <mice/io/members.hpp>
#include <mice/model/config_json.hpp>
#include <mice/model/config_limits.hpp>

// The configuration's form in a model file: the metadata text "mice.config", one flat JSON object
// whose keys are those of the public checkpoints. docs/format.md lists them.
MICE_NAMESPACE_BEGIN
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
    visit.optional("highlight_width", config.highlight_width, std::size_t{0});
    if (config.family().has_lexical_bias) {
        visit("lexical_bias", config.lexical_bias);
        visit("special_token_ids", config.special_token_ids);
    }
    if (config.family().adapts) {
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
    const encoder_family& family = config.family();
    if (family.positions == position_kind::rotary) {
        visit("layer_types", config.sliding_layers);
        visit("global_rope_theta", config.global_rope_theta);
        visit("local_rope_theta", config.local_rope_theta);
        visit("sliding_window", config.sliding_window);
    }
    if (family.head.may_average) {
        visit("classifier_pooling", config.classifier_pooling);
    }
    if (!family.embeddings.types.empty()) {
        visit("type_vocab_size", config.type_vocab_size);
    }
    // late interaction reads every row
    if (family.head.dense_is_optional && config.kind != model_kind::late_interaction) {
        visit("pooler", config.pooler);
    }
    config.kind == model_kind::mice ? visit_mice(config, visit) : visit_baseline(config, visit);
    visit("max_query_length", config.max_query_length);
    visit("max_document_length", config.max_document_length);
}

/// The errors of a configuration's members.
struct config_errors {
    static constexpr std::string_view flag = "true or false";
    static constexpr std::string_view string = "a text";
    static constexpr std::string_view real = "a number";
    static constexpr std::string_view list = "a list";
    static constexpr std::string_view count(std::uint64_t /*largest*/) {
        return "a whole number, not negative";
    }

    [[nodiscard]] error no_object() const {
        return list_of.empty() ? errors::bad_config("it is not a JSON object")
                               : errors::bad_option(list_of, "objects", "another value");
    }
    [[nodiscard]] error missing(std::string_view key) const {
        return errors::bad_config("'" + std::string(key) + "' is missing");
    }
    [[nodiscard]] error unknown(std::string_view key) const {
        return errors::not_supported("the " + std::string(list_of.empty() ? "model" : list_of) +
                                     " option " + errors::quoted(key));
    }
    [[nodiscard]] error wrong(std::string_view key, std::string_view expected,
                              const io::json& value) const {
        return errors::bad_option(key, expected, value.type_name());
    }

    std::string_view list_of; ///< the key, for objects in a list
};

/// Reads fields of a JSON object, each checked for its type.
struct config_reader {
    io::members<config_errors>& object;

    void operator()(const char* key, std::string& out) const { out = object.string(key); }
    void operator()(const char* key, bool& out) const { out = object.flag(key); }
    void operator()(const char* key, double& out) const { out = object.real(key); }
    void operator()(const char* key, std::size_t& out) const {
        out = static_cast<std::size_t>(object.number(key, std::numeric_limits<std::size_t>::max()));
    }
    void operator()(const char* key, std::int32_t& out) const { out = id(key, object.at(key)); }
    void operator()(const char* key, std::vector<std::int32_t>& out) const {
        for (const io::json& each : object.list(key)) {
            out.push_back(id(key, each));
        }
    }
    void operator()(const char* key, std::vector<bool>& out) const {
        for (const io::json& each : object.list(key)) {
            const std::string_view name = each.is_string() ? each.text() : std::string_view();
            if (name != "full_attention" && name != "sliding_attention") {
                throw errors::bad_option(key, "full_attention or sliding_attention",
                                         io::to_text(each));
            }
            out.push_back(name == "sliding_attention");
        }
    }
    void operator()(const char* key, std::vector<visibility_range>& out) const {
        for (const io::json& each : object.list(key)) {
            io::members<config_errors> members(each, {key});
            const config_reader range{members};
            range("layers", out.emplace_back().layers);
            range("cls", out.back().cls);
            range("query", out.back().query);
            range("document", out.back().document);
            range("document_window", out.back().document_window);
            members.finish();
        }
    }
    void operator()(const char* key, visible_groups& out) const {
        const std::string& letters = object.string(key);
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
        if (object.has(key)) {
            (*this)(key, out);
        }
    }

  private:
    [[nodiscard]] static std::int32_t id(const char* key, const io::json& value) {
        if (!value.is_unsigned() || value.unsigned_integer() > largest_table) {
            throw errors::bad_option(key, "token ids", io::to_text(value));
        }
        return static_cast<std::int32_t>(value.unsigned_integer());
    }
    template <class Value, std::size_t Count>
    void choose(const char* key, const std::array<named_value<Value>, Count>& names,
                Value& out) const {
        const std::string& name = object.string(key);
        std::string known;
        for (std::size_t i = 0; i < Count; ++i) {
            if (name == names[i].name) {
                out = names[i].value;
                return;
            }
            known += (i == 0 ? "" : i + 1 == Count ? " or " : ", ") + std::string(names[i].name);
        }
        throw errors::bad_option(key, known, errors::quoted(name));
    }
};

/// Appends fields to a JSON object.
struct config_writer {
    io::json& object;

    template <class Value> void operator()(const char* key, const Value& value) const {
        object.add(key, value);
    }
    void operator()(const char* key, const cls_cross& value) const {
        object.add(key, name_in(cls_cross_names, value));
    }
    void operator()(const char* key, const model_kind& value) const {
        object.add(key, name_in(model_kind_names, value));
    }
    void operator()(const char* key, const pooling& value) const {
        object.add(key, name_in(pooling_names, value));
    }
    void operator()(const char* key, const truncation& value) const {
        object.add(key, name_in(truncation_names, value));
    }
    void operator()(const char* key, const std::vector<std::int32_t>& ids) const {
        io::json& list = object.add(key, io::json::array());
        for (const std::int32_t each : ids) {
            list.push_back(each);
        }
    }
    void operator()(const char* key, const std::vector<bool>& sliding) const {
        io::json& list = object.add(key, io::json::array());
        for (const bool each : sliding) {
            list.push_back(each ? "sliding_attention" : "full_attention");
        }
    }
    void operator()(const char* key, const visible_groups& seen) const {
        object.add(key, std::string(seen.cls ? "c" : "") + (seen.query ? "q" : "") +
                            (seen.document ? "d" : ""));
    }
    void operator()(const char* key, const std::vector<visibility_range>& ranges) const {
        io::json& list = object.add(key, io::json::array());
        for (const visibility_range& each : ranges) {
            const config_writer write{list.push_back(io::json::object())};
            write("layers", each.layers);
            write("cls", each.cls);
            write("query", each.query);
            write("document", each.document);
            write("document_window", each.document_window);
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

MICE_NAMESPACE_END
