// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/codecs/head_codec.hpp>
#include <mice/codecs/pooling.hpp>
#include <mice/codecs/registry.hpp>
#include <mice/codecs/row_codec.hpp>
#include <mice/codecs/token_filter.hpp>
#include <mice/error.hpp>
#include <mice/index_options.hpp>
#include <mice/model.hpp>
#include <mice/model/config_json.hpp>
#include <mice/networks/network.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// The codec under the name that an index keeps.
[[nodiscard]] inline index_codec kept_codec(index_codec asked) {
    asked.name = kept_codec_name(asked.name);
    return asked;
}

/// Throws errc::invalid_argument when the name is unknown or an option contradicts the model.
void validate(const index_codec& codec, const model& engine);

/// True where the codec has parameters that are learned from a sample of the collection.
[[nodiscard]] bool needs_training(const index_codec& codec);
/// How many rows of states training wants at least; 0 where there is no training.
[[nodiscard]] std::size_t training_rows(const index_codec& codec);
/// The documents that training learns from, one after the other.
struct training_sample {
    std::span<const float> states;        ///< [tokens, interaction hidden], finite
    std::span<const std::int32_t> ids;    ///< [tokens], inside the vocabulary
    std::span<const std::size_t> lengths; ///< tokens of each document; their sum is `tokens`
};
/// The parameters of a codec, learned from at least one document. The same sample gives the same
/// bytes on the same kind of processor. Empty where there is no training.
[[nodiscard]] std::vector<std::byte> train_codec(const index_codec& codec, const model& engine,
                                                 const training_sample& sample,
                                                 const parallel_options& where = {});

namespace detail {

/// Chooses the rows of a document that are stored: drops tokens, then pools. Immutable.
class row_selection {
  public:
    row_selection() = default;
    /// The options have been validated.
    row_selection(const index_codec& codec, const model& engine)
        : hidden_(engine.config().state_width()), pool_(codec.pool) {
        if (codec.drop != dropped_tokens::none) {
            filter_ = token_filter(*engine.text_tokenizer(), codec.drop);
        }
    }

    [[nodiscard]] bool keeps_all() const noexcept { return pool_ == 1 && filter_.keeps_all(); }
    /// states [ids, hidden]
    [[nodiscard]] document_rows apply(const float* states,
                                      std::span<const std::int32_t> ids) const {
        document_rows kept;
        if (filter_.keeps_all()) {
            kept.states.assign(states, states + ids.size() * hidden_);
            kept.ids.assign(ids.begin(), ids.end());
        } else {
            for (const std::size_t position : filter_.kept(ids)) {
                const float* row = states + position * hidden_;
                kept.states.insert(kept.states.end(), row, row + hidden_);
                kept.ids.push_back(ids[position]);
            }
        }
        return pool_rows(std::move(kept), hidden_, pool_);
    }

  private:
    std::size_t hidden_ = 0;
    std::size_t pool_ = 1;
    token_filter filter_;
};

} // namespace detail

/// Turns the states of one document into an index's codes and back. Immutable, safe from many
/// threads; the model must outlive it.
class document_coder final : public nn::state_decoder {
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
    /// True where document_view::key_value_codes takes the codes as they are.
    [[nodiscard]] bool codes_are_key_values() const noexcept { return heads_ != nullptr; }
    /// Throws errc::format unless decode could decode these codes; where codes_are_key_values().
    void check(std::span<const std::byte> codes, std::size_t rows) const;
    /// out [rows, width()], with kv [layers][rows, 2 hidden]; always finite. Throws errc::format
    /// when the codes are not bytes(rows) long or stand for no finite numbers. `scratch` is the
    /// calling thread's and may be used for anything afterwards.
    inline void decode(std::span<const std::byte> codes, std::size_t rows, float* out,
                       kernels::buffer& scratch) const override;

  private:
    /// How many rows of hidden_ floats a row of a document becomes.
    [[nodiscard]] std::size_t units() const noexcept { return layers_ == 0 ? 1 : 2 * layers_; }
    void check_size(std::span<const std::byte> codes, std::size_t rows) const;

    const model& engine_;
    std::size_t hidden_;
    std::size_t states_ = 0; // hidden_, or 0 with kv
    std::size_t layers_ = 0; // interaction layers with kv, else 0
    detail::row_selection selection_;
    std::unique_ptr<const row_codec> rows_;
    const head_codec* heads_ = nullptr; // rows_, where it is one
};

/// Whether the codec of that name stores keys and values.
[[nodiscard]] inline bool stores_key_values(std::string_view name) {
    const codec_kind* const kind = find_codec(name);
    return kind != nullptr && kind->key_values;
}

inline void validate(const index_codec& codec, const model& engine) {
    constexpr std::size_t most_pooled = 64;
    const model_config& config = engine.config();
    const codec_kind* const kind = find_codec(codec.name);
    if (kind == nullptr) {
        throw errors::bad_codec(codec.name, "there is no such codec; there are " + codec_names());
    }
    if (config.kind != model_kind::mice && kind->key_values) {
        throw errors::bad_codec(codec.name,
                                "only MICE models have keys and values of a document; use one of " +
                                    codec_names(listed_codecs::of_states));
    }
    if (kind->check != nullptr) {
        kind->check(codec.name, config);
    }
    if (codec.pool < 1 || codec.pool > most_pooled) {
        throw errors::bad_codec(codec.name, "it pools 1 to " + std::to_string(most_pooled) +
                                                " rows into one, not " +
                                                std::to_string(codec.pool));
    }
    if (config.extra_attn_bias && kind->key_values) {
        throw errors::bad_codec(codec.name, "the exact-match heads of this model need the states");
    }
    const bool drops = codec.drop != dropped_tokens::none;
    const bool needs_all =
        config.extra_attn_bias || config.lexical_bias || config.kind == model_kind::cross_encoder;
    if (needs_all && (drops || codec.pool != 1)) {
        throw errors::bad_codec(codec.name, "this model needs the state of every token: no pooling "
                                            "and no dropping");
    }
    if (drops && engine.text_tokenizer() == nullptr) {
        throw errors::bad_codec(codec.name, "tokens are dropped by their text, but this model was "
                                            "converted without a tokenizer");
    }
}

inline bool needs_training(const index_codec& codec) {
    return training_rows(codec) != 0;
}

inline std::size_t training_rows(const index_codec& codec) {
    const codec_kind* const kind = find_codec(codec.name);
    return kind == nullptr ? 0 : kind->training_rows;
}

inline std::vector<std::byte> train_codec(const index_codec& codec, const model& engine,
                                          const training_sample& sample,
                                          const parallel_options& where) {
    validate(codec, engine);
    const codec_kind& kind = *find_codec(codec.name);
    if (kind.learn == nullptr) {
        return {};
    }
    const std::size_t hidden = engine.config().state_width();
    const detail::row_selection selection(codec, engine);
    document_rows rows;
    std::size_t first = 0;
    for (const std::size_t length : sample.lengths) {
        const document_rows stored = selection.apply(sample.states.data() + first * hidden,
                                                     sample.ids.subspan(first, length));
        rows.states.insert(rows.states.end(), stored.states.begin(), stored.states.end());
        rows.ids.insert(rows.ids.end(), stored.ids.begin(), stored.ids.end());
        first += length;
    }
    return kind.learn(codec.name, engine, rows, where);
}

inline document_coder::document_coder(const index_codec& codec, const model& engine,
                                      std::span<const std::byte> parameters)
    : engine_(engine), hidden_(engine.config().state_width()) {
    validate(codec, engine);
    selection_ = detail::row_selection(codec, engine);
    const codec_kind& kind = *find_codec(codec.name);
    if (kind.learn == nullptr && !parameters.empty()) {
        throw errors::bad_codec_parameters(
            codec.name, "it has none, got " + std::to_string(parameters.size()) + " bytes");
    }
    rows_ = kind.make(codec.name, engine, parameters);
    heads_ = rows_->as_head_codec();
    layers_ = kind.key_values ? engine.config().interaction_layers : 0;
    states_ = layers_ == 0 ? hidden_ : 0;
}

inline std::size_t document_coder::bytes(std::size_t rows) const {
    const std::size_t each = units() * rows_->row_bytes();
    if (each != 0 && rows > static_cast<std::size_t>(-1) / 2 / each) {
        throw errors::bad_codes(rows_->name(), std::to_string(rows) + " rows are too many");
    }
    return rows * each;
}

inline std::size_t document_coder::encode(const float* states, std::span<const std::int32_t> ids,
                                          std::vector<std::byte>& out) const {
    document_rows stored;
    if (!selection_.keeps_all()) {
        stored = selection_.apply(states, ids);
        if (!kernels::all_finite(stored.states.data(), stored.states.size())) {
            throw errors::state_beyond_codec(rows_->name(), "what a mean of states can be");
        }
        states = stored.states.data();
        ids = stored.ids;
    }
    const std::size_t before = out.size();
    out.resize(before + bytes(ids.size()));
    if (key_values()) {
        nn::workspace space;
        std::vector<float> projected(ids.size() * width());
        engine_.network().key_values(states, ids.size(), projected.data(), space);
        if (!kernels::all_finite(projected.data(), projected.size())) {
            throw errors::not_finite("a key or value of a document");
        }
        rows_->encode(projected.data(), nullptr, ids.size() * units(), out.data() + before);
    } else if (hidden_ != 0) { // a model may keep only ids
        rows_->encode(states, ids.data(), ids.size(), out.data() + before);
    }
    return ids.size();
}

inline void document_coder::check_size(std::span<const std::byte> codes, std::size_t rows) const {
    if (rows == 0 || codes.size() != bytes(rows)) {
        throw errors::bad_codes(rows_->name(), std::to_string(codes.size()) + " bytes for " +
                                                   std::to_string(rows) + " rows");
    }
}

inline void document_coder::check(std::span<const std::byte> codes, std::size_t rows) const {
    check_size(codes, rows);
    heads_->check(codes.data(), rows * units());
}

inline void document_coder::decode(std::span<const std::byte> codes, std::size_t rows, float* out,
                                   kernels::buffer& scratch) const {
    check_size(codes, rows);
    if (hidden_ == 0) {
        return;
    }
    rows_->decode(codes.data(), rows * units(), out, scratch);
}

} // namespace store
MICE_NAMESPACE_END
