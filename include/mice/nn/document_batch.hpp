// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <mice/nn/layer_norm.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// Turns stored codes into the states of one document.
class state_decoder {
  public:
    /// out [tokens, interaction hidden], always finite. Throws errc::format for codes that are not
    /// the states of so many tokens. `scratch` may be used for anything. Safe from many threads.
    virtual void decode(std::span<const std::byte> codes, std::size_t tokens, float* out,
                        kernels::buffer& scratch) const = 0;

  protected:
    state_decoder() = default;
    state_decoder(const state_decoder&) = default;
    state_decoder& operator=(const state_decoder&) = default;
    ~state_decoder() = default;
};

/// One encoded document as the interaction layers see it; the memory is the caller's.
struct document_view {
    const float* states = nullptr;     ///< [tokens, interaction hidden]; null: `codes` has them
    const std::int32_t* ids = nullptr; ///< [tokens], for exact-match heads
    std::size_t tokens = 0;            ///< at least 1
    /// [interaction layers][tokens, 2 hidden]: what key_values() made of the states, which are not
    /// read then; or null.
    const float* key_values = nullptr;
    /// The same as 8-bit integers: [interaction layers][tokens][key, value][hidden] of them, then
    /// [interaction layers][tokens][key, value][heads] IEEE halves, what 1 stands for; or null.
    const std::byte* key_value_codes = nullptr;

    /// Whether keys and values are given.
    [[nodiscard]] bool has_key_values() const noexcept {
        return key_values != nullptr || key_value_codes != nullptr;
    }
    std::span<const std::byte> codes{}; ///< for the batch's decoder
};

/// What a network needs of a batch of documents.
struct document_packing {
    std::size_t width = 0; ///< values of a state
    kernels::product_kind product = kernels::product_kind::f32;
    const layer_norm* normalise = nullptr; ///< applied to the rows first, or null
    bool as_rows = false;                  ///< nothing is packed: the network reads states() alone
};

/// A few documents with their states packed for both products of the absorbed form. D is the same
/// in every interaction layer, so packing it once serves them all. Codes are decoded one document
/// at a time, just before they are packed, while the states are in a near cache. For one thread.
class document_batch {
  public:
    /// Packs into `memory`, which must outlive this object, as must the decoder and its scratch,
    /// which documents with codes need.
    document_batch(std::span<const document_view> documents, const document_packing& packing,
                   kernels::buffer& memory, const state_decoder* decoder = nullptr,
                   kernels::buffer* scratch = nullptr)
        : documents_(documents), packing_(packing), decoder_(decoder), scratch_(scratch),
          decoded_(documents.size()), normalised_(documents.size()) {
        std::size_t floats = 0;
        std::size_t decoded = 0;  // tokens of the longest document with codes
        std::size_t attended = 0; // and of the longest whose rows are normalised
        for (const document_view& document : documents) {
            offsets_.push_back(floats);
            if (packing.as_rows) {
                floats += is_coded(document) ? document.tokens * packing.width : 0;
                continue;
            }
            floats += key_floats(document) + value_floats(document);
            decoded = std::max(decoded, is_coded(document) ? document.tokens : 0);
            attended = std::max(attended, packing.normalise != nullptr ? document.tokens : 0);
        }
        packed_.assign(documents.size(), false);
        memory_ = memory.reserve(floats + (decoded + attended) * packing.width);
        states_ = memory_ + floats;
        rows_ = states_ + decoded * packing.width;
    }

    [[nodiscard]] std::size_t size() const noexcept { return documents_.size(); }
    [[nodiscard]] const document_view& operator[](std::size_t i) const { return documents_[i]; }

    /// D of document i, [tokens, width], until the next call for another document (with `as_rows`
    /// as long as this object). Throws errc::format for damaged codes.
    [[nodiscard]] const float* states(std::size_t i) {
        const document_view& document = documents_[i];
        if (!is_coded(document)) {
            return document.states;
        }
        if (packing_.as_rows) {
            if (!packed_[i]) {
                decoder_->decode(document.codes, document.tokens, memory_ + offsets_[i], *scratch_);
                packed_[i] = true;
            }
            return memory_ + offsets_[i];
        }
        if (decoded_ != i) {
            decoded_ = documents_.size(); // in case it throws
            decoder_->decode(document.codes, document.tokens, states_, *scratch_);
            decoded_ = i;
        }
        return states_;
    }
    /// What attention reads of document i, [tokens, width]: D, its rows normalised where the
    /// network wants them so. Until the next call for another document. Throws as states().
    [[nodiscard]] const float* attended(std::size_t i) {
        if (packing_.normalise == nullptr) {
            return states(i);
        }
        if (normalised_ != i) {
            const std::size_t tokens = documents_[i].tokens;
            std::copy_n(states(i), tokens * packing_.width, rows_);
            packing_.normalise->apply({rows_, packing_.width}, tokens);
            normalised_ = i;
        }
        return rows_;
    }
    /// attended(i), transposed and packed as [width, tokens]. Throws as states().
    [[nodiscard]] const float* keys(std::size_t i) {
        pack(i);
        return memory_ + offsets_[i];
    }
    /// attended(i) packed as [tokens, width]. Throws as states().
    [[nodiscard]] const float* values(std::size_t i) {
        pack(i);
        return memory_ + offsets_[i] + key_floats(documents_[i]);
    }

  private:
    static bool is_coded(const document_view& document) {
        return document.states == nullptr && !document.has_key_values();
    }
    [[nodiscard]] std::size_t packed_floats(const document_view& document, std::size_t k,
                                            std::size_t n) const {
        if (document.has_key_values()) {
            return 0;
        }
        const std::size_t floats = kernels::active()[packing_.product].packed_floats(k, n);
        return (floats + 15) / 16 * 16;
    }
    [[nodiscard]] std::size_t key_floats(const document_view& document) const {
        return packed_floats(document, packing_.width, document.tokens);
    }
    [[nodiscard]] std::size_t value_floats(const document_view& document) const {
        return packed_floats(document, document.tokens, packing_.width);
    }
    void pack(std::size_t i) {
        if (packed_[i]) {
            return;
        }
        const std::size_t tokens = documents_[i].tokens;
        const float* from = attended(i);
        const std::size_t width = packing_.width;
        float* keys = memory_ + offsets_[i];
        const kernels::product_set& product = kernels::active()[packing_.product];
        product.pack_transposed(from, width, width, tokens, keys);
        product.pack(from, width, tokens, width, keys + key_floats(documents_[i]));
        packed_[i] = true;
    }

    std::span<const document_view> documents_;
    document_packing packing_;
    const state_decoder* decoder_;
    kernels::buffer* scratch_;
    float* memory_ = nullptr;
    float* states_ = nullptr; // [tokens, width] of document decoded_
    float* rows_ = nullptr;   // [tokens, width] of document normalised_
    std::size_t decoded_;     // documents_.size(): none
    std::size_t normalised_;  // documents_.size(): none
    std::vector<std::size_t> offsets_;
    std::vector<bool> packed_;
};

} // namespace nn
MICE_NAMESPACE_END
