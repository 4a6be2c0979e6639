// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <mice/codecs/learn/algebra.hpp>
#include <mice/kernels/buffer.hpp>
#include <mice/kernels/set.hpp>
#include <mice/nn/matrix_view.hpp>
#include <mice/nn/packed_matrix.hpp>

// Products of tall matrices, by the kernels.
MICE_NAMESPACE_BEGIN
namespace store::detail {

/// Adds a^T b to sum [a_columns, b_columns]; a and b have `rows` rows.
inline void add_products(nn::matrix_view a, nn::matrix_view b, learn::matrix& sum) {
    constexpr std::size_t block = 1024; // rows that are summed in single precision
    kernels::buffer memory;
    kernels::buffer scratch;
    nn::packed_matrix packed;
    learn::float_matrix part(sum.rows(), sum.cols());
    for (std::size_t first = 0; first < a.rows; first += block) {
        const std::size_t count = std::min(block, a.rows - first);
        const nn::matrix_span columns = nn::matrix_in(memory, a.columns, count);
        for (std::size_t row = 0; row < count; ++row) {
            for (std::size_t i = 0; i < a.columns; ++i) {
                columns.row(i)[row] = a.row(first + row)[i];
            }
        }
        packed.pack(kernels::product_kind::f32, b.rows_from(first, count));
        packed.multiply(columns, nn::matrix_at(part.data(), a.columns, b.columns), scratch);
        sum += part.cast<double>();
    }
}

/// a [rows, inner] b [inner, columns].
inline std::vector<float> product(const std::vector<float>& a, std::size_t inner,
                                  const std::vector<float>& b, std::size_t columns) {
    const std::size_t rows = a.size() / inner;
    std::vector<float> c(rows * columns);
    const nn::packed_matrix packed(kernels::product_kind::f32,
                                   nn::matrix_at(b.data(), inner, columns));
    kernels::buffer scratch;
    packed.multiply(nn::matrix_at(a.data(), rows, inner), nn::matrix_at(c.data(), rows, columns),
                    scratch);
    return c;
}

} // namespace store::detail
MICE_NAMESPACE_END
