// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/io/tensor.hpp>
#include <mice/kernels/convert.hpp>
#include <mice/mice.hpp>
#include <mice/model/config_json.hpp>
#include <mice/model/tensors.hpp>
#include <mice/text/byte_bpe/byte_alphabet.hpp>
#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/unigram/spec.hpp>
#include <mice/text/wordpiece/spec.hpp>

#include "random_numbers.hpp"
#include "sentencepiece_file.hpp"
#include "unigram_spec.hpp"

// Small models with seeded weights, as model files in memory. Every matrix value is a whole number
// from -127 to 127 times a power of two, so that F32, F16, BF16 and I8 hold exactly the same
// weights and a score must not depend on how they are stored.
namespace fixtures {

inline std::vector<std::byte> bytes_of(const void* data, std::size_t size) {
    std::vector<std::byte> bytes(size);
    if (size != 0) {
        std::memcpy(bytes.data(), data, size);
    }
    return bytes;
}

inline std::vector<std::byte> bytes_of(std::string_view text) {
    return bytes_of(text.data(), text.size());
}

template <class Value> std::vector<std::byte> bytes_of(const std::vector<Value>& values) {
    return bytes_of(values.data(), values.size() * sizeof(Value));
}

/// One tensor with its own bytes.
struct stored_tensor {
    std::string name;
    mice::io::dtype type;
    mice::io::tensor_shape shape;
    std::vector<std::byte> bytes;
};

/// A model file's parts, open to change before file() puts them together.
struct model_file_parts {
    mice::model_config config;
    mice::io::safetensors::metadata_map metadata; ///< without mice.config
    std::vector<stored_tensor> tensors;

    [[nodiscard]] stored_tensor& tensor(std::string_view name) {
        for (stored_tensor& one : tensors) {
            if (one.name == name) {
                return one;
            }
        }
        throw std::runtime_error("no tensor " + std::string(name));
    }
    void remove(std::string_view name) {
        if (std::erase_if(tensors, [name](const stored_tensor& t) { return t.name == name; }) !=
            1) {
            throw std::runtime_error("no tensor " + std::string(name));
        }
    }
    /// `config_text` replaces the configuration's own JSON where it is not empty.
    [[nodiscard]] std::vector<std::byte> file(const std::string& config_text = {}) const {
        auto all = metadata;
        all["mice.config"] = config_text.empty() ? mice::config_to_json(config) : config_text;
        std::vector<mice::io::tensor_to_write> list;
        for (const stored_tensor& one : tensors) {
            list.push_back({one.name, {one.type, one.shape, one.bytes}});
        }
        return mice::io::write_safetensors(list, all);
    }
};

/// A WordPiece tokenizer of letters, digits, marks and a few words: 115 tokens.
inline mice::wordpiece_spec small_tokenizer() {
    mice::wordpiece_spec spec;
    spec.vocabulary = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (const std::string prefix : {"", "##"}) {
        for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789")) {
            spec.vocabulary.push_back(prefix + c);
        }
    }
    for (const char c : std::string_view("[].,!?-'\"#")) {
        spec.vocabulary.emplace_back(1, c);
    }
    for (const char* word :
         {"the",      "river",    "stone", "sep",   "cls",          "bridge",       "over",
          "under",    "old",      "new",   "light", "##ing",        "##er",         "water",
          "mill",     "of",       "and",   "is",    "\xef\xbf\xbd", "\xe4\xb8\xad", "\xe2\x82\xac",
          "\xce\xb1", "\xd0\xb6", "day",   "night", "not",          "it",           "small"}) {
        spec.vocabulary.emplace_back(word);
    }
    spec.pad_token = "[PAD]";
    spec.mask_token = "[MASK]";
    for (std::int32_t id = 0; id < 5; ++id) {
        spec.added_tokens.push_back(
            {.id = id, .content = spec.vocabulary[static_cast<std::size_t>(id)], .special = true});
    }
    return spec;
}

/// A byte-level BPE tokenizer with a few merges: 272 tokens.
inline mice::byte_bpe_spec small_byte_bpe() {
    mice::byte_bpe_spec spec;
    spec.vocabulary = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    const std::int32_t first_byte = 5;
    for (unsigned byte = 0; byte < 256; ++byte) {
        std::string token;
        mice::text::append_utf8(token, mice::text::byte_character(static_cast<std::uint8_t>(byte)));
        spec.vocabulary.push_back(token);
    }
    const auto merge = [&spec](std::int32_t left, std::int32_t right) {
        const auto text = [&spec](std::int32_t id) {
            return spec.vocabulary[static_cast<std::size_t>(id)];
        };
        spec.merges.push_back({left, right});
        spec.vocabulary.push_back(text(left) + text(right));
        return static_cast<std::int32_t>(spec.vocabulary.size()) - 1;
    };
    for (const std::string_view word : {"the", " the", " old", "riv"}) {
        std::int32_t token = first_byte + word[0];
        for (const char letter : word.substr(1)) {
            token = merge(token, first_byte + letter);
        }
    }
    merge(first_byte + 0xE4, first_byte + 0xB8);
    spec.unk_token = "[UNK]";
    spec.pad_token = "[PAD]";
    spec.mask_token = "[MASK]";
    for (std::int32_t id = 0; id < first_byte; ++id) {
        spec.added_tokens.push_back(
            {.id = id, .content = spec.vocabulary[static_cast<std::size_t>(id)], .special = true});
    }
    return spec;
}

/// A valid configuration of a small model; callers change what they test.
inline mice::model_config small_config() {
    mice::model_config config;
    config.hidden_size = 32;
    config.embedding_size = 32;
    config.num_attention_heads = 4;
    config.intermediate_size = 40;
    config.vocab_size = 128;
    config.max_position_embeddings = 48;
    config.type_vocab_size = 2;
    config.query_layers = 1;
    config.document_layers = 1;
    config.interaction_layers = 2;
    config.max_query_length = 16;
    config.max_document_length = 40;
    return config;
}

/// The smallest model that still has every kind of layer, for tests that write thousands of files.
inline mice::model_config tiny_config() {
    mice::model_config config = small_config();
    config.hidden_size = 8;
    config.embedding_size = 8;
    config.num_attention_heads = 2;
    config.intermediate_size = 8;
    config.vocab_size = 120;
    config.max_position_embeddings = 12;
    config.interaction_layers = 1;
    config.max_query_length = 8;
    config.max_document_length = 12;
    return config;
}

/// Makes it one of that family, whose first and every third layer have the global RoPE base.
inline void make_modernbert(mice::model_config& c) {
    c.model_type = "modernbert";
    c.pooler = false;
    c.type_vocab_size = 0;
    c.layer_norm_eps = 1e-5;
    const std::size_t layers =
        c.kind == mice::model_kind::mice
            ? std::max(c.query_layers + c.interaction_layers, c.document_layers)
            : c.layers;
    for (std::size_t i = 0; i < layers; ++i) {
        c.sliding_layers.push_back(i % 3 != 0);
    }
}

/// Makes it one of that family, as published: with one type of tokens.
inline void make_roberta(mice::model_config& c) {
    c.model_type = "roberta";
    c.type_vocab_size = 1;
    c.pooler = c.pooler && c.kind == mice::model_kind::mice;
}

/// Like small_config, for a cross-encoder.
inline mice::model_config small_cross_encoder() {
    mice::model_config config = small_config();
    config.kind = mice::model_kind::cross_encoder;
    config.query_layers = config.document_layers = config.interaction_layers = 0;
    config.layers = 3;
    config.max_pair_length = 48;
    return config;
}

/// A small late-interaction model whose marks of the small tokenizer have no vector.
inline mice::model_config late_interaction_config() {
    mice::model_config config = small_config();
    config.kind = mice::model_kind::late_interaction;
    config.pooler = false;
    config.query_layers = config.document_layers = config.interaction_layers = 0;
    config.layers = 2;
    config.vector_size = 24;
    config.query_marker = 120;
    config.document_marker = 121;
    config.filler = 4;
    for (std::int32_t mark = 77; mark < 87; ++mark) {
        config.skipped.push_back(mark);
    }
    return config;
}

struct named_config {
    std::string name;
    mice::model_config config;
};

/// One configuration for each option of BERT and ModernBERT, for other families, and odd sizes.
inline std::vector<named_config> every_option() {
    std::vector<named_config> list;
    const auto add = [&list](std::string name, auto&& change) {
        list.push_back({std::move(name), small_config()});
        change(list.back().config);
    };
    using config = mice::model_config;
    add("default", [](config&) {});
    add("no layers before the interaction",
        [](config& c) { c.query_layers = c.document_layers = 0; });
    add("one interaction layer", [](config& c) { c.interaction_layers = 1; });
    add("untied sides", [](config& c) {
        c.bound_bottom_layers = false;
        c.query_layers = 2;
    });
    add("inverted order", [](config& c) { c.cross_attn_first = true; });
    add("query sees the first row", [](config& c) { c.mask_query_to_cls = false; });
    add("mean", [](config& c) { c.cls_cross_attention = mice::cls_cross::mean; });
    add("mean, last skipped",
        [](config& c) { c.cls_cross_attention = mice::cls_cross::mean_skip_last; });
    add("global row", [](config& c) { c.global_cls_token = true; });
    add("exact-match heads", [](config& c) { c.extra_attn_bias = true; });
    add("no self-attention", [](config& c) { c.use_self_attention = false; });
    add("no pooler", [](config& c) { c.pooler = false; });
    add("adapter", [](config& c) { c.compress_dim = 2; });
    add("electra", [](config& c) {
        c.model_type = "electra";
        c.embedding_size = 12;
        c.pooler = false;
    });
    add("RoBERTa", [](config& c) { make_roberta(c); });
    add("RoBERTa without types, inverted order", [](config& c) {
        c.cross_attn_first = true;
        make_roberta(c);
        c.type_vocab_size = 0;
    });
    add("odd sizes", [](config& c) {
        c.hidden_size = c.embedding_size = 35;
        c.num_attention_heads = 5;
        c.intermediate_size = 37;
    });
    add("one head", [](config& c) { c.num_attention_heads = 1; });
    const auto add_modern = [&](std::string name, auto&& change) {
        add("ModernBERT, " + name, [&](config& c) {
            change(c);
            make_modernbert(c);
        });
    };
    add_modern("default", [](config&) {});
    add_modern("inverted order", [](config& c) { c.cross_attn_first = true; });
    add_modern("window", [](config& c) {
        c.query_layers = c.document_layers = 3;
        c.sliding_window = 3;
    });
    add_modern("mean pooling", [](config& c) { c.classifier_pooling = mice::pooling::mean; });
    add_modern("lexical bias", [](config& c) {
        c.lexical_bias = true;
        c.special_token_ids = {0, 1, 2, 3, 4};
    });
    add_modern("exact-match heads", [](config& c) { c.extra_attn_bias = true; });
    add_modern("global row", [](config& c) { c.global_cls_token = true; });
    add_modern("mean, last skipped",
               [](config& c) { c.cls_cross_attention = mice::cls_cross::mean_skip_last; });
    add_modern("no layers before the interaction",
               [](config& c) { c.query_layers = c.document_layers = 0; });
    add_modern("untied sides", [](config& c) {
        c.bound_bottom_layers = false;
        c.document_layers = 4;
    });
    add_modern("no self-attention", [](config& c) { c.use_self_attention = false; });
    return list;
}

/// Like every_option, with the models that MICE is compared with.
inline std::vector<named_config> every_kind() {
    std::vector<named_config> list = every_option();
    const auto add = [&list](std::string name, auto&& change) {
        list.push_back({"cross-encoder, " + std::move(name), small_cross_encoder()});
        change(list.back().config);
    };
    using config = mice::model_config;
    const mice::visible_groups itself{.cls = false, .query = false, .document = true};
    const mice::visible_groups no_document{.cls = true, .query = true, .document = false};
    add("default", [](config&) {});
    add("longest first", [](config& c) { c.pair_truncation = mice::truncation::longest_first; });
    add("ELECTRA", [](config& c) {
        c.model_type = "electra";
        c.pooler = false;
    });
    add("RoBERTa", [](config& c) { make_roberta(c); });
    add("RoBERTa, longest first", [](config& c) {
        c.pair_truncation = mice::truncation::longest_first;
        make_roberta(c);
    });
    add("ModernBERT", [](config& c) {
        c.sliding_window = 5;
        make_modernbert(c);
    });
    add("ModernBERT, mean pooling", [](config& c) {
        c.classifier_pooling = mice::pooling::mean;
        make_modernbert(c);
    });
    add("document alone", [&](config& c) { c.visibility = {{3, {}, {}, itself, 0}}; });
    add("[CLS] sees the document alone", [](config& c) {
        c.visibility = {{3, {true, false, true}, {false, true, true}, {true, false, true}, 0}};
    });
    add("window", [](config& c) { c.visibility = {{2, {}, {}, {}, 2}, {1, {}, {}, {}, 0}}; });
    const auto store = [](config& c) {
        c.positions_restart = true;
        // [CLS] q [SEP] d [SEP] has a marker fewer than both texts; RoBERTa's pairs have as many.
        c.max_document_length = c.max_pair_length - c.max_query_length + 1 - c.leading_markers();
    };
    add("split, stored", [&](config& c) {
        c.visibility = {{2, no_document, no_document, itself, 0}, {1, {}, {}, {}, 0}};
        store(c);
    });
    add("document alone, stored", [&](config& c) {
        c.visibility = {{1, no_document, no_document, itself, 0}, {2, {}, {}, itself, 3}};
        store(c);
    });
    add("RoBERTa, window", [](config& c) {
        c.visibility = {{2, {}, {}, {}, 2}, {1, {}, {}, {}, 0}};
        make_roberta(c);
    });
    add("RoBERTa, split, stored", [&](config& c) {
        c.visibility = {{2, no_document, no_document, itself, 0}, {1, {}, {}, {}, 0}};
        make_roberta(c);
        store(c);
    });
    add("ModernBERT, document alone, stored, mean pooling", [&](config& c) {
        c.visibility = {{3, {}, {}, itself, 0}};
        c.classifier_pooling = mice::pooling::mean;
        c.sliding_window = 4;
        store(c);
        make_modernbert(c);
    });
    return list;
}

/// How matrices are stored; vectors are F32 beside I8, else as the matrices.
enum class storage { f32, f16, bf16, i8 };

/// What make_model adds beside the configuration.
struct model_recipe {
    std::uint64_t seed = 1;
    storage weights = storage::f32;
    bool with_tokenizer = true;
    bool byte_bpe = false;      ///< of that kind, which needs 300 embeddings
    bool sentencepiece = false; ///< of that kind, in a program that has the library
    bool unigram = false;       ///< of that kind
};

namespace detail {

inline void append_scalar(std::vector<std::byte>& out, storage kind, float value) {
    const auto append = [&out](auto bits) {
        const std::vector<std::byte> bytes = bytes_of(&bits, sizeof bits);
        out.insert(out.end(), bytes.begin(), bytes.end());
    };
    if (kind == storage::f32 || kind == storage::i8) {
        append(value);
    } else if (kind == storage::f16) {
        append(mice::kernels::float_to_half(value));
    } else {
        append(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16));
    }
}

inline mice::io::dtype float_type(storage kind) {
    return kind == storage::f16    ? mice::io::dtype::f16
           : kind == storage::bf16 ? mice::io::dtype::bf16
                                   : mice::io::dtype::f32;
}

inline void add_vector(model_file_parts& parts, const mice::tensor_requirement& required,
                       random_numbers& random, storage kind) {
    const bool norm = required.name.ends_with("orm.weight");
    stored_tensor made{required.name, float_type(kind), required.shape, {}};
    for (std::size_t i = 0; i < *required.shape.elements(); ++i) {
        const auto units = static_cast<float>(static_cast<int>(random.below(63)) - 31);
        append_scalar(made.bytes, kind, norm ? 1.0F + units / 128 : units / 64);
    }
    parts.tensors.push_back(std::move(made));
}

inline void add_matrix(model_file_parts& parts, const mice::tensor_requirement& required,
                       random_numbers& random, storage kind) {
    const std::size_t rows = required.shape[0];
    const std::size_t columns = required.shape[1];
    const bool as_int8 = kind == storage::i8;
    stored_tensor made{
        required.name, as_int8 ? mice::io::dtype::i8 : float_type(kind), required.shape, {}};
    std::vector<float> scales;
    for (std::size_t row = 0; row < rows; ++row) {
        scales.push_back(row % 3 == 0 ? 0x1p-7F : 0x1p-8F);
        for (std::size_t column = 0; column < columns; ++column) {
            const int units = static_cast<int>(random.below(255)) - 127;
            if (as_int8) {
                made.bytes.push_back(static_cast<std::byte>(static_cast<std::int8_t>(units)));
            } else {
                append_scalar(made.bytes, kind, static_cast<float>(units) * scales.back());
            }
        }
    }
    parts.tensors.push_back(std::move(made));
    if (as_int8) {
        parts.tensors.push_back(
            {mice::scale_name(required.name), mice::io::dtype::f32, {rows}, bytes_of(scales)});
    }
}

} // namespace detail

inline void add_tokenizer(model_file_parts& parts, const mice::wordpiece_spec& spec) {
    parts.metadata["mice.tokenizer"] = mice::to_metadata(spec);
    std::vector<std::byte> vocabulary = mice::vocabulary_bytes(spec);
    const std::size_t size = vocabulary.size();
    parts.tensors.push_back(
        {"tokenizer.vocabulary", mice::io::dtype::u8, {size}, std::move(vocabulary)});
}

inline void add_tokenizer(model_file_parts& parts, const mice::byte_bpe_spec& spec) {
    parts.metadata["mice.tokenizer"] = mice::to_metadata(spec);
    std::vector<std::byte> vocabulary = mice::vocabulary_bytes(spec);
    const std::size_t size = vocabulary.size();
    parts.tensors.push_back(
        {"tokenizer.vocabulary", mice::io::dtype::u8, {size}, std::move(vocabulary)});
    parts.tensors.push_back({"tokenizer.merges",
                             mice::io::dtype::i32,
                             {spec.merges.size(), 2},
                             mice::merge_bytes(spec)});
}

inline void add_tokenizer(model_file_parts& parts, const mice::sentencepiece_spec& spec) {
    parts.metadata["mice.tokenizer"] = mice::to_metadata(spec);
    parts.tensors.push_back(
        {"tokenizer.sentencepiece", mice::io::dtype::u8, {spec.model.size()}, spec.model});
}

inline void add_tokenizer(model_file_parts& parts, const mice::unigram_spec& spec) {
    parts.metadata["mice.tokenizer"] = mice::to_metadata(spec);
    std::vector<std::byte> vocabulary = mice::vocabulary_bytes(spec);
    const std::size_t size = vocabulary.size();
    parts.tensors.push_back(
        {"tokenizer.vocabulary", mice::io::dtype::u8, {size}, std::move(vocabulary)});
    parts.tensors.push_back(
        {"tokenizer.scores", mice::io::dtype::f64, {spec.scores.size()}, mice::score_bytes(spec)});
}

/// A complete model of that configuration; the same seed gives the same weights in every storage.
inline model_file_parts make_model(const mice::model_config& config,
                                   const model_recipe& recipe = {}) {
    model_file_parts parts;
    parts.config = config;
    parts.metadata = {{"format", "mice"},
                      {"mice.format_version", "1"},
                      {"mice.document_fingerprint", "seed-" + std::to_string(recipe.seed)}};
    random_numbers random(recipe.seed);
    for (const mice::tensor_requirement& required : mice::required_tensors(config)) {
        if (required.role == mice::tensor_role::vector) {
            detail::add_vector(parts, required, random, recipe.weights);
        } else {
            detail::add_matrix(parts, required, random, recipe.weights);
        }
    }
    if (recipe.with_tokenizer) {
        if (recipe.sentencepiece)
            add_tokenizer(parts, small_xlmr());
        else if (recipe.unigram)
            add_tokenizer(parts, small_unigram());
        else if (recipe.byte_bpe)
            add_tokenizer(parts, small_byte_bpe());
        else
            add_tokenizer(parts, small_tokenizer());
    }
    return parts;
}

/// The code and text of the mice::error that `call` throws. Any other exception reaches the test
/// runner.
struct caught_error {
    bool thrown = false;
    mice::errc code{};
    std::string text;

    [[nodiscard]] bool says(std::string_view part) const {
        return text.find(part) != std::string::npos;
    }
};

template <class Call> caught_error catch_error(Call&& call) {
    try {
        call();
    } catch (const mice::error& e) {
        return {true, e.code(), e.what()};
    }
    return {};
}

} // namespace fixtures
