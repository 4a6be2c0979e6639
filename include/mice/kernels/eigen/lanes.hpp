// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <mice/config.hpp>
#include <mice/kernels/eigen/core.hpp>
#include <mice/kernels/rounding.hpp>

// Sixteen floats at a time, as Eigen expressions: what a register of the widest processors holds,
// and what every set of kernels sums up side by side. Nothing here is written for a processor.
MICE_NAMESPACE_BEGIN
namespace kernels::eigen {

using Eigen::Index;

inline constexpr Index width = sums_apart;
using lanes = Eigen::Array<float, width, 1>;

/// a * b + c of floats and of Eigen's registers of them: fused where the processor can.
struct multiply_and_add {
    float operator()(float a, float b, float c) const {
        return detail::multiply_add_one<rounding::once>(a, b, c);
    }
    template <class Register> // NOLINTNEXTLINE(readability-identifier-naming): Eigen's name
    Register packetOp(const Register& a, const Register& b, const Register& c) const {
        return Eigen::internal::pmadd(a, b, c);
    }
};

/// x [n], of which the compiler does not know that it is a product, as detail::as_rounded.
MICE_ALWAYS_INLINE lanes as_rounded(lanes x) {
#if defined(__GNUC__) && (defined(__FMA__) || !defined(__SSE2__))
    asm("" : "+m"(*reinterpret_cast<float(*)[width]>(x.data())));
#endif
    return x;
}

/// a * b + c, rounded as said.
template <rounding How>
MICE_ALWAYS_INLINE lanes multiply_add(const lanes& a, const lanes& b, const lanes& c) {
    if constexpr (How == rounding::once) {
        return Eigen::CwiseTernaryOp<multiply_and_add, const lanes, const lanes, const lanes>(a, b,
                                                                                              c);
    } else {
        return as_rounded(a * b) + c;
    }
}
template <rounding How>
MICE_ALWAYS_INLINE lanes multiply_add(const lanes& a, float b, const lanes& c) {
    return multiply_add<How>(a, lanes::Constant(b), c);
}
template <rounding How>
MICE_ALWAYS_INLINE lanes multiply_add(const lanes& a, const lanes& b, float c) {
    return multiply_add<How>(a, b, lanes::Constant(c));
}

/// The coefficients of a polynomial of t, that of the highest power first.
template <rounding How, class... Coefficients>
MICE_ALWAYS_INLINE lanes polynomial(const lanes& t, float first, Coefficients... next) {
    lanes sum = lanes::Constant(first);
    ((sum = multiply_add<How>(sum, t, next)), ...);
    return sum;
}

/// x * 2^n, normal numbers both, with n given as 1.5 * 2^23 + n.
MICE_ALWAYS_INLINE lanes add_to_exponent(const lanes& x, const lanes& shifted) {
    return x.binaryExpr(shifted, [](float value, float n) {
        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) +
                                    (std::bit_cast<std::uint32_t>(n) << 23));
    });
}

/// The lanes added up, those furthest apart first.
[[nodiscard]] inline float total_of(const lanes& sums) {
    const Eigen::Array<float, 8, 1> half = sums.head<8>() + sums.tail<8>();
    const Eigen::Array<float, 4, 1> quarter = half.head<4>() + half.tail<4>();
    return (quarter[0] + quarter[1]) + (quarter[2] + quarter[3]);
}

/// from[n], which may be fewer than 16, and zeros; to[n].
[[nodiscard]] MICE_ALWAYS_INLINE lanes load(const float* from, Index n = width) {
    if (n >= width) {
        return Eigen::Map<const lanes>(from);
    }
    lanes x = lanes::Zero();
    for (Index i = 0; i < n; ++i) {
        x[i] = from[i];
    }
    return x;
}
MICE_ALWAYS_INLINE void store(const lanes& x, float* to, Index n = width) {
    if (n >= width) {
        Eigen::Map<lanes>{to} = x;
        return;
    }
    for (Index i = 0; i < n; ++i) {
        to[i] = x[i];
    }
}

/// Calls step(first, count) for every 16 of n, and for the rest.
template <class Step> MICE_ALWAYS_INLINE void for_lanes(std::size_t n, const Step& step) {
    const auto length = static_cast<Index>(n);
    Index i = 0;
    for (; i + width <= length; i += width) {
        step(i, width);
    }
    if (i < length) {
        step(i, length - i);
    }
}

} // namespace kernels::eigen
MICE_NAMESPACE_END

// That registers of several floats may be given to it.
template <> struct Eigen::internal::functor_traits<mice::kernels::eigen::multiply_and_add> {
    enum { Cost = 2, PacketAccess = true };
};
