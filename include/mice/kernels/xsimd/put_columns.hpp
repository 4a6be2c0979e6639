// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <mice/kernels/xsimd/product.hpp>
#include <mice/kernels/xsimd/simd.hpp>

// Transposes rows of words into columns, in registers that every processor has.
MICE_NAMESPACE_BEGIN
namespace kernels::detail {

#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
#define MICE_HAS_SHUFFLES 1

/// Words i.. i + 3 of columns[0 .. 3] go to out[0 .. 3 * width + 3], xored with `flipped`.
MICE_ALWAYS_INLINE void put_quad(const void* const* columns, std::size_t i, std::size_t width,
                                 std::uint32_t flipped, float* out) {
    typedef std::uint32_t quad __attribute__((vector_size(16)));
    const auto column = [&](std::size_t j) MICE_INLINE_LAMBDA {
        quad words;
        std::memcpy(&words, static_cast<const std::byte*>(columns[j]) + 4 * i, sizeof words);
        return words ^ flipped;
    };
    const auto put = [&](std::size_t row, quad words) MICE_INLINE_LAMBDA {
        std::memcpy(out + row * width, &words, sizeof words);
    };
    const quad c0 = column(0);
    const quad c1 = column(1);
    const quad c2 = column(2);
    const quad c3 = column(3);
    const quad low01 = __builtin_shufflevector(c0, c1, 0, 4, 1, 5);
    const quad high01 = __builtin_shufflevector(c0, c1, 2, 6, 3, 7);
    const quad low23 = __builtin_shufflevector(c2, c3, 0, 4, 1, 5);
    const quad high23 = __builtin_shufflevector(c2, c3, 2, 6, 3, 7);
    put(0, __builtin_shufflevector(low01, low23, 0, 1, 4, 5));
    put(1, __builtin_shufflevector(low01, low23, 2, 3, 6, 7));
    put(2, __builtin_shufflevector(high01, high23, 0, 1, 4, 5));
    put(3, __builtin_shufflevector(high01, high23, 2, 3, 6, 7));
}
#endif

/// Word i of columns[j] goes to out[i * width + j], xored with `flipped`; `words` words of each
/// column.
inline void put_columns(std::span<const void* const> columns, std::size_t words, std::size_t width,
                        std::uint32_t flipped, float* out) {
    std::size_t j = 0;
    const auto put = [&](std::size_t column, std::size_t first) {
        for (std::size_t i = first; i < words; ++i) {
            std::uint32_t word = 0;
            std::memcpy(&word, static_cast<const std::byte*>(columns[column]) + 4 * i, sizeof word);
            put_word(out + i * width + column, word ^ flipped);
        }
    };
#if defined(MICE_HAS_SHUFFLES)
    for (; j + 4 <= columns.size(); j += 4) {
        std::size_t i = 0;
        for (; i + 4 <= words; i += 4) {
            put_quad(columns.data() + j, i, width, flipped, out + i * width + j);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            put(j + k, i);
        }
    }
#endif
    for (; j < columns.size(); ++j) {
        put(j, 0);
    }
}

} // namespace kernels::detail
MICE_NAMESPACE_END
