// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include <mice/kernels/set.hpp>
#include <mice/kernels/xsimd/elementwise.hpp>
#include <mice/kernels/xsimd/product.hpp>
#include <mice/kernels/xsimd/put_columns.hpp>
#include <mice/kernels/xsimd/simd.hpp>

// C[m, n] = A[m, k] B[k, n] (+ bias[n]), float32 in and out, multiplied as f32_product,
// bf16_product or int8_product say. Every element is one chain of multiply-adds over k in ascending
// order, whatever the number of rows or the tile that it falls in: a row's result does not depend
// on the rows that it is computed with.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// Rows of A that one register tile holds.
#if defined(__wasm__) // whose engines keep registers for themselves
template <class Arch> inline constexpr std::size_t tile_rows = 4;
#else
template <class Arch> inline constexpr std::size_t tile_rows = many_registers<Arch> ? 12 : 6;
#endif

/// Floats that B [k, n] takes when packed: panels of panel_columns, each [words of k,
/// panel_columns] and the columns' extras, the last one filled with zeros. The packed memory starts
/// at a multiple of 64 bytes, as a buffer does.
template <template <class> class Product = f32_product, class Arch = default_arch>
[[nodiscard]] constexpr std::size_t packed_floats(std::size_t k, std::size_t n) {
    using product = Product<Arch>;
    return (words_of<product>(k) + product::panel_extras) * round_up(n, panel_columns<Arch>);
}

/// Packs B [k, n] given as source[k][n], `stride` floats from row to row.
template <template <class> class Product = f32_product, class Arch = default_arch>
void pack(const float* source, std::size_t stride, std::size_t k, std::size_t n, float* packed) {
    using product = Product<Arch>;
    constexpr std::size_t width = panel_columns<Arch>;
    const std::size_t floats = (words_of<product>(k) + product::panel_extras) * width;
    for (std::size_t first = 0; first < n; first += width, packed += floats) {
        const float* panel = k == 0 ? source : source + first; // no rows may have no address
        if (n - first >= width) {
            product::pack_panel([&](std::size_t i) { return panel + i * stride; }, k, packed);
        } else {
            // Two rows at a time, because some products pair them.
            float rows[2][width] = {};
            product::pack_panel(
                [&](std::size_t i) {
                    detail::copy(panel + i * stride, n - first, rows[i % 2]);
                    return static_cast<const float*>(rows[i % 2]);
                },
                k, packed);
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
    constexpr std::size_t block = 16; // words of a column at a time: a cache line
    const std::size_t words = words_of<product>(k);
    const std::size_t floats = (words + product::panel_extras) * width;
    for (std::size_t first = 0; first < n; first += width, packed += floats) {
        const std::size_t columns = detail::smaller(width, n - first);
        if (columns < width) {
            detail::fill(packed, floats, 0.0F);
        }
        std::array<std::optional<typename product::scale>, width> scales;
        for (std::size_t j = 0; j < columns; ++j) {
            scales[j].emplace(source + (first + j) * stride, k);
        }
        float parts[width][block];
        std::array<const void*, width> pointers;
        for (std::size_t j = 0; j < width; ++j) {
            pointers[j] = parts[j];
        }
        for (std::size_t begin = 0; begin < k; begin += block * product::values) {
            const std::size_t count = detail::smaller(block * product::values, k - begin);
            for (std::size_t j = 0; j < columns; ++j) {
                product::pack(source + (first + j) * stride + begin, count, parts[j], *scales[j]);
            }
            detail::put_columns({pointers.data(), columns}, words_of<product>(count), width,
                                product::column_offset, packed + begin / product::values * width);
        }
        if constexpr (product::panel_extras > 0) {
            for (std::size_t j = 0; j < columns; ++j) {
                product::finish_column(*scales[j], packed + words * width + j);
            }
        }
    }
}

namespace detail {

/// Where the rows of one tile go: [rows][panel_columns] each.
template <class Arch> using tile_targets = std::array<float*, tile_rows<Arch>>;

/// Applies an epilogue to the panel_columns values of every row. Never inlined: with one compiled
/// body for all tiles, an element's bits do not depend on the tile that computed it.
template <class Arch, class Epilogue, rounding Steps>
MICE_NOINLINE void finish(const tile_targets<Arch>& targets, std::size_t rows) {
    for (std::size_t row = 0; row < rows; ++row) {
        float* x = targets[row];
        const vec<Arch> left = Epilogue::template apply<Arch, Steps>(vec<Arch>::load_unaligned(x));
        const vec<Arch> right =
            Epilogue::template apply<Arch, Steps>(vec<Arch>::load_unaligned(x + lanes<Arch>));
        left.store_unaligned(x);
        right.store_unaligned(x + lanes<Arch>);
    }
}

/// Called for each finished tile. A pointer, so that the loops around the tiles are compiled once,
/// not once for each epilogue.
template <class Arch> using finisher = void (*)(const tile_targets<Arch>&, std::size_t);

/// finish for that epilogue; null where it changes nothing.
template <class Product, class Arch> [[nodiscard]] finisher<Arch> finisher_of(epilogue end) {
    switch (end) {
    case epilogue::gelu:
        return finish<Arch, gelu, Product::rounds>;
    case epilogue::tanh:
        return finish<Arch, tanh, Product::rounds>;
    default:
        return nullptr;
    }
}

/// Words of k that lie side by side in a packed row of A, and words from one row to the next: a
/// constant, so that all rows of a tile are reached from one pointer (with a pointer for each, GCC
/// runs out of registers), and no multiple of 4 KiB, where they would share few lines of a
/// first-level cache.
inline constexpr std::size_t part_words = 384;
inline constexpr std::size_t row_words = 400;

/// Where the words of a packed tile begin, behind its rows' extras.
template <class Product, class Arch>
inline constexpr std::size_t extras_of_tile = round_up(Product::row_extras* tile_rows<Arch>, 16);

/// The floats of one packed tile of A: the rows' extras, then [parts of k][tile_rows, row_words].
template <class Product, class Arch>
[[nodiscard]] constexpr std::size_t tile_floats(std::size_t k) {
    const std::size_t parts = (words_of<Product>(k) + part_words - 1) / part_words;
    return extras_of_tile<Product, Arch> + parts * tile_rows<Arch> * row_words;
}

/// Packs x[k] as row `row` of a tile.
template <class Product, class Arch>
void pack_row(const float* x, std::size_t k, float* tile, std::size_t row) {
    constexpr std::size_t part = part_words * Product::values;
    typename Product::scale whole(x, k);
    float* out = tile + extras_of_tile<Product, Arch> + row * row_words;
    for (std::size_t first = 0; first < k; first += part, out += tile_rows<Arch> * row_words) {
        Product::pack(x + first, detail::smaller(part, k - first), out, whole);
    }
    Product::finish_row(whole, tile + row * Product::row_extras);
}

/// One register tile: Rows rows of one panel. a: a packed tile; b: [words + extras, panel_columns];
/// bias [panel_columns]. Calls nothing while the sums are in registers.
template <class Product, class Arch, std::size_t Rows>
MICE_UNCHECKED void tile(const float* a, const float* b, std::size_t words, const float* bias,
                         const tile_targets<Arch>& targets) {
    constexpr std::size_t width = lanes<Arch>;
    typename Product::sums left[Rows];
    typename Product::sums right[Rows];
    const float* row_extras = a;
    unroll<Rows>([&](auto r) MICE_INLINE_LAMBDA {
        left[r] = right[r] = Product::start(row_extras + r * Product::row_extras);
    });
    a += extras_of_tile<Product, Arch>;
    for (; words > 0; a += tile_rows<Arch> * row_words) {
        const std::size_t count = detail::smaller(words, part_words);
        words -= count;
        for (std::size_t i = 0; i < count; ++i, b += 2 * width) {
            const vec<Arch> b_left = load_lanes<Arch>(b);
            const vec<Arch> b_right = load_lanes<Arch>(b + width);
            unroll<Rows>([&](auto r) MICE_INLINE_LAMBDA {
                const vec<Arch> value = in_all_lanes<Arch>(a[r * row_words + i]);
                left[r] = Product::add(value, b_left, left[r]);
                right[r] = Product::add(value, b_right, right[r]);
            });
        }
    }
    const auto bias_left = vec<Arch>::load_unaligned(bias);
    const auto bias_right = vec<Arch>::load_unaligned(bias + width);
    unroll<Rows>([&](auto r) MICE_INLINE_LAMBDA {
        float* out = targets[r];
        const float* extras = row_extras + r * Product::row_extras;
        Product::result(left[r], extras, b, bias_left).store_unaligned(out);
        Product::result(right[r], extras, b + width, bias_right).store_unaligned(out + width);
    });
}

template <class Product, class Arch, std::size_t Rows = tile_rows<Arch>>
MICE_ALWAYS_INLINE void tile_of(std::size_t rows, const float* a, const float* b, std::size_t words,
                                const float* bias, const tile_targets<Arch>& targets) {
    if (rows == Rows) {
        tile<Product, Arch, Rows>(a, b, words, bias, targets);
    } else if constexpr (Rows > 1) {
        tile_of<Product, Arch, Rows - 1>(rows, a, b, words, bias, targets);
    }
}

/// One panel of C: the rows of consecutive packed tiles, `floats` apart, written to c from column
/// `column` on, at most panel_columns of them. bias as gemm takes it.
template <class Product, class Arch>
void panel(const float* tiles, std::size_t floats, const float* b, std::size_t words,
           const float* bias, std::size_t columns, rows_out c, std::size_t first, std::size_t last,
           std::size_t column, finisher<Arch> end) {
    constexpr std::size_t width = panel_columns<Arch>;
    constexpr std::size_t tall = tile_rows<Arch>;
    alignas(64) float staged[tall * width]; // of a panel that is not full
    alignas(64) float bias_of_panel[width] = {};
    if (bias != nullptr) {
        detail::copy(bias + column, columns, bias_of_panel);
    }
    for (std::size_t row = first; row < last; row += tall, tiles += floats) {
        const std::size_t rows = detail::smaller(tall, last - row);
        tile_targets<Arch> targets;
        for (std::size_t i = 0; i < rows; ++i) {
            targets[i] = columns == width ? c.row(row + i) + column : staged + i * width;
        }
        tile_of<Product, Arch>(rows, tiles, b, words, bias_of_panel, targets);
        if (end != nullptr) {
            end(targets, rows);
        }
        for (std::size_t i = 0; i < rows && columns < width; ++i) {
            detail::copy(staged + i * width, columns, c.row(row + i) + column);
        }
    }
}

/// All panels of C for such rows; packed: B.
template <class Product, class Arch>
void panels(const float* tiles, const float* packed, std::size_t k, std::size_t n,
            const float* bias, rows_out c, std::size_t first, std::size_t last,
            finisher<Arch> end) {
    constexpr std::size_t width = panel_columns<Arch>;
    const std::size_t words = words_of<Product>(k);
    for (std::size_t column = 0; column < n; column += width) {
        panel<Product, Arch>(tiles, tile_floats<Product, Arch>(k),
                             packed + column * (words + Product::panel_extras), words, bias,
                             smaller(width, n - column), c, first, last, column, end);
    }
}

/// Packs rows `first` .. `last` - 1 of A as consecutive tiles.
template <class Product, class Arch>
void pack_tiles(rows_in a, std::size_t first, std::size_t last, std::size_t k, float* tiles) {
    constexpr std::size_t tall = tile_rows<Arch>;
    for (std::size_t row = first; row < last; ++row) {
        const std::size_t i = row - first;
        pack_row<Product, Arch>(a.row(row), k, tiles + i / tall * tile_floats<Product, Arch>(k),
                                i % tall);
    }
}

/// Tiles of A packed at a time: as many as keep their words within half a typical L2 cache.
template <class Arch> [[nodiscard]] constexpr std::size_t block_tiles(std::size_t words) {
    constexpr std::size_t floats = 65536;
    return detail::larger(1, floats / (tile_rows<Arch> * (words + 1)));
}

/// Tiles that hold `rows` rows.
template <class Arch> [[nodiscard]] constexpr std::size_t tiles_of(std::size_t rows) {
    return (rows + tile_rows<Arch> - 1) / tile_rows<Arch>;
}

} // namespace detail

/// Floats that A [m, k] takes when packed as the left operand.
template <template <class> class Product = f32_product, class Arch = default_arch>
[[nodiscard]] constexpr std::size_t packed_row_floats(std::size_t m, std::size_t k) {
    return detail::tiles_of<Arch>(m) * detail::tile_floats<Product<Arch>, Arch>(k);
}

/// Packs A [m, k] as the left operand of several products, as packed_attention takes it.
template <template <class> class Product = f32_product, class Arch = default_arch>
void pack_rows(rows_in a, std::size_t m, std::size_t k, float* packed) {
    detail::pack_tiles<Product<Arch>, Arch>(a, 0, m, k, packed);
}

/// Floats of scratch that gemm needs for m rows of length k.
template <template <class> class Product = f32_product, class Arch = default_arch>
[[nodiscard]] constexpr std::size_t gemm_scratch(std::size_t m, std::size_t k) {
    using product = Product<Arch>;
    return detail::smaller(detail::tiles_of<Arch>(m),
                           detail::block_tiles<Arch>(words_of<product>(k))) *
           detail::tile_floats<product, Arch>(k);
}

/// c [m, n] = end(a [m, k] B [k, n] + bias [n]), B packed for the same product, bias possibly
/// null. `scratch` holds gemm_scratch(m, k) floats. c may not overlap a or B.
template <template <class> class Product = f32_product, class Arch = default_arch>
void gemm(rows_in a, std::size_t m, const float* packed, std::size_t k, std::size_t n,
          const float* bias, rows_out c, float* scratch, epilogue end = epilogue::keep) {
    using product = Product<Arch>;
    const std::size_t block = detail::block_tiles<Arch>(words_of<product>(k)) * tile_rows<Arch>;
    for (std::size_t first = 0; first < m; first += block) {
        const std::size_t last = detail::smaller(m, first + block);
        detail::pack_tiles<product, Arch>(a, first, last, k, scratch);
        detail::panels<product, Arch>(scratch, packed, k, n, bias, c, first, last,
                                      detail::finisher_of<product, Arch>(end));
    }
}

} // namespace kernels
MICE_NAMESPACE_END
