// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include <mice/kernels/product.hpp>
#include <mice/kernels/simd.hpp>

// C[m, n] = A[m, k] B[k, n] (+ bias[n]), float32 in and out, multiplied as f32_product,
// bf16_product or int8_product say. Every element is one chain of multiply-adds over k in ascending
// order, whatever the number of rows or the tile that it falls in: a row's result does not depend
// on the rows that it is computed with.
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

namespace detail {
/// out[n] = the words of x[i] and y[i] of bf16_product; y may be null, for zeros.
template <class Arch> void interleave(const float* x, const float* y, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) {
        put_word(out + i, bf16_product<Arch>::word(x[i], y != nullptr ? y[i] : 0));
    }
}
inline void scatter(const float* x, std::size_t n, float* out, std::size_t step) {
    for (std::size_t i = 0; i < n; ++i) {
        out[i * step] = x[i];
    }
}
} // namespace detail

/// Floats that B [k, n] takes when packed: panels of panel_columns, each [words of k,
/// panel_columns] and the columns' extras, the last one filled with zeros. The packed memory starts
/// at a multiple of 64 bytes, as a buffer does.
template <template <class> class Product = f32_product, class Arch = default_arch>
[[nodiscard]] constexpr std::size_t packed_floats(std::size_t k, std::size_t n) {
    using product = Product<Arch>;
    return (words_of<product>(k) + product::panel_extras) * round_up(n, panel_columns<Arch>);
}

/// Packs B [k, n] given as source[k][n], `stride` floats from row to row; not for int8.
template <template <class> class Product = f32_product, class Arch = default_arch>
void pack(const float* source, std::size_t stride, std::size_t k, std::size_t n, float* packed) {
    using product = Product<Arch>;
    static_assert(product::values <= 2, "columns of int8 are packed from a transposed source");
    constexpr std::size_t width = panel_columns<Arch>;
    for (std::size_t first = 0; first < n; first += width) {
        const std::size_t columns = std::min(width, n - first);
        for (std::size_t i = 0; i < k; i += product::values, packed += width) {
            const float* row = source + i * stride + first;
            if constexpr (product::values == 1) {
                std::copy_n(row, columns, packed);
            } else {
                detail::interleave<Arch>(row, i + 1 < k ? row + stride : nullptr, columns, packed);
            }
            std::fill(packed + columns, packed + width, 0.0F);
        }
    }
}

/// Packs B [k, n] given transposed, as source[n][k], which is how Linear weights, keys and document
/// states lie in memory.
template <template <class> class Product = f32_product, class Arch = default_arch>
void pack_transposed(const float* source, std::size_t stride, std::size_t k, std::size_t n,
                     float* packed) {
    using product = Product<Arch>;
    constexpr std::size_t width = panel_columns<Arch>;
    constexpr std::size_t block = 16; // one cache line of each column's words at a time
    const std::size_t words = words_of<product>(k) + product::panel_extras;
    for (std::size_t first = 0; first < n; first += width, packed += words * width) {
        const std::size_t columns = std::min(width, n - first);
        if (columns < width) {
            std::fill(packed, packed + words * width, 0.0F);
        }
        if constexpr (product::panel_extras != 0) {
            std::vector<float> column(words);
            for (std::size_t j = 0; j < columns; ++j) {
                product::pack_column(source + (first + j) * stride, k, column.data());
                detail::scatter(column.data(), words, packed + j, width);
            }
        } else {
            for (std::size_t begin = 0; begin < k; begin += block * product::values) {
                const std::size_t count = std::min(block * product::values, k - begin);
                float column[block];
                for (std::size_t j = 0; j < columns; ++j) {
                    product::pack_row(source + (first + j) * stride + begin, count, column);
                    detail::scatter(column, words_of<product>(count),
                                    packed + begin / product::values * width + j, width);
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

/// One register tile: C rows 0..Rows-1 of one panel. a: rows of words and extras, `stride` apart;
/// b: [words + extras, panel_columns].
template <class Product, class Arch, std::size_t Rows>
void tile(const float* a, std::size_t stride, const float* b, std::size_t words, const float* bias,
          std::size_t columns, rows_out c, std::size_t first_row, std::size_t first_column) {
    constexpr std::size_t width = lanes<Arch>;
    typename Product::sums left[Rows];
    typename Product::sums right[Rows];
    const float* row_extras = a + words;
    unroll<Rows>([&](auto r) MICE_INLINE_LAMBDA {
        left[r] = right[r] = Product::start(row_extras + r * stride);
    });
    for (std::size_t i = 0; i < words; ++i, b += 2 * width) {
        const auto b_left = vec<Arch>::load_aligned(b);
        const auto b_right = vec<Arch>::load_aligned(b + width);
        unroll<Rows>([&](auto r) MICE_INLINE_LAMBDA {
            const vec<Arch> value(a[r * stride + i]);
            left[r] = Product::add(value, b_left, left[r]);
            right[r] = Product::add(value, b_right, right[r]);
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
        const float* extras = row_extras + r * stride;
        Product::result(left[r], extras, b, bias_left).store_unaligned(y);
        Product::result(right[r], extras, b + width, bias_right).store_unaligned(y + width);
        if (y != out) {
            std::copy_n(values, columns, out);
        }
    });
}

template <class Product, class Arch, std::size_t Rows = tile_rows<Arch>>
MICE_ALWAYS_INLINE void tile_of(std::size_t rows, const float* a, std::size_t stride,
                                const float* b, std::size_t words, const float* bias,
                                std::size_t columns, rows_out c, std::size_t first_row,
                                std::size_t first_column) {
    if (rows == Rows) {
        tile<Product, Arch, Rows>(a, stride, b, words, bias, columns, c, first_row, first_column);
    } else if constexpr (Rows > 1) {
        tile_of<Product, Arch, Rows - 1>(rows, a, stride, b, words, bias, columns, c, first_row,
                                         first_column);
    }
}

/// Floats from one packed row of A to the next: never a multiple of 4 KiB, where the rows of a tile
/// would share the same few lines of a first-level cache.
template <class Product> [[nodiscard]] constexpr std::size_t row_stride(std::size_t k) {
    const std::size_t words = words_of<Product>(k) + Product::row_extras;
    return round_up(words, 16) + (round_up(words, 16) % 64 == 0 ? 16 : 0);
}

/// Rows of A packed at a time: as many tiles as keep them within half a typical L2 cache.
template <class Arch> [[nodiscard]] constexpr std::size_t block_rows(std::size_t stride) {
    constexpr std::size_t floats = 65536;
    return tile_rows<Arch> * std::max<std::size_t>(1, floats / (tile_rows<Arch> * (stride + 1)));
}

} // namespace detail

/// Floats of scratch that gemm needs for m rows of length k.
template <template <class> class Product = f32_product, class Arch = default_arch>
[[nodiscard]] constexpr std::size_t gemm_scratch(std::size_t m, std::size_t k) {
    const std::size_t stride = detail::row_stride<Product<Arch>>(k);
    return std::min(m, detail::block_rows<Arch>(stride)) * stride;
}

/// c [m, n] = Epilogue(a [m, k] B [k, n] + bias [n]), B packed for the same product, bias possibly
/// null. `scratch` holds gemm_scratch(m, k) floats. c may not overlap a or B.
template <class Epilogue = keep, template <class> class Product = f32_product,
          class Arch = default_arch>
void gemm(rows_in a, std::size_t m, const float* packed, std::size_t k, std::size_t n,
          const float* bias, rows_out c, float* scratch) {
    using product = Product<Arch>;
    constexpr std::size_t width = panel_columns<Arch>;
    constexpr std::size_t tall = tile_rows<Arch>;
    const std::size_t words = words_of<product>(k);
    const std::size_t stride = detail::row_stride<product>(k);
    const std::size_t block = detail::block_rows<Arch>(stride);
    for (std::size_t first = 0; first < m; first += block) {
        const std::size_t last = std::min(m, first + block);
        for (std::size_t row = first; row < last; ++row) {
            product::pack_row(a.row(row), k, scratch + (row - first) * stride);
        }
        for (std::size_t column = 0; column < n; column += width) {
            const std::size_t columns = std::min(width, n - column);
            const float* panel = packed + column * (words + product::panel_extras);
            for (std::size_t row = first; row < last; row += tall) {
                const std::size_t rows = std::min(tall, last - row);
                detail::tile_of<product, Arch>(rows, scratch + (row - first) * stride, stride,
                                               panel, words, bias, columns, c, row, column);
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
