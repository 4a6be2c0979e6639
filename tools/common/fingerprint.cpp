// SPDX-License-Identifier: Apache-2.0
#include "common/fingerprint.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <mice/config_json.hpp>
#include <mice/io/checksum.hpp>

namespace mice::tools {
namespace {

/// Feeds items with their lengths, so that no two different lists give the same bytes.
class item_hash {
  public:
    void add(std::span<const std::byte> bytes) { hash_.add_item(bytes); }
    void add(std::string_view text) { hash_.add_item(text); }
    void add(std::string_view name, std::uint64_t value) {
        add(name);
        add(std::as_bytes(std::span(&value, 1)));
    }
    [[nodiscard]] std::string digits() const { return io::hex_digits(hash_.digest()); }

  private:
    io::hasher128 hash_;
};

void add_config(item_hash& hash, const model_config& c) {
    hash.add(c.model_type);
    hash.add(c.hidden_act);
    hash.add("hidden_size", c.hidden_size);
    hash.add("embedding_size", c.embedding_size);
    hash.add("num_attention_heads", c.num_attention_heads);
    hash.add("intermediate_size", c.intermediate_size);
    hash.add("layer_norm_eps", std::bit_cast<std::uint64_t>(c.layer_norm_eps));
    hash.add("n_docs_ctx_layers", c.document_layers);
    hash.add("compress_dim", std::bit_cast<std::uint64_t>(c.compress_dim));
    hash.add("max_document_length", c.max_document_length);
    // What later versions added comes only where it differs, so that older files keep theirs.
    if (c.kind == model_kind::cross_encoder) {
        hash.add(config_to_json(c)); // where its documents are stored, all of it may shape them
    }
    if (c.is_modernbert()) {
        hash.add("global_rope_theta", std::bit_cast<std::uint64_t>(c.global_rope_theta));
        hash.add("local_rope_theta", std::bit_cast<std::uint64_t>(c.local_rope_theta));
        hash.add("sliding_window", c.sliding_window);
        hash.add("normalised", c.normalises_states());
        for (std::size_t i = 0; i < c.document_layers; ++i) {
            hash.add("sliding", c.sliding_layers[i]);
        }
    }
}

/// What else a vector of late interaction depends on; MICE models keep their old fingerprints.
void add_late_interaction(item_hash& hash, const model_config& c) {
    hash.add(name_of(c.kind));
    hash.add("layers", c.layers);
    hash.add("vector_size", c.vector_size);
    hash.add("document_marker", static_cast<std::uint64_t>(c.document_marker));
    hash.add("skipped", c.skipped.size());
    hash.add(std::as_bytes(std::span(c.skipped)));
}

} // namespace

bool shapes_documents(std::string_view tensor_name) {
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

std::string document_fingerprint(const model_config& config,
                                 const io::safetensors::tensor_map& tensors,
                                 const stored_tokenizer* tokenizer) {
    item_hash hash;
    hash.add("mice document 1");
    add_config(hash, config);
    if (config.kind == model_kind::late_interaction) {
        add_late_interaction(hash, config);
    }
    for (const auto& [name, view] : tensors) {
        if (shapes_documents(name)) {
            hash.add(name);
            hash.add(io::name_of(view.type));
            hash.add(view.shape.text());
            hash.add(view.bytes);
        }
    }
    hash.add("tokenizer");
    hash.add(tokenizer != nullptr ? std::string_view(tokenizer->metadata) : "");
    hash.add(tokenizer != nullptr && tokenizer->vocabulary
                 ? std::span<const std::byte>(*tokenizer->vocabulary)
                 : std::span<const std::byte>());
    if (tokenizer != nullptr && tokenizer->merges) {
        hash.add(*tokenizer->merges);
    }
    if (tokenizer != nullptr && tokenizer->sentencepiece) {
        hash.add(*tokenizer->sentencepiece);
    }
    return hash.digits();
}

} // namespace mice::tools
