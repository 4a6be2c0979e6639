// SPDX-License-Identifier: Apache-2.0
#pragma once

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

// The only header that includes xsimd: what changed its name between 8 and later versions is
// settled here.
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
