// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <mice/kernels/eigen/product.hpp>
#include <mice/kernels/set.hpp>

// Packed operands. The right one, B [k, n], lies in panels of 16 columns: [k, 16] numbers in the
// product's own format, then what 1 stands for in each column. The left one, A [m, k], lies in
// tiles of 4 rows: what 1 stands for in each row, then [k, 4] floats with the rounded values. In
// both, k is in the order in which the product adds, and zeros fill what is not there.
MICE_NAMESPACE_BEGIN
namespace kernels::eigen {

/// Numbers of a packed row or column of length k.
template <class Product> constexpr std::size_t padded(std::size_t k) {
    return round_up(k, static_cast<std::size_t>(Product::group));
}

/// Floats of one packed panel of B [k, n].
template <class Product> constexpr std::size_t panel_floats(std::size_t k) {
    using number = typename Product::number;
    constexpr std::size_t in_a_float = sizeof(float) / sizeof(number); // NOLINT(bugprone-sizeof*)
    return padded<Product>(k) * sums_apart / in_a_float + sums_apart;
}

/// Floats that B [k, n] takes when packed.
template <class Product> constexpr std::size_t packed_floats(std::size_t k, std::size_t n) {
    return panel_floats<Product>(k) * (round_up(n, sums_apart) / sums_apart);
}

/// A packed panel as Eigen sees it: [16, k] in columns. Float: float or const float.
template <class Product, class Float> struct panel_view {
    template <class Value>
    using like = std::conditional_t<std::is_const_v<Float>, const Value, Value>;
    using number = like<typename Product::number>;

    Eigen::Map<like<Eigen::Array<typename Product::number, width, Eigen::Dynamic>>> numbers;
    Eigen::Map<like<lanes>> steps;

    panel_view(Float* packed, std::size_t k)
        : numbers(reinterpret_cast<number*>(packed), width, static_cast<Index>(padded<Product>(k))),
          steps(packed + panel_floats<Product>(k) - sums_apart) {}
};

/// Packs b, an Eigen array [k, n].
template <class Product, class Array> void pack_array(const Array& b, float* packed) {
    const auto k = static_cast<std::size_t>(b.rows());
    for (Index first = 0; first < b.cols(); first += width, packed += panel_floats<Product>(k)) {
        const Index columns = first + width < b.cols() ? width : b.cols() - first;
        panel_view<Product, float> panel(packed, k);
        lanes inverse = lanes::Zero();
        panel.steps.setZero();
        for (Index j = 0; j < columns; ++j) {
            const scale of_column =
                Product::scale_of(Product::has_scales ? largest_magnitude(b.col(first + j)) : 1.0F);
            panel.steps[j] = of_column.step;
            inverse[j] = of_column.inverse;
        }
        for (Index i = 0; i < panel.numbers.cols(); ++i) {
            lanes values = lanes::Zero();
            for (Index j = 0; j < columns && Product::place(i) < b.rows(); ++j) {
                values[j] = b(Product::place(i), first + j);
            }
            panel.numbers.col(i) =
                Product::rounded(values, inverse).template cast<typename Product::number>();
        }
    }
}

/// Packs B [k, n] given as source[k][n], `stride` floats from row to row.
template <class Product>
void pack(const float* source, std::size_t stride, std::size_t k, std::size_t n, float* packed) {
    using rows = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    pack_array<Product>(Eigen::Map<const rows, 0, Eigen::OuterStride<>>(
                            source, static_cast<Index>(k), static_cast<Index>(n),
                            Eigen::OuterStride<>(static_cast<Index>(stride))),
                        packed);
}

/// Packs B [k, n] given transposed, as source[n][k].
template <class Product>
void pack_transposed(const float* source, std::size_t stride, std::size_t k, std::size_t n,
                     float* packed) {
    pack_array<Product>(Eigen::Map<const Eigen::ArrayXXf, 0, Eigen::OuterStride<>>(
                            source, static_cast<Index>(k), static_cast<Index>(n),
                            Eigen::OuterStride<>(static_cast<Index>(stride))),
                        packed);
}

/// Rows of one tile of A.
inline constexpr std::size_t tile_rows = 4;

/// Floats of one packed tile of A [m, k].
template <class Product> constexpr std::size_t tile_floats(std::size_t k) {
    return round_up(tile_rows + tile_rows * padded<Product>(k), sums_apart);
}

/// Floats that A [m, k] takes when packed.
template <class Product> constexpr std::size_t packed_row_floats(std::size_t m, std::size_t k) {
    return round_up(m, tile_rows) / tile_rows * tile_floats<Product>(k);
}

/// Packs rows first .. last - 1 of A [m, k] as consecutive tiles.
template <class Product>
void pack_tiles(rows_in a, std::size_t first, std::size_t last, std::size_t k, float* packed) {
    using tile_values = Eigen::Array<float, tile_rows, Eigen::Dynamic>;
    const auto length = static_cast<Index>(k);
    for (std::size_t top = first; top < last; top += tile_rows, packed += tile_floats<Product>(k)) {
        Eigen::Map<Eigen::Array<float, tile_rows, 1>> steps(packed);
        Eigen::Map<tile_values> values(packed + tile_rows, static_cast<Index>(tile_rows),
                                       static_cast<Index>(padded<Product>(k)));
        steps.setZero();
        values.setZero();
        for (std::size_t row = top; row < last && row < top + tile_rows; ++row) {
            const auto r = static_cast<Index>(row - top);
            const Eigen::Map<const Eigen::ArrayXf> x(a.row(row), length);
            const scale of_row =
                Product::scale_of(Product::has_scales ? largest_magnitude(x) : 1.0F);
            steps[r] = of_row.step;
            const lanes inverse = lanes::Constant(of_row.inverse);
            for_lanes(k, [&](Index i, Index count) {
                const lanes rounded = Product::rounded(load(x.data() + i, count), inverse);
                for (Index j = 0; j < count; ++j) {
                    values(r, Product::place(i + j)) = rounded[j];
                }
            });
        }
    }
}

/// Packs A [m, k].
template <class Product> void pack_rows(rows_in a, std::size_t m, std::size_t k, float* packed) {
    pack_tiles<Product>(a, 0, m, k, packed);
}

/// Packs a panel of int8_product from columns of k integers that are bytes already, at most 16 of
/// them; `steps` says what 1 stands for in each.
inline void pack_bytes(std::span<const void* const> columns, const float* steps, std::size_t k,
                       float* packed) {
    panel_view<int8_product, float> panel(packed, k);
    const auto count = static_cast<Index>(columns.size());
    panel.numbers.setZero();
    for (Index j = 0; j < count; ++j) {
        using bytes = Eigen::Array<std::int8_t, Eigen::Dynamic, 1>;
        panel.numbers.row(j).head(static_cast<Index>(k)) =
            Eigen::Map<const bytes>(
                static_cast<const std::int8_t*>(columns[static_cast<std::size_t>(j)]),
                static_cast<Index>(k))
                .transpose();
    }
    panel.steps = load(steps, count);
}

/// The codes of one head, [head_dim, tokens] in columns.
inline auto codes_of_head(const head_codes& codes, std::size_t head) {
    using bytes = Eigen::Array<std::int8_t, Eigen::Dynamic, Eigen::Dynamic>;
    return Eigen::Map<const bytes, 0, Eigen::OuterStride<>>(
        reinterpret_cast<const std::int8_t*>(codes.base) + head * codes.head_dim,
        static_cast<Index>(codes.head_dim), static_cast<Index>(codes.tokens),
        Eigen::OuterStride<>(static_cast<Index>(codes.stride)));
}

/// Packs B [k, n] of bytes, an Eigen array, and what 1 stands for in each column; null: 1.
template <class Array> void pack_codes(const Array& b, const float* steps, float* packed) {
    const auto k = static_cast<std::size_t>(b.rows());
    for (Index first = 0; first < b.cols(); first += width) {
        const Index columns = first + width < b.cols() ? width : b.cols() - first;
        panel_view<int8_product, float> panel(packed, k);
        panel.numbers.setZero();
        panel.numbers.topLeftCorner(columns, b.rows()) = b.middleCols(first, columns).transpose();
        panel.steps = steps != nullptr ? load(steps + first, columns) : lanes::Ones();
        packed += panel_floats<int8_product>(k);
    }
}

/// Packs each head's keys as the columns of a [head_dim, tokens] operand, one behind the other;
/// steps [heads, tokens]: what 1 stands for.
inline void pack_key_codes(const head_codes& keys, const float* steps, float* packed) {
    for (std::size_t head = 0; head < keys.heads; ++head) {
        pack_codes(codes_of_head(keys, head), steps + head * keys.tokens,
                   packed + head * packed_floats<int8_product>(keys.head_dim, keys.tokens));
    }
}

/// Packs each head's values as a [tokens, head_dim] operand, one behind the other; 1 stands for 1.
inline void pack_value_codes(const head_codes& values, float* packed) {
    for (std::size_t head = 0; head < values.heads; ++head) {
        pack_codes(codes_of_head(values, head).transpose(), nullptr,
                   packed + head * packed_floats<int8_product>(values.tokens, values.head_dim));
    }
}

} // namespace kernels::eigen
MICE_NAMESPACE_END
