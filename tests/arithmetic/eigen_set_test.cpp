// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/kernel_products.hpp"
#include "../support/random_numbers.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include <mice/kernels/buffer.hpp>
#include <mice/kernels/convert.hpp>
#include <mice/kernels/eigen/set_of.hpp>
#include <mice/kernels/xsimd/set_of.hpp>

// Every entry of the kernels in Eigen beside those in xsimd, both compiled with this file's flags:
// the same bits, nothing read or written that is not theirs. kernel_set_test.cpp compares the sets
// with references of their own, kernel_agreement_test.cpp the sets of a library.
namespace {

namespace kernels = mice::kernels;
using kernels::buffer;
using kernels::kernel_set;
using kernels::product_kind;
using kernels::product_set;
using eigen_counts = std::initializer_list<std::size_t>;

constexpr float eigen_mark = 12345.5F; // in memory that a kernel must not write

const kernel_set& eigen_set() {
    static constexpr kernel_set set = kernels::eigen::set_of();
    return set;
}
const kernel_set& xsimd_set() {
    static constexpr kernel_set set = kernels::set_of<>();
    return set;
}

constexpr product_kind eigen_kinds[] = {product_kind::f32, product_kind::bf16, product_kind::int8};

void require_eigen_bits(const std::vector<float>& found, const std::vector<float>& expected) {
    REQUIRE(found.size() == expected.size());
    REQUIRE(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
}

/// Calls compute(product) with both sets' product of every kind; the results have the same bits.
template <class Compute> void compare_products(const Compute& compute) {
    for (const product_kind kind : eigen_kinds) {
        INFO("product " << static_cast<int>(kind));
        require_eigen_bits(compute(eigen_set()[kind]), compute(xsimd_set()[kind]));
    }
}

/// Memory that ends where it is said to end.
class eigen_marked {
  public:
    explicit eigen_marked(std::size_t n) : memory_(n + 1), last_(memory_.data() + n) {
        *last_ = eigen_mark;
    }
    ~eigen_marked() { CHECK(*last_ == eigen_mark); }
    float* data() { return memory_.data(); }

  private:
    buffer memory_;
    float* last_;
};

std::vector<float> eigen_product_of(const product_set& set, const std::vector<float>& a,
                                    std::size_t m, const std::vector<float>& b, std::size_t k,
                                    std::size_t n, const float* bias, kernels::epilogue end) {
    eigen_marked packed(set.packed_floats(k, n));
    eigen_marked scratch(set.gemm_scratch(m, k));
    const std::size_t stride = n + m % 3;
    std::vector<float> c(m * stride + 1, eigen_mark);
    set.pack_transposed(b.data(), k, k, n, packed.data());
    set.gemm({a.data(), k}, m, packed.data(), k, n, bias, {c.data(), stride}, scratch.data(), end);
    return c;
}

} // namespace

TEST_CASE("the Eigen set multiplies to the bits of xsimd's in every size around tiles") {
    for (const std::size_t k : eigen_counts{0, 1, 2, 3, 5, 8, 15, 17, 33, 384, 769, 1025, 2050}) {
        fixtures::random_numbers random(k + 1);
        for (const std::size_t m : eigen_counts{0, 1, 3, 4, 5, 47, 48, 49}) {
            for (const std::size_t n : eigen_counts{1, 7, 16, 17, 50}) {
                const std::vector<float> a = random.floats(m * k, -3, 3);
                const std::vector<float> b = random.floats(n * k);
                const std::vector<float> bias = random.floats(n);
                INFO("m " << m << ", k " << k << ", n " << n);
                compare_products([&](const product_set& set) {
                    return eigen_product_of(set, a, m, b, k, n, bias.data(),
                                            kernels::epilogue::keep);
                });
            }
        }
    }
}

TEST_CASE("the Eigen set has the epilogues of xsimd's to the bit") {
    std::vector<float> x;
    for (float each = -12; each < 12; each += 0.003F) {
        x.push_back(each);
    }
    x.insert(x.end(),
             {0.0F, -0.0F, 1e-30F, 44.1F, -44.1F, 300.0F, -300.0F,
              std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()});
    const std::vector<float> one{1.0F};
    const auto with = [&](const kernel_set& set, kernels::epilogue end) {
        return eigen_product_of(set.f32, one, 1, x, 1, x.size(), nullptr, end);
    };
    require_eigen_bits(with(eigen_set(), kernels::epilogue::gelu),
                       with(xsimd_set(), kernels::epilogue::gelu));
    const std::vector<float> tanh = with(eigen_set(), kernels::epilogue::tanh);
    require_eigen_bits(tanh, with(xsimd_set(), kernels::epilogue::tanh));
    for (std::size_t i = 0; i < x.size(); ++i) {
        REQUIRE(std::fabs(tanh[i] - std::tanh(double{x[i]})) <= 3e-7);
    }
    fixtures::random_numbers random(3);
    const std::vector<float> a = random.floats(5 * 40, -3, 3);
    const std::vector<float> b = random.floats(40 * 33, -3, 3);
    compare_products([&](const product_set& set) {
        return eigen_product_of(set, a, 5, b, 40, 33, nullptr, kernels::epilogue::gelu);
    });
}

TEST_CASE("the Eigen set packs rows and rounds as xsimds does, whatever the values") {
    fixtures::random_numbers random(21);
    const float infinity = std::numeric_limits<float>::infinity();
    const std::size_t k = 70;
    for (const float special : {0.0F, 1e-39F, -1e-38F, 1e-30F, std::numeric_limits<float>::max(),
                                infinity, std::numeric_limits<float>::quiet_NaN()}) {
        for (const std::size_t place : eigen_counts{0, 15, 16, 69}) {
            for (const bool left : {false, true}) {
                std::vector<float> a = random.floats(3 * k, -1e-20F, 1e-20F);
                std::vector<float> b(random.floats(4 * k));
                (left ? a : b)[place] = special;
                for (const product_kind kind : eigen_kinds) {
                    const auto with = [&](const kernel_set& set) {
                        return eigen_product_of(set[kind], a, 3, b, k, 4, nullptr,
                                                kernels::epilogue::keep);
                    };
                    const std::vector<float> found = with(eigen_set());
                    const std::vector<float> expected = with(xsimd_set());
                    for (std::size_t i = 0; i < found.size(); ++i) {
                        INFO(special << ", product " << static_cast<int>(kind) << " at " << i);
                        REQUIRE(std::isnan(found[i]) == std::isnan(expected[i]));
                        REQUIRE((std::isnan(found[i]) || found[i] == expected[i]));
                    }
                }
            }
        }
    }
}

TEST_CASE("rows and operands of the Eigen set may lie in groups and at any float") {
    fixtures::random_numbers random(5);
    const std::size_t k = 19;
    const std::size_t n = 21;
    const std::vector<float> b = random.floats(k * (n + 3));
    const std::vector<float> bias = random.floats(n + 16);
    for (std::size_t shift = 0; shift < 17; ++shift) {
        const std::vector<float> a = random.floats(3 * k + shift);
        compare_products([&](const product_set& set) {
            buffer packed(set.packed_floats(k, n));
            eigen_marked scratch(shift + set.gemm_scratch(60, k));
            std::vector<float> c(shift + 20 * 100 + 1, eigen_mark);
            set.pack(b.data(), n + 3, k, n, packed.data());
            // a group stride of 0 reads the same rows again for each group
            set.gemm({a.data() + shift, k, 3, 0}, 60, packed.data(), k, n, bias.data() + shift,
                     {c.data() + shift, n + 1, 3, 100}, scratch.data() + shift,
                     kernels::epilogue::keep);
            return c;
        });
    }
}

TEST_CASE("the Eigen set attends to the bits of xsimds under every mask") {
    const std::size_t width = 20;
    const std::size_t rows = 26;
    const std::size_t period = 13;
    for (const std::size_t tokens : eigen_counts{1, 2, 15, 16, 37, 130, 1500, 9000}) {
        fixtures::random_numbers random(tokens);
        const std::vector<float> q = random.floats(rows * width, -3, 3);
        const std::vector<float> keys = random.floats(tokens * width, -3, 3);
        const std::vector<float> values = random.floats(tokens * width);
        const std::vector<float> scales = random.floats(tokens, 0.5F, 1.5F);
        const std::vector<float> matches = random.floats(period * tokens, 0, 1);
        const float logits[] = {1.5F, -0.75F};
        std::vector<kernels::attention_mask> masks{
            {},
            {.hide_first_column = tokens > 1, .average_first_row = true},
            {.matches = matches.data(), .match_logits = logits},
            {.hidden_first = tokens / 3, .hidden_last = tokens / 2}};
        if (tokens > period + 1) { // a window needs the rows among the columns
            masks.push_back({.window = 5, .window_first = 1});
            masks.push_back({.hidden_first = tokens - 3,
                             .hidden_last = tokens - 1,
                             .window = 9,
                             .window_first = 3,
                             .first_row_column = 2,
                             .matches = matches.data(),
                             .match_logits = logits});
        }
        for (std::size_t mask = 0; mask < masks.size(); ++mask) {
            for (const bool scaled : {false, true}) {
                INFO("tokens " << tokens << ", mask " << mask << ", scaled " << scaled);
                compare_products([&](const product_set& set) {
                    buffer packed_keys(set.packed_floats(width, tokens));
                    buffer packed_values(set.packed_floats(tokens, width));
                    set.pack_transposed(keys.data(), width, width, tokens, packed_keys.data());
                    set.pack(values.data(), width, tokens, width, packed_values.data());
                    kernels::packed_attention in{
                        packed_keys.data(),   width, tokens,
                        packed_values.data(), width, scaled ? scales.data() : nullptr};
                    eigen_marked scratch(set.attention_scratch(rows, in));
                    std::vector<float> out = q; // the query itself may be the result
                    set.attend({out.data(), width}, rows, period, in, 0.3F, masks[mask],
                               {out.data(), width}, scratch.data());
                    eigen_marked query(set.packed_row_floats(rows, width));
                    set.pack_rows({q.data(), width}, rows, width, query.data());
                    in.packed_query = query.data();
                    std::vector<float> again(rows * width);
                    set.attend({nullptr, width}, rows, period, in, 0.3F, masks[mask],
                               {again.data(), width}, scratch.data());
                    require_eigen_bits(again, out);
                    return out;
                });
            }
        }
    }
}

TEST_CASE("the Eigen set normalises and turns and gates and adds to the bits of xsimds") {
    for (std::size_t n = 1; n <= 70; ++n) {
        fixtures::random_numbers random(n + 900);
        const std::vector<float> x = random.floats(4 * n + 1, -5, 5);
        const std::vector<float> weight = random.floats(n, 0.5F, 1.5F);
        const std::vector<float> bias = random.floats(n);
        INFO("n " << n);
        compare_products([&](const product_set& set) {
            std::vector<float> y = x;
            set.layer_norm(y.data(), n, weight.data(), bias.data(), 1e-5F);
            set.rotate(y.data(), 2, n, weight.data(), bias.data());
            set.gated_gelu(y.data(), y.data() + 2 * n, n);
            return y;
        });
        const auto others = [&](const kernel_set& set) {
            std::vector<float> y = x;
            set.add(y.data() + n, y.data(), n);
            std::vector<float> maxima(n + 1, eigen_mark);
            set.column_maxima(y.data(), n, 4, n, maxima.data());
            y.insert(y.end(), maxima.begin(), maxima.end());
            return y;
        };
        require_eigen_bits(others(eigen_set()), others(xsimd_set()));
    }
}

TEST_CASE("the Eigen set packs bfloat16 as the conversion that is tested by itself") {
    fixtures::random_numbers random(8);
    std::vector<float> x = random.floats(1000, -1e3F, 1e3F);
    for (std::uint32_t bits = 0; bits < 0x7f800000U; bits += 0x7fedU) { // subnormals and ties, too
        x.push_back(std::bit_cast<float>(bits));
    }
    const std::vector<float> one{1.0F};
    const std::vector<float> rounded = eigen_product_of(eigen_set().bf16, one, 1, x, 1, x.size(),
                                                        nullptr, kernels::epilogue::keep);
    for (std::size_t i = 0; i < x.size(); ++i) {
        REQUIRE(rounded[i] == kernels::bf16_to_float(kernels::float_to_bf16(x[i])));
    }
}

TEST_CASE("a row of the Eigen set has the same bits alone and among others") {
    fixtures::random_numbers random(13);
    const std::size_t m = 53;
    const std::size_t k = 1100;
    const std::size_t n = 35;
    const std::vector<float> a = random.floats(m * k);
    const std::vector<float> b = random.floats(n * k);
    for (const product_kind kind : eigen_kinds) {
        const product_set& set = eigen_set()[kind];
        const std::vector<float> bias(n);
        const auto all =
            fixtures::multiply(set, a, m, b, k, n, bias, false, kernels::epilogue::gelu);
        for (std::size_t i = 0; i < m; ++i) {
            const auto row = a.begin() + static_cast<std::ptrdiff_t>(i * k);
            const std::vector<float> alone =
                fixtures::multiply(set, {row, row + static_cast<std::ptrdiff_t>(k)}, 1, b, k, n,
                                   bias, false, kernels::epilogue::gelu);
            REQUIRE(std::memcmp(alone.data(), all.data() + i * n, n * sizeof(float)) == 0);
        }
    }
}
