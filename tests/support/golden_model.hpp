// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/io/tensor.hpp>
#include <mice/mice.hpp>
#include <mice/model/config_json.hpp>
#include <mice/model/tensors.hpp>
#include <mice/networks/network.hpp>
#include <nlohmann/json.hpp>

// A reference checkpoint as a model file in memory. It is built without the converter, so that a
// fault there cannot hide one in the engine, or the other way round.
namespace golden {

inline std::filesystem::path data_folder() {
    return MICE_TEST_DATA;
}

inline std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        throw std::runtime_error("cannot open " + path.string());
    }
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return {data, data + text.size()};
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
    std::ifstream in(path);
    return nlohmann::json::parse(in);
}

/// The checkpoint's options, whichever of the layouts it has.
inline nlohmann::json checkpoint_options(const std::filesystem::path& folder) {
    nlohmann::json options = read_json(folder / "config.json");
    if (std::filesystem::exists(folder / "contextualization_layers/config.json")) {
        options.update(read_json(folder / "contextualization_layers/config.json"));
    }
    return options;
}

/// The options that ModernBERT adds, in either form of its configuration.
inline void add_modernbert(mice::model_config& c, const nlohmann::json& j) {
    c.layer_norm_eps = j.at("norm_eps");
    c.pooler = false;
    const std::size_t layers =
        c.kind == mice::model_kind::mice
            ? std::max(c.query_layers + c.interaction_layers, c.document_layers)
            : c.layers;
    for (std::size_t i = 0; i < layers; ++i) {
        c.sliding_layers.push_back(j.contains("layer_types")
                                       ? j.at("layer_types").at(i) == "sliding_attention"
                                       : i % j.at("global_attn_every_n_layers").get<std::size_t>());
    }
    if (j.contains("rope_parameters")) {
        const nlohmann::json& rope = j.at("rope_parameters");
        c.global_rope_theta = rope.at("full_attention").at("rope_theta");
        c.local_rope_theta = rope.at("sliding_attention").at("rope_theta");
    } else {
        c.global_rope_theta = j.at("global_rope_theta");
        c.local_rope_theta = j.at("local_rope_theta");
    }
    c.sliding_window = c.kind == mice::model_kind::mice
                           ? j.at("ctx_sliding_window").get<std::size_t>()
                           : j.at("local_attention").get<std::size_t>() / 2;
    c.classifier_pooling =
        j.at("classifier_pooling") == "mean" ? mice::pooling::mean : mice::pooling::cls;
}

inline void add_mice(mice::model_config& c, const nlohmann::json& j) {
    c.query_layers = j.at("n_contextualization_layers");
    c.document_layers = j.at("n_docs_ctx_layers").is_null()
                            ? c.query_layers
                            : j.at("n_docs_ctx_layers").get<std::size_t>();
    c.interaction_layers = j.at("n_interaction_layers");
    c.bound_bottom_layers = j.at("bound_bottom_layers");
    c.cross_attn_first = j.at("cross_attn_first");
    c.mask_query_to_cls = j.at("mask_query_to_cls");
    for (const auto& [value, name] : mice::cls_cross_names) {
        if (j.at("cls_cross_attention") == name) {
            c.cls_cross_attention = value;
        }
    }
    c.global_cls_token = j.at("global_cls_token");
    c.extra_attn_bias = j.at("extra_attn_bias");
    c.use_self_attention = j.at("use_self_attention");
    c.compress_dim = j.at("compress_dim");
    c.max_query_length = j.at("max_query_length");
    c.max_document_length = j.at("max_document_length");
    c.lexical_bias = j.value("lexical_bias", false);
    if (c.lexical_bias) {
        c.special_token_ids = j.at("special_token_ids").get<std::vector<std::int32_t>>();
    }
}

inline void add_late_interaction(mice::model_config& c, const nlohmann::json& j) {
    const nlohmann::json& colbert = j.at("colbert");
    c.kind = mice::model_kind::late_interaction;
    c.layers = j.at("num_hidden_layers");
    c.pooler = false;
    c.vector_size = colbert.at("dim");
    c.query_marker = colbert.at("query_marker_id");
    c.document_marker = colbert.at("document_marker_id");
    c.filler = colbert.at("mask_token_id");
    c.attend_to_filler = colbert.at("attend_to_mask_tokens");
    if (colbert.at("mask_punctuation").get<bool>()) {
        c.skipped = colbert.at("punctuation_token_ids").get<std::vector<std::int32_t>>();
    }
    c.max_query_length = colbert.at("query_maxlen");
    c.max_document_length = colbert.at("doc_maxlen");
}

inline mice::model_config config_of(const nlohmann::json& j, bool pooler) {
    mice::model_config c;
    c.model_type = j.at("model_type");
    c.hidden_size = j.at("hidden_size");
    c.embedding_size = j.value("embedding_size", c.hidden_size);
    c.num_attention_heads = j.at("num_attention_heads");
    c.intermediate_size = j.at("intermediate_size");
    c.vocab_size = j.at("vocab_size");
    c.max_position_embeddings = j.at("max_position_embeddings");
    c.pooler = pooler;
    if (j.contains("n_interaction_layers")) {
        add_mice(c, j);
    } else if (j.contains("colbert")) {
        add_late_interaction(c, j);
    } else {
        c.kind = mice::model_kind::cross_encoder;
        c.layers = j.at("num_hidden_layers");
        c.max_pair_length = c.max_document_length = c.max_position_embeddings;
        c.max_query_length = c.max_pair_length - 2;
    }
    if (c.is_modernbert()) {
        add_modernbert(c, j);
    } else {
        c.type_vocab_size = j.at("type_vocab_size");
        c.layer_norm_eps = j.at("layer_norm_eps");
    }
    return c;
}

/// Everything a model file needs, still open to change.
struct model_parts {
    std::vector<std::byte> checkpoint;
    mice::io::safetensors tensors; ///< views into `checkpoint`
    std::string prefix;
    mice::model_config config;
    mice::io::safetensors::metadata_map metadata;
    mutable std::map<std::string, std::vector<std::byte>> made; ///< tensors that are not as given

    explicit model_parts(const std::filesystem::path& folder)
        : checkpoint(read_bytes(folder / "model.safetensors")), tensors(checkpoint) {
        prefix = tensors.find("model.classifier.bias") != nullptr ? "model." : "";
        config = config_of(checkpoint_options(folder),
                           tensors.find(prefix + "pooler.dense.weight") != nullptr ||
                               tensors.find("bert.pooler.dense.weight") != nullptr);
        metadata = {{"format", "mice"},
                    {"mice.format_version", "1"},
                    {"mice.document_fingerprint", "golden"}};
    }

    [[nodiscard]] std::vector<mice::io::tensor_to_write> required() const {
        std::vector<mice::io::tensor_to_write> list;
        for (const mice::tensor_requirement& one : mice::required_tensors(config)) {
            list.push_back({one.name, tensor(one.name)});
        }
        return list;
    }

    /// The checkpoint's tensor as a model file has it: ModernBERT's keys and values of documents
    /// with the weight of their norm.
    [[nodiscard]] mice::io::tensor_view tensor(const std::string& name) const {
        const std::size_t cross = name.find(".crossattention.");
        const bool folded =
            config.is_modernbert() && (name.ends_with("crossattention.k_proj.weight") ||
                                       name.ends_with("crossattention.v_proj.weight"));
        const mice::io::tensor_view* norm =
            folded ? tensors.find(prefix + name.substr(0, cross) + ".attn_norm.weight") : nullptr;
        const mice::io::tensor_view& given = in_checkpoint(name);
        if (norm == nullptr) {
            return given;
        }
        std::vector<std::byte>& bytes = made[name];
        bytes.assign(given.bytes.begin(), given.bytes.end());
        for (std::size_t i = 0; i < bytes.size(); i += sizeof(float)) {
            float value = 0;
            float weight = 0;
            std::memcpy(&value, &bytes[i], sizeof value);
            std::memcpy(&weight, norm->bytes.data() + i % norm->bytes.size(), sizeof weight);
            value *= weight;
            std::memcpy(&bytes[i], &value, sizeof value);
        }
        return {given.type, given.shape, bytes};
    }

    /// Baselines have other names for the same tensors.
    [[nodiscard]] const mice::io::tensor_view& in_checkpoint(const std::string& name) const {
        std::vector<std::string> names{prefix + name};
        if (config.kind != mice::model_kind::mice) {
            const std::string backbone = config.is_modernbert() ? "model." : "bert.";
            names = {name, backbone + name, backbone + "encoder." + name};
            if (name.starts_with("layers.")) {
                names.push_back(backbone + "encoder.layer." + name.substr(7));
            }
        }
        for (const std::string& each : names) {
            if (const mice::io::tensor_view* view = tensors.find(each)) {
                return *view;
            }
        }
        throw std::runtime_error("checkpoint lacks " + name);
    }

    [[nodiscard]] std::vector<std::byte> file() const {
        auto all = metadata;
        all["mice.config"] = mice::config_to_json(config);
        return mice::io::write_safetensors(required(), all);
    }
};

/// All reference cases of a kind ("mice", "cross_encoder", "colbert") under
/// tests/golden/data/models.
inline std::vector<std::filesystem::path> cases_of(std::string_view kind) {
    std::vector<std::filesystem::path> cases;
    for (const auto& entry : read_json(data_folder() / "models/index.json")) {
        if (entry.at("kind") == kind) {
            cases.push_back(data_folder() / "models" / entry.at("case").get<std::string>());
        }
    }
    return cases;
}

/// Float values of a reference tensor.
inline std::vector<float> floats(const mice::io::safetensors& file, const std::string& name) {
    const mice::io::tensor_view* view = file.find(name);
    if (view == nullptr || view->type != mice::io::dtype::f32) {
        throw std::runtime_error("no F32 reference " + name);
    }
    std::vector<float> values(view->elements());
    std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
    return values;
}

inline std::vector<std::int32_t> ids(const mice::io::safetensors& file, const std::string& name) {
    const mice::io::tensor_view* view = file.find(name);
    if (view == nullptr || view->type != mice::io::dtype::i32) {
        throw std::runtime_error("no I32 reference " + name);
    }
    std::vector<std::int32_t> values(view->elements());
    std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
    return values;
}

} // namespace golden
