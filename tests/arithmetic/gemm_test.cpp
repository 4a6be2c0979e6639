// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/equations.hpp"
#include "../support/kernel_sizes.hpp"
#include "../support/random_numbers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include <mice/kernels/buffer.hpp>
#include <mice/kernels/convert.hpp>
#include <mice/kernels/xsimd/elementwise.hpp>
#include <mice/kernels/xsimd/gemm.hpp>

namespace {

/// A list of numbers to loop over.
using sizes = std::initializer_list<std::size_t>;

namespace kernels = mice::kernels;
using kernels::rows_in;
using kernels::rows_out;

using fixtures::lanes;
using fixtures::matrix_of;
using fixtures::panel;
using fixtures::row_of;
using fixtures::tile;
using fixtures::untouched;

/// How far a float result may be from A B + bias: the classical bound of dot products, their length
/// times epsilon times those of the magnitudes.
fixtures::matrix bound_of(const fixtures::matrix& a, const fixtures::matrix& b,
                          const fixtures::row_vector& bias) {
    constexpr double epsilon = std::numeric_limits<float>::epsilon();
    return static_cast<double>(a.cols() + 2) * epsilon *
           ((a.cwiseAbs() * b.cwiseAbs()).rowwise() + bias.cwiseAbs());
}

/// How many of actual [m, n] are further from `expected` than `bound`, or no numbers.
std::size_t far_from(const fixtures::matrix& expected, const fixtures::matrix& bound,
                     const std::vector<float>& actual, std::size_t m, std::size_t n) {
    const fixtures::matrix off = matrix_of(actual, m, n) - expected;
    return m * n - static_cast<std::size_t>((off.cwiseAbs().array() <= bound.array()).count());
}

/// A product's operands and its result in double precision.
struct operands {
    std::size_t m, k, n;
    std::vector<float> a, b, bias;  // [m, k], [k, n], [n]
    fixtures::matrix result, bound; // [m, n]: value, and how far a float result may be from it

    operands(std::size_t rows, std::size_t inner, std::size_t columns, std::uint64_t seed)
        : m(rows), k(inner), n(columns) {
        fixtures::random_numbers random(seed);
        a = random.floats(m * k);
        b = random.floats(k * n);
        bias = random.floats(n);
        const fixtures::matrix left = matrix_of(a, m, k);
        const fixtures::matrix right = matrix_of(b, k, n);
        result = (left * right).rowwise() + row_of(bias);
        bound = bound_of(left, right, row_of(bias));
    }

    [[nodiscard]] kernels::buffer packed(std::size_t columns) const {
        kernels::buffer memory(kernels::packed_floats<>(k, columns));
        kernels::pack<>(b.data(), n, k, columns, memory.data());
        return memory;
    }

    /// The first rows and columns of the product, `stride` floats from row to row, the memory
    /// around them marked.
    [[nodiscard]] std::vector<float> multiply(std::size_t rows, std::size_t columns,
                                              std::size_t stride, std::size_t offset = 0) const {
        std::vector<float> out(rows * stride + offset + 2 * panel, untouched);
        std::vector<float> scratch(kernels::gemm_scratch<>(rows, k) + 1, untouched);
        const kernels::buffer right = packed(columns);
        kernels::gemm<>(rows_in{a.data(), k}, rows, right.data(), k, columns, bias.data(),
                        rows_out{out.data() + offset, stride}, scratch.data());
        REQUIRE(scratch.back() == untouched);
        return out;
    }
};

std::size_t far_from_reference(const operands& given, const std::vector<float>& actual) {
    return far_from(given.result, given.bound, actual, given.m, given.n);
}

/// Counts elements that differ in any bit from `whole` [m, n], and marks that were overwritten.
std::size_t differences(const std::vector<float>& part, std::size_t rows, std::size_t columns,
                        std::size_t stride, const std::vector<float>& whole,
                        std::size_t whole_stride) {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < stride; ++j) {
            const float expected = j < columns ? whole[i * whole_stride + j] : untouched;
            wrong += part[i * stride + j] != expected;
        }
    }
    for (std::size_t i = rows * stride; i < part.size(); ++i) {
        wrong += part[i] != untouched;
    }
    return wrong;
}

} // namespace

TEST_CASE("products of every size around tiles and panels are right, each row in the same bits") {
    constexpr std::size_t most_rows = 2 * tile + 1;
    constexpr std::size_t most_columns = 2 * panel + 1;
    for (std::size_t k = 0; k <= 2 * lanes + 1; ++k) {
        const operands given(most_rows, k, most_columns, k + 1);
        const std::vector<float> whole = given.multiply(most_rows, most_columns, most_columns);
        REQUIRE(far_from_reference(given, whole) == 0);
        // every height at some widths, every width at some heights
        for (std::size_t rows = 0; rows <= most_rows; ++rows) {
            for (std::size_t columns = 0; columns <= most_columns; ++columns) {
                if (rows % tile > 1 && columns % lanes > 1 && (rows + columns + k) % 5 != 0) {
                    continue;
                }
                const std::size_t stride = columns + k % 4;
                const std::vector<float> part = given.multiply(rows, columns, stride);
                INFO("m " << rows << ", k " << k << ", n " << columns);
                REQUIRE(differences(part, rows, columns, stride, whole, most_columns) == 0);
            }
        }
    }
}

namespace {

/// What bf16_product makes of x.
std::vector<float> as_bf16(std::vector<float> x) {
    for (float& each : x) {
        each = kernels::bf16_to_float(kernels::float_to_bf16(each));
    }
    return x;
}
/// Integers and what 1 stands for, by the definition in docs/design.md: the largest magnitude of a
/// row becomes 127, every number the nearest integer of those steps.
struct whole_steps {
    explicit whole_steps(const fixtures::matrix& x)
        : step(x.rowwise().lpNorm<Eigen::Infinity>() / 127),
          integers((x.array().colwise() / step.array().max(1e-300)).rint()) {} // 0 in rows of 0
    Eigen::VectorXd step;
    fixtures::matrix integers;
};

/// Moves what lies near the middle between two integers, where a last bit decides, to one side.
void leave_ties(std::vector<float>& rows, std::size_t k) {
    for (std::size_t first = 0; first < rows.size() && k > 0; first += k) {
        double top = 0;
        for (std::size_t i = first; i < first + k; ++i) {
            top = std::max(top, std::fabs(double{rows[i]}));
        }
        for (std::size_t i = first; i < first + k && top > 0; ++i) {
            const double steps = double{rows[i]} * 127 / top;
            if (std::fabs(steps - std::floor(steps) - 0.5) < 0.01) {
                rows[i] = static_cast<float>((std::floor(steps) + 0.25) * top / 127);
            }
        }
    }
}

/// A product whose operands are rounded, all sizes up to those of `given`.
template <template <class> class Product> struct rounded_problem {
    rounded_problem(std::size_t rows, std::size_t inner, std::size_t columns)
        : m(rows), k(inner), n(columns) {
        fixtures::random_numbers random(inner + 1);
        a = random.floats(m * k);
        b = random.floats(n * k);
        bias = random.floats(n);
    }

    /// Of operands in bf16: sums of products in double precision.
    void expect_bf16() {
        const fixtures::matrix left = matrix_of(as_bf16(a), m, k);
        const fixtures::matrix right = matrix_of(as_bf16(b), n, k).transpose();
        result = (left * right).rowwise() + row_of(bias);
        bound = bound_of(left, right, row_of(bias));
    }
    /// Of operands in int8: exact sums of integers, and a few roundings of the product of the two
    /// steps with them.
    void expect_int8() {
        leave_ties(a, k);
        leave_ties(b, k);
        const whole_steps left(matrix_of(a, m, k));
        const whole_steps right(matrix_of(b, n, k));
        const fixtures::matrix product =
            (left.step * right.step.transpose())
                .cwiseProduct(left.integers * right.integers.transpose());
        constexpr double epsilon = std::numeric_limits<float>::epsilon();
        result = product.rowwise() + row_of(bias);
        bound = 4 * epsilon * (product.cwiseAbs().rowwise() + row_of(bias).cwiseAbs());
    }

    [[nodiscard]] std::vector<float> multiply(std::size_t rows, std::size_t columns) const {
        kernels::buffer packed(kernels::packed_floats<Product>(k, columns));
        kernels::pack_transposed<Product>(b.data(), k, k, columns, packed.data());
        std::vector<float> scratch(kernels::gemm_scratch<Product>(rows, k) + 1, untouched);
        std::vector<float> out(rows * columns + 1, untouched);
        kernels::gemm<Product>(rows_in{a.data(), k}, rows, packed.data(), k, columns, bias.data(),
                               rows_out{out.data(), columns}, scratch.data());
        REQUIRE(scratch.back() == untouched);
        REQUIRE(out.back() == untouched);
        return out;
    }

    std::size_t m, k, n;
    std::vector<float> a, b, bias;  // [m, k], [n, k], [n]
    fixtures::matrix result, bound; // [m, n], as those of operands
};

/// Every tail of k, rows and columns: near the reference, and each row in the same bits.
template <template <class> class Product>
void check_rounded(void (rounded_problem<Product>::*expect)()) {
    constexpr std::size_t most_rows = tile + 2;
    constexpr std::size_t most_columns = panel + lanes + 1;
    for (const std::size_t k : sizes{0,  1,  2,  3,   4,   5,   15,  16,   17,   31,   32,  33,
                                     63, 64, 65, 384, 767, 768, 769, 1535, 1536, 1537, 1540}) {
        rounded_problem<Product> given(most_rows, k, most_columns);
        (given.*expect)();
        const std::vector<float> whole = given.multiply(most_rows, most_columns);
        for (std::size_t rows = 1; rows <= most_rows; ++rows) {
            const std::size_t columns = rows % 3 == 0 ? most_columns : 1 + rows * 7 % most_columns;
            const std::vector<float> part = given.multiply(rows, columns);
            INFO("m " << rows << ", k " << k << ", n " << columns);
            const auto top = static_cast<Eigen::Index>(rows);
            const auto left = static_cast<Eigen::Index>(columns);
            REQUIRE(far_from(given.result.topLeftCorner(top, left),
                             given.bound.topLeftCorner(top, left), part, rows, columns) == 0);
            const fixtures::matrix all = matrix_of(whole, most_rows, most_columns);
            REQUIRE(matrix_of(part, rows, columns) == all.topLeftCorner(top, left));
        }
    }
}

} // namespace

TEST_CASE("products in bfloat16 are those of rounded operands, each row in the same bits") {
    check_rounded<kernels::bf16_product>(&rounded_problem<kernels::bf16_product>::expect_bf16);
}

TEST_CASE("products in int8 are those of rounded operands, each row in the same bits") {
    check_rounded<kernels::int8_product>(&rounded_problem<kernels::int8_product>::expect_int8);
}

TEST_CASE("int8 products of whole steps are exact and halves go to even numbers") {
    fixtures::random_numbers random(4);
    for (const std::size_t k : sizes{1, 3, 4, 5, 16, 31, 64, 67, 384, 769, 1000}) {
        CAPTURE(k);
        constexpr std::size_t columns = panel + 3;
        // -127 to 127 in halves, so that the step is a power of two; the largest is there
        const auto halves = [&](std::size_t rows) {
            std::vector<int> twice(rows * k);
            for (std::size_t i = 0; i < twice.size(); ++i) {
                twice[i] = i % k == 0 ? 254 : static_cast<int>(random.below(509)) - 254;
            }
            return twice;
        };
        const auto floats = [](const std::vector<int>& twice, float step) {
            std::vector<float> values;
            for (const int each : twice) {
                values.push_back(static_cast<float>(each) / 2 * step);
            }
            return values;
        };
        const auto even = [](int twice) { // of the two integers around a half
            const int low = twice >= 0 ? twice / 2 : -((1 - twice) / 2);
            return std::int64_t{twice % 2 == 0 || low % 2 == 0 ? low : low + 1};
        };
        const std::vector<int> a = halves(tile + 1);
        const std::vector<int> b = halves(columns);
        constexpr float a_step = 0.25F;
        constexpr float b_step = 2;
        rounded_problem<kernels::int8_product> given(tile + 1, k, columns);
        given.a = floats(a, a_step);
        given.b = floats(b, b_step);
        std::fill(given.bias.begin(), given.bias.end(), 0.0F);
        const std::vector<float> got = given.multiply(given.m, columns);
        for (std::size_t i = 0; i < given.m; ++i) {
            for (std::size_t j = 0; j < columns; ++j) {
                std::int64_t sum = 0;
                for (std::size_t x = 0; x < k; ++x) {
                    sum += even(a[i * k + x]) * even(b[j * k + x]);
                }
                REQUIRE(std::llabs(sum) < (std::int64_t{1} << 24)); // a float holds it
                REQUIRE(got[i * columns + j] == static_cast<float>(sum) * a_step * b_step);
            }
        }
    }
}

TEST_CASE("int8 products of extreme rows") {
    constexpr std::size_t k = 70;
    const std::vector<float> column(k, 1.0F);
    const auto product_with = [&](std::vector<float> row) {
        kernels::buffer packed(kernels::packed_floats<kernels::int8_product>(k, 1));
        kernels::pack_transposed<kernels::int8_product>(column.data(), k, k, 1, packed.data());
        std::vector<float> scratch(kernels::gemm_scratch<kernels::int8_product>(1, k));
        float out = untouched;
        row.resize(k);
        kernels::gemm<kernels::int8_product>(rows_in{row.data(), k}, 1, packed.data(), k, 1,
                                             nullptr, rows_out{&out, 1}, scratch.data());
        return out;
    };
    constexpr float largest = std::numeric_limits<float>::max();
    CHECK(product_with({}) == 0);
    CHECK(product_with({1e-39F, -1e-38F}) == 0);
    CHECK(product_with({largest}) > 0.99F * largest);
    CHECK(product_with({2, 2, 2}) == Approx(6.0));
    for (const std::size_t place : sizes{0, 15, 16, 68, 69}) {
        for (const float bad :
             {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            std::vector<float> row(k, 0.5F);
            row[place] = bad;
            CHECK(std::isnan(product_with(row))); // never a number made of one
        }
    }
}

TEST_CASE("a product of long rows goes through several blocks of rows") {
    const operands given(3 * tile + 1, 6001, panel + 3, 5);
    REQUIRE(kernels::gemm_scratch<>(given.m, given.k) < given.m * given.k);
    const std::vector<float> whole = given.multiply(given.m, given.n, given.n);
    CHECK(far_from_reference(given, whole) == 0);
    const std::vector<float> one = given.multiply(1, given.n, given.n);
    CHECK(differences(one, 1, given.n, given.n, whole, given.n) == 0);
}

TEST_CASE("operands of a product may stand at any float") {
    const operands given(tile + 2, lanes + 3, panel + 5, 6);
    const std::vector<float> whole = given.multiply(given.m, given.n, given.n);
    const kernels::buffer right = given.packed(given.n);
    for (std::size_t shift = 0; shift < 2 * lanes; ++shift) {
        std::vector<float> left(shift + given.a.size());
        std::copy(given.a.begin(), given.a.end(),
                  left.begin() + static_cast<std::ptrdiff_t>(shift));
        std::vector<float> bias(shift + given.n);
        std::copy(given.bias.begin(), given.bias.end(),
                  bias.begin() + static_cast<std::ptrdiff_t>(shift));
        std::vector<float> out(shift + given.m * given.n);
        std::vector<float> scratch(shift + kernels::gemm_scratch<>(given.m, given.k));
        kernels::gemm<>(rows_in{left.data() + shift, given.k}, given.m, right.data(), given.k,
                        given.n, bias.data() + shift, rows_out{out.data() + shift, given.n},
                        scratch.data() + shift);
        INFO("shifted by " << shift << " floats");
        CHECK(std::equal(whole.begin(),
                         whole.begin() + static_cast<std::ptrdiff_t>(given.m * given.n),
                         out.begin() + static_cast<std::ptrdiff_t>(shift)));
    }
}

TEST_CASE("rows of a product may lie in groups, be repeated, and stand apart") {
    const std::size_t group = 3;
    const operands given(group, lanes + 1, panel + 1, 7);
    const std::vector<float> whole = given.multiply(group, given.n, given.n);
    const kernels::buffer right = given.packed(given.n);
    const std::size_t groups = tile; // so that tiles begin inside a group
    const std::size_t stride = given.n + 2;
    const std::size_t group_stride = group * stride + 5;
    std::vector<float> out(groups * group_stride, untouched);
    std::vector<float> scratch(kernels::gemm_scratch<>(groups * group, given.k));
    // a group stride of 0 reads the same rows again for each group
    kernels::gemm<>(rows_in{given.a.data(), given.k, group, 0}, groups * group, right.data(),
                    given.k, given.n, given.bias.data(),
                    rows_out{out.data(), stride, group, group_stride}, scratch.data());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::size_t inside = i % group_stride;
        const std::size_t row = inside / stride;
        const std::size_t column = inside % stride;
        const bool written = row < group && column < given.n;
        REQUIRE(out[i] == (written ? whole[row * given.n + column] : untouched));
    }
}

TEST_CASE("a transposed source packs to the same bits as a plain one") {
    fixtures::random_numbers random(8);
    for (const std::size_t k : sizes{1, 2, 3, 4, 5, 15, 16, 17, 40}) {
        for (std::size_t n = 1; n <= 2 * panel + 1; ++n) {
            const std::size_t stride = n + 3;
            const std::size_t turned_stride = k + 2;
            const std::vector<float> source = random.floats(k * stride);
            std::vector<float> turned(n * turned_stride);
            for (std::size_t i = 0; i < k; ++i) {
                for (std::size_t j = 0; j < n; ++j) {
                    turned[j * turned_stride + i] = source[i * stride + j];
                }
            }
            const auto check = [&]<template <class> class Product>() {
                const std::size_t size = kernels::packed_floats<Product>(k, n);
                std::vector<float> first(size + 1, untouched);
                std::vector<float> second(size + 1, untouched);
                kernels::pack<Product>(source.data(), stride, k, n, first.data());
                kernels::pack_transposed<Product>(turned.data(), turned_stride, k, n,
                                                  second.data());
                REQUIRE(first.back() == untouched);
                REQUIRE(second.back() == untouched);
                const std::size_t rows = size / kernels::round_up(n, panel); // of words and extras
                std::size_t different = 0;
                for (std::size_t j = 0; j < n; ++j) { // what lies beyond column n is never used
                    for (std::size_t i = 0; i < rows; ++i) {
                        const std::size_t place = (j / panel * rows + i) * panel + j % panel;
                        different += std::bit_cast<std::uint32_t>(first[place]) !=
                                     std::bit_cast<std::uint32_t>(second[place]);
                    }
                }
                INFO("k " << k << ", n " << n);
                REQUIRE(different == 0);
            };
            check.template operator()<kernels::f32_product>();
            check.template operator()<kernels::bf16_product>();
            check.template operator()<kernels::int8_product>();
        }
    }
}

TEST_CASE("an epilogue is applied to every element, a missing bias is zero") {
    const operands given(tile + 1, 9, panel + 3, 9);
    const kernels::buffer right = given.packed(given.n);
    std::vector<float> scratch(kernels::gemm_scratch<>(given.m, given.k));
    std::vector<float> plain(given.m * given.n);
    std::vector<float> bent(given.m * given.n);
    const rows_in left{given.a.data(), given.k};
    kernels::gemm<>(left, given.m, right.data(), given.k, given.n, nullptr,
                    rows_out{plain.data(), given.n}, scratch.data());
    kernels::gemm<>(left, given.m, right.data(), given.k, given.n, given.bias.data(),
                    rows_out{bent.data(), given.n}, scratch.data(), kernels::epilogue::tanh);
    std::vector<float> curved(given.m * given.n);
    kernels::gemm<>(left, given.m, right.data(), given.k, given.n, given.bias.data(),
                    rows_out{curved.data(), given.n}, scratch.data(), kernels::epilogue::gelu);
    const fixtures::matrix slack = (2 * given.bound).array() + 1e-6;
    const auto wrong = [&](const std::vector<float>& got, const fixtures::matrix& expected) {
        return far_from(expected, slack, got, given.m, given.n);
    };
    const auto exact_gelu = [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); };
    CHECK(wrong(plain, given.result.rowwise() - row_of(given.bias)) == 0);
    CHECK(wrong(bent, given.result.array().tanh()) == 0);
    CHECK(wrong(curved, given.result.unaryExpr(exact_gelu)) == 0);
}
