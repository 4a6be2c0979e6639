// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/kernels/buffer.hpp>

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

/// A few documents with their states packed for both products of the absorbed form. D is the same
/// in every interaction layer, so packing it once serves them all. Codes are decoded one document
/// at a time, just before they are packed, while the states are in a near cache. For one thread.
class document_batch {
  public:
    /// Packs for `product` into `memory`, which must outlive this object, as must the
    /// decoder and its scratch, which documents with codes need.
    document_batch(std::span<const document_view> documents, std::size_t hidden,
                   kernels::buffer& memory, kernels::product_kind product,
                   const state_decoder* decoder = nullptr, kernels::buffer* scratch = nullptr)
        : documents_(documents), hidden_(hidden), product_(product), decoder_(decoder),
          scratch_(scratch), decoded_(documents.size()) {
        std::size_t floats = 0;
        std::size_t longest = 0;
        for (const document_view& document : documents) {
            offsets_.push_back(floats);
            floats += key_floats(document) + value_floats(document);
            longest = std::max(longest, is_coded(document) ? document.tokens : 0);
        }
        packed_.assign(documents.size(), false);
        memory_ = memory.reserve(floats + longest * hidden);
        states_ = memory_ + floats;
    }

    [[nodiscard]] std::size_t size() const noexcept { return documents_.size(); }
    [[nodiscard]] const document_view& operator[](std::size_t i) const { return documents_[i]; }

    /// D of document i, [tokens, hidden], until the next call for another document. Throws
    /// errc::format for damaged codes.
    [[nodiscard]] const float* states(std::size_t i) {
        const document_view& document = documents_[i];
        if (!is_coded(document)) {
            return document.states;
        }
        if (decoded_ != i) {
            decoded_ = documents_.size(); // in case it throws
            decoder_->decode(document.codes, document.tokens, states_, *scratch_);
            decoded_ = i;
        }
        return states_;
    }
    /// D^T of document i, packed as [hidden, tokens]. Throws as states().
    [[nodiscard]] const float* keys(std::size_t i) {
        pack(i);
        return memory_ + offsets_[i];
    }
    /// D of document i, packed as [tokens, hidden]. Throws as states().
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
        const std::size_t floats = kernels::active()[product_].packed_floats(k, n);
        return (floats + 15) / 16 * 16;
    }
    [[nodiscard]] std::size_t key_floats(const document_view& document) const {
        return packed_floats(document, hidden_, document.tokens);
    }
    [[nodiscard]] std::size_t value_floats(const document_view& document) const {
        return packed_floats(document, document.tokens, hidden_);
    }
    void pack(std::size_t i) {
        if (packed_[i]) {
            return;
        }
        const std::size_t tokens = documents_[i].tokens;
        const float* from = states(i);
        float* keys = memory_ + offsets_[i];
        float* values = keys + key_floats(documents_[i]);
        const kernels::product_set& product = kernels::active()[product_];
        product.pack_transposed(from, hidden_, hidden_, tokens, keys);
        product.pack(from, hidden_, tokens, hidden_, values);
        packed_[i] = true;
    }

    std::span<const document_view> documents_;
    std::size_t hidden_;
    kernels::product_kind product_;
    const state_decoder* decoder_;
    kernels::buffer* scratch_;
    float* memory_ = nullptr;
    float* states_ = nullptr; // [tokens, hidden] of document decoded_
    std::size_t decoded_;     // documents_.size(): none
    std::vector<std::size_t> offsets_;
    std::vector<bool> packed_;
};

} // namespace nn
MICE_NAMESPACE_END
