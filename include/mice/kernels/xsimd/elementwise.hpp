// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <mice/kernels/set.hpp>
#include <mice/kernels/xsimd/simd.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels {

namespace detail {

template <class Arch> MICE_ALWAYS_INLINE vec<Arch> clamp(vec<Arch> x, vec<Arch> most) {
    return xsimd::min(xsimd::max(x, vec<Arch>(0.0F) - most), most);
}

/// The coefficients of a polynomial of t, that of the highest power first.
template <class Arch, rounding Steps, class... Coefficients>
MICE_ALWAYS_INLINE vec<Arch> polynomial(vec<Arch> t, float first, Coefficients... next) {
    vec<Arch> sum(first);
    ((sum = multiply_add<Arch, Steps>(sum, t, vec<Arch>(next))), ...);
    return sum;
}

} // namespace detail

/// Epilogue: the exact GELU, x/2 (1 + erf(x / sqrt 2)), as the BERT family uses it. Relative error
/// below 2.5e-7, for x < 0 absolute error below 1e-6; exactly x above 5.6 and 0 below -5.6.
struct gelu {
    template <class Arch, rounding Steps = rounding::once>
    MICE_ALWAYS_INLINE static vec<Arch> apply(vec<Arch> x) {
        // erf(z) = z P(z^2) / Q(z^2), a minimax fit on [-3.95, 3.95] that reaches 1 at the ends
        const vec<Arch> one(1.0F);
        const vec<Arch> z =
            detail::clamp<Arch>(x * vec<Arch>(0.70710678118654752F), vec<Arch>(3.95F));
        const vec<Arch> t = z * z;
        const vec<Arch> p =
            detail::polynomial<Arch, Steps>(t, 1.98399698e-6F, 2.84733920e-4F, 3.89613304e-3F,
                                            5.31442576e-2F, 1.93866834e-1F, 1.12837911F);
        const vec<Arch> q =
            detail::polynomial<Arch, Steps>(t, 3.73961957e-5F, 1.18834805e-3F, 1.52342515e-2F,
                                            1.15482710e-1F, 5.05142570e-1F, 1.0F);
        const vec<Arch> half = detail::rounded_product<Arch, Steps>(vec<Arch>(0.5F) * x);
        return multiply_add<Arch, Steps>(half, detail::clamp<Arch>(z * p / q, one), half);
    }
};

/// Epilogue: tanh, for the pooler. Relative error below 2e-7. Always rounds once: it runs once a
/// text, so its time does not count. xsimd's own leaves it to the compiler what is fused.
struct tanh {
    template <class Arch, rounding = rounding::once>
    MICE_ALWAYS_INLINE static vec<Arch> apply(vec<Arch> given) {
        constexpr rounding once = rounding::once;
        const auto rounded = [](vec<Arch> product) MICE_INLINE_LAMBDA {
            return detail::rounded_product<Arch, rounding::twice>(product);
        };
        const vec<Arch> one(1.0F);
        const vec<Arch> x = xsimd::abs(given);
        // below 5/8: x + x^3 P(x^2)
        const vec<Arch> square = rounded(x * x);
        const vec<Arch> p = detail::polynomial<Arch, once>(
            square, -5.70498873E-3F, 2.06390880E-2F, -5.37397154E-2F, 0.133314416F, -0.333332807F);
        const vec<Arch> near_zero = multiply_add<Arch, once>(rounded(p * square), x, x);
        // from there on 1 - 2 / (1 + e^a), a = 2 x = n ln 2 + r; from a = 88 on the result is 1
        const vec<Arch> a = xsimd::min(x + x, vec<Arch>(88.0F));
        const vec<Arch> magic(0x1.8p23F);
        const vec<Arch> shifted = rounded(a * vec<Arch>(1.44269504F)) + magic;
        const vec<Arch> n = shifted - magic;
        vec<Arch> r = multiply_add<Arch, once>(n, vec<Arch>(-0x1.63p-1F), a);
        r = multiply_add<Arch, once>(n, vec<Arch>(0x1.bd0106p-13F), r);
        const vec<Arch> power = detail::polynomial<Arch, once>(r, 1.39977958e-3F, 8.39556288e-3F,
                                                               4.16654013e-2F, 0.166662768F, 0.5F);
        const vec<Arch> e = multiply_add<Arch, once>(power, rounded(r * r), r) + one;
        const vec<Arch> far = multiply_add<Arch, once>(
            one / (one + add_to_exponent<Arch>(e, shifted)), vec<Arch>(-2.0F), one);
        const vec<Arch> zero(0.0F);
        const vec<Arch> magnitude = xsimd::select(x < vec<Arch>(0.625F), near_zero, far);
        const vec<Arch> result = xsimd::select(given < zero, zero - magnitude, magnitude);
        // zero keeps its sign, NaN stays NaN
        return xsimd::select((given > zero) | (given < zero), result, given);
    }
};

/// y[n] += x[n]
template <class Arch = default_arch> void add(const float* x, float* y, std::size_t n) {
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        (vec<Arch>::load_unaligned(y + i) + vec<Arch>::load_unaligned(x + i))
            .store_unaligned(y + i);
    }
    for (; i < n; ++i) {
        y[i] += x[i];
    }
}

/// y[n] *= x[n]
template <class Arch = default_arch> void multiply(const float* x, float* y, std::size_t n) {
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        (vec<Arch>::load_unaligned(y + i) * vec<Arch>::load_unaligned(x + i))
            .store_unaligned(y + i);
    }
    for (; i < n; ++i) {
        y[i] *= x[i];
    }
}

/// x[n] = gelu(x[n]) * gate[n]
template <class Arch = default_arch, rounding Steps = rounding::once>
void gated_gelu(float* x, const float* gate, std::size_t n) {
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        (gelu::apply<Arch, Steps>(vec<Arch>::load_unaligned(x + i)) *
         vec<Arch>::load_unaligned(gate + i))
            .store_unaligned(x + i);
    }
    if (i < n) {
        alignas(64) float rest[lanes<Arch>] = {};
        detail::copy(x + i, n - i, rest);
        gelu::apply<Arch, Steps>(vec<Arch>::load_aligned(rest)).store_aligned(rest);
        for (std::size_t j = 0; i < n; ++i, ++j) {
            x[i] = rest[j] * gate[i];
        }
    }
}

/// y[n] += factor * x[n]
template <class Arch = default_arch, rounding Steps = rounding::once>
void add_scaled(const float* x, float factor, float* y, std::size_t n) {
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        multiply_add<Arch, Steps>(vec<Arch>::load_unaligned(x + i), vec<Arch>(factor),
                                  vec<Arch>::load_unaligned(y + i))
            .store_unaligned(y + i);
    }
    for (; i < n; ++i) {
        y[i] = detail::multiply_add_one<Steps>(x[i], factor, y[i]);
    }
}

/// Turns the pairs (x[i], x[half + i]), i < half, of each of the heads of x[heads, 2 half] by the
/// angles whose cosine[half] and sine[half] are given: rotary position embedding (RoPE).
template <class Arch = default_arch, rounding Steps = rounding::once>
void rotate(float* x, std::size_t heads, std::size_t half, const float* cosine, const float* sine) {
    for (std::size_t head = 0; head < heads; ++head, x += 2 * half) {
        float* other = x + half;
        // Every set computes the values behind whole registers of the widest set one by one.
        const std::size_t whole = half / sums_apart * sums_apart;
        std::size_t i = 0;
        for (; i + lanes<Arch> <= whole; i += lanes<Arch>) {
            const vec<Arch> a = vec<Arch>::load_unaligned(x + i);
            const vec<Arch> b = vec<Arch>::load_unaligned(other + i);
            const vec<Arch> c = vec<Arch>::load_unaligned(cosine + i);
            const vec<Arch> s = vec<Arch>::load_unaligned(sine + i);
            const vec<Arch> a_c = detail::rounded_product<Arch, Steps>(a * c);
            const vec<Arch> a_s = detail::rounded_product<Arch, Steps>(a * s);
            multiply_add<Arch, Steps>(-b, s, a_c).store_unaligned(x + i);
            multiply_add<Arch, Steps>(b, c, a_s).store_unaligned(other + i);
        }
        for (; i < half; ++i) {
            const float a = x[i];
            const float b = other[i];
            const float b_s = detail::as_rounded(b * sine[i]);
            const float a_s = detail::as_rounded(a * sine[i]);
            x[i] = detail::multiply_add_one<Steps>(a, cosine[i], -b_s);
            other[i] = detail::multiply_add_one<Steps>(b, cosine[i], a_s);
        }
    }
}

/// maxima[j] = the largest x[i][j] of the m rows of x [m, n], `stride` floats from row to row; m at
/// least 1, no value NaN.
template <class Arch = default_arch>
void column_maxima(const float* x, std::size_t stride, std::size_t m, std::size_t n,
                   float* maxima) {
    std::size_t j = 0;
    for (; j + 2 * lanes<Arch> <= n; j += 2 * lanes<Arch>) { // two chains hide a maximum's latency
        const float* row = x + j;
        vec<Arch> left = vec<Arch>::load_unaligned(row);
        vec<Arch> right = vec<Arch>::load_unaligned(row + lanes<Arch>);
        for (std::size_t i = 1; i < m; ++i) {
            row += stride;
            left = xsimd::max(left, vec<Arch>::load_unaligned(row));
            right = xsimd::max(right, vec<Arch>::load_unaligned(row + lanes<Arch>));
        }
        left.store_unaligned(maxima + j);
        right.store_unaligned(maxima + j + lanes<Arch>);
    }
    for (; j < n; ++j) {
        float found = x[j];
        for (std::size_t i = 1; i < m; ++i) {
            found = x[i * stride + j] > found ? x[i * stride + j] : found;
        }
        maxima[j] = found;
    }
}

/// The number of the column of matrix [n, compared_columns] that is nearest to x [n], all finite:
/// with the least sum of squared differences, in ascending rows, each rounded; the first of equals.
template <class Arch = default_arch>
[[nodiscard]] std::size_t nearest_column(const float* x, std::size_t n, const float* matrix) {
    constexpr std::size_t registers = 8; // two for each step of a sum's latency
    constexpr std::size_t at_once = registers * lanes<Arch>;
    static_assert(compared_columns % at_once == 0);
    alignas(64) float distances[compared_columns];
    vec<Arch> least(std::numeric_limits<float>::infinity());
    for (std::size_t first = 0; first < compared_columns; first += at_once) {
        vec<Arch> sums[registers];
        unroll<registers>([&](auto j) MICE_INLINE_LAMBDA { sums[j] = vec<Arch>(0.0F); });
        const float* row = matrix + first;
        for (std::size_t i = 0; i < n; ++i, row += compared_columns) {
            const vec<Arch> value(x[i]);
            unroll<registers>([&](auto j) MICE_INLINE_LAMBDA {
                const vec<Arch> off = value - vec<Arch>::load_unaligned(row + j * lanes<Arch>);
                sums[j] = multiply_add<Arch, rounding::twice>(off, off, sums[j]);
            });
        }
        unroll<registers>([&](auto j) MICE_INLINE_LAMBDA {
            sums[j].store_aligned(distances + first + j * lanes<Arch>);
            least = xsimd::min(least, sums[j]);
        });
    }
    const float nearest = -max_of(vec<Arch>(0.0F) - least);
    std::size_t found = 0;
    while (found < compared_columns - lanes<Arch> &&
           !xsimd::any(vec<Arch>::load_aligned(distances + found) == vec<Arch>(nearest))) {
        found += lanes<Arch>;
    }
    while (found < compared_columns && distances[found] != nearest) {
        ++found;
    }
    return found % compared_columns; // 0 where nothing is finite
}

/// The largest magnitude of x[n]: 0 without values, infinity or NaN where one is not finite.
template <class Arch = default_arch>
[[nodiscard]] float largest_magnitude(const float* x, std::size_t n) {
    // Magnitudes are ordered as their bits are, NaN above infinity.
    using integers = xsimd::batch<std::int32_t, Arch>;
    const integers magnitude(0x7fffffff);
    integers largest(0);
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        largest = xsimd::max(largest, detail::as_integers<Arch>(vec<Arch>::load_unaligned(x + i)) &
                                          magnitude);
    }
    std::int32_t result = max_of(largest);
    for (; i < n; ++i) {
        const std::int32_t bits = std::bit_cast<std::int32_t>(x[i]) & 0x7fffffff;
        result = bits > result ? bits : result;
    }
    return std::bit_cast<float>(result);
}

namespace detail {

template <class Arch, rounding Steps>
float squared_distance(const float* x, float mean, std::size_t n) {
    partial_sums<Arch> sums = no_sums<Arch>();
    std::size_t i = 0;
    for (; i + lanes<Arch> * sums.size() <= n; i += lanes<Arch> * sums.size()) {
        unroll<sum_registers<Arch>>([&](auto j) MICE_INLINE_LAMBDA {
            const vec<Arch> difference =
                vec<Arch>::load_unaligned(x + i + j * lanes<Arch>) - vec<Arch>(mean);
            sums[j] = multiply_add<Arch, Steps>(difference, difference, sums[j]);
        });
    }
    float total = total_of<Arch>(sums);
    for (; i < n; ++i) {
        total = multiply_add_one<Steps>(x[i] - mean, x[i] - mean, total);
    }
    return total;
}

template <class Arch> float sum(const float* x, std::size_t n) {
    partial_sums<Arch> sums = no_sums<Arch>();
    std::size_t i = 0;
    for (; i + lanes<Arch> * sums.size() <= n; i += lanes<Arch> * sums.size()) {
        unroll<sum_registers<Arch>>([&](auto j) MICE_INLINE_LAMBDA {
            sums[j] += vec<Arch>::load_unaligned(x + i + j * lanes<Arch>);
        });
    }
    float total = total_of<Arch>(sums);
    for (; i < n; ++i) {
        total += x[i];
    }
    return total;
}

} // namespace detail

/// x[n] = (x - mean) / sqrt(variance + epsilon) * weight[n] + bias[n], mean and variance of x
/// itself.
template <class Arch = default_arch, rounding Steps = rounding::once>
void layer_norm(float* x, std::size_t n, const float* weight, const float* bias, float epsilon) {
    const float mean = detail::sum<Arch>(x, n) / static_cast<float>(n);
    const float variance =
        detail::squared_distance<Arch, Steps>(x, mean, n) / static_cast<float>(n);
    const float inverse = 1.0F / std::sqrt(variance + epsilon);
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        const vec<Arch> centred = vec<Arch>::load_unaligned(x + i) - vec<Arch>(mean);
        const vec<Arch> y = multiply_add<Arch, Steps>(centred * vec<Arch>(inverse),
                                                      vec<Arch>::load_unaligned(weight + i),
                                                      vec<Arch>::load_unaligned(bias + i));
        y.store_unaligned(x + i);
    }
    for (; i < n; ++i) {
        x[i] = detail::multiply_add_one<Steps>((x[i] - mean) * inverse, weight[i], bias[i]);
    }
}

/// e^x for x <= 0, 0 for x < -87 (-infinity too), NaN for NaN. Relative error below 2e-7.
template <class Arch, rounding Steps = rounding::once>
MICE_ALWAYS_INLINE vec<Arch> exp_of_negative(vec<Arch> x) {
    x = detail::rounded_product<Arch, Steps>(x);
    // x = n ln 2 + r with |r| <= ln(2) / 2; e^r is a minimax polynomial; n goes into the exponent.
    const vec<Arch> magic(0x1.8p23F);
    const vec<Arch> shifted = multiply_add<Arch, Steps>(x, vec<Arch>(1.44269504F), magic);
    const vec<Arch> n = shifted - magic;
    vec<Arch> r = multiply_add<Arch, Steps>(n, vec<Arch>(-0x1.62e4p-1F), x);
    r = multiply_add<Arch, Steps>(n, vec<Arch>(-1.42860677e-6F), r);
    vec<Arch> power(8.31252523e-3F);
    for (const float coefficient : {4.18901145e-2F, 0.166671142F, 0.499992311F, 1.0F, 1.0F}) {
        power = multiply_add<Arch, Steps>(power, r, vec<Arch>(coefficient));
    }
    const vec<Arch> least(-87.0F);
    return xsimd::select(x >= least, add_to_exponent<Arch>(power, shifted),
                         xsimd::select(x < least, vec<Arch>(0.0F), x));
}

/// Softmax of scale * x[n] in place, from column `first` on; the columns before it become 0. The
/// memory of x reaches to a multiple of the lanes. first < n; scale > 0.
template <class Arch = default_arch, rounding Steps = rounding::once>
void softmax(float* x, std::size_t n, float scale, std::size_t first = 0) {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    const std::size_t padded = round_up(n, lanes<Arch>);
    for (std::size_t i = 0; i < first; ++i) {
        x[i] = lowest;
    }
    for (std::size_t i = n; i < padded; ++i) {
        x[i] = lowest;
    }
    vec<Arch> largest(lowest);
    for (std::size_t i = 0; i < padded; i += lanes<Arch>) {
        largest = xsimd::max(largest, vec<Arch>::load_unaligned(x + i));
    }
    const vec<Arch> offset(max_of(largest));
    partial_sums<Arch> sums = no_sums<Arch>();
    const auto step = [&](std::size_t i, vec<Arch>& sum) MICE_INLINE_LAMBDA {
        const vec<Arch> power = exp_of_negative<Arch, Steps>(
            (vec<Arch>::load_unaligned(x + i) - offset) * vec<Arch>(scale));
        power.store_unaligned(x + i);
        sum += power;
    };
    std::size_t done = 0;
    for (; done + lanes<Arch> * sums.size() <= padded; done += lanes<Arch> * sums.size()) {
        unroll<sum_registers<Arch>>(
            [&](auto j) MICE_INLINE_LAMBDA { step(done + j * lanes<Arch>, sums[j]); });
    }
    for (std::size_t j = 0; done < padded; done += lanes<Arch>, ++j) {
        step(done, sums[j]);
    }
    const vec<Arch> inverse(1.0F / total_of<Arch>(sums));
    for (std::size_t i = 0; i < padded; i += lanes<Arch>) {
        (vec<Arch>::load_unaligned(x + i) * inverse).store_unaligned(x + i);
    }
}

} // namespace kernels
MICE_NAMESPACE_END
