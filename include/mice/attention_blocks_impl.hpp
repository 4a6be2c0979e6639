// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mice/attention_blocks.hpp>
#include <mice/error.hpp>
#include <mice/model/config.hpp>
#include <mice/model/tensors.hpp>
#include <mice/nn/attention/probe.hpp>

// How the blocks of observed attention are put together.
MICE_NAMESPACE_BEGIN
namespace detail {

/// The rows and columns that the blocks of a pair have.
struct attention_extent {
    std::size_t learned = 0;         ///< rows before the query's tokens
    std::size_t query_tokens = 0;    ///< without the learned row, with fillers
    std::size_t document_tokens = 0; ///< that are read beside the query

    [[nodiscard]] std::size_t query_rows() const { return learned + query_tokens; }
};

/// Adds up products of sizes, none of which may overflow or exceed the limit.
class weight_count {
  public:
    explicit weight_count(std::size_t limit) : limit_(limit) {}

    void add(std::size_t layers, std::size_t heads, std::size_t rows, std::size_t columns) {
        std::size_t product = layers;
        for (const std::size_t factor : {heads, rows, columns}) {
            if (product != 0 && factor > limit_ / product) {
                throw_too_many();
            }
            product *= factor;
        }
        if (product > limit_ - sum_) {
            throw_too_many();
        }
        sum_ += product;
    }

  private:
    [[noreturn]] void throw_too_many() const {
        throw errors::bad_argument("the attention of this pair has more than " +
                                   std::to_string(limit_) +
                                   " weights; shorten the texts, leave the encoders out, or raise "
                                   "attention_options::max_weights");
    }

    std::size_t limit_;
    std::size_t sum_ = 0;
};

/// Puts together the blocks of one pair from what it sees.
class attention_collector final : public nn::attention_probe {
  public:
    enum class reading { document, query, both };

    attention_collector(const model_config& config, const attention_extent& extent, bool encoders)
        : config_(config), extent_(extent), encoders_(encoders) {}

    /// What the network is about to read.
    void begin(reading what) { what_ = what; }

    [[nodiscard]] bool wants(const nn::attention_place& place) override {
        return encoders_ || place.role != nn::attention_role::encoder ||
               config_.kind == model_kind::cross_encoder;
    }

    void see(const nn::attention_weights& seen) override {
        attention_block& block = block_of(seen.place);
        // rows of a document that a cross-encoder reads by itself stand behind the query
        const bool alone = block.kind == attention_kind::pair && what_ == reading::document;
        const std::size_t offset = alone ? extent_.query_tokens : 0;
        const std::size_t first_row = offset + seen.first_row;
        const std::size_t first_column = offset + seen.first_column;
        const nn::matrix_view& from = seen.weights;
        nn::check_shape(seen.head < block.heads && first_row + from.rows <= block.rows &&
                            first_column + from.columns <= block.columns,
                        "attention_collector::see");
        for (std::size_t i = 0; i < from.rows; ++i) {
            float* row = block.weights.data() +
                         (seen.head * block.rows + first_row + i) * block.columns + first_column;
            std::copy_n(from.row(i), from.columns, row);
        }
    }

    /// The blocks; without `all_rows` those of pairs lose the rows that nothing was seen of: the
    /// document's, where the query went alone.
    [[nodiscard]] std::vector<attention_block> take(bool all_rows) {
        for (attention_block& block : blocks_) {
            if (block.kind == attention_kind::pair && !all_rows) {
                drop_unseen(block);
            }
        }
        return std::move(blocks_);
    }

  private:
    attention_block& block_of(const nn::attention_place& place) {
        const attention_kind kind = kind_of(place.role);
        const auto found = std::find_if(blocks_.begin(), blocks_.end(), [&](const auto& block) {
            return block.kind == kind && block.layer == place.layer;
        });
        return found != blocks_.end() ? *found : add_block(kind, place.layer);
    }

    [[nodiscard]] attention_kind kind_of(nn::attention_role role) const {
        if (role != nn::attention_role::encoder) {
            return role == nn::attention_role::self ? attention_kind::self : attention_kind::cross;
        }
        if (config_.kind == model_kind::cross_encoder) {
            return attention_kind::pair;
        }
        return what_ == reading::document ? attention_kind::document_encoder
                                          : attention_kind::query_encoder;
    }

    attention_block& add_block(attention_kind kind, std::size_t layer) {
        attention_block block{.kind = kind, .layer = layer, .name = name_of(kind, layer)};
        const std::size_t query = extent_.query_rows();
        const std::size_t document = extent_.document_tokens;
        switch (kind) {
        case attention_kind::query_encoder:
            block.rows = block.columns = extent_.query_tokens;
            block.first_row = block.first_column = extent_.learned;
            break;
        case attention_kind::document_encoder:
            block.rows = block.columns = document;
            block.first_row = block.first_column = query;
            break;
        case attention_kind::self:
            block.rows = block.columns = query;
            break;
        case attention_kind::cross:
            block.rows = query;
            block.columns = document;
            block.first_column = query;
            break;
        case attention_kind::pair:
            block.rows = block.columns = query + document;
            break;
        }
        const bool interacts = kind == attention_kind::self || kind == attention_kind::cross;
        block.heads = interacts ? config_.interaction_heads() : config_.num_attention_heads;
        block.weights.resize(block.heads * block.rows * block.columns);
        return blocks_.emplace_back(std::move(block));
    }

    [[nodiscard]] std::string name_of(attention_kind kind, std::size_t layer) const {
        if (kind == attention_kind::self) {
            return tensor_names::interaction_layer(layer);
        }
        if (kind == attention_kind::cross) {
            return tensor_names::interaction_layer(layer) + ".crossattention";
        }
        if (config_.kind != model_kind::mice) {
            return tensor_names::layer(tensor_names::layers, layer);
        }
        return tensor_names::layer(kind == attention_kind::query_encoder
                                       ? tensor_names::query_layers(config_)
                                       : tensor_names::document_layers(config_),
                                   layer);
    }

    void drop_unseen(attention_block& block) const {
        const auto is_seen = [&](std::size_t row) {
            const std::span<const float> weights = block.row(0, row);
            return std::any_of(weights.begin(), weights.end(), [](float w) { return w != 0; });
        };
        const std::size_t kept = extent_.query_rows();
        if (block.rows == kept || is_seen(kept)) {
            return;
        }
        const std::size_t each = kept * block.columns; // floats of a head
        for (std::size_t head = 0; head < block.heads; ++head) {
            const auto from = block.weights.begin() +
                              static_cast<std::ptrdiff_t>(head * block.rows * block.columns);
            std::copy_n(from, each,
                        block.weights.begin() + static_cast<std::ptrdiff_t>(head * each));
        }
        block.rows = kept;
        block.weights.resize(block.heads * each);
    }

    const model_config& config_;
    attention_extent extent_;
    bool encoders_;
    reading what_ = reading::both;
    std::vector<attention_block> blocks_;
};

} // namespace detail
MICE_NAMESPACE_END
