// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <mice/nn/linear.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// LayerNorm over the last dimension. Immutable.
class layer_norm {
  public:
    /// Reads NAME.weight and NAME.bias; ModernBERT's norms have no bias.
    layer_norm(const weights& source, const std::string& name, const model_config& config)
        : weight_(source[name + ".weight"].floats()),
          bias_(config.is_modernbert() ? std::vector<float>(weight_.size())
                                       : source[name + ".bias"].floats()),
          epsilon_(static_cast<float>(config.layer_norm_eps)),
          product_(source.activation_product()) {}
    /// (x - mean) / sqrt(variance + epsilon) alone, between such products.
    layer_norm(std::size_t width, double epsilon, kernels::product_kind product)
        : weight_(width, 1.0F), bias_(width), epsilon_(static_cast<float>(epsilon)),
          product_(product) {}

    /// Normalises x [m, width] in place.
    void apply(rows_out x, std::size_t m) const {
        for (std::size_t i = 0; i < m; ++i) {
            normalise(x.row(i));
        }
    }

    /// x [m, width] = LayerNorm(x + residual): the end of every block of a post-norm layer.
    void add_and_apply(rows_in residual, rows_out x, std::size_t m) const {
        for (std::size_t i = 0; i < m; ++i) {
            kernels::active().add(residual.row(i), x.row(i), weight_.size());
            normalise(x.row(i));
        }
    }

    [[nodiscard]] std::size_t width() const noexcept { return weight_.size(); }

  private:
    void normalise(float* row) const {
        kernels::active()[product_].layer_norm(row, weight_.size(), weight_.data(), bias_.data(),
                                               epsilon_);
    }

    std::vector<float> weight_; // [width]
    std::vector<float> bias_;   // [width]
    float epsilon_ = 0;
    kernels::product_kind product_; // that it stands between
};

/// How a block f joins its input: x = LN(x + f(x)) in BERT, x = x + f(LN(x)) in ModernBERT.
/// Immutable.
class residual {
  public:
    /// Without a name LN is the identity, as in ModernBERT's first layer.
    residual(const weights& source, const std::optional<std::string>& norm,
             const model_config& config)
        : before_(config.is_modernbert()) {
        if (norm) {
            norm_.emplace(source, *norm, config);
        }
    }

    /// What the block computes from: rows like those of x [m, hidden], until space.normed is used
    /// again.
    [[nodiscard]] rows_in start(rows_in x, std::size_t m, workspace& space) const {
        if (!before_ || !norm_) {
            return x;
        }
        const std::size_t width = norm_->width();
        const rows_out normed{space.normed.reserve(m * width), width};
        for (std::size_t i = 0; i < m; ++i) {
            std::copy_n(x.row(i), width, normed.row(i));
        }
        norm_->apply(normed, m);
        return normed;
    }

    /// Joins what the block computed to x [m, width].
    void finish(rows_in computed, rows_out x, std::size_t m, std::size_t width) const {
        if (!before_) {
            norm_->add_and_apply(computed, x, m);
            return;
        }
        for (std::size_t i = 0; i < m; ++i) {
            kernels::active().add(computed.row(i), x.row(i), width);
        }
    }

  private:
    bool before_;
    std::optional<layer_norm> norm_;
};

} // namespace nn
MICE_NAMESPACE_END
