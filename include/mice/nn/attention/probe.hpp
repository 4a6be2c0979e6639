// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include <mice/kernels/active.hpp>
#include <mice/nn/matrix_view.hpp>
#include <mice/nn/workspace.hpp>

// Looking at the weights of attention. The kernels keep them in registers and caches and hand out
// only what they weigh, so a block whose weights somebody wants computes them once more, from the
// operands that its kernel has used.
MICE_NAMESPACE_BEGIN
namespace nn {

/// What an attention block is for.
enum class attention_role {
    encoder, ///< a text, or a cross-encoder's pair, to itself
    self,    ///< the query to itself, in an interaction layer
    cross    ///< the query to the document, in an interaction layer
};

/// One attention block of a network.
struct attention_place {
    attention_role role = attention_role::encoder;
    std::size_t layer = 0; ///< of its stack
};

/// Weights of one head: rows of one sequence and the columns that they read.
struct attention_weights {
    attention_place place{};
    std::size_t sequence = 0; ///< of the call; of cross-attention the document
    std::size_t head = 0;
    std::size_t first_row = 0;
    std::size_t first_column = 0;
    matrix_view weights{}; ///< [rows, columns]; every row sums to 1. Valid during the call.
};

/// Sees the weights of attention blocks, in the order in which they are computed. Set in
/// workspace::probe. A network that is looked at also computes the rows of its last layer that no
/// score needs; a score keeps its bits. What a member throws ends the call. For one thread.
class attention_probe {
  public:
    /// Whether the weights of that block are to be computed.
    [[nodiscard]] virtual bool wants(const attention_place& place) = 0;
    virtual void see(const attention_weights& seen) = 0;

  protected:
    attention_probe() = default;
    attention_probe(const attention_probe&) = default;
    attention_probe& operator=(const attention_probe&) = default;
    ~attention_probe() = default;
};

[[nodiscard]] inline bool is_probed(const workspace& space, const attention_place& place) {
    return space.probe != nullptr && space.probe->wants(place);
}

/// One head's query and keys as its kernel took them.
struct probed_head {
    kernels::product_kind product;
    matrix_view query; ///< [rows, width]
    const float* keys; ///< packed [width, tokens]
    std::size_t tokens;
    float scale;
    kernels::attention_mask mask; ///< match_logits is that of the head
};

/// Whether row `position` sees column j: what the kernels' masks say.
[[nodiscard]] inline bool sees_column(const kernels::attention_mask& mask, std::size_t position,
                                      std::size_t j) {
    if (position > 0 && j == 0 && mask.hide_first_column) {
        return false;
    }
    if (j >= mask.hidden_first && j < mask.hidden_last) {
        return false;
    }
    const std::size_t own = mask.first_row_column + position;
    const std::size_t distance = j > own ? j - own : own - j;
    return mask.window == 0 || j < mask.window_first || distance <= mask.window;
}

/// row [tokens]: products of a query row with the keys -> softmax(scale * products + mask), in
/// double precision between the two.
inline void weigh_row(float* row, std::size_t tokens, std::size_t position, float scale,
                      const kernels::attention_mask& mask) {
    if (position == 0 && mask.average_first_row) {
        std::fill_n(row, tokens, 1.0F / static_cast<float>(tokens));
        return;
    }
    const auto logit = [&](std::size_t j) {
        const double bonus = mask.matches == nullptr
                                 ? 0.0
                                 : static_cast<double>(mask.matches[position * tokens + j]) *
                                       static_cast<double>(*mask.match_logits);
        return static_cast<double>(row[j]) * static_cast<double>(scale) + bonus;
    };
    double largest = -std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j < tokens; ++j) {
        largest = sees_column(mask, position, j) ? std::max(largest, logit(j)) : largest;
    }
    double sum = 0;
    for (std::size_t j = 0; j < tokens; ++j) {
        sum += sees_column(mask, position, j) ? std::exp(logit(j) - largest) : 0.0;
    }
    for (std::size_t j = 0; j < tokens; ++j) {
        const double weight =
            sees_column(mask, position, j) ? std::exp(logit(j) - largest) / sum : 0.0;
        row[j] = static_cast<float>(weight);
    }
}

/// Computes one head's weights and hands them to space.probe, which is set; `seen` says whose they
/// are.
inline void show_head(const probed_head& in, attention_weights seen, workspace& space) {
    const kernels::product_set& product = kernels::active()[in.product];
    const std::size_t rows = in.query.rows;
    const matrix_span weights = matrix_in(space.probed, rows, in.tokens);
    product.gemm(in.query.kernel_rows(), rows, in.keys, in.query.columns, in.tokens, nullptr,
                 weights.kernel_rows(),
                 space.gemm.reserve(product.gemm_scratch(rows, in.query.columns)),
                 kernels::epilogue::keep);
    for (std::size_t i = 0; i < rows; ++i) {
        weigh_row(weights.row(i), in.tokens, i, in.scale, in.mask);
    }
    seen.weights = weights;
    space.probe->see(seen);
}

} // namespace nn
MICE_NAMESPACE_END
