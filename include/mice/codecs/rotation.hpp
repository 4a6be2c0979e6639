// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include <mice/config.hpp>

// The rotation of quantised rows: Walsh-Hadamard transforms. They spread the few large columns that
// encoders have over a whole block; otherwise these would set the step for the small ones.
MICE_NAMESPACE_BEGIN
namespace store {

/// x[Size] = its Walsh-Hadamard transform in natural order, not normalised: done twice it is Size *
/// x. Size is a power of two. Integers must have room for Size times the largest of them.
template <std::size_t Size, class Number> void hadamard(Number* x) {
    constexpr std::size_t half = Size / 2;
    // All passes are alike and read and write in order, so compilers vectorise them.
    const auto pass = [](const Number* from, Number* to) {
        for (std::size_t i = 0; i < half; ++i) {
            to[2 * i] = static_cast<Number>(from[i] + from[half + i]);
            to[2 * i + 1] = static_cast<Number>(from[i] - from[half + i]);
        }
    };
    Number other[Size];
    std::size_t size = Size;
    for (; size > 2; size /= 4) {
        pass(x, other);
        pass(other, x);
    }
    if (size == 2) {
        pass(x, other);
        std::copy_n(other, Size, x);
    }
}

/// Calls step(integral constant size, first) for the powers of two, at most Size and the largest
/// first, into which n columns are cut from the left; n is at most 2 * Size - 1.
template <std::size_t Size, class Step>
void for_rotated_parts(std::size_t n, const Step& step, std::size_t first = 0) {
    if (n >= Size) {
        step(std::integral_constant<std::size_t, Size>{}, first);
        first += Size;
        n -= Size;
    }
    if constexpr (Size > 1) {
        for_rotated_parts<Size / 2>(n, step, first);
    }
}

/// The factor that makes the transform of that size orthonormal, and so its own inverse.
[[nodiscard]] inline float rotation_norm(std::size_t size) {
    return 1.0F / std::sqrt(static_cast<float>(size));
}

} // namespace store
MICE_NAMESPACE_END
