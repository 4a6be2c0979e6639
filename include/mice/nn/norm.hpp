// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <mice/nn/linear.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// x[n] / max(|x|, 1e-12), as PyTorch's normalize: a zero vector stays one, and matches nothing.
/// Throws errc::tensor for numbers that are not finite, which a maximum could hide; `what` is what
/// x is called.
inline void to_unit_length(float* x, std::size_t n, const char* what) {
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
        squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    if (!std::isfinite(squares)) {
        throw detail::errors::not_finite(what);
    }
    const double length = std::max(std::sqrt(squares), 1e-12);
    for (std::size_t i = 0; i < n; ++i) {
        x[i] = static_cast<float>(static_cast<double>(x[i]) / length);
    }
}

/// LayerNorm over the last dimension. Immutable.
class layer_norm {
  public:
    /// Reads NAME.weight and, where the family has biases, NAME.bias.
    layer_norm(const weights& source, const std::string& name, const model_config& config)
        : weight_(source[name + ".weight"].floats()),
          bias_(config.family().biases ? source[name + ".bias"].floats()
                                       : std::vector<float>(weight_.size())),
          epsilon_(static_cast<float>(config.layer_norm_eps)),
          product_(source.activation_product()) {}
    /// Only (x - mean) / sqrt(variance + epsilon), between products of that kind.
    layer_norm(std::size_t width, double epsilon, kernels::product_kind product)
        : weight_(width, 1.0F), bias_(width), epsilon_(static_cast<float>(epsilon)),
          product_(product) {}

    /// Normalises x [m, width] in place.
    void apply(matrix_span x) const {
        check_shape(x.columns == width(), "layer_norm::apply");
        for (std::size_t i = 0; i < x.rows; ++i) {
            normalise(x.row(i));
        }
    }

    /// x [m, width] = LayerNorm(x + residual): the end of every block of a post-norm layer.
    void add_and_apply(matrix_view residual, matrix_span x) const {
        check_shape(x.columns == width() && residual.columns == width() && residual.rows == x.rows,
                    "layer_norm::add_and_apply");
        for (std::size_t i = 0; i < x.rows; ++i) {
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
    kernels::product_kind product_; // the products before and behind it
};

/// x += y, of one shape.
inline void add_rows(matrix_view y, matrix_span x) {
    check_shape(y.rows == x.rows && y.columns == x.columns, "add_rows");
    for (std::size_t i = 0; i < x.rows; ++i) {
        kernels::active().add(y.row(i), x.row(i), x.columns);
    }
}

/// How a block f joins its input: x = LN(x + f(x)), or x = x + f(LN(x)) where a family has its
/// norms before the blocks (norm_place).
/// Immutable.
class residual {
  public:
    /// Without a name LN is the identity, as in ModernBERT's first layer.
    residual(const weights& source, const std::optional<std::string>& norm,
             const model_config& config)
        : before_(config.family().norms == norm_place::before) {
        if (norm) {
            norm_.emplace(source, *norm, config);
        }
    }

    /// The input of the block: x [m, hidden], or its normalised rows, which are valid until
    /// space.normed is used again.
    [[nodiscard]] matrix_view start(matrix_view x, workspace& space) const {
        if (!before_ || !norm_) {
            return x;
        }
        const matrix_span normed = matrix_in(space.normed, x.rows, x.columns);
        copy_rows(x, normed);
        norm_->apply(normed);
        return normed;
    }

    /// Joins the block's result to x [m, hidden].
    void finish(matrix_view computed, matrix_span x) const {
        if (before_) {
            add_rows(computed, x);
        } else {
            norm_->add_and_apply(computed, x);
        }
    }

  private:
    bool before_;
    std::optional<layer_norm> norm_;
};

} // namespace nn
MICE_NAMESPACE_END
