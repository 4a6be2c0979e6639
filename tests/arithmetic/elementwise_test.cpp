// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/equations.hpp"
#include "../support/kernel_sizes.hpp"
#include "../support/random_numbers.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include <mice/kernels/xsimd/elementwise.hpp>

namespace {

/// A list of numbers to loop over.
using sizes = std::initializer_list<std::size_t>;

namespace kernels = mice::kernels;

using fixtures::lanes;
using fixtures::untouched;
constexpr std::size_t most = 4 * lanes + 1;
constexpr double epsilon = std::numeric_limits<float>::epsilon();

/// The softmax of columns first, .. in double precision.
fixtures::row_vector expected_softmax(const std::vector<float>& x, double scale,
                                      std::size_t first) {
    return fixtures::softmax_of(scale * fixtures::row_of(std::span(x).subspan(first)));
}

/// Runs the kernel on a copy that reaches to a multiple of the lanes, as its contract asks.
std::vector<float> softmax(const std::vector<float>& x, float scale, std::size_t first) {
    const std::size_t padded = kernels::round_up(x.size(), lanes);
    std::vector<float> memory(padded + 1, untouched);
    std::copy(x.begin(), x.end(), memory.begin());
    kernels::softmax<>(memory.data(), x.size(), scale, first);
    REQUIRE(memory.back() == untouched);
    for (std::size_t i = x.size(); i < padded; ++i) {
        REQUIRE(memory[i] == 0);
    }
    memory.resize(x.size());
    return memory;
}

/// Largest relative error of a kernel's function over [low, high], against long double; `floor` is
/// the size below which errors count as absolute.
template <class Kernel, class Reference>
long double worst_error(float low, float high, float floor, Reference&& reference) {
    using vec = kernels::vec<kernels::default_arch>;
    constexpr std::size_t steps = 200000;
    long double worst = 0;
    std::vector<float> in(lanes);
    std::vector<float> out(lanes);
    for (std::size_t i = 0; i < steps; i += lanes) {
        for (std::size_t j = 0; j < lanes; ++j) {
            in[j] = low + (high - low) * (static_cast<float>(i + j) / static_cast<float>(steps));
        }
        Kernel::template apply<kernels::default_arch>(vec::load_unaligned(in.data()))
            .store_unaligned(out.data());
        for (std::size_t j = 0; j < lanes; ++j) {
            const long double exact = reference(static_cast<long double>(in[j]));
            const long double size = std::max<long double>(std::fabs(exact), floor);
            worst = std::max(worst, std::fabs(out[j] - exact) / size);
        }
    }
    return worst;
}

template <class Kernel> float applied(float x) {
    using vec = kernels::vec<kernels::default_arch>;
    std::vector<float> out(lanes);
    Kernel::template apply<kernels::default_arch>(vec(x)).store_unaligned(out.data());
    return out[0];
}

} // namespace

TEST_CASE("sums of vectors are exact in every length and at every place") {
    fixtures::random_numbers random(1);
    for (std::size_t n = 0; n <= most; ++n) {
        for (const std::size_t shift : sizes{0, 1, 3}) {
            const std::vector<float> x = random.floats(n + shift);
            const std::vector<float> y = random.floats(n + shift + 1);
            std::vector<float> sum = y;
            kernels::add<>(x.data() + shift, sum.data() + shift, n);
            for (std::size_t i = 0; i < sum.size(); ++i) {
                const bool inside = i >= shift && i < shift + n;
                REQUIRE(sum[i] == (inside ? y[i] + x[i] : y[i]));
            }
        }
    }
}

#if defined(__FMA__) || defined(__AVX512F__)
TEST_CASE("multiplying and adding rounds once, whatever the compiler") {
    using vec = kernels::vec<kernels::default_arch>;
    fixtures::random_numbers random(4);
    for (int i = 0; i < 1000; ++i) {
        const float a = random.between(-1, 1);
        const float b = random.between(-1, 1);
        const float c = random.between(-1, 1);
        std::vector<float> out(lanes);
        kernels::multiply_add<kernels::default_arch>(vec(a), vec(b), vec(c))
            .store_unaligned(out.data());
        REQUIRE(out == std::vector<float>(lanes, std::fma(a, b, c)));
    }
}
#endif

TEST_CASE("layer normalisation agrees with double precision in every length and at every place") {
    fixtures::random_numbers random(2);
    for (std::size_t n = 1; n <= most; ++n) {
        for (const float centre : {0.0F, 5.0F, -300.0F}) {
            const std::size_t shift = n % 3;
            const std::vector<float> weight = random.floats(n, 0.5F, 1.5F);
            const std::vector<float> bias = random.floats(n);
            std::vector<float> x = random.floats(n + shift + 1, centre - 1, centre + 1);
            x.back() = untouched;
            const fixtures::row_vector given = fixtures::row_of(std::span(x).subspan(shift, n));
            const fixtures::row_vector expected = fixtures::layer_norm_of(
                given, fixtures::row_of(weight), fixtures::row_of(bias), 1e-5);
            const double deviation =
                std::sqrt((given.array() - given.mean()).square().mean() + 1e-5);
            kernels::layer_norm<>(x.data() + shift, n, weight.data(), bias.data(), 1e-5F);
            // the mean's own rounding is relative to the values, not to their spread
            const double slack = static_cast<double>(n + 8) * epsilon *
                                 (2 + (std::fabs(centre) + 1) / deviation) * 2;
            for (std::size_t i = 0; i < n; ++i) {
                INFO("length " << n << ", centre " << centre);
                REQUIRE(std::fabs(x[shift + i] - expected(static_cast<Eigen::Index>(i))) <= slack);
            }
            REQUIRE(x.back() == untouched);
        }
    }
}

TEST_CASE("a constant row normalises to the bias") {
    for (const float value : {0.0F, 1.0F, -1e-30F, 1e-45F}) {
        std::vector<float> x(2 * lanes + 3, value);
        const std::vector<float> weight(x.size(), 2.0F);
        const std::vector<float> bias(x.size(), -0.25F);
        kernels::layer_norm<>(x.data(), x.size(), weight.data(), bias.data(), 1e-12F);
        for (const float y : x) {
            CHECK(y == Approx(-0.25).margin(1e-6));
        }
    }
}

TEST_CASE("softmax agrees with double precision, with and without the masked first column") {
    fixtures::random_numbers random(3);
    for (std::size_t n = 1; n <= most; ++n) {
        for (const float range : {1e-3F, 1.0F, 30.0F}) {
            for (std::size_t first = 0; first < std::min<std::size_t>(n, 2); ++first) {
                const std::vector<float> x = random.floats(n, -range, range);
                const float scale = 0.37F;
                const fixtures::row_vector expected = expected_softmax(x, scale, first);
                const std::vector<float> actual = softmax(x, scale, first);
                const double slack = epsilon * (8 + 4 * range);
                double sum = 0;
                for (std::size_t i = 0; i < n; ++i) {
                    INFO("length " << n << ", range " << range << ", first " << first);
                    const double wanted =
                        i < first ? 0 : expected(static_cast<Eigen::Index>(i - first));
                    REQUIRE(std::fabs(actual[i] - wanted) <= slack * wanted + 1e-37);
                    sum += actual[i];
                }
                REQUIRE(std::fabs(sum - 1) <= epsilon * static_cast<double>(n + 8));
                REQUIRE((first == 0 || actual[0] == 0));
            }
        }
    }
}

TEST_CASE("softmax of huge, tiny and equal logits stays finite") {
    const float huge = 3e38F;
    CHECK(softmax({huge, -huge, 0}, 1, 0) == std::vector<float>{1, 0, 0});
    CHECK(softmax({-huge, -huge}, 1, 0) == std::vector<float>{0.5F, 0.5F});
    CHECK(softmax({huge, huge, 1, 2}, 1, 0) == std::vector<float>{0.5F, 0.5F, 0, 0});
    CHECK(softmax({-1e30F}, 0.125F, 0) == std::vector<float>{1});
    CHECK(softmax({1e-45F, -1e-45F}, 1, 0) == std::vector<float>{0.5F, 0.5F});
    CHECK(softmax({0, -200}, 1, 0)[1] < 1e-37F);
    // the masked column may hold anything, even what would win
    CHECK(softmax({huge, 1, 1}, 1, 1) == std::vector<float>{0, 0.5F, 0.5F});
    CHECK(softmax({std::numeric_limits<float>::quiet_NaN(), 7}, 1, 1) == std::vector<float>{0, 1});
    const std::vector<float> many = softmax(std::vector<float>(1000, 88.0F), 1, 0);
    for (const float value : many) {
        REQUIRE(std::fabs(value - 0.001F) <= 1e-3F * 64 * static_cast<float>(epsilon));
    }
}

TEST_CASE("gelu keeps its stated bound: 2.5e-7 relative, 1e-6 absolute below zero") {
    const auto exact = [](long double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0L))); };
    CHECK(worst_error<kernels::gelu>(-0.1F, 0.1F, 1e-3F, exact) < 2e-7L);
    CHECK(worst_error<kernels::gelu>(0.0F, 12.0F, 1e-3F, exact) < 2.5e-7L);
    CHECK(worst_error<kernels::gelu>(-12.0F, 0.0F, 1.0F, exact) < 1e-6L);
    CHECK(applied<kernels::gelu>(0) == 0);
    CHECK(applied<kernels::gelu>(1e30F) == 1e30F);
    CHECK(std::fabs(applied<kernels::gelu>(-1e30F)) == 0);
    CHECK(applied<kernels::gelu>(3e38F) == 3e38F);
}

TEST_CASE("tanh keeps its stated bound: 2e-7 relative") {
    const auto exact = [](long double x) { return std::tanh(x); };
    CHECK(worst_error<kernels::tanh>(-0.05F, 0.05F, 1e-3F, exact) < 2e-7L);
    CHECK(worst_error<kernels::tanh>(-12.0F, 12.0F, 1e-3F, exact) < 2e-7L);
    CHECK(applied<kernels::tanh>(0) == 0);
    CHECK(applied<kernels::tanh>(100) == 1);
    CHECK(applied<kernels::tanh>(-3e38F) == -1);
}
