// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include <mice/nn/norm.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// Linear_2(gelu(Linear_1(x))); where the family is gated Linear_2(gelu(a) * b), where a and b are
/// the halves of Linear_1(x) (GeGLU). Immutable.
class feed_forward {
  public:
    feed_forward(const weights& source, const std::string& layer, const model_config& config)
        : up_(source,
              {{tensor_names::of(layer, config.family().feed_forward.up)}, config.family().biases}),
          down_(source, {{tensor_names::of(layer, config.family().feed_forward.down)},
                         config.family().biases}),
          residual_(source, tensor_names::of(layer, config.family().feed_forward.norm), config),
          gated_(config.family().gated), product_(source.activation_product()) {}

    /// x [m, hidden] in place.
    void apply(matrix_span x, workspace& space) const {
        const matrix_span inner = matrix_in(space.inner, x.rows, up_.out());
        up_.apply(residual_.start(x, space), inner, space,
                  gated_ ? kernels::epilogue::keep : kernels::epilogue::gelu);
        for (std::size_t i = 0; gated_ && i < x.rows; ++i) {
            kernels::active()[product_].gated_gelu(inner.row(i), inner.row(i) + down_.in(),
                                                   down_.in());
        }
        const matrix_span projected = matrix_in(space.projected, x.rows, down_.out());
        down_.apply(inner.columns_from(0, down_.in()), projected, space);
        residual_.finish(projected, x);
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return up_.bytes() + down_.bytes(); }

  private:
    linear up_; // [intermediate, hidden], or twice as many rows where they are gated
    linear down_;
    residual residual_;
    bool gated_;
    kernels::product_kind product_; // that GeGLU stands between
};

} // namespace nn
MICE_NAMESPACE_END
