// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <mice/model/weights.hpp>
#include <mice/nn/packed_matrix.hpp>
#include <mice/nn/workspace.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// y = x W^T + b with W [out, in] packed at load: the constructor leaves that work to its source
/// (weights::run_deferred), which has to do it before the first use. Immutable.
class linear {
  public:
    linear() = default;
    /// Reads NAME.weight and, where `with_bias`, NAME.bias of each name and stacks their rows.
    struct parts {
        std::vector<std::string> names;
        bool with_bias = true;
        bool in_f32 = false; ///< true: in f32, whatever the model's precision
        std::size_t first_row = 0;
        std::size_t rows = 0; ///< of each weight from first_row on; 0: all
    };
    linear(const weights& source, const parts& stacked) {
        kernels::product_kind product =
            stacked.in_f32 ? kernels::product_kind::f32 : kernels::product_kind::int8;
        std::size_t in = 0;
        std::size_t out = 0;
        matrices rows;
        bool all_int8 = true;
        for (const std::string& name : stacked.names) {
            const weight_view& weight = source[name + ".weight"];
            rows.push_back(
                {&weight, stacked.first_row, stacked.rows != 0 ? stacked.rows : weight.rows()});
            all_int8 = all_int8 && weight.is_int8();
            product = std::min(product, source.product_of(weight)); // the most precise of all
            in = weight.columns();
            out += rows.back().count;
            if (stacked.with_bias) {
                const std::vector<float> offsets = source[name + ".bias"].floats();
                bias_.resize(out);
                std::copy_n(offsets.data() + stacked.first_row, rows.back().count,
                            bias_.data() + out - rows.back().count);
            }
        }
        packed_ = packed_matrix(product, in, out);
        // the packed memory does not move with this object
        source.defer([=, packed = packed_.data()] {
            if (product == kernels::product_kind::int8 && all_int8) {
                pack_bytes(rows, in, packed);
            } else {
                pack(rows, product, in, packed);
            }
        });
    }

    /// y [m, out] = end(x [m, in] W^T + b); y may not overlap x.
    void apply(matrix_view x, matrix_span y, workspace& space,
               kernels::epilogue end = kernels::epilogue::keep) const {
        packed_.multiply(x, y, space.gemm, {bias_, end});
    }

    [[nodiscard]] std::size_t in() const noexcept { return packed_.k(); }
    [[nodiscard]] std::size_t out() const noexcept { return packed_.n(); }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return packed_.bytes() + bias_.size() * sizeof(float);
    }

  private:
    struct matrix_rows {
        const weight_view* matrix;
        std::size_t first, count;
    };
    using matrices = std::vector<matrix_rows>;

    /// For every panel: calls add(column, matrix, row) for its columns, then pack_panel(columns,
    /// out).
    template <class Add, class PackPanel>
    static void for_panels(const matrices& all, kernels::product_kind kind, std::size_t in,
                           float* out, const Add& add, const PackPanel& pack_panel) {
        const std::size_t width = kernels::active().panel_columns;
        const std::size_t floats = kernels::active()[kind].packed_floats(in, width);
        std::size_t columns = 0;
        for (const matrix_rows& part : all) {
            for (std::size_t row = 0; row < part.count; ++row) {
                add(columns++, *part.matrix, part.first + row);
                const bool is_last = &part == &all.back() && row + 1 == part.count;
                if (columns == width || is_last) {
                    pack_panel(columns, out);
                    out += floats;
                    columns = 0;
                }
            }
        }
    }

    /// Only one panel at a time is there as floats.
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

    packed_matrix packed_;    // [in, out]
    std::vector<float> bias_; // [out] or empty
};

} // namespace nn
MICE_NAMESPACE_END
