// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_numbers.hpp"

#include <cmath>
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

/// C = A B + bias of a set, both ways of packing B.
std::vector<float> multiply(const kernels::product_set& product, const std::vector<float>& a,
                            std::size_t m, const std::vector<float>& b, std::size_t k,
                            std::size_t n, const std::vector<float>& bias, bool transposed,
                            kernels::epilogue end) {
    buffer packed(product.packed_floats(k, n));
    if (transposed) {
        std::vector<float> turned(n * k);
        for (std::size_t i = 0; i < k; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
                turned[j * k + i] = b[i * n + j];
            }
        }
        product.pack_transposed(turned.data(), k, k, n, packed.data());
    } else {
        product.pack(b.data(), n, k, n, packed.data());
    }
    buffer scratch(product.gemm_scratch(m, k));
    std::vector<float> c(m * n);
    product.gemm({a.data(), k}, m, packed.data(), k, n, bias.data(), {c.data(), n}, scratch.data(),
                 end);
    return c;
}

} // namespace

TEST_CASE("the engine's kernels are the last of those that this processor can run") {
    const auto sets = every_set();
    REQUIRE_FALSE(sets.empty());
    CHECK(&kernels::active() == sets.back());
    for (std::size_t i = 1; i < sets.size(); ++i) {
        CHECK(std::string(sets[i]->name) != sets[i - 1]->name);
        CHECK(sets[i]->panel_columns >= sets[i - 1]->panel_columns);
        CHECK(sets[i]->fastest >= sets[i - 1]->fastest);
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

TEST_CASE("every set attends right: masks, values with scales, longer documents than a block") {
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
                const kernels::packed_attention in{packed_keys.data(),   width, tokens,
                                                   packed_values.data(), width, scales.data()};
                buffer scratch(product.attention_scratch(rows, in));
                std::vector<float> out(rows * width);
                const bool hide = tokens > 1;
                product.attend({q.data(), width}, rows, period, in, 0.3F,
                               {.hide_first_column = hide, .average_first_row = true},
                               {out.data(), width}, scratch.data());
                INFO(set->name << ", product " << static_cast<int>(kind) << ", tokens " << tokens);
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

TEST_CASE("every set's epilogues, normalisation and packing of bytes") {
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
        set->layer_norm(row.data(), n, ones.data(), bias.data(), 1e-12F);
        double mean = 0;
        for (std::size_t j = 0; j < n; ++j) {
            mean += double{row[j]} - bias[j];
        }
        REQUIRE(std::fabs(mean / static_cast<double>(n)) < 1e-6);

        // bytes packed as columns and as rows stand for the same matrix
        std::vector<std::byte> bytes(k * n); // [n, k]
        for (std::byte& each : bytes) {
            each = static_cast<std::byte>(random.below(255) - 127);
        }
        std::vector<std::byte> turned(k * n); // [k, n]
        std::vector<float> floats(n * k);
        for (std::size_t j = 0; j < n; ++j) {
            for (std::size_t i = 0; i < k; ++i) {
                turned[i * n + j] = bytes[j * k + i];
                floats[j * k + i] = static_cast<float>(static_cast<std::int8_t>(bytes[j * k + i]));
            }
        }
        buffer columns(set->int8.packed_floats(k, n));
        buffer rows(set->int8.packed_floats(k, n));
        for (std::size_t first = 0; first < n; first += set->panel_columns) {
            std::vector<const void*> pointers;
            for (std::size_t j = first; j < std::min(n, first + set->panel_columns); ++j) {
                pointers.push_back(bytes.data() + j * k);
            }
            set->pack_bytes(pointers, ones.data(), k,
                            columns.data() + set->int8.packed_floats(k, first));
        }
        set->pack_byte_rows(turned.data(), n, k, n, rows.data());
        buffer scratch(set->int8.gemm_scratch(1, k));
        const auto product_with = [&](const buffer& packed) {
            std::vector<float> c(n);
            set->int8.gemm({a.data(), k}, 1, packed.data(), k, n, nullptr, {c.data(), n},
                           scratch.data(), kernels::epilogue::keep);
            return c;
        };
        const std::vector<float> from_columns = product_with(columns);
        CHECK(from_columns == product_with(rows));
        for (std::size_t j = 0; j < n; ++j) {
            double exact = 0;
            double size = 0;
            for (std::size_t i = 0; i < k; ++i) {
                exact += double{a[i]} * floats[j * k + i];
                size += std::fabs(floats[j * k + i]);
            }
            REQUIRE(std::fabs(from_columns[j] - exact) <= size * 0.01);
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
