// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include <mice/nn/norm.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// From the last states to one logit: classifier(LN(f(Linear(row 0 or the mean of the rows)))),
/// with the parts and the function f of the family's head_layout. Immutable.
class head {
  public:
    head(const weights& source, const model_config& config)
        : width_(config.interaction_hidden()),
          mean_(config.head().may_average && config.classifier_pooling == pooling::mean),
          activation_(config.head().activation) {
        const head_layout layout = config.head();
        if (!layout.final_norm.empty()) {
            final_norm_.emplace(source, std::string(layout.final_norm), config);
        }
        if (!layout.dense.empty()) {
            dense_ = linear(source, {{std::string(layout.dense)}, layout.dense_has_bias, true});
        }
        if (!layout.norm.empty()) {
            norm_.emplace(source, std::string(layout.norm), config);
        }
        classifier_ = linear(source, {.names = {std::string(layout.classifier)}, .in_f32 = true});
    }

    /// Whether it reads all rows, not only the first of every sequence.
    [[nodiscard]] bool reads_all_rows() const noexcept { return mean_; }

    /// One score a sequence of x; the sequences follow one another and have `rows` rows each.
    void apply(matrix_view x, std::size_t rows, float* scores, workspace& space) const {
        const std::size_t m = x.rows / rows;
        check_shape(x.columns == width_ && x.rows == m * rows, "head::apply");
        const matrix_span pooled = matrix_in(space.normed, m, width_);
        for (std::size_t i = 0; i < m; ++i) {
            pool(x.rows_from(i * rows, mean_ ? rows : 1), pooled.row(i), space);
        }
        matrix_view last = pooled;
        if (dense_.out() != 0) {
            const matrix_span dense = matrix_in(space.projected, m, width_);
            dense_.apply(pooled, dense, space, activation_);
            if (norm_) {
                norm_->apply(dense);
            }
            last = dense;
        }
        classifier_.apply(last, matrix_at(scores, m, 1), space);
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return dense_.bytes() + classifier_.bytes();
    }

  private:
    /// out [width] = the mean of the rows, each normalised where the family does so.
    void pool(matrix_view x, float* out, workspace& space) const {
        std::fill_n(out, width_, 0.0F);
        const matrix_span row = matrix_in(space.projected, 1, width_);
        for (std::size_t t = 0; t < x.rows; ++t) {
            copy_rows(x.rows_from(t, 1), row);
            if (final_norm_) {
                final_norm_->apply(row);
            }
            kernels::active().add(row.row(0), out, width_);
        }
        for (std::size_t i = 0; i < width_ && x.rows > 1; ++i) {
            out[i] /= static_cast<float>(x.rows);
        }
    }

    std::size_t width_;
    bool mean_;
    std::optional<layer_norm> final_norm_; // of the last layer's states
    linear dense_;                         // absent: out() is 0
    kernels::epilogue activation_;         // of dense_
    std::optional<layer_norm> norm_;       // behind dense_
    linear classifier_;
};

} // namespace nn
MICE_NAMESPACE_END
