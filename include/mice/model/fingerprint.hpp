// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <mice/io/checksum.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/model/config.hpp>
#include <mice/model/config_json.hpp>
#include <mice/text/tokenizer.hpp>

// A hash over everything that shapes a document's states, so that stored documents meet no other
// model. docs/format.md lists what goes in. It finds what was changed or mixed up. It does not stop
// an attacker who builds two models with one fingerprint: XXH3 is no cryptographic hash.
MICE_NAMESPACE_BEGIN

namespace detail {

inline void hash_number(io::hasher128& hash, std::string_view name, std::uint64_t value) {
    hash.add_text(name);
    hash.add_item({reinterpret_cast<const std::byte*>(&value), sizeof value});
}

inline void hash_config(io::hasher128& hash, const model_config& c) {
    hash.add_text(c.model_type);
    hash.add_text(c.hidden_act);
    hash_number(hash, "hidden_size", c.hidden_size);
    hash_number(hash, "embedding_size", c.embedding_size);
    hash_number(hash, "num_attention_heads", c.num_attention_heads);
    hash_number(hash, "intermediate_size", c.intermediate_size);
    hash_number(hash, "layer_norm_eps", std::bit_cast<std::uint64_t>(c.layer_norm_eps));
    hash_number(hash, "n_docs_ctx_layers", c.document_layers);
    hash_number(hash, "compress_dim", std::bit_cast<std::uint64_t>(c.compress_dim));
    hash_number(hash, "max_document_length", c.max_document_length);
    // Keys of later versions are hashed only where they differ from the default, so that older
    // files keep their fingerprints.
    if (c.kind == model_kind::cross_encoder) {
        hash.add_text(config_to_json(c)); // all of it may shape what is stored
    }
    if (c.family().positions == position_kind::rotary) {
        hash_number(hash, "global_rope_theta", std::bit_cast<std::uint64_t>(c.global_rope_theta));
        hash_number(hash, "local_rope_theta", std::bit_cast<std::uint64_t>(c.local_rope_theta));
        hash_number(hash, "sliding_window", c.sliding_window);
        hash_number(hash, "normalised", c.normalises_states());
        for (std::size_t i = 0; i < c.document_layers; ++i) {
            hash_number(hash, "sliding", c.sliding_layers[i]);
        }
    }
    if (c.kind == model_kind::late_interaction) {
        hash.add_text(name_of(c.kind));
        hash_number(hash, "layers", c.layers);
        hash_number(hash, "vector_size", c.vector_size);
        hash_number(hash, "document_marker", static_cast<std::uint64_t>(c.document_marker));
        hash_number(hash, "skipped", c.skipped.size());
        hash.add_item(std::as_bytes(std::span(c.skipped)));
    }
}

} // namespace detail

/// Whether a tensor takes part in encoding a document: embeddings, the document's contextualization
/// layers and the adapter, or the layers and the projection of late interaction, row scales
/// included.
[[nodiscard]] inline bool shapes_documents(std::string_view tensor_name) {
    constexpr std::array<std::string_view, 7> prefixes{"embeddings.",    "embeddings_project.",
                                                       "bottom_layers.", "document_bottom_layers.",
                                                       "adapter.",       "layers.",
                                                       "linear."};
    for (const std::string_view prefix : prefixes) {
        if (tensor_name.starts_with(prefix)) {
            return true;
        }
    }
    return false;
}

/// What `mice.document_fingerprint` holds: 32 hexadecimal digits, the XXH3-128 hash of the document
/// side's tensors as stored, the configuration that encoding reads, the tokenizer's settings and
/// tensors ("mice.tokenizer", empty where there is none, and what goes with it). Two models with
/// the same fingerprint give the same states for the same text. Reads every byte of those tensors.
/// Thread-safe.
[[nodiscard]] inline std::string document_fingerprint(const model_config& config,
                                                      const io::safetensors::tensor_map& tensors,
                                                      std::string_view tokenizer_metadata,
                                                      const tokenizer_tensors& tokenizer) {
    io::hasher128 hash;
    hash.add_text("mice document 1");
    detail::hash_config(hash, config);
    for (const auto& [name, view] : tensors) {
        if (shapes_documents(name)) {
            hash.add_text(name);
            hash.add_text(io::name_of(view.type));
            hash.add_text(view.shape.text());
            hash.add_item(view.bytes);
        }
    }
    hash.add_text("tokenizer");
    hash.add_text(tokenizer_metadata);
    hash.add_item(tokenizer.vocabulary.value_or(std::span<const std::byte>()));
    for (const auto& part :
         {tokenizer.merges, tokenizer.sentencepiece, tokenizer.scores, tokenizer.charsmap}) {
        if (part) {
            hash.add_item(*part);
        }
    }
    return io::hex_digits(hash.digest());
}

/// Whether a text has the form of a computed fingerprint: 32 hexadecimal digits. Any other text is
/// a name that the file's author chose.
[[nodiscard]] inline bool is_computed_fingerprint(std::string_view text) {
    return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

MICE_NAMESPACE_END
