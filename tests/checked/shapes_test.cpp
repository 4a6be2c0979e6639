// SPDX-License-Identifier: Apache-2.0
// This program is compiled with MICE_CHECK_SHAPES, in release builds, too.
#include <span>
#include <string_view>
#include <vector>

#include <mice/networks/network.hpp>
#include <mice/nn/linear.hpp>
#include <mice/nn/norm.hpp>
#include <mice/nn/packed_matrix.hpp>

#include "catch.hpp"

namespace nn = mice::nn;
using mice::kernels::product_kind;

static_assert(MICE_CHECK_SHAPES == 1);

namespace {

/// Whether the call is refused as a mistake of the engine in that place.
template <class Call> bool refuses_shape(std::string_view where, Call&& call) {
    try {
        call();
    } catch (const mice::error& e) {
        return e.code() == mice::errc::invalid_argument &&
               std::string_view(e.what()).find("in " + std::string(where) + ";") !=
                   std::string_view::npos;
    }
    return false;
}

} // namespace

TEST_CASE("a view of a matrix has no rows and columns beyond its own") {
    std::vector<float> values(12);
    const nn::matrix_span x = nn::matrix_at(values.data(), 3, 4);
    CHECK(x.row(2) == values.data() + 8);
    CHECK(refuses_shape("row", [&] { (void)x.row(3); }));
    CHECK(x.rows_from(3, 0).rows == 0);
    CHECK(refuses_shape("rows_from", [&] { (void)x.rows_from(2, 2); }));
    CHECK(refuses_shape("rows_from", [&] { (void)x.rows_from(4, 0); }));
    CHECK(refuses_shape("rows_from", [&] { (void)x.rows_from(1, ~std::size_t{0}); }));
    CHECK(refuses_shape("columns_from", [&] { (void)x.columns_from(1, 4); }));

    const nn::matrix_span grouped{values.data(), 4, 2, 2, 2, 6};
    CHECK(refuses_shape("rows_from: groups", [&] { (void)grouped.rows_from(1, 2); }));
}

TEST_CASE("operands of another shape are refused before anything is computed") {
    std::vector<float> values(64, 1.0F);
    std::vector<float> out(64, -7.0F);
    const auto in = [&](std::size_t rows, std::size_t columns) {
        return nn::matrix_view(nn::matrix_at(values.data(), rows, columns));
    };
    const auto to = [&](std::size_t rows, std::size_t columns) {
        return nn::matrix_at(out.data(), rows, columns);
    };
    const nn::packed_matrix b(product_kind::f32, in(3, 4));
    nn::buffer scratch;
    const auto refused = [&](nn::matrix_view a, nn::matrix_span c, nn::product_end end = {}) {
        return refuses_shape("packed_matrix::multiply", [&] { b.multiply(a, c, scratch, end); });
    };
    CHECK(refused(in(2, 4), to(2, 4)));
    CHECK(refused(in(2, 3), to(2, 3)));
    CHECK(refused(in(2, 3), to(3, 4)));
    CHECK(refused(in(2, 3), to(2, 4), {.bias = std::span(values).first(3)}));
    CHECK(refuses_shape("copy_rows", [&] { nn::copy_rows(in(2, 3), to(3, 2)); }));
    CHECK(refuses_shape("add_rows", [&] { nn::add_rows(in(2, 3), to(2, 2)); }));
    CHECK(refuses_shape("layer_norm::apply",
                        [&] { nn::layer_norm(3, 1e-5, product_kind::f32).apply(to(2, 4)); }));
    CHECK(out == std::vector<float>(64, -7.0F));

    b.multiply(in(2, 3), to(2, 4), scratch);
    CHECK(out[7] == 3.0F);
}
