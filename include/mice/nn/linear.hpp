// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

/// Rows of one sequence as queries of the same keys.
struct attention_part {
    std::size_t first_row, rows;
    std::size_t first_key, keys;
    kernels::attention_mask mask;
};

/// Where the sequences of an encoder's call lie; the lists keep their memory from call to call.
struct sequence_lists {
    std::vector<std::size_t> lengths;  ///< [sequences]
    std::vector<std::size_t> seconds;  ///< [sequences] first row of a cross-encoder's document
    std::vector<std::int32_t> ids;     ///< of one pair
    std::vector<attention_part> parts; ///< of one sequence
};

/// Scratch memory of one thread in one call; every buffer grows to the largest size that it meets.
struct workspace {
    buffer gemm;            ///< what the kernels ask for
    buffer query;           ///< [rows, hidden]
    buffer normed;          ///< [rows, hidden], what a pre-norm block starts from
    buffer key_value;       ///< [rows, 2 hidden]
    buffer attended;        ///< [rows, hidden]
    buffer projected;       ///< [rows, hidden]
    buffer inner;           ///< [rows, intermediate], twice that where it is gated
    buffer embedded;        ///< [rows, embedding]
    buffer packed_keys;     ///< one head's keys
    buffer packed_values;   ///< one head's values
    buffer absorbed;        ///< [documents, heads, query rows, hidden]
    buffer document_states; ///< [rows, state width] of the documents of a cross-encoder's call
    buffer interaction;     ///< [documents, query rows, hidden]
    buffer matched;         ///< [documents, query rows, hidden], exact matches
    sequence_lists lists;
    buffer equal_ids; ///< [query rows, tokens], 1 where the ids are the same
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
        std::size_t first_row = 0;
        std::size_t rows = 0; ///< of each weight from first_row on; 0: all
    };
    linear(const weights& source, const parts& stacked)
        : product_(stacked.in_f32 ? kernels::product_kind::f32 : kernels::product_kind::int8) {
        matrices rows;
        bool all_int8 = true;
        for (const std::string& name : stacked.names) {
            const weight_view& weight = source[name + ".weight"];
            rows.push_back(
                {&weight, stacked.first_row, stacked.rows != 0 ? stacked.rows : weight.rows()});
            all_int8 = all_int8 && weight.is_int8();
            product_ = std::min(product_, source.product_of(weight)); // the most precise of all
            in_ = weight.columns();
            out_ += rows.back().count;
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
    struct matrix_rows {
        const weight_view* matrix;
        std::size_t first, count;
    };
    using matrices = std::vector<matrix_rows>;

    /// For each panel: add(column, matrix, row) says what each of its columns is, then
    /// pack_panel(columns, out) packs them.
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

} // namespace nn
MICE_NAMESPACE_END
