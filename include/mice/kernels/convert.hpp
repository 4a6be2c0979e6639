// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels {

/// IEEE binary16 to float; exact, subnormals, infinities and NaN included.
[[nodiscard]] constexpr float half_to_float(std::uint16_t half) {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
    const std::uint32_t magnitude = half & 0x7fffU;
    if (magnitude >= 0x7c00U) {
        return std::bit_cast<float>(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13);
    }
    if (magnitude >= 0x0400U) {
        return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000U));
    }
    // A subnormal is its integer value times 2^-24, which float holds exactly.
    const float value = static_cast<float>(magnitude) * 0x1p-24F;
    return sign != 0 ? -value : value;
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

/// bfloat16 to float; exact.
[[nodiscard]] constexpr float bf16_to_float(std::uint16_t value) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

} // namespace kernels
MICE_NAMESPACE_END
