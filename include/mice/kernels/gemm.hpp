// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <mice/kernels/simd.hpp>

// C[m, n] = A[m, k] B[k, n] (+ bias[n]), float32. Every element is one chain of multiply-adds over
// k in ascending order, whatever the number of rows or the tile that it falls in: a row's result
// does not depend on the rows that it is computed with.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// Rows of a matrix in memory: row i starts at base + i * stride, or, with `per_group` rows in a
/// group, at base + (i / per_group) * group_stride + (i % per_group) * stride. Strides in floats.
template <class Float> struct row_view {
    Float* base = nullptr;
    std::size_t stride = 0;
    std::size_t per_group = 0; ///< 0: one group
    std::size_t group_stride = 0;

    [[nodiscard]] Float* row(std::size_t i) const {
        return per_group == 0 ? base + i * stride
                              : base + (i / per_group) * group_stride + (i % per_group) * stride;
    }
    operator row_view<const Float>() const { return {base, stride, per_group, group_stride}; }
};
using rows_in = row_view<const float>;
using rows_out = row_view<float>;

/// Columns of B that one packed panel holds.
template <class Arch> inline constexpr std::size_t panel_columns = 2 * lanes<Arch>;
/// Rows of A that one register tile holds.
template <class Arch> inline constexpr std::size_t tile_rows = many_registers<Arch> ? 12 : 6;

/// Floats that B [k, n] takes when packed: panels of panel_columns, each [k, panel_columns], the
/// last one filled with zeros. The packed memory starts at a multiple of 64 bytes, as a buffer
/// does.
template <class Arch = default_arch>
[[nodiscard]] constexpr std::size_t packed_floats(std::size_t k, std::size_t n) {
    return k * round_up(n, panel_columns<Arch>);
}

/// Packs B [k, n] given as source[k][n], `stride` floats from row to row.
template <class Arch = default_arch>
void pack(const float* source, std::size_t stride, std::size_t k, std::size_t n, float* packed) {
    constexpr std::size_t width = panel_columns<Arch>;
    for (std::size_t first = 0; first < n; first += width) {
        const std::size_t columns = std::min(width, n - first);
        for (std::size_t i = 0; i < k; ++i, packed += width) {
            std::copy_n(source + i * stride + first, columns, packed);
            std::fill(packed + columns, packed + width, 0.0F);
        }
    }
}

/// Packs B [k, n] given transposed, as source[n][k], which is how Linear weights, keys and document
/// states lie in memory.
template <class Arch = default_arch>
void pack_transposed(const float* source, std::size_t stride, std::size_t k, std::size_t n,
                     float* packed) {
    constexpr std::size_t width = panel_columns<Arch>;
    constexpr std::size_t block = 16; // one cache line of each source row at a time
    for (std::size_t first = 0; first < n; first += width, packed += k * width) {
        const std::size_t columns = std::min(width, n - first);
        if (columns < width) {
            std::fill(packed, packed + k * width, 0.0F);
        }
        for (std::size_t begin = 0; begin < k; begin += block) {
            const std::size_t end = std::min(k, begin + block);
            for (std::size_t column = 0; column < columns; ++column) {
                const float* from = source + (first + column) * stride;
                for (std::size_t i = begin; i < end; ++i) {
                    packed[i * width + column] = from[i];
                }
            }
        }
    }
}

/// Epilogue of a product: leaves it as it is.
struct keep {};

namespace detail {

/// Applies an epilogue to the `columns` values at x, at most a panel's. Never inlined: one compiled
/// body for every tile is what makes an element's bits independent of the tile that computed it.
template <class Arch, class Epilogue> MICE_NOINLINE void finish(float* x, std::size_t columns) {
    alignas(64) float values[panel_columns<Arch>] = {};
    std::copy_n(x, columns, values);
    for (std::size_t i = 0; i < panel_columns<Arch>; i += lanes<Arch>) {
        Epilogue::template apply<Arch>(vec<Arch>::load_aligned(values + i))
            .store_aligned(values + i);
    }
    std::copy_n(values, columns, x);
}

/// One register tile: C rows 0..Rows-1 of one panel. a: [k, Rows]; b: [k, panel_columns].
template <class Arch, std::size_t Rows>
void tile(const float* a, const float* b, std::size_t k, const float* bias, std::size_t columns,
          rows_out c, std::size_t first_row, std::size_t first_column) {
    constexpr std::size_t width = lanes<Arch>;
    vec<Arch> left[Rows];
    vec<Arch> right[Rows];
    unroll<Rows>([&](auto r) MICE_INLINE_LAMBDA { left[r] = right[r] = vec<Arch>(0.0F); });
    for (std::size_t i = 0; i < k; ++i, a += Rows, b += 2 * width) {
        const auto b_left = vec<Arch>::load_aligned(b);
        const auto b_right = vec<Arch>::load_aligned(b + width);
        unroll<Rows>([&](auto r) MICE_INLINE_LAMBDA {
            const vec<Arch> value(a[r]);
            left[r] = multiply_add<Arch>(value, b_left, left[r]);
            right[r] = multiply_add<Arch>(value, b_right, right[r]);
        });
    }
    alignas(64) float bias_of_panel[2 * width] = {};
    if (bias != nullptr) {
        std::copy_n(bias + first_column, columns, bias_of_panel);
    }
    const auto bias_left = vec<Arch>::load_aligned(bias_of_panel);
    const auto bias_right = vec<Arch>::load_aligned(bias_of_panel + width);
    unroll<Rows>([&](auto r) MICE_INLINE_LAMBDA {
        alignas(64) float values[2 * width];
        float* out = c.row(first_row + r) + first_column;
        float* y = columns == 2 * width ? out : values;
        (left[r] + bias_left).store_unaligned(y);
        (right[r] + bias_right).store_unaligned(y + width);
        if (y != out) {
            std::copy_n(values, columns, out);
        }
    });
}

/// Copies rows first..first+count-1 of A into [k, count].
inline void pack_rows(rows_in a, std::size_t first, std::size_t count, std::size_t k,
                      float* packed) {
    for (std::size_t r = 0; r < count; ++r) {
        const float* source = a.row(first + r);
        for (std::size_t i = 0; i < k; ++i) {
            packed[i * count + r] = source[i];
        }
    }
}

template <class Arch, std::size_t Rows = tile_rows<Arch>>
MICE_ALWAYS_INLINE void tile_of(std::size_t rows, const float* a, const float* b, std::size_t k,
                                const float* bias, std::size_t columns, rows_out c,
                                std::size_t first_row, std::size_t first_column) {
    if (rows == Rows) {
        tile<Arch, Rows>(a, b, k, bias, columns, c, first_row, first_column);
    } else if constexpr (Rows > 1) {
        tile_of<Arch, Rows - 1>(rows, a, b, k, bias, columns, c, first_row, first_column);
    }
}

/// Rows of A packed at a time: as many tiles as keep them within half a typical L2 cache.
template <class Arch> [[nodiscard]] constexpr std::size_t block_rows(std::size_t k) {
    constexpr std::size_t floats = 65536;
    return tile_rows<Arch> *
           std::max<std::size_t>(1, floats / (tile_rows<Arch> * std::max<std::size_t>(k, 1)));
}

} // namespace detail

/// Floats of scratch that gemm needs for m rows of length k.
template <class Arch = default_arch>
[[nodiscard]] constexpr std::size_t gemm_scratch(std::size_t m, std::size_t k) {
    return std::min(m, detail::block_rows<Arch>(k)) * k;
}

/// c [m, n] = Epilogue(a [m, k] B [k, n] + bias [n]), B packed, bias possibly null. `scratch` holds
/// gemm_scratch(m, k) floats. c may not overlap a or B.
template <class Epilogue = keep, class Arch = default_arch>
void gemm(rows_in a, std::size_t m, const float* packed, std::size_t k, std::size_t n,
          const float* bias, rows_out c, float* scratch) {
    constexpr std::size_t width = panel_columns<Arch>;
    constexpr std::size_t tall = tile_rows<Arch>;
    const std::size_t block = detail::block_rows<Arch>(k);
    for (std::size_t first = 0; first < m; first += block) {
        const std::size_t last = std::min(m, first + block);
        for (std::size_t row = first; row < last; row += tall) {
            detail::pack_rows(a, row, std::min(tall, last - row), k, scratch + (row - first) * k);
        }
        for (std::size_t column = 0; column < n; column += width) {
            const std::size_t columns = std::min(width, n - column);
            for (std::size_t row = first; row < last; row += tall) {
                const std::size_t rows = std::min(tall, last - row);
                detail::tile_of<Arch>(rows, scratch + (row - first) * k, packed + column * k, k,
                                      bias, columns, c, row, column);
                if constexpr (!std::is_same_v<Epilogue, keep>) {
                    for (std::size_t i = row; i < row + rows; ++i) {
                        detail::finish<Arch, Epilogue>(c.row(i) + column, columns);
                    }
                }
            }
        }
    }
}

} // namespace kernels
MICE_NAMESPACE_END
