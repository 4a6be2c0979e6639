// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/kernel_products.hpp"
#include "../support/random_numbers.hpp"

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/kernels/buffer.hpp>

// All kernels of one machine give the same bits, whatever instruction set they were compiled for:
// in f32 those that multiply and add with one rounding, in bf16 and int8 all of them. A difference
// in a last bit here becomes one as large as that between int8 and f32 in a score, because one
// changed integer changes everything behind it.
namespace {

namespace kernels = mice::kernels;
using fixtures::multiply;
using kernels::buffer;
using kernels::kernel_set;
using kernels::product_kind;

/// Whether a set multiplies and adds with one rounding: else the last bit of the square is lost.
bool rounds_once(const kernel_set& set) {
    const float x = 1.0F + 0x1p-12F;
    return multiply(set.f32, {1.0F, x}, 1, {-1.0F, x}, 2, 1, {0.0F}, false,
                    kernels::epilogue::keep)[0] != 0x1p-11F;
}

/// The sets to compare in that number format, of those that round once, or twice.
std::vector<const kernel_set*> sets_of(product_kind kind, bool once) {
    std::vector<const kernel_set*> found;
#if MICE_USE_DISPATCH
    for (const kernel_set* set : mice::MICE_SHARED_NAMESPACE::runnable_kernels()) {
        if (kind != product_kind::f32 || rounds_once(*set) == once) {
            found.push_back(set);
        }
    }
#endif
    if (found.size() < 2 && once) {
        WARN("one set of kernels in this build: nothing to compare");
        found.assign(1, &kernels::active());
    }
    return found;
}

/// Calls compute(set) for every set, and fails where one gives other bits than the first that
/// rounds as it does.
template <class Compute> void check_same_bits(product_kind kind, const Compute& compute) {
    for (const bool once : {true, false}) {
        const std::vector<const kernel_set*> sets = sets_of(kind, once);
        const std::vector<float> expected = sets.empty() ? std::vector<float>() : compute(*sets[0]);
        for (const kernel_set* set : sets) {
            const std::vector<float> found = compute(*set);
            INFO(set->name << " beside " << sets[0]->name << ", product "
                           << static_cast<int>(kind));
            REQUIRE(found.size() == expected.size());
            REQUIRE(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
        }
    }
}

constexpr product_kind every_kind[] = {product_kind::f32, product_kind::bf16, product_kind::int8};
constexpr std::size_t every_size[] = {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 47, 100, 384, 401};

} // namespace

TEST_CASE("fault 36: every set of kernels multiplies to the same bits") {
    for (const product_kind kind : every_kind) {
        for (const std::size_t k : every_size) {
            fixtures::random_numbers random(k);
            const std::size_t m = 13;
            const std::size_t n = 37;
            const std::vector<float> a = random.floats(m * k, -3, 3);
            const std::vector<float> b = random.floats(k * n);
            const std::vector<float> bias = random.floats(n);
            for (const auto end : {kernels::epilogue::keep, kernels::epilogue::gelu}) {
                check_same_bits(kind, [&](const kernel_set& set) {
                    return multiply(set[kind], a, m, b, k, n, bias, false, end);
                });
            }
        }
    }
}

TEST_CASE("fault 36: every set of kernels attends to the same bits") {
    for (const product_kind kind : every_kind) {
        for (const std::size_t tokens : every_size) {
            fixtures::random_numbers random(tokens + 500);
            const std::size_t width = 32;
            const std::size_t rows = 9;
            const std::vector<float> query = random.floats(rows * width, -4, 4);
            const std::vector<float> keys = random.floats(tokens * width, -4, 4);
            const std::vector<float> values = random.floats(tokens * width);
            const std::vector<float> matches = random.floats(rows * tokens, 0, 1);
            const float match_logit = 0.7F;
            check_same_bits(kind, [&](const kernel_set& set) {
                const kernels::product_set& product = set[kind];
                buffer packed_keys(product.packed_floats(width, tokens));
                buffer packed_values(product.packed_floats(tokens, width));
                product.pack_transposed(keys.data(), width, width, tokens, packed_keys.data());
                product.pack(values.data(), width, tokens, width, packed_values.data());
                const kernels::packed_attention in{packed_keys.data(), width, tokens,
                                                   packed_values.data(), width};
                buffer scratch(product.attention_scratch(rows, in));
                std::vector<float> out(rows * width);
                product.attend({query.data(), width}, rows, rows, in, 0.3F,
                               {.matches = matches.data(), .match_logits = &match_logit},
                               {out.data(), width}, scratch.data());
                return out;
            });
        }
    }
}

TEST_CASE("fault 36: every set of kernels normalises and turns and gates to the same bits") {
    for (const product_kind kind : every_kind) {
        for (const std::size_t n : every_size) {
            fixtures::random_numbers random(n + 900);
            const std::vector<float> x = random.floats(2 * n, -5, 5);
            const std::vector<float> weight = random.floats(n, 0.5F, 1.5F);
            const std::vector<float> bias = random.floats(n);
            check_same_bits(kind, [&](const kernel_set& set) {
                std::vector<float> y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
                set[kind].layer_norm(y.data(), n, weight.data(), bias.data(), 1e-5F);
                return y;
            });
            check_same_bits(kind, [&](const kernel_set& set) {
                std::vector<float> y = x;
                set[kind].rotate(y.data(), 1, n, weight.data(), bias.data());
                return y;
            });
            check_same_bits(kind, [&](const kernel_set& set) {
                std::vector<float> y = x;
                set[kind].gated_gelu(y.data(), y.data() + n, n);
                return y;
            });
        }
    }
}

TEST_CASE("fault 36: the poolers tanh has the same bits in every set that rounds once") {
    for (int part = -200; part < 200; ++part) {
        std::vector<float> x(64);
        for (std::size_t i = 0; i < x.size(); ++i) {
            x[i] = static_cast<float>(part) / 16 + static_cast<float>(i) / 1024;
        }
        const std::vector<float> none(x.size());
        check_same_bits(product_kind::f32, [&](const kernel_set& set) {
            return multiply(set.f32, {1.0F}, 1, x, 1, x.size(), none, false,
                            kernels::epilogue::tanh);
        });
    }
}
