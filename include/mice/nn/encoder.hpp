// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mice/nn/attention.hpp>
#include <mice/nn/feed_forward.hpp>

// Encoders of BERT, ELECTRA and ModernBERT: queries and documents, each on its own (the
// contextualization layers of the MICE paper, section 3) or in one sequence.
MICE_NAMESPACE_BEGIN
namespace nn {

using token_ids = std::span<const std::int32_t>;

/// One sequence for the encoder.
struct input_sequence {
    token_ids ids;
    /// The first token of a cross-encoder's document; beyond the end: there is none.
    std::size_t second = std::numeric_limits<std::size_t>::max();
    bool positions_restart = false; ///< whether the document's positions start at 0 again
};

/// LN(word[id] + position[t] + token_type[0 or 1]), then ELECTRA's projection where there is one;
/// in ModernBERT LN(word[id]). The word table stays as it lies in the file. Immutable; the file's
/// bytes must outlive it.
class embeddings {
  public:
    embeddings(const weights& source, const model_config& config)
        : words_(source[config.is_modernbert() ? "embeddings.tok_embeddings.weight"
                                               : "embeddings.word_embeddings.weight"]),
          norm_(source, config.is_modernbert() ? "embeddings.norm" : "embeddings.LayerNorm",
                config) {
        if (config.is_modernbert()) {
            return;
        }
        const weight_view& types = source["embeddings.token_type_embeddings.weight"];
        positions_ = source["embeddings.position_embeddings.weight"].floats();
        const std::size_t width = words_.columns();
        types_.resize(std::min<std::size_t>(2, types.rows()) * width);
        for (std::size_t i = 0; i < types_.size() / width; ++i) {
            types.read_row(i, types_.data() + i * width);
        }
        if (config.has_embedding_projection()) {
            projection_ = linear(source, {{"embeddings_project"}});
        }
    }

    /// out [ids, hidden]; the ids are inside the vocabulary and no more than the positions.
    void apply(const input_sequence& in, float* out, workspace& space) const {
        const std::size_t width = words_.columns();
        const bool project = projection_.out() != 0;
        const std::size_t count = in.ids.size();
        const rows_out rows{project ? space.embedded.reserve(count * width) : out, width};
        for (std::size_t t = 0; t < count; ++t) {
            words_.read_row(static_cast<std::size_t>(in.ids[t]), rows.row(t));
            if (!positions_.empty()) {
                const bool is_second = t >= in.second;
                const std::size_t position = is_second && in.positions_restart ? t - in.second : t;
                kernels::active().add(types_.data() + (is_second ? width : 0), rows.row(t), width);
                kernels::active().add(positions_.data() + position * width, rows.row(t), width);
            }
        }
        norm_.apply(rows, count);
        if (project) {
            projection_.apply(rows, count, {out, projection_.out()}, space);
        }
    }

    /// [vocabulary, width], as the file holds them.
    [[nodiscard]] const weight_view& words() const noexcept { return words_; }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return (positions_.size() + types_.size()) * sizeof(float) + projection_.bytes();
    }

  private:
    weight_view words_;            // [vocabulary, width]
    std::vector<float> positions_; // [positions, width] or empty
    std::vector<float> types_;     // [1 or 2, width] or empty
    layer_norm norm_;
    linear projection_; // [hidden, width] or absent
};

/// One encoder layer: self-attention and feed-forward block. Immutable.
class encoder_layer {
  public:
    encoder_layer(const weights& source, const std::string& name, const model_config& config,
                  self_attention::options chosen)
        : attention_(source, name, config, std::move(chosen)), feed_forward_(source, name, config) {
    }

    /// x [total, hidden] in place; of each sequence only the wanted rows are computed and written.
    void apply(float* x, std::size_t hidden, const sequence_stack& in, const part_maker& parts,
               rows_wanted wanted, workspace& space) const {
        attention_.apply(x, in, parts, wanted, space);
        for_wanted(x, hidden, in, wanted, [&](rows_out rows, std::size_t m, std::size_t) {
            feed_forward_.apply(rows, m, space);
        });
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return attention_.bytes() + feed_forward_.bytes();
    }

  private:
    self_attention attention_;
    feed_forward feed_forward_;
};

/// A stack of encoder layers. Immutable.
class encoder {
  public:
    encoder(const weights& source, const std::string& name, std::size_t layers,
            const model_config& config, const rotary_tables& tables)
        : hidden_(config.hidden_size) {
        layers_.reserve(layers);
        for (std::size_t i = 0; i < layers; ++i) {
            layers_.emplace_back(source, name + "." + std::to_string(i), config,
                                 self_attention::options{config.num_attention_heads,
                                                         !config.is_modernbert() || i > 0,
                                                         tables.of_layer(i)});
            parts_.push_back(config.sliding_window != 0 && tables.is_sliding(i)
                                 ? banded(config.sliding_window)
                                 : whole({}));
        }
    }

    /// out [total tokens, hidden], the sequences one after the other. A sequence's states do not
    /// depend on its neighbours.
    void apply(const embeddings& first, std::span<const token_ids> sequences, float* out,
               workspace& space) const {
        std::vector<std::size_t>& lengths = space.lists.lengths;
        lengths.clear();
        std::size_t total = 0;
        for (const token_ids ids : sequences) {
            first.apply({ids}, out + total * hidden_, space);
            lengths.push_back(ids.size());
            total += ids.size();
        }
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            layers_[i].apply(out, hidden_, {lengths.data(), lengths.size(), total}, parts_[i], {},
                             space);
        }
    }

    [[nodiscard]] const std::vector<encoder_layer>& layers() const noexcept { return layers_; }
    /// What each row of layer `index` sees where a model says no more.
    [[nodiscard]] const part_maker& parts(std::size_t index) const { return parts_[index]; }
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t sum = 0;
        for (const encoder_layer& layer : layers_) {
            sum += layer.bytes();
        }
        return sum;
    }

  private:
    std::vector<encoder_layer> layers_;
    std::vector<part_maker> parts_; // [layers]
    std::size_t hidden_;
};

} // namespace nn
MICE_NAMESPACE_END
