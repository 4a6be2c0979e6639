// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <mice/nn/norm.hpp>

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

/// One encoded document as the interaction layers see it. The memory belongs to the caller.
struct document_view {
    const float* states = nullptr;     ///< [tokens, interaction hidden]; null: `codes` has them
    const std::int32_t* ids = nullptr; ///< [tokens], for exact-match heads
    std::size_t tokens = 0;            ///< at least 1
    /// [interaction layers][tokens, 2 hidden]: what key_values() computed from the states, which
    /// are then not read; or null.
    const float* key_values = nullptr;
    /// The same as 8-bit integers: [interaction layers][tokens][key, value][hidden] of them, then
    /// [interaction layers][tokens][key, value][heads] IEEE halves, their scales; or null.
    const std::byte* key_value_codes = nullptr;

    /// Whether keys and values are given.
    [[nodiscard]] bool has_key_values() const noexcept {
        return key_values != nullptr || key_value_codes != nullptr;
    }
    std::span<const std::byte> codes{}; ///< for the batch's decoder
};

/// What a network needs from a batch of documents.
struct document_packing {
    std::size_t width = 0; ///< values of a state
    kernels::product_kind product = kernels::product_kind::f32;
    const layer_norm* normalise = nullptr; ///< applied to the rows first, or null
    bool as_rows = false;                  ///< packs nothing: the network only reads states()
};

/// A few documents with their states packed for both products of the absorbed form. D is the same
/// in every interaction layer, so packing it once serves them all. Codes are decoded one document
/// at a time, just before they are packed, while the states are in a near cache. For one thread.
class document_batch {
  public:
    /// Packs into `memory`. It must outlive this object, and so must the decoder and its scratch,
    /// which documents with codes need.
    document_batch(std::span<const document_view> documents, const document_packing& packing,
                   kernels::buffer& memory, const state_decoder* decoder = nullptr,
                   kernels::buffer* scratch = nullptr)
        : documents_(documents), packing_(packing), decoder_(decoder), scratch_(scratch),
          decoded_(documents.size()), normalised_(documents.size()) {
        std::size_t floats = 0;
        std::size_t decoded = 0;  // tokens of the longest document with codes
        std::size_t attended = 0; // and of the longest with normalised rows
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
    [[nodiscard]] matrix_view states(std::size_t i) {
        const document_view& document = documents_[i];
        const auto rows_at = [&](const float* rows) {
            return matrix_at(rows, document.tokens, packing_.width);
        };
        if (!is_coded(document)) {
            return rows_at(document.states);
        }
        if (packing_.as_rows) {
            if (!packed_[i]) {
                decoder_->decode(document.codes, document.tokens, memory_ + offsets_[i], *scratch_);
                packed_[i] = true;
            }
            return rows_at(memory_ + offsets_[i]);
        }
        if (decoded_ != i) {
            decoded_ = documents_.size(); // if the decoder throws
            decoder_->decode(document.codes, document.tokens, states_, *scratch_);
            decoded_ = i;
        }
        return rows_at(states_);
    }
    /// What attention reads of document i, [tokens, width]: D, with normalised rows where the
    /// network wants them. Valid until the next call for another document. Throws like states().
    [[nodiscard]] matrix_view attended(std::size_t i) {
        if (packing_.normalise == nullptr) {
            return states(i);
        }
        const matrix_span rows = matrix_at(rows_, documents_[i].tokens, packing_.width);
        if (normalised_ != i) {
            copy_rows(states(i), rows);
            packing_.normalise->apply(rows);
            normalised_ = i;
        }
        return rows;
    }
    /// attended(i), transposed and packed as [width, tokens]. Throws like states().
    [[nodiscard]] const float* keys(std::size_t i) {
        pack(i);
        return memory_ + offsets_[i];
    }
    /// attended(i) packed as [tokens, width]. Throws like states().
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
        const matrix_view from = attended(i);
        float* keys = memory_ + offsets_[i];
        const kernels::product_set& product = kernels::active()[packing_.product];
        product.pack_transposed(from.data, from.stride, from.columns, from.rows, keys);
        product.pack(from.data, from.stride, from.rows, from.columns,
                     keys + key_floats(documents_[i]));
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
