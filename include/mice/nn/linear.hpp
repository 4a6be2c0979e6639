// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/kernels/buffer.hpp>
#include <mice/weights.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

using kernels::buffer;
using kernels::rows_in;
using kernels::rows_out;

/// Scratch memory of one thread in one call; every buffer grows to the largest size that it meets.
struct workspace {
    buffer gemm;            ///< what the kernels ask for
    buffer query;           ///< [rows, hidden]
    buffer key_value;       ///< [rows, 2 hidden]
    buffer attended;        ///< [rows, hidden]
    buffer projected;       ///< [rows, hidden]
    buffer inner;           ///< [rows, intermediate]
    buffer embedded;        ///< [rows, embedding]
    buffer packed_keys;     ///< one head's keys
    buffer packed_values;   ///< one head's values
    buffer absorbed;        ///< [documents, heads, query rows, hidden]
    buffer document_states; ///< [rows, hidden] of the documents encoded in this call
    buffer interaction;     ///< [documents, query rows, hidden]
    buffer matched;         ///< [documents, query rows, hidden], exact matches
};

/// y = x W^T + b with W [out, in] packed at load: the constructor defers that work to its source
/// (weights::run_deferred), which has to do it before the first use. Immutable.
class linear {
  public:
    linear() = default;
    /// Reads NAME.weight and, where `with_bias`, NAME.bias of each name and stacks their rows.
    struct parts {
        std::vector<std::string> names;
        bool with_bias = true;
        bool in_f32 = false; ///< whatever the model computes with
    };
    linear(const weights& source, const parts& stacked)
        : product_(stacked.in_f32 ? kernels::product_kind::f32 : kernels::product_kind::int8) {
        matrices rows;
        bool all_int8 = true;
        for (const std::string& name : stacked.names) {
            const weight_view& weight = source[name + ".weight"];
            rows.push_back(&weight);
            all_int8 = all_int8 && weight.is_int8();
            product_ = std::min(product_, source.product_of(weight)); // the most precise of all
            in_ = weight.columns();
            out_ += weight.rows();
            if (stacked.with_bias) {
                const std::vector<float> offsets = source[name + ".bias"].floats();
                bias_.insert(bias_.end(), offsets.begin(), offsets.end());
            }
        }
        packed_ = buffer(kernels::active()[product_].packed_floats(in_, out_));
        // the packed memory stays where it is when this object moves
        source.defer([=, out = packed_.data(), in = in_, product = product_] {
            if (product == kernels::product_kind::int8 && all_int8) {
                pack_bytes(rows, in, out);
            } else {
                pack(rows, product, in, out);
            }
        });
    }

    /// y [m, out] = end(x [m, in] W^T + b); y may not overlap x.
    void apply(rows_in x, std::size_t m, rows_out y, workspace& space,
               kernels::epilogue end = kernels::epilogue::keep) const {
        const kernels::product_set& product = kernels::active()[product_];
        product.gemm(x, m, packed_.data(), in_, out_, bias_.empty() ? nullptr : bias_.data(), y,
                     space.gemm.reserve(product.gemm_scratch(m, in_)), end);
    }

    [[nodiscard]] std::size_t in() const noexcept { return in_; }
    [[nodiscard]] std::size_t out() const noexcept { return out_; }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return (packed_.capacity() + bias_.size()) * sizeof(float);
    }

  private:
    using matrices = std::vector<const weight_view*>;

    /// For each panel: add(column, matrix, row) says what each of its columns is, then
    /// pack_panel(columns, out) packs them.
    template <class Add, class PackPanel>
    static void for_panels(const matrices& all, kernels::product_kind kind, std::size_t in,
                           float* out, const Add& add, const PackPanel& pack_panel) {
        const std::size_t width = kernels::active().panel_columns;
        const std::size_t floats = kernels::active()[kind].packed_floats(in, width);
        std::size_t columns = 0;
        for (const weight_view* matrix : all) {
            for (std::size_t row = 0; row < matrix->rows(); ++row) {
                add(columns++, *matrix, row);
                const bool is_last = matrix == all.back() && row + 1 == matrix->rows();
                if (columns == width || is_last) {
                    pack_panel(columns, out);
                    out += floats;
                    columns = 0;
                }
            }
        }
    }

    /// Only one panel's rows are ever there as floats.
    static void pack(const matrices& all, kernels::product_kind kind, std::size_t in, float* out) {
        buffer rows(kernels::active().panel_columns * in);
        for_panels(
            all, kind, in, out,
            [&](std::size_t column, const weight_view& matrix, std::size_t row) {
                matrix.read_row(row, rows.data() + column * in);
            },
            [&](std::size_t columns, float* panel) {
                kernels::active()[kind].pack_transposed(rows.data(), in, in, columns, panel);
            });
    }

    /// Packs 8-bit integers as they are.
    static void pack_bytes(const matrices& all, std::size_t in, float* out) {
        std::vector<const void*> rows(kernels::active().panel_columns);
        std::vector<float> steps(rows.size());
        for_panels(
            all, kernels::product_kind::int8, in, out,
            [&](std::size_t column, const weight_view& matrix, std::size_t row) {
                rows[column] = matrix.row_bytes(row);
                steps[column] = matrix.row_scale(row);
            },
            [&](std::size_t columns, float* panel) {
                kernels::active().pack_bytes({rows.data(), columns}, steps.data(), in, panel);
            });
    }

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
            kernels::active().layer_norm(x.row(i), weight_.size(), weight_.data(), bias_.data(),
                                         epsilon_);
        }
    }

    /// x [m, width] = LayerNorm(x + residual): the end of every block of a post-norm layer.
    void add_and_apply(rows_in residual, rows_out x, std::size_t m) const {
        for (std::size_t i = 0; i < m; ++i) {
            float* row = x.row(i);
            kernels::active().add(residual.row(i), row, weight_.size());
            kernels::active().layer_norm(row, weight_.size(), weight_.data(), bias_.data(),
                                         epsilon_);
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
        up_.apply(x, m, inner, space, kernels::epilogue::gelu);
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
