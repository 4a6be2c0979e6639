// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <mice/kernels/set.hpp>
#include <mice/kernels/xsimd/gemm.hpp>
#include <mice/kernels/xsimd/put_columns.hpp>

// Right operands of int8_product from integers that are bytes already: weights as a model file has
// them, keys and values as an index has them.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// Packs a panel from columns of k integers, at most panel_columns of them; `steps` says what 1
/// stands for in each.
template <class Arch = default_arch>
void pack_bytes(std::span<const void* const> columns, const float* steps, std::size_t k,
                float* packed) {
    using product = int8_product<Arch>;
    constexpr std::size_t width = panel_columns<Arch>;
    const std::size_t words = words_of<product>(k);
    if (columns.size() < width) {
        detail::fill(packed, (words + 1) * width, 0.0F);
    }
    detail::put_columns(columns, k / 4, width, product::column_offset, packed);
    if (k % 4 != 0) {
        for (std::size_t j = 0; j < columns.size(); ++j) {
            std::uint32_t word = 0;
            std::memcpy(&word, static_cast<const std::byte*>(columns[j]) + k / 4 * 4, k % 4);
            detail::put_word(packed + k / 4 * width + j, word ^ product::column_offset);
        }
    }
    detail::copy(steps, columns.size(), packed + words * width);
}

namespace detail {
/// Prefetches a head's codes at `token`, if there is such a token.
MICE_ALWAYS_INLINE void prefetch(const head_codes& codes, std::size_t token, std::size_t byte) {
#if defined(__GNUC__) // clang says so, too
    if (token < codes.tokens) {
        __builtin_prefetch(codes.base + token * codes.stride + byte);
    }
#else
    (void)codes, (void)token, (void)byte;
#endif
}
} // namespace detail

/// Packs each head's keys as the columns of a [head_dim, tokens] operand, one behind the other;
/// steps [heads, tokens]: what 1 stands for. Goes through the tokens once, in the order in which
/// they lie in memory: going through them head by head waits for memory most of the time.
template <class Arch = default_arch>
void pack_key_codes(const head_codes& keys, const float* steps, float* packed) {
    constexpr std::size_t width = panel_columns<Arch>;
    const std::size_t panel = packed_floats<int8_product, Arch>(keys.head_dim, width);
    const std::size_t each = packed_floats<int8_product, Arch>(keys.head_dim, keys.tokens);
    for (std::size_t first = 0; first < keys.tokens; first += width, packed += panel) {
        const std::size_t columns = detail::smaller(width, keys.tokens - first);
        for (std::size_t head = 0; head < keys.heads; ++head) {
            const std::size_t byte = head * keys.head_dim;
            std::array<const void*, width> pointers;
            for (std::size_t j = 0; j < columns; ++j) {
                pointers[j] = keys.base + (first + j) * keys.stride + byte;
                detail::prefetch(keys, first + width + j, byte);
            }
            pack_bytes<Arch>({pointers.data(), columns}, steps + head * keys.tokens + first,
                             keys.head_dim, packed + head * each);
        }
    }
}

namespace detail {

/// Word j of out consists of byte j of rows[0 .. count - 1], xored with `flipped`; `columns` words.
/// count is at most 4.
inline void put_byte_rows(const std::byte* const* rows, std::size_t count, std::size_t columns,
                          std::uint32_t flipped, float* out) {
    std::size_t j = 0;
#if defined(MICE_HAS_SHUFFLES)
    typedef std::uint8_t bytes __attribute__((vector_size(16)));
    typedef std::uint16_t pairs __attribute__((vector_size(16)));
    typedef std::uint32_t quad __attribute__((vector_size(16)));
    for (; count == 4 && j + 16 <= columns; j += 16) {
        const auto row = [&](std::size_t i) MICE_INLINE_LAMBDA {
            bytes values;
            std::memcpy(&values, rows[i] + j, sizeof values);
            return values;
        };
        const auto put = [&](std::size_t word, pairs low, pairs high,
                             auto shuffle) MICE_INLINE_LAMBDA {
            const quad words = reinterpret_cast<quad>(shuffle(low, high)) ^ flipped;
            std::memcpy(out + j + word, &words, sizeof words);
        };
        const auto low_bytes = [](bytes a, bytes b) MICE_INLINE_LAMBDA {
            return reinterpret_cast<pairs>(__builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19,
                                                                   4, 20, 5, 21, 6, 22, 7, 23));
        };
        const auto high_bytes = [](bytes a, bytes b) MICE_INLINE_LAMBDA {
            return reinterpret_cast<pairs>(__builtin_shufflevector(
                a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
        };
        const auto low_pairs = [](pairs a, pairs b) MICE_INLINE_LAMBDA {
            return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
        };
        const auto high_pairs = [](pairs a, pairs b) MICE_INLINE_LAMBDA {
            return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
        };
        const bytes r0 = row(0);
        const bytes r1 = row(1);
        const bytes r2 = row(2);
        const bytes r3 = row(3);
        put(0, low_bytes(r0, r1), low_bytes(r2, r3), low_pairs);
        put(4, low_bytes(r0, r1), low_bytes(r2, r3), high_pairs);
        put(8, high_bytes(r0, r1), high_bytes(r2, r3), low_pairs);
        put(12, high_bytes(r0, r1), high_bytes(r2, r3), high_pairs);
    }
#endif
    for (; j < columns; ++j) {
        std::uint32_t word = flipped;
        for (std::size_t i = 0; i < count; ++i) {
            word ^= static_cast<std::uint32_t>(rows[i][j]) << (8 * i);
        }
        put_word(out + j, word);
    }
}

} // namespace detail

/// Packs each head's values as a [tokens, head_dim] operand, one behind the other; 1 stands for 1.
/// Goes through the tokens once.
template <class Arch = default_arch>
void pack_value_codes(const head_codes& values, float* packed) {
    using product = int8_product<Arch>;
    constexpr std::size_t width = panel_columns<Arch>;
    constexpr std::size_t ahead = 16; // how many tokens ahead to prefetch
    const std::size_t panel = packed_floats<int8_product, Arch>(values.tokens, width);
    const std::size_t each = packed_floats<int8_product, Arch>(values.tokens, values.head_dim);
    const auto for_panels = [&](std::size_t row, const auto& step) {
        for (std::size_t head = 0; head < values.heads; ++head) {
            for (std::size_t first = 0; first < values.head_dim; first += width) {
                step(head * values.head_dim + first,
                     detail::smaller(width, values.head_dim - first),
                     packed + head * each + first / width * panel + row * width);
            }
        }
    };
    for (std::size_t token = 0; token < values.tokens; token += 4) {
        const std::size_t rows = detail::smaller(4, values.tokens - token);
        for_panels(token / 4, [&](std::size_t byte, std::size_t columns, float* out) {
            const std::byte* from[4] = {};
            for (std::size_t i = 0; i < rows; ++i) {
                from[i] = values.base + (token + i) * values.stride + byte;
                detail::prefetch(values, token + ahead + i, byte);
            }
            detail::put_byte_rows(from, rows, columns, product::column_offset, out);
            for (std::size_t j = columns; j < width; ++j) {
                detail::put_word(out + j, product::column_offset);
            }
        });
    }
    for_panels(words_of<product>(values.tokens),
               [](std::size_t, std::size_t, float* steps) { detail::fill(steps, width, 1.0F); });
}

} // namespace kernels
MICE_NAMESPACE_END
