// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/kernels/eigen/attention.hpp>
#include <mice/kernels/set.hpp>

// The kernels in Eigen: the readable form of what kernels/xsimd/ does, for any processor. Every
// result has the same bits as that of kernels/xsimd/ compiled with the same flags; in bf16 and int8
// as that of every set.
MICE_NAMESPACE_BEGIN
namespace kernels::eigen {

template <class Product> constexpr product_set products_of() {
    return {.packed_floats = packed_floats<Product>,
            .pack = pack<Product>,
            .pack_transposed = pack_transposed<Product>,
            .packed_row_floats = packed_row_floats<Product>,
            .pack_rows = pack_rows<Product>,
            .gemm_scratch = gemm_scratch<Product>,
            .gemm = gemm<Product>,
            .attention_scratch = attention_scratch<Product>,
            .attend = attend<Product>,
            .gated_gelu = gated_gelu<Product::rounds>,
            .rotate = rotate<Product::rounds>,
            .layer_norm = layer_norm<Product::rounds>};
}

/// The set; it has no instructions for a product below f32.
[[nodiscard]] constexpr kernel_set set_of() {
    return {.name = "eigen",
            .fastest = product_kind::f32,
            .panel_columns = sums_apart,
            .f32 = products_of<f32_product>(),
            .bf16 = products_of<bf16_product>(),
            .int8 = products_of<int8_product>(),
            .pack_bytes = pack_bytes,
            .pack_key_codes = pack_key_codes,
            .pack_value_codes = pack_value_codes,
            .add = add,
            .column_maxima = column_maxima,
            .nearest_column = nearest_column};
}

} // namespace kernels::eigen
MICE_NAMESPACE_END
