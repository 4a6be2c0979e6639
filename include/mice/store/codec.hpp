// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <mice/error.hpp>
#include <mice/model.hpp>
#include <mice/store/row_codec.hpp>

MICE_NAMESPACE_BEGIN

/// Tokens whose states an index leaves out.
enum class dropped_tokens {
    none,
    punctuation, ///< tokens that are punctuation or symbols alone
    stop_words   ///< punctuation, and the most frequent English function words
};

/// How an index stores the states of its documents; fixed when the index is created.
struct index_codec {
    /// "f32", "f16" or "int8".
    std::string name = "int8";
    /// Rows of a document that are merged into one, on average. This version keeps every row: 1.
    std::size_t pool = 1;
    dropped_tokens drop = dropped_tokens::none; ///< this version drops none

    friend bool operator==(const index_codec&, const index_codec&) = default;
};

namespace store {

/// Throws errc::invalid_argument when the name is unknown or an option contradicts the model's
/// configuration.
void validate(const index_codec& codec, const model_config& config);

/// True where the codec has parameters that are learned from a sample of the collection.
[[nodiscard]] bool needs_training(const index_codec& codec);
/// Rows of states that training wants at least to see; 0 where there is no training.
[[nodiscard]] std::size_t training_rows(const index_codec& codec);
/// Whole documents that training learns from, one after the other.
struct training_sample {
    std::span<const float> states;        ///< [tokens, interaction hidden], finite
    std::span<const std::int32_t> ids;    ///< [tokens], inside the vocabulary
    std::span<const std::size_t> lengths; ///< tokens of each document; their sum is `tokens`
};
/// The parameters of a codec, learned from at least one document. The same sample gives the same
/// bytes. Empty where there is no training.
[[nodiscard]] std::vector<std::byte> train_codec(const index_codec& codec, const model& engine,
                                                 const training_sample& sample);

/// Turns the states of one document into an index's codes and back. Immutable, safe from many
/// threads; the model must outlive it.
class document_coder {
  public:
    /// `parameters` are what train_codec gave, or empty. Throws errc::invalid_argument as validate,
    /// errc::format for parameters that do not fit.
    document_coder(const index_codec& codec, const model& engine,
                   std::span<const std::byte> parameters = {});

    /// Floats of one decoded row: the interaction width, or 2 * width for each layer with kv.
    [[nodiscard]] std::size_t width() const noexcept { return layers_ * 2 * hidden_ + states_; }
    /// True where decoded rows are keys and values: document_view::key_values.
    [[nodiscard]] bool key_values() const noexcept { return layers_ != 0; }
    /// Bytes of the codes of `rows` rows. Throws errc::format where that number overflows.
    [[nodiscard]] std::size_t bytes(std::size_t rows) const;
    /// Appends the codes of states [ids, interaction hidden], finite, with their ids, at least one.
    /// Returns the rows kept, at least 1. Throws errc::unsupported for states that the codec cannot
    /// hold.
    std::size_t encode(const float* states, std::span<const std::int32_t> ids,
                       std::vector<std::byte>& out) const;
    /// out [rows, width()], with kv [layers][rows, 2 hidden]; always finite. Throws errc::format
    /// when the codes are not bytes(rows) long or stand for no finite numbers. `scratch` is the
    /// calling thread's and may be used for anything afterwards.
    void decode(std::span<const std::byte> codes, std::size_t rows, float* out,
                kernels::buffer& scratch) const;

  private:
    /// Rows of hidden_ floats that each of a document's rows becomes.
    [[nodiscard]] std::size_t units() const noexcept { return layers_ == 0 ? 1 : 2 * layers_; }

    std::size_t hidden_;
    std::size_t states_ = 0; // hidden_, or 0 with kv
    std::size_t layers_ = 0; // interaction layers with kv, else 0
    std::unique_ptr<const row_codec> rows_;
};

namespace detail {

/// The codec of that name without its "kv-", or null.
[[nodiscard]] inline std::unique_ptr<const row_codec> make_row_codec(const std::string& name,
                                                                     std::size_t width) {
    if (name == "f32") {
        return std::make_unique<f32_codec>(width);
    }
    if (name == "f16") {
        return std::make_unique<f16_codec>(width);
    }
    if (name == "int8") {
        return std::make_unique<int8_codec>(width);
    }
    return nullptr;
}

} // namespace detail

inline void validate(const index_codec& codec, const model_config& config) {
    if (detail::make_row_codec(codec.name, config.interaction_hidden()) == nullptr) {
        throw errors::bad_codec(codec.name, "there is no such codec; there are f32, f16, int8");
    }
    if (codec.pool != 1 || codec.drop != dropped_tokens::none) {
        throw errors::bad_codec(codec.name,
                                "this version stores every token: it neither pools nor drops");
    }
}

inline bool needs_training(const index_codec& codec) {
    return training_rows(codec) != 0;
}

inline std::size_t training_rows(const index_codec&) {
    return 0;
}

inline std::vector<std::byte> train_codec(const index_codec&, const model&,
                                          const training_sample&) {
    return {};
}

inline document_coder::document_coder(const index_codec& codec, const model& engine,
                                      std::span<const std::byte> parameters)
    : hidden_(engine.config().interaction_hidden()) {
    validate(codec, engine.config());
    if (!parameters.empty()) {
        throw errors::bad_codec_parameters(
            codec.name, "it has none, got " + std::to_string(parameters.size()) + " bytes");
    }
    states_ = hidden_;
    rows_ = detail::make_row_codec(codec.name, hidden_);
}

inline std::size_t document_coder::bytes(std::size_t rows) const {
    const std::size_t each = units() * rows_->row_bytes();
    if (rows > static_cast<std::size_t>(-1) / 2 / each) {
        throw errors::bad_codes(rows_->name(), std::to_string(rows) + " rows are too many");
    }
    return rows * each;
}

inline std::size_t document_coder::encode(const float* states, std::span<const std::int32_t> ids,
                                          std::vector<std::byte>& out) const {
    const std::size_t before = out.size();
    out.resize(before + bytes(ids.size()));
    rows_->encode(states, ids.size(), out.data() + before);
    return ids.size();
}

inline void document_coder::decode(std::span<const std::byte> codes, std::size_t rows, float* out,
                                   kernels::buffer&) const {
    if (rows == 0 || codes.size() != bytes(rows)) {
        throw errors::bad_codes(rows_->name(), std::to_string(codes.size()) + " bytes for " +
                                                   std::to_string(rows) + " rows");
    }
    rows_->decode(codes.data(), rows * units(), out);
}

} // namespace store
MICE_NAMESPACE_END
