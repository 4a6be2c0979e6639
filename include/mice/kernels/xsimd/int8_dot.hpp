// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <mice/kernels/xsimd/simd.hpp>

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h> // <immintrin.h> takes a second to compile
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Dot products of four signed bytes in each 32-bit lane, which xsimd does not have. Integers: every
// instruction set gives the same sums.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// One SIMD register of 32-bit integers, as a type that GCC keeps in registers: it spills arrays of
/// its own __m512i.
template <class Arch> struct int_register {
#if defined(__GNUC__)
    typedef std::int32_t type __attribute__((vector_size(4 * lanes<Arch>)));
#else
    using type = std::array<std::int32_t, lanes<Arch>>;
#endif
};
template <class Arch> using ints = typename int_register<Arch>::type;

/// True where the second operand of int8_dot must have 128 added to each of its bytes (and so be
/// unsigned), which adds 128 times the sum of the first one's.
template <class Arch>
inline constexpr bool int8_dot_wants_offset =
#if defined(__AVX512VNNI__)
    lanes<Arch> == 16;
#elif defined(__AVXVNNI__)
    lanes<Arch> == 8;
#else
    false;
#endif

template <class Arch> MICE_ALWAYS_INLINE ints<Arch> all_lanes(std::int32_t value) {
#if defined(__GNUC__)
    return ints<Arch>{} + value;
#else
    ints<Arch> result;
    result.fill(value);
    return result;
#endif
}

namespace detail {

#if defined(__GNUC__) && defined(__SSE2__)
// The one step that differs between register widths: sums of the products of neighbouring 16-bit
// numbers.
template <std::size_t Lanes> struct register_of;
template <> struct register_of<4> { using type = __m128i; };
MICE_ALWAYS_INLINE __m128i add_pairs(__m128i a, __m128i b) {
    return _mm_madd_epi16(a, b);
}
#if defined(__AVX2__)
template <> struct register_of<8> { using type = __m256i; };
MICE_ALWAYS_INLINE __m256i add_pairs(__m256i a, __m256i b) {
    return _mm256_madd_epi16(a, b);
}
#endif
#if defined(__AVX512BW__)
template <> struct register_of<16> { using type = __m512i; };
MICE_ALWAYS_INLINE __m512i add_pairs(__m512i a, __m512i b) {
    return _mm512_madd_epi16(a, b);
}
#endif
// Where int8_dot_wants_offset.
#if defined(__AVX512VNNI__)
MICE_ALWAYS_INLINE __m512i dot_with_offset(__m512i a, __m512i b, __m512i sum) {
    return _mm512_dpbusd_epi32(sum, b, a);
}
#elif defined(__AVXVNNI__)
MICE_ALWAYS_INLINE __m256i dot_with_offset(__m256i a, __m256i b, __m256i sum) {
    return _mm256_dpbusd_avx_epi32(sum, b, a);
}
#endif

/// Like int8_dot, for the instruction set's own registers.
template <class Arch, class Register>
MICE_ALWAYS_INLINE Register int8_dot_of(Register a, Register b, Register sum) {
    if constexpr (int8_dot_wants_offset<Arch>) {
        return dot_with_offset(a, b, sum);
    } else {
        // Bytes 0 and 2, then 1 and 3 of each lane as 16-bit numbers: no sum of theirs overflows.
        typedef std::int16_t halves __attribute__((vector_size(sizeof(Register))));
        const auto even = [](Register x) MICE_INLINE_LAMBDA {
            return reinterpret_cast<Register>((reinterpret_cast<halves>(x) << 8) >> 8);
        };
        const auto odd = [](Register x) MICE_INLINE_LAMBDA {
            return reinterpret_cast<Register>(reinterpret_cast<halves>(x) >> 8);
        };
        const auto as_ints = [](Register x)
                                 MICE_INLINE_LAMBDA { return reinterpret_cast<ints<Arch>>(x); };
        return reinterpret_cast<Register>(as_ints(sum) + as_ints(add_pairs(even(a), even(b))) +
                                          as_ints(add_pairs(odd(a), odd(b))));
    }
}
#endif

/// Any processor.
template <class Arch, class Ints> Ints int8_dot_plain(const Ints& a, const Ints& b, Ints sum) {
    std::int8_t left[4 * lanes<Arch>];
    std::int8_t right[4 * lanes<Arch>];
    std::memcpy(left, &a, sizeof left);
    std::memcpy(right, &b, sizeof right);
    for (std::size_t i = 0; i < lanes<Arch>; ++i) {
        for (std::size_t j = 4 * i; j < 4 * i + 4; ++j) {
            sum[i] += left[j] * right[j];
        }
    }
    return sum;
}

} // namespace detail

/// sum + the products of the four bytes in each lane, a signed; b signed, or with an offset where
/// int8_dot_wants_offset.
template <class Arch>
MICE_ALWAYS_INLINE ints<Arch> int8_dot(ints<Arch> a, ints<Arch> b, ints<Arch> sum) {
#if defined(__GNUC__) && defined(__SSE2__)
    if constexpr (requires { typename detail::register_of<lanes<Arch>>::type; }) {
        using native = typename detail::register_of<lanes<Arch>>::type;
        return reinterpret_cast<ints<Arch>>(
            detail::int8_dot_of<Arch>(reinterpret_cast<native>(a), reinterpret_cast<native>(b),
                                      reinterpret_cast<native>(sum)));
    }
#elif defined(__GNUC__) && defined(__ARM_FEATURE_DOTPROD)
    if constexpr (lanes<Arch> == 4) {
        return vdotq_s32(sum, reinterpret_cast<int8x16_t>(a), reinterpret_cast<int8x16_t>(b));
    }
#endif
    return detail::int8_dot_plain<Arch>(a, b, sum);
}

/// The bits of a register as integers.
template <class Arch> MICE_ALWAYS_INLINE ints<Arch> bits_of(vec<Arch> x) {
    ints<Arch> result;
#if defined(__GNUC__) && (defined(__SSE__) || defined(__ARM_NEON))
    result = reinterpret_cast<ints<Arch>>(x.data);
#else
    alignas(64) float lane[lanes<Arch>];
    x.store_aligned(lane);
    std::memcpy(&result, lane, sizeof result);
#endif
    return result;
}

/// Floats within the integers' range as integers: to nearest, ties to even, as the default rounding
/// mode says.
template <class Arch> MICE_ALWAYS_INLINE ints<Arch> to_integers(vec<Arch> x) {
#if defined(__GNUC__) && defined(__SSE2__)
    using floats = typename vec<Arch>::register_type;
    const floats value = x;
    if constexpr (sizeof(floats) == 16) {
        return reinterpret_cast<ints<Arch>>(_mm_cvtps_epi32(value));
    }
#if defined(__AVX__)
    if constexpr (sizeof(floats) == 32) {
        return reinterpret_cast<ints<Arch>>(_mm256_cvtps_epi32(value));
    }
#endif
#if defined(__AVX512F__) // with a mask: GCC 12 warns of an undefined register in the other form
    if constexpr (sizeof(floats) == 64) {
        return reinterpret_cast<ints<Arch>>(_mm512_maskz_cvtps_epi32(0xffff, value));
    }
#endif
#elif defined(__GNUC__) && defined(__aarch64__)
    return reinterpret_cast<ints<Arch>>(vcvtnq_s32_f32(x));
#else
    alignas(64) float lane[lanes<Arch>];
    x.store_aligned(lane);
    ints<Arch> result;
    for (std::size_t i = 0; i < lanes<Arch>; ++i) {
        result[i] = static_cast<std::int32_t>(std::nearbyint(lane[i]));
    }
    return result;
#endif
}

/// Integers as floats, rounded to nearest.
template <class Arch> MICE_ALWAYS_INLINE vec<Arch> to_floats(ints<Arch> x) {
    alignas(64) float lane[lanes<Arch>];
#if defined(__GNUC__)
    typedef float floats __attribute__((vector_size(4 * lanes<Arch>)));
    const floats converted = __builtin_convertvector(x, floats);
    std::memcpy(lane, &converted, sizeof lane);
#else
    for (std::size_t i = 0; i < lanes<Arch>; ++i) {
        lane[i] = static_cast<float>(x[i]);
    }
#endif
    return vec<Arch>::load_aligned(lane);
}

} // namespace kernels
MICE_NAMESPACE_END
