// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

// GCC 12 warns of the deliberately undefined registers inside its own AVX-512 intrinsics.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <mice/config.hpp>
#include <mice/kernels/rounding.hpp>

#if defined(XSIMD_NO_SUPPORTED_ARCHITECTURE)
#error "mice: this xsimd knows no SIMD instructions of the processor that the compiler's flags \
describe. Allow some (x86: -msse2, 32-bit ARM: -mfpu=neon), take a newer xsimd, compute with Eigen \
(MICE_KERNELS=eigen, or -DMICE_USE_EIGEN_KERNELS=1), or link mice::dispatch"
#endif

// The only header that includes xsimd. Names that changed between version 8 and later ones are
// handled here.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// The instruction set that the compiler's flags allow.
using default_arch = xsimd::default_arch;

/// One SIMD register of floats.
template <class Arch> using vec = xsimd::batch<float, Arch>;

/// Floats in one SIMD register.
template <class Arch> inline constexpr std::size_t lanes = vec<Arch>::size;

/// True where the instruction set has 32 SIMD registers instead of 16.
template <class Arch>
inline constexpr bool many_registers = vec<Arch>::size == 16 || std::is_same_v<Arch, xsimd::neon64>;

namespace detail {
// The library of dispatch compiles these headers for several instruction sets. A function of the
// standard library that is not inlined would there be one for all of them, whichever the linker
// meets first: so the kernels call none.
MICE_ALWAYS_INLINE constexpr std::size_t smaller(std::size_t a, std::size_t b) {
    return a < b ? a : b;
}
MICE_ALWAYS_INLINE constexpr std::size_t larger(std::size_t a, std::size_t b) {
    return a > b ? a : b;
}
template <class Value> MICE_ALWAYS_INLINE void copy(const Value* from, std::size_t n, Value* to) {
    if (n != 0) {
        std::memcpy(to, from, n * sizeof(Value));
    }
}
template <class Value> MICE_ALWAYS_INLINE void fill(Value* to, std::size_t n, Value value) {
    for (std::size_t i = 0; i < n; ++i) {
        to[i] = value;
    }
}
} // namespace detail

/// Calls f(integral_constant 0) .. f(integral_constant Count - 1), unrolled at compile time:
/// register tiles stay in registers only where every index is a constant.
template <std::size_t Count, class Function>
MICE_ALWAYS_INLINE constexpr void unroll(Function&& f) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) MICE_INLINE_LAMBDA {
        (f(std::integral_constant<std::size_t, Index>{}), ...);
    }
    (std::make_index_sequence<Count>{});
}

namespace detail {
// What a tile does in each step, without a call: sanitizers make xsimd's small functions ones that
// are not inlined there. Only for processors of this kind and instrumented apps.
#if MICE_INSTRUMENTED && defined(__SSE2__)
MICE_ALWAYS_INLINE void load(const float* from, __m128& to) {
    to = _mm_load_ps(from);
}
MICE_ALWAYS_INLINE void fill(float value, __m128& to) {
    to = _mm_set1_ps(value);
}
MICE_ALWAYS_INLINE __m128 fused(__m128 a, __m128 b, __m128 c) {
#if defined(__FMA__)
    return _mm_fmadd_ps(a, b, c);
#else
    return _mm_add_ps(_mm_mul_ps(a, b), c);
#endif
}
#if defined(__AVX__)
MICE_ALWAYS_INLINE void load(const float* from, __m256& to) {
    to = _mm256_load_ps(from);
}
MICE_ALWAYS_INLINE void fill(float value, __m256& to) {
    to = _mm256_set1_ps(value);
}
MICE_ALWAYS_INLINE __m256 fused(__m256 a, __m256 b, __m256 c) {
#if defined(__FMA__)
    return _mm256_fmadd_ps(a, b, c);
#else
    return _mm256_add_ps(_mm256_mul_ps(a, b), c);
#endif
}
#endif
#if defined(__AVX512F__)
MICE_ALWAYS_INLINE void load(const float* from, __m512& to) {
    to = _mm512_load_ps(from);
}
MICE_ALWAYS_INLINE void fill(float value, __m512& to) {
    to = _mm512_set1_ps(value);
}
MICE_ALWAYS_INLINE __m512 fused(__m512 a, __m512 b, __m512 c) {
    return _mm512_fmadd_ps(a, b, c);
}
#endif
#endif
} // namespace detail

/// Aligned floats in one register.
template <class Arch> MICE_ALWAYS_INLINE vec<Arch> load_lanes(const float* from) {
#if MICE_INSTRUMENTED && defined(__SSE2__)
    vec<Arch> made;
    detail::load(from, made.data);
    return made;
#else
    return vec<Arch>::load_aligned(from);
#endif
}
/// One float in all lanes.
template <class Arch> MICE_ALWAYS_INLINE vec<Arch> in_all_lanes(float value) {
#if MICE_INSTRUMENTED && defined(__SSE2__)
    vec<Arch> made;
    detail::fill(value, made.data);
    return made;
#else
    return vec<Arch>(value);
#endif
}

namespace detail {

/// A product that is added to others.
template <class Arch, rounding How> MICE_ALWAYS_INLINE vec<Arch> rounded_product(vec<Arch> x) {
    if constexpr (How == rounding::twice) {
        return vec<Arch>(as_rounded(static_cast<typename vec<Arch>::register_type>(x)));
    }
    return x;
}

} // namespace detail

/// a * b + c, with rounding::twice for a c that is no product by itself, or a rounded one. Which of
/// them is fused is never left to the compiler: gcc and clang differ, and xsimd 8 knows no such
/// operation for AVX-512.
template <class Arch, rounding How = rounding::once>
MICE_ALWAYS_INLINE vec<Arch> multiply_add(vec<Arch> a, vec<Arch> b, vec<Arch> c) {
    if constexpr (How == rounding::twice) {
        return detail::rounded_product<Arch, How>(a * b) + c;
    }
#if MICE_INSTRUMENTED && defined(__SSE2__)
    vec<Arch> sum;
    sum.data = detail::fused(a.data, b.data, c.data);
    return sum;
#else
#if defined(__AVX512F__)
    if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) {
        return _mm512_fmadd_ps(a, b, c);
    }
#endif
    return xsimd::fma(a, b, c);
#endif
}

namespace detail {
// Lanes as integers and back: the only two casts whose form changed in xsimd 9.
template <class Arch> MICE_ALWAYS_INLINE auto as_integers(vec<Arch> x) {
#if XSIMD_VERSION_MAJOR >= 9
    return xsimd::bitwise_cast<std::int32_t>(x);
#else
    return xsimd::bitwise_cast<xsimd::batch<std::int32_t, Arch>>(x);
#endif
}
template <class Arch> MICE_ALWAYS_INLINE vec<Arch> as_floats(xsimd::batch<std::int32_t, Arch> x) {
#if XSIMD_VERSION_MAJOR >= 9
    return xsimd::bitwise_cast<float>(x);
#else
    return xsimd::bitwise_cast<vec<Arch>>(x);
#endif
}
} // namespace detail

/// The bits of each lane moved up by 16.
template <class Arch> MICE_ALWAYS_INLINE vec<Arch> shift_up_16(vec<Arch> x) {
    return detail::as_floats<Arch>(detail::as_integers<Arch>(x) << 16);
}

/// x * 2^n, normal numbers both, with n given as 1.5 * 2^23 + n.
template <class Arch> MICE_ALWAYS_INLINE vec<Arch> add_to_exponent(vec<Arch> x, vec<Arch> shifted) {
    return detail::as_floats<Arch>(detail::as_integers<Arch>(x) +
                                   (detail::as_integers<Arch>(shifted) << 23));
}

/// Registers of the sums that are computed side by side.
template <class Arch>
inline constexpr std::size_t sum_registers = detail::larger(1, sums_apart / lanes<Arch>);
template <class Arch> using partial_sums = std::array<vec<Arch>, sum_registers<Arch>>;

template <class Arch> MICE_ALWAYS_INLINE partial_sums<Arch> no_sums() {
    partial_sums<Arch> sums;
    for (std::size_t i = 0; i < sum_registers<Arch>; ++i) {
        sums[i] = vec<Arch>(0.0F);
    }
    return sums;
}

/// The partial sums added up, those furthest apart first.
template <class Arch> MICE_ALWAYS_INLINE float total_of(const partial_sums<Arch>& sums) {
#if defined(__SSE2__)
    __m128 quarter;
    if constexpr (lanes<Arch> == 4) {
        quarter = (sums[0] + sums[2]) + (sums[1] + sums[3]);
    }
#if defined(__AVX__)
    if constexpr (lanes<Arch> >= 8) {
        __m256 half;
        if constexpr (lanes<Arch> == 8) {
            half = sums[0] + sums[1];
        }
#if defined(__AVX512F__)
        if constexpr (lanes<Arch> == 16) {
            const __m512d all = _mm512_castps_pd(sums[0]);
            half = _mm256_add_ps(_mm512_castps512_ps256(sums[0]),
                                 _mm256_castpd_ps(_mm512_extractf64x4_pd(all, 1)));
        }
#endif
        quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    }
#endif
    const __m128 pairs = _mm_add_ps(quarter, _mm_shuffle_ps(quarter, quarter, 0xf5));
    return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehl_ps(pairs, pairs)));
#else
    constexpr std::size_t size = lanes<Arch> * sum_registers<Arch>;
    alignas(64) float lane[size];
    for (std::size_t i = 0; i < sum_registers<Arch>; ++i) {
        sums[i].store_aligned(lane + i * lanes<Arch>);
    }
    for (std::size_t half = size / 2; half > 2; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) {
            lane[i] += lane[i + half];
        }
    }
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
#endif
}

/// Largest lane; float lanes hold no NaN.
template <class Number, class Arch>
MICE_ALWAYS_INLINE Number max_of(xsimd::batch<Number, Arch> value) {
    constexpr std::size_t size = xsimd::batch<Number, Arch>::size;
    alignas(64) Number lane[size];
    value.store_aligned(lane);
#if defined(__SSE2__) // GCC 12 warns of undefined registers inside the AVX-512 reductions
    using quarter = xsimd::batch<Number, xsimd::sse2>;
    quarter largest = quarter::load_aligned(lane);
    for (std::size_t i = 4; i < size; i += 4) {
        largest = xsimd::max(largest, quarter::load_aligned(lane + i));
    }
    largest.store_aligned(lane);
    constexpr std::size_t left = 4;
#else
    constexpr std::size_t left = size;
#endif
    Number result = lane[0];
    for (std::size_t i = 1; i < left; ++i) {
        result = lane[i] > result ? lane[i] : result;
    }
    return result;
}

} // namespace kernels
MICE_NAMESPACE_END
