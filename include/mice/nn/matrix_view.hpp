// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>

#include <mice/error.hpp>
#include <mice/kernels/buffer.hpp>
#include <mice/kernels/set.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

using kernels::buffer;

/// Where shapes are checked (MICE_CHECK_SHAPES), throws errc::invalid_argument if these do not fit.
/// That is a mistake in the engine, never in its input.
MICE_ALWAYS_INLINE void check_shape([[maybe_unused]] bool fits,
                                    [[maybe_unused]] const char* where) {
    if constexpr (MICE_CHECK_SHAPES != 0) {
        if (!fits) {
            throw errors::wrong_shape(where);
        }
    }
}

/// A matrix of floats somewhere in memory, row after row: row i begins at data + i * stride, or,
/// where there are `per_group` rows in a group, at data + i / per_group * group_stride +
/// i % per_group * stride. Strides are in floats. Passed by value; owns nothing.
template <class Float> struct basic_matrix_view {
    Float* data = nullptr;
    std::size_t rows = 0;
    std::size_t columns = 0;
    std::size_t stride = 0;
    std::size_t per_group = 0; ///< 0: one group
    std::size_t group_stride = 0;

    /// [columns]
    [[nodiscard]] MICE_ALWAYS_INLINE Float* row(std::size_t i) const {
        check_shape(i < rows, "row");
        return at(i);
    }
    /// The rows from `first` on: any of a matrix of one group, else whole groups or a part of one.
    [[nodiscard]] basic_matrix_view rows_from(std::size_t first, std::size_t count) const {
        check_shape(first <= rows && count <= rows - first, "rows_from");
        if (per_group == 0 || first % per_group + count <= per_group) {
            return {at(first), count, columns, stride};
        }
        check_shape(first % per_group == 0, "rows_from: groups");
        return {at(first), count, columns, stride, per_group, group_stride};
    }
    /// The columns from `first` on.
    [[nodiscard]] basic_matrix_view columns_from(std::size_t first, std::size_t count) const {
        check_shape(first <= columns && count <= columns - first, "columns_from");
        return {data + first, rows, count, stride, per_group, group_stride};
    }

    /// The same matrix, read-only.
    MICE_ALWAYS_INLINE operator basic_matrix_view<const Float>() const {
        return {data, rows, columns, stride, per_group, group_stride};
    }
    /// What the kernels take: they are told the sizes apart from it.
    [[nodiscard]] MICE_ALWAYS_INLINE kernels::row_view<Float> kernel_rows() const {
        return {data, stride, per_group, group_stride};
    }

  private:
    [[nodiscard]] MICE_ALWAYS_INLINE Float* at(std::size_t i) const {
        return data + (per_group == 0 ? i * stride
                                      : (i / per_group) * group_stride + (i % per_group) * stride);
    }
};

using matrix_view = basic_matrix_view<const float>;
/// A matrix that can be written.
using matrix_span = basic_matrix_view<float>;

/// A matrix whose rows follow one another without a gap.
template <class Float>
[[nodiscard]] basic_matrix_view<Float> matrix_at(Float* data, std::size_t rows,
                                                 std::size_t columns) {
    return {data, rows, columns, columns};
}

/// A matrix at the start of `memory`, whose values are lost; until it is reserved again.
[[nodiscard]] inline matrix_span matrix_in(buffer& memory, std::size_t rows, std::size_t columns) {
    return matrix_at(memory.reserve(rows * columns), rows, columns);
}

/// to = from, of one shape.
inline void copy_rows(matrix_view from, matrix_span to) {
    check_shape(from.rows == to.rows && from.columns == to.columns, "copy_rows");
    for (std::size_t i = 0; i < from.rows; ++i) {
        std::copy_n(from.row(i), from.columns, to.row(i));
    }
}

} // namespace nn
MICE_NAMESPACE_END
