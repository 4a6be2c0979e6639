// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <mice/nn/attention.hpp>

// The contextualization layers: queries and documents, each encoded on its own (MICE paper, section
// 3; BERT).
MICE_NAMESPACE_BEGIN
namespace nn {

using token_ids = std::span<const std::int32_t>;

/// LN(word[id] + position[t] + token_type[0]), then ELECTRA's projection where there is one. The
/// word table stays as it lies in the file. Immutable; the file's bytes must outlive it.
class embeddings {
  public:
    embeddings(const weights& source, const model_config& config)
        : words_(source["embeddings.word_embeddings.weight"]),
          positions_(source["embeddings.position_embeddings.weight"].floats()),
          norm_(source, "embeddings.LayerNorm", config.layer_norm_eps) {
        std::vector<float> type(words_.columns());
        source["embeddings.token_type_embeddings.weight"].read_row(0, type.data());
        for (std::size_t i = 0; i < positions_.size(); ++i) {
            positions_[i] += type[i % type.size()];
        }
        if (config.has_embedding_projection()) {
            projection_ = linear(source, {{"embeddings_project"}});
        }
    }

    /// out [ids, hidden]; the ids are inside the vocabulary and no more than the positions.
    void apply(token_ids ids, float* out, workspace& space) const {
        const std::size_t width = words_.columns();
        const bool project = projection_.out() != 0;
        const rows_out rows{project ? space.embedded.reserve(ids.size() * width) : out, width};
        for (std::size_t t = 0; t < ids.size(); ++t) {
            words_.read_row(static_cast<std::size_t>(ids[t]), rows.row(t));
            kernels::active().add(positions_.data() + t * width, rows.row(t), width);
        }
        norm_.apply(rows, ids.size());
        if (project) {
            projection_.apply(rows, ids.size(), {out, projection_.out()}, space);
        }
    }

    /// [vocabulary, width], as the file holds them.
    [[nodiscard]] const weight_view& words() const noexcept { return words_; }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return positions_.size() * sizeof(float) + projection_.bytes();
    }

  private:
    weight_view words_;            // [vocabulary, width]
    std::vector<float> positions_; // [positions, width], token type 0 added
    layer_norm norm_;
    linear projection_; // [hidden, width] or absent
};

/// One post-norm encoder layer. Immutable.
class bert_layer {
  public:
    bert_layer(const weights& source, const std::string& name, const model_config& config)
        : attention_(source, name + ".attention", config.num_attention_heads,
                     config.layer_norm_eps),
          feed_forward_(source, name, config.layer_norm_eps) {}

    /// x [total, hidden] in place.
    void apply(float* x, std::size_t hidden, const sequence_lengths& in, workspace& space) const {
        attention_.apply(x, in, {}, {}, space);
        feed_forward_.apply({x, hidden}, in.total, space);
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return attention_.bytes() + feed_forward_.bytes();
    }

  private:
    self_attention attention_;
    feed_forward feed_forward_;
};

/// A stack of contextualization layers. Immutable.
class encoder {
  public:
    encoder(const weights& source, const std::string& name, std::size_t layers,
            const model_config& config)
        : hidden_(config.hidden_size) {
        layers_.reserve(layers);
        for (std::size_t i = 0; i < layers; ++i) {
            layers_.emplace_back(source, name + "." + std::to_string(i), config);
        }
    }

    /// out [total tokens, hidden], the sequences one after the other. A sequence's states do not
    /// depend on its neighbours.
    void apply(const embeddings& first, std::span<const token_ids> sequences, float* out,
               workspace& space) const {
        std::vector<std::size_t> lengths;
        lengths.reserve(sequences.size());
        std::size_t total = 0;
        for (const token_ids ids : sequences) {
            first.apply(ids, out + total * hidden_, space);
            lengths.push_back(ids.size());
            total += ids.size();
        }
        for (const bert_layer& layer : layers_) {
            layer.apply(out, hidden_, {lengths.data(), lengths.size(), total}, space);
        }
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t sum = 0;
        for (const bert_layer& layer : layers_) {
            sum += layer.bytes();
        }
        return sum;
    }

  private:
    std::vector<bert_layer> layers_;
    std::size_t hidden_;
};

} // namespace nn
MICE_NAMESPACE_END
