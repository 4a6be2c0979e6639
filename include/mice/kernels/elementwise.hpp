// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include <mice/kernels/simd.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels {

/// Epilogue: the exact GELU, x/2 (1 + erf(x / sqrt 2)), as the BERT family uses it. Relative error
/// below 2e-7, for x < 0 absolute error below 1e-7.
struct gelu {
    template <class Arch> MICE_ALWAYS_INLINE static vec<Arch> apply(vec<Arch> x) {
        const vec<Arch> half(0.5F);
        const vec<Arch> inverse_root_two(0.70710678118654752F);
        return half * x * (vec<Arch>(1.0F) + xsimd::erf(x * inverse_root_two));
    }
};

/// Epilogue: tanh, for the pooler. Relative error below 2e-7.
struct tanh {
    template <class Arch> MICE_ALWAYS_INLINE static vec<Arch> apply(vec<Arch> x) {
        return xsimd::tanh(x);
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

namespace detail {

template <class Arch> float squared_distance(const float* x, float mean, std::size_t n) {
    vec<Arch> sum(0.0F);
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        const vec<Arch> difference = vec<Arch>::load_unaligned(x + i) - vec<Arch>(mean);
        sum = multiply_add<Arch>(difference, difference, sum);
    }
    float total = sum_of<Arch>(sum);
    for (; i < n; ++i) {
        total += (x[i] - mean) * (x[i] - mean);
    }
    return total;
}

template <class Arch> float sum(const float* x, std::size_t n) {
    vec<Arch> total(0.0F);
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        total += vec<Arch>::load_unaligned(x + i);
    }
    float result = sum_of<Arch>(total);
    for (; i < n; ++i) {
        result += x[i];
    }
    return result;
}

} // namespace detail

/// x[n] = (x - mean) / sqrt(variance + epsilon) * weight[n] + bias[n], mean and variance of x
/// itself.
template <class Arch = default_arch>
void layer_norm(float* x, std::size_t n, const float* weight, const float* bias, float epsilon) {
    const float mean = detail::sum<Arch>(x, n) / static_cast<float>(n);
    const float variance = detail::squared_distance<Arch>(x, mean, n) / static_cast<float>(n);
    const float inverse = 1.0F / std::sqrt(variance + epsilon);
    std::size_t i = 0;
    for (; i + lanes<Arch> <= n; i += lanes<Arch>) {
        const vec<Arch> centred = vec<Arch>::load_unaligned(x + i) - vec<Arch>(mean);
        const vec<Arch> y =
            multiply_add<Arch>(centred * vec<Arch>(inverse), vec<Arch>::load_unaligned(weight + i),
                               vec<Arch>::load_unaligned(bias + i));
        y.store_unaligned(x + i);
    }
    for (; i < n; ++i) {
        x[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
    }
}

/// Softmax of scale * x[n] in place, from column `first` on; the columns before it become 0. The
/// memory of x reaches to a multiple of the lanes. first < n; scale > 0.
template <class Arch = default_arch>
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
    const vec<Arch> offset(max_of<Arch>(largest));
    vec<Arch> sum(0.0F);
    for (std::size_t i = 0; i < padded; i += lanes<Arch>) {
        const vec<Arch> power =
            xsimd::exp((vec<Arch>::load_unaligned(x + i) - offset) * vec<Arch>(scale));
        power.store_unaligned(x + i);
        sum += power;
    }
    const vec<Arch> inverse(1.0F / sum_of<Arch>(sum));
    for (std::size_t i = 0; i < padded; i += lanes<Arch>) {
        (vec<Arch>::load_unaligned(x + i) * inverse).store_unaligned(x + i);
    }
}

} // namespace kernels
MICE_NAMESPACE_END
