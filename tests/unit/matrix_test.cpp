// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <mice/networks/network.hpp>
#include <mice/nn/packed_matrix.hpp>

#include "catch.hpp"
#include "random_numbers.hpp"

namespace nn = mice::nn;
using mice::kernels::product_kind;

static_assert(std::is_trivially_copyable_v<nn::matrix_view>);
static_assert(std::is_convertible_v<nn::matrix_span, nn::matrix_view>);
static_assert(!std::is_convertible_v<nn::matrix_view, nn::matrix_span>);

TEST_CASE("parts of a matrix view name the same memory") {
    std::vector<float> values(40);
    const nn::matrix_span x{values.data() + 1, 4, 6, 9}; // 3 floats between two rows
    CHECK(x.row(2) == values.data() + 19);
    const nn::matrix_view part = x.rows_from(1, 3).columns_from(2, 4);
    CHECK(part.rows == 3);
    CHECK(part.columns == 4);
    CHECK(part.row(0) == x.row(1) + 2);
    CHECK(part.row(2) == x.row(3) + 2);
}

TEST_CASE("rows in groups stay where they are when a part is taken") {
    std::vector<float> values(100);
    // three groups of two rows of four columns, and a group of rows that all are the same
    const nn::matrix_span x{values.data(), 6, 4, 5, 2, 30};
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(x.row(i) == values.data() + i / 2 * 30 + i % 2 * 5);
        CHECK(x.rows_from(i, 1).row(0) == x.row(i));
        CHECK(x.columns_from(1, 2).row(i) == x.row(i) + 1);
    }
    const nn::matrix_span last = x.rows_from(2, 4);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(last.row(i) == x.row(i + 2));
    }
    const nn::matrix_view same{values.data(), 6, 4, 4, 2, 0};
    CHECK(same.rows_from(4, 2).row(1) == same.row(1));
}

TEST_CASE("a packed matrix multiplies as the definition says in every product") {
    fixtures::random_numbers random(71);
    nn::buffer scratch;
    for (const product_kind kind : {product_kind::f32, product_kind::bf16, product_kind::int8}) {
        const double tolerance = kind == product_kind::f32 ? 1e-5 : 0.05;
        nn::packed_matrix b; // packed again and again: its memory only grows
        for (const auto& [m, k, n] : {std::tuple<std::size_t, std::size_t, std::size_t>{1, 1, 1},
                                      {5, 33, 20},
                                      {2, 7, 3},
                                      {17, 64, 65}}) {
            const std::vector<float> left = random.floats(m * (k + 2));
            const std::vector<float> right = random.floats(k * (n + 3));
            const std::vector<float> bias = random.floats(n);
            const nn::matrix_view a{left.data(), m, k, k + 2};
            const nn::matrix_view plain{right.data(), k, n, n + 3};
            std::vector<float> turned(n * k);
            for (std::size_t i = 0; i < n * k; ++i) {
                turned[i] = plain.row(i % k)[i / k];
            }
            std::vector<float> values(m * n);
            std::vector<float> again(m * n);
            b.pack(kind, plain);
            b.multiply(a, nn::matrix_at(values.data(), m, n), scratch, {.bias = bias});
            CHECK(b.k() == k);
            CHECK(b.n() == n);
            CHECK(b.kind() == kind);
            for (std::size_t i = 0; i < m; ++i) {
                for (std::size_t j = 0; j < n; ++j) {
                    double sum = double{bias[j]};
                    for (std::size_t c = 0; c < k; ++c) {
                        sum += double{a.row(i)[c]} * double{plain.row(c)[j]};
                    }
                    REQUIRE(std::fabs(double{values[i * n + j]} - sum) <=
                            tolerance * std::sqrt(static_cast<double>(k)) + tolerance);
                }
            }
            b.pack_transposed(kind, nn::matrix_at(std::as_const(turned).data(), n, k));
            const nn::packed_matrix moved = std::exchange(b, nn::packed_matrix());
            moved.multiply(a, nn::matrix_at(again.data(), m, n), scratch, {.bias = bias});
            CHECK(again == values);
        }
    }
}
