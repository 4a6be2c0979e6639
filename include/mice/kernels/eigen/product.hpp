// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <mice/kernels/eigen/lanes.hpp>

// The three ways to multiply. All are one chain of multiply-adds of floats in ascending k; a
// product says how an operand's numbers are rounded and stored, in which order they are added, and
// what becomes of a sum.
MICE_NAMESPACE_BEGIN
namespace kernels::eigen {

/// What 1 stands for in a row of the left operand or a column of the right one, and its inverse.
struct scale {
    float step = 1;
    float inverse = 1;
};

/// Floats as they are.
struct f32_product {
    using number = float;                              ///< of the packed right operand
    static constexpr rounding rounds = rounding::once; ///< of all that is computed between products
    static constexpr Index group = 1;           ///< k is filled with zeros up to a multiple of it
    static constexpr bool has_scales = false;   ///< whether rows and columns have scales but 1
    static constexpr bool has_integers = false; ///< whether sums are integers

    static scale scale_of(float) { return {}; }
    /// The value that is stored for x.
    static lanes rounded(const lanes& x, const lanes&) { return x; }
    /// Which number of a row or column is the i-th to be added; place(place(i)) is i.
    static constexpr Index place(Index i) { return i; }
    static lanes result(const lanes& sum, float, const lanes&, const lanes& bias) {
        return sum + bias;
    }
};

/// bfloat16, whose products are exact in float. Two are added to a sum at a time, the second one
/// first, as the processors with instructions for it do.
struct bf16_product {
    using number = Eigen::bfloat16;
    static constexpr rounding rounds = rounding::twice;
    static constexpr Index group = 2;
    static constexpr bool has_scales = false;
    static constexpr bool has_integers = false;

    static scale scale_of(float) { return {}; }
    static lanes rounded(const lanes& x, const lanes&) {
        return x.cast<Eigen::bfloat16>().cast<float>();
    }
    static constexpr Index place(Index i) { return i ^ 1; }
    static lanes result(const lanes& sum, float, const lanes&, const lanes& bias) {
        return sum + bias;
    }
};

/// Signed bytes: the largest magnitude of a row or column becomes 127. Sums are integers.
struct int8_product {
    using number = std::int8_t;
    static constexpr rounding rounds = rounding::twice;
    static constexpr Index group = 4;
    static constexpr bool has_scales = true;
    static constexpr bool has_integers = true;

    static scale scale_of(float largest) {
        if (!(largest <= std::numeric_limits<float>::max())) { // so that it shows in every product
            return {.step = std::numeric_limits<float>::quiet_NaN(), .inverse = 0};
        }
        if (largest > 0x1p-100F) {
            return {.step = largest / 127, .inverse = 127 / largest};
        }
        return {.step = 0, .inverse = 0}; // the inverse of so little could overflow
    }
    static lanes rounded(const lanes& x, const lanes& inverse) {
        return (inverse == 0).select(lanes::Zero(), (x * inverse).rint());
    }
    static constexpr Index place(Index i) { return i; }
    static lanes result(const lanes& sum, float row_step, const lanes& column_steps,
                        const lanes& bias) {
        return multiply_add<rounds>(sum, row_step * column_steps, bias);
    }
};

/// The largest magnitude of an Eigen array: 0 without values, NaN where one is not finite.
template <class Values> float largest_magnitude(const Values& x) {
    float largest = 0;
    for (Index i = 0; i < x.size(); ++i) {
        const float magnitude = std::fabs(x[i]);
        if (!(magnitude <= std::numeric_limits<float>::max())) {
            return std::numeric_limits<float>::quiet_NaN();
        }
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

} // namespace kernels::eigen
MICE_NAMESPACE_END
