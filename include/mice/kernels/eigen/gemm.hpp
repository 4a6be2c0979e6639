// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <mice/kernels/eigen/elementwise.hpp>
#include <mice/kernels/eigen/pack.hpp>

// C[m, n] = A[m, k] B[k, n] (+ bias[n]). Every element is one chain of multiply-adds over k in
// ascending order, so a row's result does not depend on the rows that it is computed with. Eigen's
// own product is not used: it picks the order of its sums by the shape.
MICE_NAMESPACE_BEGIN
namespace kernels::eigen {

/// 4 rows of 16 columns of C.
struct tile {
    lanes row[tile_rows];
};

/// sum of a[i][r] b[i] for each row r, i ascending from 0 to k - 1; a [k, 4], b [k, 16]. The sums
/// have names of their own so that they stay in registers; flattened, as Eigen's functions are only
/// asked to be inlined and each multiply-add would be a call.
MICE_FLATTEN inline tile sums_of_products(const float* a, const float* b, Index k) {
    constexpr rounding once = rounding::once;
    lanes sum0 = lanes::Zero();
    lanes sum1 = lanes::Zero();
    lanes sum2 = lanes::Zero();
    lanes sum3 = lanes::Zero();
    for (Index i = 0; i < k; ++i, a += tile_rows, b += width) {
        const lanes column = load(b);
        sum0 = multiply_add<once>(column, a[0], sum0);
        sum1 = multiply_add<once>(column, a[1], sum1);
        sum2 = multiply_add<once>(column, a[2], sum2);
        sum3 = multiply_add<once>(column, a[3], sum3);
    }
    return {{sum0, sum1, sum2, sum3}};
}

/// The same of integers up to 127. Floats hold sums of 1024 of their products exactly, and 32-bit
/// integers add those up.
inline tile sums_of_integers(const float* a, const float* b, Index k) {
    constexpr Index chain = 1024;
    static_assert(chain * 127 * 127 < (1 << 24));
    Eigen::Array<std::int32_t, width, tile_rows> totals;
    totals.setZero();
    for (Index first = 0; first < k; first += chain) {
        const Index count = k - first < chain ? k - first : chain;
        const tile part =
            sums_of_products(a + first * static_cast<Index>(tile_rows), b + first * width, count);
        for (std::size_t r = 0; r < tile_rows; ++r) {
            totals.col(static_cast<Index>(r)) += part.row[r].cast<std::int32_t>();
        }
    }
    tile sums;
    for (std::size_t r = 0; r < tile_rows; ++r) {
        sums.row[r] = totals.col(static_cast<Index>(r)).cast<float>();
    }
    return sums;
}

/// 16 values of C with the epilogue.
template <rounding How> lanes finished(const lanes& x, epilogue end) {
    switch (end) {
    case epilogue::gelu:
        return gelu<How>(x);
    case epilogue::tanh:
        return tanh(x);
    default:
        return x;
    }
}

/// Floats that a panel takes as floats, where it lies in another format.
template <class Product> constexpr std::size_t widened_floats(std::size_t k) {
    return std::is_same_v<typename Product::number, float> ? 0 : padded<Product>(k) * sums_apart;
}

/// Rows first .. last - 1 of c [m, n] = end(A B + bias): `tiles` has those rows of A, packed B;
/// bias may be null. `scratch` holds widened_floats(k).
template <class Product>
void multiply_tiles(const float* tiles, std::size_t first, std::size_t last, const float* packed,
                    std::size_t k, std::size_t n, const float* bias, rows_out c, float* scratch,
                    epilogue end) {
    const auto length = static_cast<Index>(padded<Product>(k));
    for (std::size_t left = 0; left < n; left += sums_apart, packed += panel_floats<Product>(k)) {
        const auto columns = static_cast<Index>(n - left < sums_apart ? n - left : sums_apart);
        const panel_view<Product, const float> panel(packed, k);
        const float* b = packed;
        if constexpr (!std::is_same_v<typename Product::number, float>) {
            Eigen::Map<Eigen::Array<float, width, Eigen::Dynamic>>(scratch, width, length) =
                panel.numbers.template cast<float>();
            b = scratch;
        }
        const lanes steps = panel.steps;
        const lanes added = bias != nullptr ? load(bias + left, columns) : lanes::Zero();
        const float* a = tiles;
        for (std::size_t top = first; top < last; top += tile_rows, a += tile_floats<Product>(k)) {
            const tile sums = Product::has_integers ? sums_of_integers(a + tile_rows, b, length)
                                                    : sums_of_products(a + tile_rows, b, length);
            for (std::size_t r = 0; r < tile_rows && top + r < last; ++r) {
                const lanes x = Product::result(sums.row[r], a[r], steps, added);
                store(finished<Product::rounds>(x, end), c.row(top + r) + left, columns);
            }
        }
    }
}

/// Rows of A that are packed at a time.
inline constexpr std::size_t block_rows = 12 * tile_rows;

/// Floats of scratch that gemm needs for m rows of length k.
template <class Product> constexpr std::size_t gemm_scratch(std::size_t m, std::size_t k) {
    return packed_row_floats<Product>(m < block_rows ? m : block_rows, k) +
           widened_floats<Product>(k);
}

/// c [m, n] = end(a [m, k] B [k, n] + bias [n]), B packed for the same product, bias possibly null.
/// `scratch` holds gemm_scratch(m, k) floats. c may not overlap a or B.
template <class Product>
void gemm(rows_in a, std::size_t m, const float* packed, std::size_t k, std::size_t n,
          const float* bias, rows_out c, float* scratch, epilogue end) {
    float* tiles = scratch + widened_floats<Product>(k);
    for (std::size_t first = 0; first < m; first += block_rows) {
        const std::size_t last = m - first < block_rows ? m : first + block_rows;
        pack_tiles<Product>(a, first, last, k, tiles);
        multiply_tiles<Product>(tiles, first, last, packed, k, n, bias, c, scratch, end);
    }
}

} // namespace kernels::eigen
MICE_NAMESPACE_END
