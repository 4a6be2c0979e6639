// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include <mice/kernels/convert.hpp>
#include <mice/kernels/xsimd/elementwise.hpp>
#include <mice/kernels/xsimd/int8_dot.hpp>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

// The three ways to multiply. A packed operand consists of 32-bit words with one, two or four
// values that follow one another along k. They lie in memory of floats, whatever their bits. A
// product defines how values become words, and how words are multiplied and summed.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// Columns of B that one packed panel holds.
template <class Arch> inline constexpr std::size_t panel_columns = 2 * lanes<Arch>;

/// Words of one operand's row or column of length k.
template <class Product> [[nodiscard]] constexpr std::size_t words_of(std::size_t k) {
    return (k + Product::values - 1) / Product::values;
}

namespace detail {
inline void put_word(float* out, std::uint32_t word) {
    std::memcpy(out, &word, sizeof word);
}
} // namespace detail

/// What packing a part of a row or column must know of the whole; here nothing.
struct no_scale {
    no_scale(const float*, std::size_t) {}
};

/// Float values, float sums.
template <class Arch> struct f32_product {
    static constexpr rounding rounds = rounding::once; ///< of all that is computed between products
    static constexpr std::size_t values = 1;           ///< in a word
    static constexpr std::size_t row_extras = 0;   ///< further words of a row of the left operand
    static constexpr std::size_t panel_extras = 0; ///< further words of a column of the right one
    /// What the words of a column are xored with when they are packed.
    static constexpr std::uint32_t column_offset = 0;
    using sums = vec<Arch>;
    using scale = no_scale; ///< from a whole row or column x[k]

    /// out = the words of `count` values; all parts but a row's last have whole words.
    static void pack(const float* x, std::size_t count, float* out, scale&) {
        detail::copy(x, count, out);
    }
    /// out[row_extras] of a row whose parts have all been packed.
    static void finish_row(const scale&, float*) {}
    /// out[panel_extras] of such a column; one column's are panel_columns apart.
    static void finish_column(const scale&, float*) {}
    /// out = a panel of the right operand given as rows[k], each of panel_columns values.
    template <class Rows> static void pack_panel(const Rows& rows, std::size_t k, float* out) {
        for (std::size_t i = 0; i < k; ++i, out += panel_columns<Arch>) {
            detail::copy(rows(i), panel_columns<Arch>, out);
        }
    }
    /// extras of a row -> what its sums start with
    MICE_ALWAYS_INLINE static sums start(const float*) { return vec<Arch>(0.0F); }
    MICE_ALWAYS_INLINE static sums add(vec<Arch> a, vec<Arch> b, sums sum) {
        return multiply_add<Arch>(a, b, sum);
    }
    /// Sums, the row's extras, extras of as many columns -> the products + bias.
    MICE_ALWAYS_INLINE static vec<Arch> result(sums sum, const float*, const float*,
                                               vec<Arch> bias) {
        return sum + bias;
    }
};

/// Values rounded to bfloat16, float sums. Two products are added to a sum at a time, the second
/// one first, as the processors with instructions for it do. Products are exact, so that it is all
/// the same whether they are fused with the sum. (Those instructions take numbers below 2^-126 for
/// 0, which shows only in sums that are as small.)
template <class Arch> struct bf16_product {
    static constexpr std::size_t values = 2;
    static constexpr std::size_t row_extras = 0;
    static constexpr std::size_t panel_extras = 0;
    static constexpr std::uint32_t column_offset = 0;
    static constexpr rounding rounds = rounding::twice;
    using sums = vec<Arch>;
    using scale = no_scale;

    static std::uint32_t word(float first, float second) {
        return float_to_bf16(first) | static_cast<std::uint32_t>(float_to_bf16(second)) << 16;
    }
    static void pack(const float* x, std::size_t count, float* out, scale&) {
        std::size_t i = 0;
#if defined(__AVX512BF16__)
        for (; i + 32 <= count; i += 32, out += 16) {
            const __m512bh both =
                _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i));
            std::memcpy(out, &both, sizeof both);
        }
#endif
        for (; i + 1 < count; i += 2) {
            detail::put_word(out++, word(x[i], x[i + 1]));
        }
        if (i < count) {
            detail::put_word(out, word(x[i], 0));
        }
    }
    static void finish_row(const scale&, float*) {}
    static void finish_column(const scale&, float*) {}
    template <class Rows> static void pack_panel(const Rows& rows, std::size_t k, float* out) {
        constexpr std::size_t width = panel_columns<Arch>;
        const float zeros[width] = {};
        for (std::size_t i = 0; i < k; i += 2, out += width) {
            const float* first = rows(i);
            const float* second = i + 1 < k ? rows(i + 1) : zeros;
            std::size_t j = 0;
#if defined(__AVX512BF16__)
            for (; j + 16 <= width; j += 16) {
                const __m512i low = widened(_mm512_cvtneps_pbh(_mm512_loadu_ps(first + j)));
                const __m512i high = widened(_mm512_cvtneps_pbh(_mm512_loadu_ps(second + j)));
                _mm512_storeu_si512(out + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
            }
#endif
            for (; j < width; ++j) {
                detail::put_word(out + j, word(first[j], second[j]));
            }
        }
    }
    MICE_ALWAYS_INLINE static sums start(const float*) {
        return vec<Arch>(0.0F);
    }
    MICE_ALWAYS_INLINE static sums add(vec<Arch> a, vec<Arch> b, sums sum) {
#if defined(__AVX512BF16__)
        if constexpr (lanes<Arch> == 16) {
            sum.data = _mm512_dpbf16_ps(sum.data, reinterpret_cast<__m512bh>(a.data),
                                        reinterpret_cast<__m512bh>(b.data));
            return sum;
        }
#endif
        const vec<Arch> second(std::bit_cast<float>(0xffff0000U));
        sum = multiply_add<Arch>(a & second, b & second, sum);
        return multiply_add<Arch>(shift_up_16<Arch>(a), shift_up_16<Arch>(b), sum);
    }
    MICE_ALWAYS_INLINE static vec<Arch> result(sums sum, const float*, const float*,
                                               vec<Arch> bias) {
        return sum + bias;
    }

#if defined(__AVX512BF16__)
  private:
    MICE_ALWAYS_INLINE static __m512i widened(__m256bh x) {
        return _mm512_maskz_cvtepu16_epi32(0xffff, reinterpret_cast<__m256i>(x));
    }
#endif
};

/// Values as signed bytes, with one scale for each row of the left operand and each column of the
/// right one: the largest magnitude becomes 127. Sums are integers, and exact up to k = 131,072.
template <class Arch> struct int8_product {
    static constexpr std::size_t values = 4;
    static constexpr std::size_t row_extras = 2;   // the scale, and where its sums start
    static constexpr std::size_t panel_extras = 1; // the scale
    static constexpr rounding rounds = rounding::twice;
    using sums = ints<Arch>;
    static constexpr std::uint32_t column_offset = int8_dot_wants_offset<Arch> ? 0x80808080U : 0;

    /// Of a row or column x[k], or of its largest magnitude.
    struct scale {
        scale(const float* x, std::size_t k) : scale(largest_magnitude<Arch>(x, k)) {}
        explicit scale(float top) {
            if (!(top <= std::numeric_limits<float>::max())) {
                step = std::numeric_limits<float>::quiet_NaN(); // so that it shows in every product
            } else if (top > 0x1p-100F) { // the inverse of less could overflow
                step = top / 127;
                inverse = 127 / top;
            }
        }
        float step = 0;       ///< what 1 stands for
        float inverse = 0;    ///< 0: every value becomes 0
        std::int32_t sum = 0; ///< of the integers packed so far
    };

    static void pack(const float* x, std::size_t count, float* out, scale& whole) {
        if (whole.inverse == 0) {
            detail::fill(out, words_of<int8_product>(count), 0.0F);
            return;
        }
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
        if constexpr (lanes<Arch> == 16) {
            const std::size_t done = pack_blocks(x, count, out, whole);
            if (done < count) {
                pack_lanes(x + done, count - done, out + done / 4, whole);
            }
            return;
        }
#endif
        pack_lanes(x, count, out, whole);
    }
    static void finish_row(const scale& whole, float* out) {
        out[0] = whole.step;
        const std::int32_t first = int8_dot_wants_offset<Arch> ? -128 * whole.sum : 0;
        detail::put_word(out + 1, static_cast<std::uint32_t>(first));
    }
    static void finish_column(const scale& whole, float* out) {
        *out = whole.step;
    }
    // Most loops have a constant length and no calls, so compilers vectorise them.
    template <class Rows> static void pack_panel(const Rows& rows, std::size_t k, float* out) {
        constexpr std::size_t width = panel_columns<Arch>;
        std::uint32_t top[width] = {};
        for (std::size_t i = 0; i < k; ++i) {
            const float* row = rows(i);
            for (std::size_t j = 0; j < width; ++j) {
                const std::uint32_t bits = std::bit_cast<std::uint32_t>(row[j]) & 0x7fffffffU;
                top[j] = bits > top[j] ? bits : top[j];
            }
        }
        float inverses[width];
        float* steps = out + words_of<int8_product>(k) * width;
        for (std::size_t j = 0; j < width; ++j) {
            const scale column(std::bit_cast<float>(top[j]));
            inverses[j] = column.inverse;
            steps[j] = column.step;
        }
        for (std::size_t i = 0; i < k; i += 4, out += width) {
            std::uint32_t words[width];
            detail::fill(words, width, column_offset);
            for (std::size_t byte = 0; byte < detail::smaller(4, k - i); ++byte) {
                const float* row = rows(i + byte);
                std::int32_t numbers[width];
                for (std::size_t j = 0; j < width; j += lanes<Arch>) {
                    put_integers(vec<Arch>::load_unaligned(row + j) *
                                     vec<Arch>::load_unaligned(inverses + j),
                                 numbers + j);
                }
                for (std::size_t j = 0; j < width; ++j) {
                    words[j] ^= (static_cast<std::uint32_t>(numbers[j]) & 0xffU) << (8 * byte);
                }
            }
            std::memcpy(out, words, sizeof words);
        }
    }
    MICE_ALWAYS_INLINE static sums start(const float* extras) {
        std::int32_t first = 0;
        std::memcpy(&first, extras + 1, sizeof first);
        return all_lanes<Arch>(first);
    }
    MICE_ALWAYS_INLINE static sums add(vec<Arch> a, vec<Arch> b, sums sum) {
        return int8_dot<Arch>(bits_of<Arch>(a), bits_of<Arch>(b), sum);
    }
    MICE_ALWAYS_INLINE static vec<Arch> result(sums sum, const float* extras,
                                               const float* column_scales, vec<Arch> bias) {
        const vec<Arch> scales = vec<Arch>(extras[0]) * vec<Arch>::load_aligned(column_scales);
        return multiply_add<Arch, rounds>(to_floats<Arch>(sum), scales, bias);
    }

  private:
    /// As pack, any number of values, and an inverse that is not 0.
    MICE_NOINLINE static void pack_lanes(const float* x, std::size_t count, float* out,
                                         scale& whole) {
        const vec<Arch> inverse(whole.inverse);
        for (std::size_t i = 0; i < count; i += lanes<Arch>) {
            const std::size_t n = detail::smaller(lanes<Arch>, count - i);
            alignas(64) float next[lanes<Arch>] = {};
            detail::copy(x + i, n, next);
            std::int32_t numbers[lanes<Arch>];
            put_integers(vec<Arch>::load_aligned(next) * inverse, numbers);
            std::int8_t bytes[lanes<Arch>];
            for (std::size_t j = 0; j < lanes<Arch>; ++j) {
                bytes[j] = static_cast<std::int8_t>(numbers[j]);
                whole.sum += numbers[j];
            }
            std::memcpy(out + i / 4, bytes, words_of<int8_product>(n) * sizeof(float));
        }
    }

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
    /// As pack, blocks of 64 values; how many it has packed.
    static std::size_t pack_blocks(const float* x, std::size_t count, float* out, scale& whole) {
        const vec<Arch> inverse(whole.inverse);
        const auto integers = [&](const float* from) MICE_INLINE_LAMBDA {
            return reinterpret_cast<__m512i>(
                to_integers<Arch>(vec<Arch>::load_unaligned(from) * inverse));
        };
        // Packing goes by 128-bit lanes: this puts the words of four registers back in order.
        const __m512i order =
            _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const __m512i ones = _mm512_set1_epi8(1);
        __m512i sums = _mm512_setzero_si512();
        std::size_t i = 0;
        for (; i + 64 <= count; i += 64) {
            const __m512i bytes = _mm512_maskz_permutexvar_epi32(
                0xffff,
                order, // GCC 12 warns of an undefined register inside the form without a mask
                _mm512_packs_epi16(_mm512_packs_epi32(integers(x + i), integers(x + i + 16)),
                                   _mm512_packs_epi32(integers(x + i + 32), integers(x + i + 48))));
            _mm512_storeu_si512(out + i / 4, bytes);
            sums = _mm512_dpbusd_epi32(sums, ones, bytes);
        }
        const auto lane = reinterpret_cast<ints<Arch>>(sums);
        for (std::size_t j = 0; j < lanes<Arch>; ++j) {
            whole.sum += lane[j];
        }
        return i;
    }
#endif

    static void put_integers(vec<Arch> x, std::int32_t* out) {
        const ints<Arch> rounded = to_integers<Arch>(x);
        std::memcpy(out, &rounded, sizeof rounded);
    }
};

} // namespace kernels
MICE_NAMESPACE_END
