// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <mice/kernels/buffer.hpp>
#include <mice/kernels/elementwise.hpp>
#include <mice/kernels/gemm.hpp>
#include <mice/weights.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

using kernels::buffer;
using kernels::rows_in;
using kernels::rows_out;

/// Scratch memory of one thread in one call; every buffer grows to the largest size that it meets.
struct workspace {
    buffer gemm;            ///< packed rows of the left operand
    buffer query;           ///< [rows, hidden]
    buffer key_value;       ///< [rows, 2 hidden]
    buffer attended;        ///< [rows, hidden]
    buffer projected;       ///< [rows, hidden]
    buffer inner;           ///< [rows, intermediate]
    buffer embedded;        ///< [rows, embedding]
    buffer scores;          ///< [query rows, keys]
    buffer packed_keys;     ///< one head's keys
    buffer packed_values;   ///< one head's values
    buffer absorbed;        ///< [documents, heads, query rows, hidden]
    buffer document_states; ///< [rows, hidden] of the documents encoded in this call
    buffer interaction;     ///< [documents, query rows, hidden]
    buffer matched;         ///< [documents, query rows, hidden], exact matches
};

/// y = x W^T + b with W [out, in] packed at load. Immutable.
class linear {
  public:
    linear() = default;
    /// `rows` float values [out, in] and `bias` [out], which may be empty.
    linear(const std::vector<float>& rows, std::vector<float> bias, std::size_t out, std::size_t in,
           kernels::product_kind product = kernels::product_kind::f32)
        : bias_(std::move(bias)), in_(in), out_(out), product_(product) {
        kernels::with_product(product_, [&]<template <class> class Product>() {
            packed_ = buffer(kernels::packed_floats<Product>(in, out));
            kernels::pack_transposed<Product>(rows.data(), in, in, out, packed_.data());
        });
    }
    /// Reads NAME.weight and, where `with_bias`, NAME.bias of each name and stacks their rows.
    struct parts {
        std::vector<std::string> names;
        bool with_bias = true;
        bool in_f32 = false; ///< whatever the model computes with
    };
    linear(const weights& source, const parts& stacked) {
        std::vector<float> rows;
        std::vector<float> bias;
        auto product = stacked.in_f32 ? kernels::product_kind::f32 : kernels::product_kind::int8;
        for (const std::string& name : stacked.names) {
            const weight_view& weight = source[name + ".weight"];
            product = std::min(product, source.product_of(weight)); // the most precise of all
            in_ = weight.columns();
            out_ += weight.rows();
            const std::vector<float> values = weight.floats();
            rows.insert(rows.end(), values.begin(), values.end());
            if (stacked.with_bias) {
                const std::vector<float> offsets = source[name + ".bias"].floats();
                bias.insert(bias.end(), offsets.begin(), offsets.end());
            }
        }
        *this = linear(rows, std::move(bias), out_, in_, product);
    }

    /// y [m, out] = Epilogue(x [m, in] W^T + b); y may not overlap x.
    template <class Epilogue = kernels::keep>
    void apply(rows_in x, std::size_t m, rows_out y, workspace& space) const {
        kernels::with_product(product_, [&]<template <class> class Product>() {
            kernels::gemm<Epilogue, Product>(
                x, m, packed_.data(), in_, out_, bias_.empty() ? nullptr : bias_.data(), y,
                space.gemm.reserve(kernels::gemm_scratch<Product>(m, in_)));
        });
    }

    [[nodiscard]] std::size_t in() const noexcept { return in_; }
    [[nodiscard]] std::size_t out() const noexcept { return out_; }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return (packed_.capacity() + bias_.size()) * sizeof(float);
    }

  private:
    buffer packed_;           // [in, out] in panels of the product
    std::vector<float> bias_; // [out] or empty
    std::size_t in_ = 0;
    std::size_t out_ = 0;
    kernels::product_kind product_ = kernels::product_kind::f32;
};

/// LayerNorm over the last dimension. Immutable.
class layer_norm {
  public:
    layer_norm() = default;
    layer_norm(const weights& source, const std::string& name, double epsilon)
        : weight_(source[name + ".weight"].floats()), bias_(source[name + ".bias"].floats()),
          epsilon_(static_cast<float>(epsilon)) {}

    /// Normalises x [m, width] in place.
    void apply(rows_out x, std::size_t m) const {
        for (std::size_t i = 0; i < m; ++i) {
            kernels::layer_norm<>(x.row(i), weight_.size(), weight_.data(), bias_.data(), epsilon_);
        }
    }

    /// x [m, width] = LayerNorm(x + residual): the end of every block of a post-norm layer.
    void add_and_apply(rows_in residual, rows_out x, std::size_t m) const {
        for (std::size_t i = 0; i < m; ++i) {
            float* row = x.row(i);
            kernels::add<>(residual.row(i), row, weight_.size());
            kernels::layer_norm<>(row, weight_.size(), weight_.data(), bias_.data(), epsilon_);
        }
    }

  private:
    std::vector<float> weight_; // [width]
    std::vector<float> bias_;   // [width]
    float epsilon_ = 0;
};

/// LN(x + Linear_2(gelu(Linear_1(x)))). Immutable.
class feed_forward {
  public:
    feed_forward(const weights& source, const std::string& layer, double epsilon)
        : up_(source, {{layer + ".intermediate.dense"}}),
          down_(source, {{layer + ".output.dense"}}),
          norm_(source, layer + ".output.LayerNorm", epsilon) {}

    /// x [m, hidden] in place.
    void apply(rows_out x, std::size_t m, workspace& space) const {
        const rows_out inner{space.inner.reserve(m * up_.out()), up_.out()};
        const rows_out projected{space.projected.reserve(m * down_.out()), down_.out()};
        up_.apply<kernels::gelu>(x, m, inner, space);
        down_.apply(inner, m, projected, space);
        norm_.add_and_apply(projected, x, m);
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return up_.bytes() + down_.bytes(); }

  private:
    linear up_;
    linear down_;
    layer_norm norm_;
};

} // namespace nn
MICE_NAMESPACE_END
