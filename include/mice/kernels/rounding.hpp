// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include <mice/config.hpp>

// The one rule of rounding, which every set of kernels keeps: what it may fuse and in which order
// it sums up does not depend on its registers, so sets differ only where processors have to.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// How a * b + c rounds: once, where the instruction set can, which is faster; or product and sum
/// each, which gives the same bits on every processor.
enum class rounding { once, twice };

/// Sums that are computed side by side: as many as the widest register has lanes, in one register
/// or in several narrower ones, so that a sum has the same order on every instruction set.
inline constexpr std::size_t sums_apart = 16;

/// `value` rounded up to a multiple of `unit`.
[[nodiscard]] constexpr std::size_t round_up(std::size_t value, std::size_t unit) {
    return (value + unit - 1) / unit * unit;
}

namespace detail {

/// x, of which the compiler does not know that it is a product, which it would else fuse with a sum
/// where it may (gcc does so between intrinsics, too).
template <class Register> MICE_ALWAYS_INLINE Register as_rounded(Register x) {
#if defined(__GNUC__) && defined(__AVX512F__)
    asm("" : "+v"(x));
#elif defined(__GNUC__) && defined(__FMA__)
    asm("" : "+x"(x));
#elif defined(__GNUC__) && (defined(__aarch64__) || defined(__ARM_FEATURE_FMA))
    asm("" : "+w"(x));
#elif defined(__GNUC__) && !defined(__SSE2__)
    asm("" : "+m"(x));
#endif
    return x;
}

/// a * b + c of one float.
template <rounding How> MICE_ALWAYS_INLINE float multiply_add_one(float a, float b, float c) {
#if defined(__GNUC__) && (defined(__FMA__) || defined(__aarch64__) ||                              \
                          defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF))
    if constexpr (How == rounding::once) {
        return __builtin_fmaf(a, b, c);
    }
#endif
    return as_rounded(a * b) + c;
}

} // namespace detail
} // namespace kernels
MICE_NAMESPACE_END
