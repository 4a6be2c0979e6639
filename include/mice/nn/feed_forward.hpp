// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include <mice/nn/layer_norm.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// Linear_2(gelu(Linear_1(x))) in BERT; in ModernBERT Linear_2(gelu(a) * b), where a and b are the
/// halves of Linear_1(x) (GeGLU). Immutable.
class feed_forward {
  public:
    feed_forward(const weights& source, const std::string& layer, const model_config& config)
        : residual_(source, layer + (config.is_modernbert() ? ".mlp_norm" : ".output.LayerNorm"),
                    config),
          product_(source.activation_product()) {
        if (config.is_modernbert()) {
            up_ = linear(source, {{layer + ".mlp.Wi"}, false});
            down_ = linear(source, {{layer + ".mlp.Wo"}, false});
        } else {
            up_ = linear(source, {{layer + ".intermediate.dense"}});
            down_ = linear(source, {{layer + ".output.dense"}});
        }
    }

    /// x [m, hidden] in place.
    void apply(rows_out x, std::size_t m, workspace& space) const {
        const rows_in start = residual_.start(x, m, space);
        const std::size_t width = up_.out();
        const rows_out inner{space.inner.reserve(m * width), width};
        const bool gated = width != down_.in();
        up_.apply(start, m, inner, space,
                  gated ? kernels::epilogue::keep : kernels::epilogue::gelu);
        for (std::size_t i = 0; gated && i < m; ++i) {
            kernels::active()[product_].gated_gelu(inner.row(i), inner.row(i) + down_.in(),
                                                   down_.in());
        }
        const rows_out projected{space.projected.reserve(m * down_.out()), down_.out()};
        down_.apply(inner, m, projected, space);
        residual_.finish(projected, x, m, down_.out());
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return up_.bytes() + down_.bytes(); }

  private:
    linear up_; // [intermediate, hidden], or twice as many rows where they are gated
    linear down_;
    residual residual_;
    kernels::product_kind product_; // that GeGLU stands between
};

} // namespace nn
MICE_NAMESPACE_END
