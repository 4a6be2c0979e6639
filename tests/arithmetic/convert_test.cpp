// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_numbers.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include <mice/kernels/convert.hpp>

namespace {

using mice::kernels::float_to_half;
using mice::kernels::half_to_float;

/// What the sixteen bits mean, by the definition of IEEE 754 binary16.
double half_value(unsigned bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31U);
    const int fraction = static_cast<int>(bits & 1023U);
    double value = 0;
    if (exponent == 31) {
        value = fraction == 0 ? std::numeric_limits<double>::infinity()
                              : std::numeric_limits<double>::quiet_NaN();
    } else if (exponent == 0) {
        value = std::ldexp(fraction, -24);
    } else {
        value = std::ldexp(1024 + fraction, exponent - 25);
    }
    return (bits & 0x8000U) != 0 ? -value : value;
}

/// The half nearest to a finite value, ties to even, in double-precision arithmetic.
double nearest_half(double value) {
    const double magnitude = std::fabs(value);
    if (magnitude == 0) {
        return value;
    }
    const int exponent = std::max(std::ilogb(magnitude), -14);
    const double step = std::ldexp(1.0, exponent - 10);
    const double rounded = std::nearbyint(magnitude / step) * step;
    return std::copysign(rounded > 65504 ? std::numeric_limits<double>::infinity() : rounded,
                         value);
}

/// Counts the values whose conversion is not the nearest half.
struct rounding_check {
    std::size_t wrong = 0;
    std::size_t checked = 0;

    void operator()(float value) {
        const double expected = nearest_half(value);
        const double actual = half_value(float_to_half(value));
        ++checked;
        if (actual != expected || std::signbit(actual) != std::signbit(expected)) {
            ++wrong;
            UNSCOPED_INFO(value << " became " << actual << ", nearest is " << expected);
        }
    }
};

} // namespace

TEST_CASE("all 65536 halves have the value that the standard gives them") {
    std::size_t wrong = 0;
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const double expected = half_value(bits);
        const auto actual = static_cast<double>(half_to_float(static_cast<std::uint16_t>(bits)));
        const bool same = std::isnan(expected) ? std::isnan(actual) : expected == actual;
        wrong += !same || std::signbit(expected) != std::signbit(actual);
    }
    CHECK(wrong == 0);
}

TEST_CASE("all halves come back with the same bits, NaN as NaN") {
    std::size_t wrong = 0;
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const std::uint16_t back = float_to_half(half_to_float(static_cast<std::uint16_t>(bits)));
        const bool nan = std::isnan(half_value(bits));
        wrong += nan ? !std::isnan(half_value(back)) || (back ^ bits) >> 15 != 0 : back != bits;
    }
    CHECK(wrong == 0);
}

TEST_CASE("a float becomes the nearest half, ties to even") {
    rounding_check check;
    for (unsigned bits = 0; bits < 0x7c00U; ++bits) {
        const double low = half_value(bits);
        const double high = bits == 0x7bffU ? 65536 : half_value(bits + 1);
        const auto middle = static_cast<float>((low + high) / 2); // exact
        for (const float sign : {1.0F, -1.0F}) {
            check(sign * static_cast<float>(low));
            check(sign * middle);
            check(sign * std::nextafter(middle, 0.0F));
            check(sign * std::nextafter(middle, 1e9F));
        }
    }
    fixtures::random_numbers random(7);
    for (int i = 0; i < 500000; ++i) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
        if (std::isfinite(value)) {
            check(value);
        }
    }
    CHECK(check.wrong == 0);
    CHECK(check.checked > 700000);
}

TEST_CASE("infinity, NaN and values beyond the largest half are kept apart") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    CHECK(float_to_half(infinity) == 0x7c00U);
    CHECK(float_to_half(-infinity) == 0xfc00U);
    CHECK(float_to_half(65504) == 0x7bffU);
    CHECK(float_to_half(65519.996F) == 0x7bffU);
    CHECK(float_to_half(65520) == 0x7c00U);
    CHECK(float_to_half(std::numeric_limits<float>::max()) == 0x7c00U);
    CHECK(std::isnan(half_value(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
    // a NaN whose fraction bits all lie below those of a half
    CHECK(std::isnan(half_value(float_to_half(std::bit_cast<float>(0x7f800001U)))));
    CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
    CHECK(float_to_half(-0.0F) == 0x8000U);
    CHECK(float_to_half(0x1p-25F) == 0);        // tie to the even zero
    CHECK(float_to_half(0x1.000002p-25F) == 1); // just above it
}

TEST_CASE("a bfloat16 is the upper half of a float") {
    for (const float value : {0.0F, 1.0F, -2.5F, 0x1p-126F, 0x1.fep127F}) {
        const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
        CHECK(mice::kernels::bf16_to_float(bits) == value);
    }
    CHECK(std::isinf(mice::kernels::bf16_to_float(0x7f80U)));
    CHECK(std::isnan(mice::kernels::bf16_to_float(0x7fc0U)));
}
