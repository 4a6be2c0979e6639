// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/kernel_products.hpp"
#include "../support/random_numbers.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/kernels/buffer.hpp>

// Every set of kernels that this processor can run, through the table that the engine calls. The
// tests of the kernels themselves compile them for one instruction set.
namespace {

namespace kernels = mice::kernels;
using fixtures::multiply;
using kernels::buffer;
using kernels::product_kind;

std::vector<const kernels::kernel_set*> every_set() {
#if MICE_USE_DISPATCH
    const auto sets = mice::MICE_SHARED_NAMESPACE::runnable_kernels();
    return {sets.begin(), sets.end()};
#else
    return {&kernels::active()};
#endif
}

/// How far a product may be from the exact one, in units of the sum of magnitudes.
double tolerance_of(product_kind kind) {
    switch (kind) {
    case product_kind::bf16:
        return 0x1p-7; // two roundings of 2^-9 relative, with room
    case product_kind::int8:
        return 0.05; // two of half a step of 1/127 of the largest, which a mean is below
    default:
        return 1e-5;
    }
}

constexpr std::initializer_list<product_kind> every_product{product_kind::f32, product_kind::bf16,
                                                            product_kind::int8};

} // namespace

TEST_CASE("the engine's kernels are the last of those that this processor can run") {
    const auto sets = every_set();
    REQUIRE_FALSE(sets.empty());
    const char* const asked = std::getenv("MICE_SIMD");
    if (asked == nullptr || *asked == '\0') {
        CHECK(&kernels::active() == sets.back());
    }
    for (std::size_t i = 1; i < sets.size(); ++i) {
        CHECK(std::string(sets[i]->name) != sets[i - 1]->name);
        if (std::string(sets[i - 1]->name) != "eigen") {
            CHECK(sets[i]->panel_columns >= sets[i - 1]->panel_columns);
        }
        CHECK(sets.back()->fastest >= sets[i]->fastest);
    }
}

TEST_CASE("every set multiplies right, in every product, packed either way") {
    for (const kernels::kernel_set* set : every_set()) {
        for (const product_kind kind : every_product) {
            for (const std::size_t k : {1, 7, 32, 100, 401}) {
                const std::size_t m = 15;
                const std::size_t n = 67;
                fixtures::random_numbers random(k);
                const std::vector<float> a = random.floats(m * k);
                const std::vector<float> b = random.floats(k * n);
                const std::vector<float> bias = random.floats(n);
                const auto plain =
                    multiply((*set)[kind], a, m, b, k, n, bias, false, kernels::epilogue::keep);
                const auto turned =
                    multiply((*set)[kind], a, m, b, k, n, bias, true, kernels::epilogue::keep);
                INFO(set->name << ", product " << static_cast<int>(kind) << ", k " << k);
                REQUIRE(std::memcmp(plain.data(), turned.data(), plain.size() * sizeof(float)) ==
                        0);
                for (std::size_t i = 0; i < m; ++i) {
                    for (std::size_t j = 0; j < n; ++j) {
                        double sum = bias[j];
                        double largest_a = 0;
                        double largest_b = 0;
                        for (std::size_t x = 0; x < k; ++x) {
                            sum += double{a[i * k + x]} * b[x * n + j];
                            largest_a = std::max(largest_a, std::fabs(double{a[i * k + x]}));
                            largest_b = std::max(largest_b, std::fabs(double{b[x * n + j]}));
                        }
                        const double bound = tolerance_of(kind) * largest_a * largest_b *
                                             std::sqrt(static_cast<double>(k));
                        REQUIRE(std::fabs(plain[i * n + j] - sum) <= bound + 1e-5);
                    }
                }
            }
        }
    }
}

TEST_CASE("every set gives int8 products of the same integers") {
    const std::size_t m = 13;
    const std::size_t k = 203;
    const std::size_t n = 40;
    fixtures::random_numbers random(9);
    const std::vector<float> a = random.floats(m * k);
    const std::vector<float> b = random.floats(k * n);
    const std::vector<float> none(n);
    const auto product_of = [&](const kernels::kernel_set& set) {
        return multiply(set.int8, a, m, b, k, n, none, true, kernels::epilogue::keep);
    };
    const std::vector<float> expected = product_of(*every_set().front());
    for (const kernels::kernel_set* set : every_set()) {
        CAPTURE(set->name);
        CHECK(product_of(*set) == expected);
    }
}

TEST_CASE("every set attends right: masks, scales of values, a packed query, longer documents than "
          "a block") {
    for (const kernels::kernel_set* set : every_set()) {
        for (const product_kind kind : every_product) {
            for (const std::size_t tokens : {1, 5, 130, 1100}) {
                const std::size_t rows = 26;
                const std::size_t period = 13;
                const std::size_t width = 20;
                fixtures::random_numbers random(tokens);
                const std::vector<float> q = random.floats(rows * width);
                const std::vector<float> keys = random.floats(tokens * width);
                const std::vector<float> values = random.floats(tokens * width);
                std::vector<float> scales(tokens);
                for (float& each : scales) {
                    each = 0.5F + std::fabs(random.floats(1)[0]);
                }
                const kernels::product_set& product = (*set)[kind];
                buffer packed_keys(product.packed_floats(width, tokens));
                buffer packed_values(product.packed_floats(tokens, width));
                product.pack_transposed(keys.data(), width, width, tokens, packed_keys.data());
                product.pack(values.data(), width, tokens, width, packed_values.data());
                kernels::packed_attention in{packed_keys.data(),   width, tokens,
                                             packed_values.data(), width, scales.data()};
                buffer scratch(product.attention_scratch(rows, in));
                const bool hide = tokens > 1;
                const auto attend = [&](const float* query) {
                    std::vector<float> out(rows * width);
                    product.attend({query, width}, rows, period, in, 0.3F,
                                   {.hide_first_column = hide, .average_first_row = true},
                                   {out.data(), width}, scratch.data());
                    return out;
                };
                const std::vector<float> out = attend(q.data());
                INFO(set->name << ", product " << static_cast<int>(kind) << ", tokens " << tokens);
                buffer packed_query(product.packed_row_floats(rows, width));
                product.pack_rows({q.data(), width}, rows, width, packed_query.data());
                in.packed_query = packed_query.data();
                const std::vector<float> other(rows * width, 1e30F); // is not read
                CHECK(attend(other.data()) == out);
                for (std::size_t i = 0; i < rows; ++i) {
                    const bool first = i % period == 0;
                    std::vector<double> weight(tokens);
                    double sum = 0;
                    for (std::size_t t = 0; t < tokens; ++t) {
                        double score = 0;
                        for (std::size_t x = 0; x < width; ++x) {
                            score += double{q[i * width + x]} * keys[t * width + x];
                        }
                        weight[t] = first ? 1 : hide && t == 0 ? 0 : std::exp(0.3 * score);
                        sum += weight[t];
                    }
                    for (std::size_t x = 0; x < width; ++x) {
                        double expected = 0;
                        for (std::size_t t = 0; t < tokens; ++t) {
                            expected += weight[t] / sum * scales[t] * values[t * width + x];
                        }
                        const double bound = kind == product_kind::f32 ? 1e-5 : 0.05;
                        REQUIRE(std::fabs(out[i * width + x] - expected) <= bound);
                    }
                }
            }
        }
    }
}

TEST_CASE("every set's epilogues and normalisation") {
    for (const kernels::kernel_set* set : every_set()) {
        CAPTURE(set->name);
        fixtures::random_numbers random(4);
        const std::size_t k = 21;
        const std::size_t n = 35;
        const std::vector<float> a = random.floats(k);
        const std::vector<float> b = random.floats(k * n);
        const std::vector<float> bias = random.floats(n);
        const auto with = [&](kernels::epilogue end) {
            return multiply(set->f32, a, 1, b, k, n, bias, false, end);
        };
        const std::vector<float> kept = with(kernels::epilogue::keep);
        const std::vector<float> gelu = with(kernels::epilogue::gelu);
        const std::vector<float> tanh = with(kernels::epilogue::tanh);
        for (std::size_t j = 0; j < n; ++j) {
            const double x = kept[j];
            REQUIRE(std::fabs(gelu[j] - x / 2 * (1 + std::erf(x / std::sqrt(2.0)))) < 2e-6);
            REQUIRE(std::fabs(tanh[j] - std::tanh(x)) < 1e-6);
        }

        std::vector<float> row = random.floats(n);
        std::vector<float> ones(n, 1.0F);
        const std::vector<float> before = row;
        set->add(ones.data(), row.data(), n);
        for (std::size_t j = 0; j < n; ++j) {
            REQUIRE(row[j] == before[j] + 1.0F);
        }
        set->f32.layer_norm(row.data(), n, ones.data(), bias.data(), 1e-12F);
        double mean = 0;
        for (std::size_t j = 0; j < n; ++j) {
            mean += double{row[j]} - bias[j];
        }
        REQUIRE(std::fabs(mean / static_cast<double>(n)) < 1e-6);
    }
}

namespace {

/// Integers of -127 to 127, the first one 127: rows that int8_product packs as they are.
std::vector<std::byte> codes_of(fixtures::random_numbers& random, std::size_t n) {
    std::vector<std::byte> codes(n);
    for (std::byte& each : codes) {
        each = static_cast<std::byte>(random.below(255) - 127);
    }
    codes[0] = std::byte{127};
    return codes;
}

int value_of(std::byte code) {
    return static_cast<std::int8_t>(code);
}

/// row [k] times B [k, n] as a set multiplies in int8.
std::vector<float> multiply_row(const kernels::kernel_set& set, const std::vector<std::byte>& row,
                                const float* packed, std::size_t n) {
    const std::size_t k = row.size();
    std::vector<float> a(k);
    std::transform(row.begin(), row.end(), a.begin(),
                   [](std::byte code) { return static_cast<float>(value_of(code)); });
    buffer scratch(set.int8.gemm_scratch(1, k));
    std::vector<float> c(n);
    set.int8.gemm({a.data(), k}, 1, packed, k, n, nullptr, {c.data(), n}, scratch.data(),
                  kernels::epilogue::keep);
    return c;
}

} // namespace

TEST_CASE("every set multiplies bytes that are packed as columns exactly") {
    for (const kernels::kernel_set* set : every_set()) {
        fixtures::random_numbers random(5);
        for (const std::size_t k : {1, 4, 15, 21, 64}) {
            for (const std::size_t n : {1, 3, 4, 17, 35, 64}) {
                CAPTURE(set->name, k, n);
                const std::vector<std::byte> row = codes_of(random, k);
                const std::vector<std::byte> columns = codes_of(random, n * k);
                const std::vector<float> steps = random.floats(n);
                buffer packed(set->int8.packed_floats(k, n));
                for (std::size_t first = 0; first < n; first += set->panel_columns) {
                    std::vector<const void*> pointers;
                    for (std::size_t j = first; j < std::min(n, first + set->panel_columns); ++j) {
                        pointers.push_back(columns.data() + j * k);
                    }
                    set->pack_bytes(pointers, steps.data() + first, k,
                                    packed.data() + set->int8.packed_floats(k, first));
                }
                const std::vector<float> c = multiply_row(*set, row, packed.data(), n);
                for (std::size_t j = 0; j < n; ++j) {
                    int sum = 0;
                    for (std::size_t i = 0; i < k; ++i) {
                        sum += value_of(row[i]) * value_of(columns[j * k + i]);
                    }
                    REQUIRE(c[j] == static_cast<float>(sum) * steps[j]);
                }
            }
        }
    }
}

TEST_CASE("every set multiplies stored keys and values of all heads exactly") {
    for (const kernels::kernel_set* set : every_set()) {
        fixtures::random_numbers random(6);
        for (const std::size_t heads : {1, 3}) {
            for (const std::size_t head_dim : {1, 4, 15, 16, 32, 70}) {
                for (const std::size_t tokens : {1, 3, 4, 18, 33, 64, 70}) {
                    CAPTURE(set->name, heads, head_dim, tokens);
                    const std::size_t stride = heads * head_dim + random.below(3);
                    const std::vector<std::byte> codes =
                        codes_of(random, (tokens - 1) * stride + heads * head_dim);
                    const kernels::head_codes all{codes.data(), stride, tokens, heads, head_dim};
                    const auto code = [&](std::size_t token, std::size_t head, std::size_t i) {
                        return value_of(codes[token * stride + head * head_dim + i]);
                    };
                    const std::vector<float> steps = random.floats(heads * tokens);
                    const std::size_t key_floats = set->int8.packed_floats(head_dim, tokens);
                    const std::size_t value_floats = set->int8.packed_floats(tokens, head_dim);
                    buffer keys(heads * key_floats);
                    buffer values(heads * value_floats);
                    set->pack_key_codes(all, steps.data(), keys.data());
                    set->pack_value_codes(all, values.data());
                    const std::vector<std::byte> query = codes_of(random, head_dim);
                    const std::vector<std::byte> weights = codes_of(random, tokens);
                    for (std::size_t head = 0; head < heads; ++head) {
                        const std::vector<float> scores =
                            multiply_row(*set, query, keys.data() + head * key_floats, tokens);
                        for (std::size_t token = 0; token < tokens; ++token) {
                            int sum = 0;
                            for (std::size_t i = 0; i < head_dim; ++i) {
                                sum += value_of(query[i]) * code(token, head, i);
                            }
                            REQUIRE(scores[token] ==
                                    static_cast<float>(sum) * steps[head * tokens + token]);
                        }
                        const std::vector<float> mixed = multiply_row(
                            *set, weights, values.data() + head * value_floats, head_dim);
                        for (std::size_t i = 0; i < head_dim; ++i) {
                            int sum = 0;
                            for (std::size_t token = 0; token < tokens; ++token) {
                                sum += value_of(weights[token]) * code(token, head, i);
                            }
                            REQUIRE(mixed[i] == static_cast<float>(sum));
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE("column maxima are the largest of each column in every set") {
    fixtures::random_numbers random(77);
    for (const kernels::kernel_set* set : every_set()) {
        INFO(set->name);
        for (const std::size_t rows : {1, 2, 7, 33}) {
            for (std::size_t columns = 1; columns <= 70; ++columns) {
                const std::size_t stride = columns + columns % 3;
                std::vector<float> x(rows * stride);
                for (float& value : x) {
                    value = random.between(-2.0F, -1.0F); // a zero from elsewhere would win
                }
                std::vector<float> found(columns + 1, 12345.5F);
                set->column_maxima(x.data(), stride, rows, columns, found.data());
                REQUIRE(found.back() == 12345.5F);
                for (std::size_t j = 0; j < columns; ++j) {
                    float expected = x[j];
                    for (std::size_t i = 1; i < rows; ++i) {
                        expected = std::fmax(expected, x[i * stride + j]);
                    }
                    REQUIRE(found[j] == expected);
                }
            }
        }
    }
}

TEST_CASE("the nearest column has the least squared distance in every set") {
    fixtures::random_numbers random(78);
    constexpr std::size_t columns = kernels::compared_columns;
    for (std::size_t n = 0; n <= 40; n += n < 9 ? 1 : 13) {
        for (int turn = 0; turn < 40; ++turn) {
            const std::vector<float> x = random.floats(n, -2, 2);
            std::vector<float> matrix = random.floats(n * columns + 1, -2, 2);
            if (turn % 4 == 0) { // equal columns: the first of them counts
                for (std::size_t i = 0; i < n * columns; ++i) {
                    matrix[i] = std::round(matrix[i]);
                }
            }
            std::size_t expected = 0;
            float least = std::numeric_limits<float>::infinity();
            for (std::size_t j = 0; j < columns; ++j) {
                float sum = 0;
                for (std::size_t i = 0; i < n; ++i) {
                    const float off = x[i] - matrix[i * columns + j];
                    const volatile float square = off * off; // rounded by itself
                    sum += square;
                }
                expected = sum < least ? j : expected;
                least = sum < least ? sum : least;
            }
            for (const kernels::kernel_set* set : every_set()) {
                INFO(set->name << ", n " << n << ", turn " << turn);
                REQUIRE(set->nearest_column(x.data(), n, matrix.data()) == expected);
            }
        }
    }
}
