// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/kernels/buffer.hpp>

namespace fixtures {

/// C = A B + bias with a set's kernels, for both ways of packing B.
[[nodiscard]] inline std::vector<float> multiply(const mice::kernels::product_set& product,
                                                 const std::vector<float>& a, std::size_t m,
                                                 const std::vector<float>& b, std::size_t k,
                                                 std::size_t n, const std::vector<float>& bias,
                                                 bool transposed, mice::kernels::epilogue end) {
    mice::kernels::buffer packed(product.packed_floats(k, n));
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
    mice::kernels::buffer scratch(product.gemm_scratch(m, k));
    std::vector<float> c(m * n);
    product.gemm({a.data(), k}, m, packed.data(), k, n, bias.data(), {c.data(), n}, scratch.data(),
                 end);
    return c;
}

} // namespace fixtures
