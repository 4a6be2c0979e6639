// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include <mice/kernels/active.hpp>

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

/// What `automatic` stands for with the kernels that compute; any other value itself.
[[nodiscard]] inline precision resolved(precision wanted) {
    if (wanted != precision::automatic) {
        return wanted;
    }
    switch (kernels::active().fastest) {
    case kernels::product_kind::int8:
        return precision::int8;
    case kernels::product_kind::bf16:
        return precision::bf16;
    default:
        return precision::f32;
    }
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
