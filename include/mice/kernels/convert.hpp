// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels {

/// IEEE binary16 to float; exact, subnormals, infinities and NaN included. Without jumps, so that
/// compilers vectorise loops over it.
[[nodiscard]] constexpr float half_to_float(std::uint16_t half) {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
    const std::uint32_t magnitude = half & 0x7fffU;
    // A subnormal is its integer value times 2^-24, which float holds exactly.
    const float subnormal = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F;
    const std::uint32_t is_subnormal = 0U - static_cast<std::uint32_t>(magnitude < 0x0400U);
    const std::uint32_t is_not_finite = 0U - static_cast<std::uint32_t>(magnitude >= 0x7c00U);
    const std::uint32_t others = (magnitude << 13) + 0x38000000U + (is_not_finite & 0x38000000U);
    const std::uint32_t bits =
        (is_subnormal & std::bit_cast<std::uint32_t>(subnormal)) | (~is_subnormal & others);
    return std::bit_cast<float>(sign | bits);
}

/// float to IEEE binary16, to nearest, ties to even; too large a value becomes infinity.
[[nodiscard]] constexpr std::uint16_t float_to_half(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000U;
    const std::uint32_t magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U) {
        return static_cast<std::uint16_t>(sign | 0x7e00U);
    }
    if (magnitude >= 0x477ff000U) { // 65520 rounds up to 65536, beyond the largest half
        return static_cast<std::uint16_t>(sign | 0x7c00U);
    }
    if (magnitude >= 0x38800000U) {
        const std::uint32_t rounded = magnitude + 0x0fffU + (magnitude >> 13 & 1U);
        return static_cast<std::uint16_t>(sign | (rounded - 0x38000000U) >> 13);
    }
    // Adding 0.5 aligns a subnormal half's last bit with the float's last bit, so the addition
    // rounds.
    const float aligned = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(aligned) - 0x3f000000U));
}

/// The smallest finite IEEE binary16 that is not below a value; for scales, which then cut nothing
/// off. 0 <= value <= 65504.
[[nodiscard]] constexpr std::uint16_t half_not_below(float value) {
    constexpr std::uint16_t largest = 0x7bff;
    const std::uint16_t half = float_to_half(value);
    return half_to_float(half) < value && half < largest ? static_cast<std::uint16_t>(half + 1)
                                                         : half;
}

/// bfloat16 to float; exact.
[[nodiscard]] constexpr float bf16_to_float(std::uint16_t value) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

/// float to bfloat16, to nearest, ties to even; NaN stays NaN.
[[nodiscard]] constexpr std::uint16_t float_to_bf16(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16;
    const std::uint32_t not_a_number = bits >> 16 | 0x40U;
    return static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? not_a_number : rounded);
}

namespace detail {

/// Values in one pass of a conversion: loops of constant length are vectorised at -O2, by any
/// compiler and for any instruction set.
inline constexpr std::size_t conversion_block = 64;

/// Calls step(first, count) over `n` values; the count of a whole block is a constant.
template <class Step> void for_blocks(std::size_t n, Step step) {
    std::size_t first = 0;
    for (; n - first >= conversion_block; first += conversion_block) {
        step(first, std::integral_constant<std::size_t, conversion_block>{});
    }
    if (first < n) {
        step(first, n - first);
    }
}

} // namespace detail

/// out[n] = convert(each of n stored values, which may lie at any address).
template <class Stored, class Convert>
void read_floats(const std::byte* source, std::size_t n, float* out, Convert convert) {
    detail::for_blocks(n, [&](std::size_t first, auto count) {
        Stored values[detail::conversion_block];
        std::memcpy(values, source + first * sizeof(Stored), count * sizeof(Stored));
        for (std::size_t i = 0; i < count; ++i) {
            out[first + i] = convert(values[i]);
        }
    });
}

/// The largest of n IEEE halves' bits, at any address; halves that are not negative are ordered as
/// their bits are.
[[nodiscard]] inline std::uint16_t largest_half_bits(const std::byte* halves, std::size_t n) {
    std::uint16_t largest = 0;
    detail::for_blocks(n, [&](std::size_t first, auto count) {
        std::uint16_t block[detail::conversion_block] = {};
        std::memcpy(block, halves + first * sizeof block[0], count * sizeof block[0]);
        for (std::size_t i = 0; i < detail::conversion_block; ++i) {
            largest = std::max(largest, block[i]);
        }
    });
    return largest;
}

/// True where all of x[n] are finite.
[[nodiscard]] inline bool all_finite(const float* x, std::size_t n) {
    std::uint32_t largest = 0; // magnitudes are ordered as their bits are, NaN above infinity
    detail::for_blocks(n, [&](std::size_t first, auto count) {
        std::uint32_t bits[detail::conversion_block] = {};
        std::memcpy(bits, x + first, count * sizeof bits[0]);
        for (std::size_t i = 0; i < detail::conversion_block; ++i) {
            largest = std::max(largest, bits[i] & 0x7fffffffU);
        }
    });
    return largest < 0x7f800000U;
}

} // namespace kernels
MICE_NAMESPACE_END
