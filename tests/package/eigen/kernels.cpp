// SPDX-License-Identifier: Apache-2.0
// Prints the name of the kernels that an app has, and a product of theirs. Including no more keeps
// the test short; main.cpp beside it is a whole app.
#include <cstdio>

#include <mice/kernels/active.hpp>
#include <mice/kernels/buffer.hpp>

int main() {
    const mice::kernels::kernel_set& set = mice::kernels::active();
    const mice::kernels::product_set& product = set.f32;
    const float row[] = {1, 2, 3};
    const float column[] = {4, 5, 6};
    float result = 0;
    mice::kernels::buffer packed(product.packed_floats(3, 1));
    mice::kernels::buffer scratch(product.gemm_scratch(1, 3));
    product.pack(column, 1, 3, 1, packed.data());
    product.gemm({row, 3}, 1, packed.data(), 3, 1, nullptr, {&result, 1}, scratch.data(),
                 mice::kernels::epilogue::keep);
    std::printf("%s: %g\n", set.name, static_cast<double>(result));
    return 0;
}
