// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include <mice/nn/layer_norm.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// From the last states to one logit: tanh(Linear(row 0)) and a classifier in BERT, with the exact
/// GELU in ELECTRA's cross-encoders; in ModernBERT a classifier of LN(gelu(Linear(row 0 or the mean
/// of the rows))), the rows normalised first. Immutable.
class head {
  public:
    head(const weights& source, const model_config& config)
        : width_(config.interaction_hidden()),
          mean_(config.is_modernbert() && config.classifier_pooling == pooling::mean) {
        std::string classifier = "classifier";
        if (config.is_modernbert()) {
            final_norm_.emplace(source, "final_norm", config);
            dense_ = linear(source, {{"head.dense"}, false, true});
            norm_.emplace(source, "head.norm", config);
        } else if (config.kind == model_kind::cross_encoder && config.model_type == "electra") {
            dense_ = linear(source, {.names = {"classifier.dense"}, .in_f32 = true});
            classifier = "classifier.out_proj";
        } else if (config.pooler) {
            dense_ = linear(source, {.names = {"pooler.dense"}, .in_f32 = true});
            activation_ = kernels::epilogue::tanh;
        }
        classifier_ = linear(source, {.names = {classifier}, .in_f32 = true});
    }

    /// Whether all rows are read; else only the first of each sequence.
    [[nodiscard]] bool reads_all_rows() const noexcept { return mean_; }

    /// scores [m] of x, one sequence of `rows` rows after the other, `stride` values apart.
    void apply(const float* x, std::size_t m, std::size_t rows, std::size_t stride, float* scores,
               workspace& space) const {
        const rows_out pooled{space.normed.reserve(m * width_), width_};
        for (std::size_t i = 0; i < m; ++i) {
            pool(x + i * stride, mean_ ? rows : 1, pooled.row(i), space);
        }
        rows_in last = pooled;
        if (dense_.out() != 0) {
            const rows_out dense{space.projected.reserve(m * width_), width_};
            dense_.apply(pooled, m, dense, space, activation_);
            if (norm_) {
                norm_->apply(dense, m);
            }
            last = dense;
        }
        classifier_.apply(last, m, {scores, 1}, space);
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return dense_.bytes() + classifier_.bytes();
    }

  private:
    /// out [width] = the mean of the rows, each normalised where the family does so.
    void pool(const float* x, std::size_t rows, float* out, workspace& space) const {
        std::fill_n(out, width_, 0.0F);
        const rows_out row{space.projected.reserve(width_), width_};
        for (std::size_t t = 0; t < rows; ++t) {
            std::copy_n(x + t * width_, width_, row.base);
            if (final_norm_) {
                final_norm_->apply(row, 1);
            }
            kernels::active().add(row.base, out, width_);
        }
        for (std::size_t i = 0; i < width_ && rows > 1; ++i) {
            out[i] /= static_cast<float>(rows);
        }
    }

    std::size_t width_;
    bool mean_;
    std::optional<layer_norm> final_norm_; // of the last layer's states
    linear dense_;                         // absent: out() is 0
    kernels::epilogue activation_ = kernels::epilogue::gelu;
    std::optional<layer_norm> norm_; // behind dense_
    linear classifier_;
};

} // namespace nn
MICE_NAMESPACE_END
