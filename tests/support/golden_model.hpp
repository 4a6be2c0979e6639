// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/mice.hpp>

// A reference checkpoint as a model file in memory, made without the converter so that a fault
// there cannot hide one in the engine, or the other way round.
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

inline mice::model_config config_of(const nlohmann::json& j, bool pooler) {
    mice::model_config c;
    c.model_type = j.at("model_type");
    c.hidden_size = j.at("hidden_size");
    c.embedding_size = j.value("embedding_size", c.hidden_size);
    c.num_attention_heads = j.at("num_attention_heads");
    c.intermediate_size = j.at("intermediate_size");
    c.vocab_size = j.at("vocab_size");
    c.max_position_embeddings = j.at("max_position_embeddings");
    c.type_vocab_size = j.at("type_vocab_size");
    c.layer_norm_eps = j.at("layer_norm_eps");
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
    c.pooler = pooler;
    c.max_query_length = j.at("max_query_length");
    c.max_document_length = j.at("max_document_length");
    return c;
}

/// Everything a model file needs, still open to change.
struct model_parts {
    std::vector<std::byte> checkpoint;
    mice::io::safetensors tensors; ///< views into `checkpoint`
    std::string prefix;
    mice::model_config config;
    mice::io::safetensors::metadata_map metadata;

    explicit model_parts(const std::filesystem::path& folder)
        : checkpoint(read_bytes(folder / "model.safetensors")), tensors(checkpoint) {
        prefix = tensors.find("model.classifier.bias") != nullptr ? "model." : "";
        config = config_of(checkpoint_options(folder),
                           tensors.find(prefix + "pooler.dense.weight") != nullptr);
        metadata = {{"format", "mice"},
                    {"mice.format_version", "1"},
                    {"mice.document_fingerprint", "0123456789abcdef0123456789abcdef"}};
    }

    [[nodiscard]] std::vector<mice::io::tensor_to_write> required() const {
        std::vector<mice::io::tensor_to_write> list;
        for (const mice::tensor_requirement& one : mice::required_tensors(config)) {
            const mice::io::tensor_view* view = tensors.find(prefix + one.name);
            if (view == nullptr) {
                throw std::runtime_error("checkpoint lacks " + one.name);
            }
            list.push_back({one.name, *view});
        }
        return list;
    }

    [[nodiscard]] std::vector<std::byte> file() const {
        auto all = metadata;
        all["mice.config"] = mice::config_to_json(config);
        return mice::io::write_safetensors(required(), all);
    }
};

/// All reference cases of the BERT family under tests/golden/data/models.
inline std::vector<std::filesystem::path> bert_cases() {
    std::vector<std::filesystem::path> cases;
    for (const auto& entry : read_json(data_folder() / "models/index.json")) {
        if (entry.at("kind") == "mice" && entry.at("family") != "modernbert") {
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
