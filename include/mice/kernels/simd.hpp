// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
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

// The only header that includes xsimd: what changed its name between 8 and later versions is
// settled here.
#if defined(_MSC_VER) && !defined(__clang__)
#define MICE_ALWAYS_INLINE __forceinline
#define MICE_INLINE_LAMBDA
#define MICE_NOINLINE __declspec(noinline)
#else
#define MICE_ALWAYS_INLINE inline __attribute__((always_inline))
#define MICE_INLINE_LAMBDA __attribute__((always_inline))
#define MICE_NOINLINE __attribute__((noinline))
#endif

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

/// `value` rounded up to a multiple of `unit`.
[[nodiscard]] constexpr std::size_t round_up(std::size_t value, std::size_t unit) {
    return (value + unit - 1) / unit * unit;
}

/// Calls f(integral_constant 0) .. f(integral_constant Count - 1), unrolled at compile time:
/// register tiles stay in registers only where every index is a constant.
template <std::size_t Count, class Function>
MICE_ALWAYS_INLINE constexpr void unroll(Function&& f) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) MICE_INLINE_LAMBDA {
        (f(std::integral_constant<std::size_t, Index>{}), ...);
    }
    (std::make_index_sequence<Count>{});
}

/// a * b + c, one rounding where the instruction set has it. xsimd 8 knows no such operation for
/// AVX-512 and leaves it to the compiler whether to fuse: gcc does, clang does not.
template <class Arch>
MICE_ALWAYS_INLINE vec<Arch> multiply_add(vec<Arch> a, vec<Arch> b, vec<Arch> c) {
#if defined(__AVX512F__)
    if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) {
        return _mm512_fmadd_ps(a, b, c);
    }
#endif
    return xsimd::fma(a, b, c);
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
template <class Number, class Batch> MICE_ALWAYS_INLINE Number max_of_lanes(Batch value) {
    alignas(64) Number lane[Batch::size];
    value.store_aligned(lane);
    Number largest = lane[0];
    for (std::size_t i = 1; i < Batch::size; ++i) {
        largest = lane[i] > largest ? lane[i] : largest;
    }
    return largest;
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

/// Sum of the lanes.
template <class Arch> MICE_ALWAYS_INLINE float sum_of(vec<Arch> value) {
#if XSIMD_VERSION_MAJOR >= 9
    return xsimd::reduce_add(value);
#else
    return xsimd::hadd(value);
#endif
}

/// Largest lane; float lanes hold no NaN.
template <class Arch> MICE_ALWAYS_INLINE float max_of(vec<Arch> value) {
#if defined(__AVX512F__)
    if constexpr (lanes<Arch> == 16) {
        return _mm512_reduce_max_ps(value);
    }
#endif
    return detail::max_of_lanes<float>(value);
}
template <class Arch>
MICE_ALWAYS_INLINE std::int32_t max_of(xsimd::batch<std::int32_t, Arch> value) {
#if defined(__AVX512F__)
    if constexpr (lanes<Arch> == 16) {
        return _mm512_reduce_max_epi32(value);
    }
#endif
    return detail::max_of_lanes<std::int32_t>(value);
}

} // namespace kernels
MICE_NAMESPACE_END
