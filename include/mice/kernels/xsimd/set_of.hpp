// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include <mice/kernels/set.hpp>
#include <mice/kernels/xsimd/attention.hpp>
#include <mice/kernels/xsimd/pack_bytes.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels {
namespace detail {

template <template <class> class Product, class Arch> constexpr product_set products_of() {
    return {.packed_floats = packed_floats<Product, Arch>,
            .pack = pack<Product, Arch>,
            .pack_transposed = pack_transposed<Product, Arch>,
            .packed_row_floats = packed_row_floats<Product, Arch>,
            .pack_rows = pack_rows<Product, Arch>,
            .gemm_scratch = gemm_scratch<Product, Arch>,
            .gemm = gemm<Product, Arch>,
            .attention_scratch = attention_scratch<Product, Arch>,
            .attend = attend<Product, Arch>,
            .gated_gelu = gated_gelu<Arch, Product<Arch>::rounds>,
            .rotate = rotate<Arch, Product<Arch>::rounds>,
            .layer_norm = layer_norm<Arch, Product<Arch>::rounds>};
}

template <class Arch> constexpr product_kind fastest_of() {
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
    return product_kind::int8;
#elif defined(__AVX512BF16__)
    return product_kind::bf16;
#else
    return product_kind::f32;
#endif
}

} // namespace detail

/// The kernels that the compiler's flags allow.
template <class Arch = default_arch> [[nodiscard]] constexpr kernel_set set_of() {
    return {.name = MICE_SIMD_TEXT,
            .fastest = detail::fastest_of<Arch>(),
            .panel_columns = panel_columns<Arch>,
            .f32 = detail::products_of<f32_product, Arch>(),
            .bf16 = detail::products_of<bf16_product, Arch>(),
            .int8 = detail::products_of<int8_product, Arch>(),
            .pack_bytes = pack_bytes<Arch>,
            .pack_key_codes = pack_key_codes<Arch>,
            .pack_value_codes = pack_value_codes<Arch>,
            .add = add<Arch>,
            .column_maxima = column_maxima<Arch>,
            .nearest_column = nearest_column<Arch>};
}

} // namespace kernels
MICE_NAMESPACE_END
