// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// What a model computes with; chosen when it is loaded. `docs/accuracy.md` and
/// `docs/performance.md` show what each costs and gains.
enum class precision {
    f32,  ///< the reference
    bf16, ///< weights and activations rounded to bfloat16, sums in f32
    /// Weights, activations and the states of documents as 8-bit integers, each row with its scale;
    /// attention of a text to itself, and weights that the model file keeps as floats beside 8-bit
    /// ones, in bf16.
    int8,
    /// The fastest that this build has instructions for: int8 with VNNI, bf16 with AVX-512 BF16,
    /// else f32.
    automatic,
};

inline constexpr std::array every_precision{precision::f32, precision::bf16, precision::int8,
                                            precision::automatic};

/// What `automatic` stands for in this build; any other value itself.
[[nodiscard]] constexpr precision resolved(precision wanted) {
    if (wanted != precision::automatic) {
        return wanted;
    }
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
    return precision::int8;
#elif defined(__AVX512BF16__)
    return precision::bf16;
#else
    return precision::f32;
#endif
}

[[nodiscard]] constexpr std::string_view name_of(precision value) {
    switch (value) {
    case precision::bf16:
        return "bf16";
    case precision::int8:
        return "int8";
    case precision::automatic:
        return "automatic";
    default:
        return "f32";
    }
}

/// The precision of that name, if there is one.
[[nodiscard]] constexpr std::optional<precision> precision_named(std::string_view name) {
    for (const precision each : every_precision) {
        if (name_of(each) == name) {
            return each;
        }
    }
    return std::nullopt;
}

MICE_NAMESPACE_END
