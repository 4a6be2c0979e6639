// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// The numbers that a model computes with; chosen when it is loaded. `docs/accuracy.md` and
/// `docs/performance.md` show what they cost and gain.
///
/// The default everywhere is `automatic`, so scores differ in the third digit between processors
/// with instructions for int8 and others. Ask for one precision by name where they have to agree.
enum class precision {
    f32,  ///< the reference
    bf16, ///< weights and activations rounded to bfloat16, sums in f32
    /// Weights, activations and the states of documents as 8-bit integers, each row with its scale;
    /// attention of a text to itself, and weights that the model file keeps as floats beside 8-bit
    /// ones, in bf16.
    int8,
    /// The default: the fastest that this build has instructions for: int8 with VNNI, bf16 with
    /// AVX-512 BF16, else f32.
    automatic,
};

inline constexpr std::array every_precision{precision::f32, precision::bf16, precision::int8,
                                            precision::automatic};

/// What `automatic` means with the kernels in use; any other value itself.
[[nodiscard]] precision resolved(precision wanted);

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

#if !MICE_COMPILED
#include <mice/precision_impl.hpp>
#endif
