// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <memory>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/model/weights.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// Rotary position embedding (RoPE) of one base: value i of the first half of a head and value i of
/// the second are turned by the angle position * base^(-2i / head_dim). Immutable.
class rotary {
  public:
    rotary(std::size_t positions, std::size_t head_dim, double base, kernels::product_kind product)
        : product_(product), half_(head_dim / 2), cosine_(positions * half_),
          sine_(positions * half_) {
        for (std::size_t i = 0; i < half_; ++i) {
            const double frequency =
                std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
            // adding one step at a time loses less than 1e-10 in a million positions
            const std::complex<double> step = std::polar(1.0, frequency);
            std::complex<double> turned = 1;
            for (std::size_t t = 0; t < positions; ++t, turned *= step) {
                cosine_[t * half_ + i] = static_cast<float>(turned.real());
                sine_[t * half_ + i] = static_cast<float>(turned.imag());
            }
        }
    }

    /// x [heads, head_dim] in place, for a position below the number of positions.
    void apply(float* x, std::size_t heads, std::size_t position) const {
        kernels::active()[product_].rotate(x, heads, half_, cosine_.data() + position * half_,
                                           sine_.data() + position * half_);
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return (cosine_.size() + sine_.size()) * sizeof(float);
    }

  private:
    kernels::product_kind product_; // the products before and behind it
    std::size_t half_;
    std::vector<float> cosine_; // [positions, half]
    std::vector<float> sine_;   // [positions, half]
};

/// The tables of a model's two bases, computed once. None for families without RoPE.
class rotary_tables {
  public:
    rotary_tables(const weights& source, const model_config& config) {
        if (config.family().positions != position_kind::rotary) {
            return;
        }
        sliding_ = config.sliding_layers;
        const std::size_t head_dim = config.hidden_size / config.num_attention_heads;
        // a learned row before the query's takes a position, too
        const std::size_t positions =
            config.max_position_embeddings + (config.global_cls_token ? 1 : 0);
        const auto table = [&, product = source.activation_product()](double base) {
            return std::make_shared<const rotary>(positions, head_dim, base, product);
        };
        global_ = table(config.global_rope_theta);
        local_ = config.local_rope_theta == config.global_rope_theta
                     ? global_
                     : table(config.local_rope_theta);
    }

    /// The table of the backbone's layer `index`, or null.
    [[nodiscard]] std::shared_ptr<const rotary> of_layer(std::size_t index) const {
        return sliding_.empty() || sliding_[index] ? local_ : global_;
    }
    [[nodiscard]] bool is_sliding(std::size_t index) const {
        return !sliding_.empty() && sliding_[index];
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return (global_ != nullptr ? global_->bytes() : 0) +
               (local_ != nullptr && local_ != global_ ? local_->bytes() : 0);
    }

  private:
    std::vector<bool> sliding_;
    std::shared_ptr<const rotary> global_;
    std::shared_ptr<const rotary> local_;
};

} // namespace nn
MICE_NAMESPACE_END
