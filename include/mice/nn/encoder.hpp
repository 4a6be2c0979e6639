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

#include <mice/nn/attention/self.hpp>
#include <mice/nn/feed_forward.hpp>

// Encoders of every family, for queries and documents by themselves (the contextualization layers
// of the MICE paper, section 3) or together in one sequence.
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

/// LN(word[id] + position[t] + token_type[0 or 1]), each where the family has such a table, then
/// ELECTRA's projection where there is one. The word table stays as it lies in the file. Immutable;
/// the file's bytes must outlive it.
class embeddings {
  public:
    embeddings(const weights& source, const model_config& config)
        : words_(source[weight_of(config.family().embeddings.words)]),
          norm_(source, std::string(config.family().embeddings.norm), config) {
        const embedding_names& names = config.family().embeddings;
        if (!names.positions.empty()) {
            positions_ = source[weight_of(names.positions)].floats();
        }
        if (!names.types.empty() && config.type_vocab_size > 0) {
            const weight_view& types = source[weight_of(names.types)];
            const std::size_t width = words_.columns();
            const std::size_t told = std::max<std::size_t>(config.family().pair_types, 1);
            types_.resize(std::min(told, types.rows()) * width);
            for (std::size_t i = 0; i < types_.size() / width; ++i) {
                types.read_row(i, types_.data() + i * width);
            }
        }
        if (config.has_embedding_projection()) {
            projection_ = linear(source, {{std::string(names.projection)}});
        }
    }

    /// out [ids, hidden]; the ids are inside the vocabulary and no more than the positions.
    void apply(const input_sequence& in, matrix_span out, workspace& space) const {
        const std::size_t width = words_.columns();
        const bool project = projection_.out() != 0;
        const matrix_span rows = project ? matrix_in(space.embedded, in.ids.size(), width) : out;
        check_shape(rows.rows == in.ids.size() && rows.columns == width, "embeddings::apply");
        for (std::size_t t = 0; t < rows.rows; ++t) {
            words_.read_row(static_cast<std::size_t>(in.ids[t]), rows.row(t));
            const bool is_second = t >= in.second;
            if (!types_.empty()) {
                const bool second_type = is_second && types_.size() > width;
                kernels::active().add(types_.data() + (second_type ? width : 0), rows.row(t),
                                      width);
            }
            if (!positions_.empty()) {
                const std::size_t position = is_second && in.positions_restart ? t - in.second : t;
                kernels::active().add(positions_.data() + position * width, rows.row(t), width);
            }
        }
        norm_.apply(rows);
        if (project) {
            projection_.apply(rows, out, space);
        }
    }

    /// [vocabulary, width], as the file holds them.
    [[nodiscard]] const weight_view& words() const noexcept { return words_; }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return (positions_.size() + types_.size()) * sizeof(float) + projection_.bytes();
    }

  private:
    static std::string weight_of(std::string_view name) { return std::string(name) + ".weight"; }

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

    /// x [total, hidden] in place; only the wanted rows of a sequence are computed and written.
    void apply(matrix_span x, const sequence_stack& in, const part_maker& parts, rows_wanted wanted,
               workspace& space) const {
        attention_.apply(x, in, parts, wanted, space);
        for_wanted(x, in, wanted,
                   [&](matrix_span rows, std::size_t) { feed_forward_.apply(rows, space); });
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
            const model_config& config, const rotary_tables& tables) {
        layers_.reserve(layers);
        for (std::size_t i = 0; i < layers; ++i) {
            layers_.emplace_back(source, tensor_names::layer(name, i), config,
                                 self_attention::options{config.num_attention_heads,
                                                         config.has_attention_norm(i),
                                                         tables.of_layer(i),
                                                         {attention_role::encoder, i}});
            parts_.push_back(config.sliding_window != 0 && tables.is_sliding(i)
                                 ? banded(config.sliding_window)
                                 : whole({}));
        }
    }

    /// out [total tokens, hidden], the sequences one after the other. A sequence's states do not
    /// depend on its neighbours.
    void apply(const embeddings& first, std::span<const token_ids> sequences, matrix_span out,
               workspace& space) const {
        std::vector<std::size_t>& lengths = space.lists.lengths;
        lengths.clear();
        std::size_t total = 0;
        for (const token_ids ids : sequences) {
            first.apply({ids}, out.rows_from(total, ids.size()), space);
            lengths.push_back(ids.size());
            total += ids.size();
        }
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            layers_[i].apply(out, {lengths.data(), lengths.size(), total}, parts_[i], {}, space);
        }
    }

    [[nodiscard]] const std::vector<encoder_layer>& layers() const noexcept { return layers_; }
    /// What the rows of layer `index` see, unless a model's mask says more.
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
};

} // namespace nn
MICE_NAMESPACE_END
