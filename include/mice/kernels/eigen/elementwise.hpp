// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include <mice/kernels/eigen/lanes.hpp>
#include <mice/kernels/set.hpp>

// What is computed between products, as kernels/xsimd/elementwise.hpp does it: the same formulas,
// and the same sums in the same order.
MICE_NAMESPACE_BEGIN
namespace kernels::eigen {

/// The exact GELU, x/2 (1 + erf(x / sqrt 2)), with erf(z) = z P(z^2) / Q(z^2).
template <rounding How> MICE_FLATTEN lanes gelu(const lanes& x) {
    const lanes z = (x * 0.70710678118654752F).max(-3.95F).min(3.95F);
    const lanes t = z * z;
    const lanes p = polynomial<How>(t, 1.98399698e-6F, 2.84733920e-4F, 3.89613304e-3F,
                                    5.31442576e-2F, 1.93866834e-1F, 1.12837911F);
    const lanes q = polynomial<How>(t, 3.73961957e-5F, 1.18834805e-3F, 1.52342515e-2F,
                                    1.15482710e-1F, 5.05142570e-1F, 1.0F);
    const lanes erf = (z * p / q).max(-1.0F).min(1.0F);
    const lanes half = as_rounded(0.5F * x);
    return multiply_add<How>(half, erf, half);
}

/// tanh: x + x^3 P(x^2) below 5/8, 1 - 2 / (1 + e^2x) from there on; odd.
MICE_FLATTEN inline lanes tanh(const lanes& given) {
    constexpr rounding once = rounding::once;
    const lanes x = given.abs();
    const lanes square = x * x;
    const lanes p = polynomial<once>(square, -5.70498873E-3F, 2.06390880E-2F, -5.37397154E-2F,
                                     0.133314416F, -0.333332807F);
    const lanes near_zero = multiply_add<once>(as_rounded(p * square), x, x);
    // e^a with a = n ln 2 + r; from a = 88 on the result is 1
    const lanes a = (x + x).min(88.0F);
    const lanes n = (a * 1.44269504F).rint();
    lanes r = multiply_add<once>(n, -0x1.63p-1F, a);
    r = multiply_add<once>(n, 0x1.bd0106p-13F, r);
    const lanes power =
        polynomial<once>(r, 1.39977958e-3F, 8.39556288e-3F, 4.16654013e-2F, 0.166662768F, 0.5F);
    const lanes one = lanes::Ones();
    const lanes e = multiply_add<once>(power, as_rounded(r * r), r) + one;
    const lanes far =
        multiply_add<once>(one / (one + add_to_exponent(e, n + 0x1.8p23F)), -2.0F, one);
    const lanes magnitude = (x < 0.625F).select(near_zero, far);
    const lanes signed_result = (given < 0).select(-magnitude, magnitude);
    return (given == 0 || given != given).select(given, signed_result);
}

/// e^x for x <= 0, 0 for x < -87 (-infinity too), NaN for NaN.
template <rounding How> MICE_FLATTEN lanes exp_of_negative(const lanes& given) {
    // x = n ln 2 + r with |r| <= ln(2) / 2; e^r is a minimax polynomial; n goes into the exponent.
    const lanes x = as_rounded(given);
    const lanes shifted = multiply_add<How>(x, 1.44269504F, lanes::Constant(0x1.8p23F));
    const lanes n = shifted - 0x1.8p23F;
    lanes r = multiply_add<How>(n, -0x1.62e4p-1F, x);
    r = multiply_add<How>(n, -1.42860677e-6F, r);
    const lanes power =
        polynomial<How>(r, 8.31252523e-3F, 4.18901145e-2F, 0.166671142F, 0.499992311F, 1.0F, 1.0F);
    const lanes nothing_or_nan = (x < -87.0F).select(lanes::Zero(), x);
    return (x >= -87.0F).select(add_to_exponent(power, shifted), nothing_or_nan);
}

/// y[n] += x[n]
inline void add(const float* x, float* y, std::size_t n) {
    for_lanes(n, [&](Index i, Index count) {
        store(load(y + i, count) + load(x + i, count), y + i, count);
    });
}

/// y[n] *= x[n]
inline void multiply(const float* x, float* y, std::size_t n) {
    for_lanes(n, [&](Index i, Index count) {
        store(load(y + i, count) * load(x + i, count), y + i, count);
    });
}

/// y[n] += factor * x[n]
template <rounding How> void add_scaled(const float* x, float factor, float* y, std::size_t n) {
    for_lanes(n, [&](Index i, Index count) {
        store(multiply_add<How>(load(x + i, count), factor, load(y + i, count)), y + i, count);
    });
}

/// x[n] = gelu(x[n]) * gate[n]
template <rounding How> void gated_gelu(float* x, const float* gate, std::size_t n) {
    for_lanes(n, [&](Index i, Index count) {
        store(gelu<How>(load(x + i, count)) * load(gate + i, count), x + i, count);
    });
}

/// Turns the pairs (x[i], x[half + i]), i < half, of each of the heads of x[heads, 2 half] by the
/// angles whose cosine[half] and sine[half] are given: rotary position embedding (RoPE).
template <rounding How>
void rotate(float* x, std::size_t heads, std::size_t half, const float* cosine, const float* sine) {
    for (std::size_t head = 0; head < heads; ++head, x += 2 * half) {
        float* other = x + half;
        std::size_t i = 0;
        for (; i + width <= half; i += width) {
            const lanes a = load(x + i);
            const lanes b = load(other + i);
            const lanes c = load(cosine + i);
            const lanes s = load(sine + i);
            store(multiply_add<How>(-b, s, as_rounded(a * c)), x + i);
            store(multiply_add<How>(b, c, as_rounded(a * s)), other + i);
        }
        for (; i < half; ++i) { // one by one in every set
            const float a = x[i];
            const float b = other[i];
            const float b_s = detail::as_rounded(b * sine[i]);
            const float a_s = detail::as_rounded(a * sine[i]);
            x[i] = detail::multiply_add_one<How>(a, cosine[i], -b_s);
            other[i] = detail::multiply_add_one<How>(b, cosine[i], a_s);
        }
    }
}

/// maxima[j] = the largest x[i][j] of the m rows of x [m, n], `stride` floats from row to row; m at
/// least 1, no value NaN.
inline void column_maxima(const float* x, std::size_t stride, std::size_t m, std::size_t n,
                          float* maxima) {
    for_lanes(n, [&](Index j, Index count) {
        lanes largest = load(x + j, count);
        for (std::size_t i = 1; i < m; ++i) {
            largest = largest.max(load(x + i * stride + static_cast<std::size_t>(j), count));
        }
        store(largest, maxima + j, count);
    });
}

/// The number of the column of matrix [n, compared_columns] that is nearest to x [n], all finite:
/// with the least sum of squared differences, in ascending rows, each rounded; the first of equals.
inline std::size_t nearest_column(const float* x, std::size_t n, const float* matrix) {
    float distances[compared_columns];
    for_lanes(compared_columns, [&](Index j, Index count) {
        lanes sum = lanes::Zero();
        for (std::size_t i = 0; i < n; ++i) {
            const float* row = matrix + i * compared_columns;
            const lanes off = lanes::Constant(x[i]) - load(row + j, count);
            sum = multiply_add<rounding::twice>(off, off, sum);
        }
        store(sum, distances + j, count);
    });
    return static_cast<std::size_t>(std::min_element(distances, distances + compared_columns) -
                                    distances);
}

/// Sixteen sums side by side of x[0 .. 15], x[16 .. 31] ..; then what is left, one by one.
/// step(x, sum) -> sum, of lanes and of floats.
template <class Step> float sum_up(const float* x, std::size_t n, const Step& step) {
    lanes sums = lanes::Zero();
    std::size_t i = 0;
    for (; i + width <= n; i += width) {
        sums = step(load(x + i), sums);
    }
    float total = total_of(sums);
    for (; i < n; ++i) {
        total = step(x[i], total);
    }
    return total;
}

template <rounding How> struct add_square {
    float mean;
    lanes operator()(const lanes& x, const lanes& sum) const {
        const lanes difference = x - mean;
        return multiply_add<How>(difference, difference, sum);
    }
    float operator()(float x, float sum) const {
        return detail::multiply_add_one<How>(x - mean, x - mean, sum);
    }
};

struct add_itself {
    lanes operator()(const lanes& x, const lanes& sum) const { return sum + x; }
    float operator()(float x, float sum) const { return sum + x; }
};

/// x[n] = (x - mean) / sqrt(variance + epsilon) * weight[n] + bias[n], mean and variance of x
/// itself.
template <rounding How>
MICE_FLATTEN void layer_norm(float* x, std::size_t n, const float* weight, const float* bias,
                             float epsilon) {
    const auto count = static_cast<float>(n);
    const float mean = sum_up(x, n, add_itself{}) / count;
    const float variance = sum_up(x, n, add_square<How>{mean}) / count;
    const float inverse = 1.0F / std::sqrt(variance + epsilon);
    for_lanes(n, [&](Index i, Index left) {
        const lanes normal = (load(x + i, left) - mean) * inverse;
        store(multiply_add<How>(normal, load(weight + i, left), load(bias + i, left)), x + i, left);
    });
}

/// Softmax of scale * x[n] in place, from column `first` on; the columns before it become 0.
/// first < n; scale > 0.
template <rounding How>
MICE_FLATTEN void softmax(float* x, std::size_t n, float scale, std::size_t first) {
    float largest = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < n; ++i) {
        x[i] = i < first ? -std::numeric_limits<float>::infinity() : x[i];
        largest = x[i] > largest ? x[i] : largest;
    }
    lanes sums = lanes::Zero();
    for_lanes(n, [&](Index i, Index count) {
        const lanes power = exp_of_negative<How>((load(x + i, count) - largest) * scale);
        store(power, x + i, count);
        sums += load(x + i, count); // without what stands behind the row
    });
    Eigen::Map<Eigen::ArrayXf>(x, static_cast<Index>(n)) *= 1.0F / total_of(sums);
}

} // namespace kernels::eigen
MICE_NAMESPACE_END
