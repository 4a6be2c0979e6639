// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include <mice/config.hpp>

// What the engine asks of the kernels of one instruction set, as a table of functions. These types
// are the same whatever a file is compiled for: src/dispatch/ fills one table for each instruction
// set, each in a file with flags of its own, and a program that is compiled for none of them picks
// one at run time.
namespace mice {
namespace MICE_SHARED_NAMESPACE {

/// Rows of a matrix in memory: row i starts at base + i * stride, or, with `per_group` rows in a
/// group, at base + (i / per_group) * group_stride + (i % per_group) * stride. Strides in floats.
template <class Float> struct row_view {
    Float* base = nullptr;
    std::size_t stride = 0;
    std::size_t per_group = 0; ///< 0: one group
    std::size_t group_stride = 0;

    [[nodiscard]] MICE_ALWAYS_INLINE Float* row(std::size_t i) const {
        return per_group == 0 ? base + i * stride
                              : base + (i / per_group) * group_stride + (i % per_group) * stride;
    }
    MICE_ALWAYS_INLINE operator row_view<const Float>() const {
        return {base, stride, per_group, group_stride};
    }
};
using rows_in = row_view<const float>;
using rows_out = row_view<float>;

/// How two matrices are multiplied, the most precise way first; product.hpp defines them.
enum class product_kind { f32, bf16, int8 };

/// What is applied to a product's elements: nothing, the exact GELU, or tanh.
enum class epilogue { keep, gelu, tanh };

/// Which columns (keys) the rows (queries) of an attention block see, and what is added to their
/// logits.
struct attention_mask {
    bool hide_first_column = false;   ///< rows 1.. do not attend to column 0
    bool average_first_row = false;   ///< row 0 takes the plain mean of the values
    std::size_t hidden_first = 0;     ///< no row sees the columns from this one ..
    std::size_t hidden_last = 0;      ///< .. to before this one
    std::size_t window = 0;           ///< if not 0, a row sees no column further away than this ..
    std::size_t window_first = 0;     ///< .. but every column before this one
    std::size_t first_row_column = 0; ///< where row 0 stands among the columns, for the window
    const float* matches = nullptr;   ///< [period, tokens]: 1 where the ids are the same, else 0
    const float* match_logits = nullptr; ///< [rows / period] heads: what a match adds to a logit
};

/// Keys and values packed for a product, and perhaps the query.
struct packed_attention {
    const float* keys; ///< [width, tokens]
    std::size_t width;
    std::size_t tokens;
    const float* values; ///< [tokens, value_width]
    std::size_t value_width;
    const float* value_scales = nullptr; ///< [tokens], a factor of each value; null: 1
    const float* packed_query = nullptr; ///< [rows, width], as pack_rows packs it, or null
};

/// Keys or values of several heads as signed bytes: those of head h at token i start at base + i *
/// stride + h * head_dim.
struct head_codes {
    const std::byte* base;
    std::size_t stride; ///< in bytes
    std::size_t tokens;
    std::size_t heads;
    std::size_t head_dim;
};

/// Columns of the matrix of nearest_column: what a byte tells apart.
inline constexpr std::size_t compared_columns = 256;

/// The kernels of one product; gemm.hpp, attention.hpp and elementwise.hpp describe them.
struct product_set {
    std::size_t (*packed_floats)(std::size_t k, std::size_t n);
    void (*pack)(const float* source, std::size_t stride, std::size_t k, std::size_t n,
                 float* packed);
    void (*pack_transposed)(const float* source, std::size_t stride, std::size_t k, std::size_t n,
                            float* packed);
    std::size_t (*packed_row_floats)(std::size_t m, std::size_t k);
    void (*pack_rows)(rows_in a, std::size_t m, std::size_t k, float* packed);
    std::size_t (*gemm_scratch)(std::size_t m, std::size_t k);
    void (*gemm)(rows_in a, std::size_t m, const float* packed, std::size_t k, std::size_t n,
                 const float* bias, rows_out c, float* scratch, epilogue end);
    std::size_t (*attention_scratch)(std::size_t rows, const packed_attention& in);
    void (*attend)(rows_in query, std::size_t rows, std::size_t period, const packed_attention& in,
                   float scale, const attention_mask& mask, rows_out out, float* scratch);
    // computed between products, and rounded like them
    void (*gated_gelu)(float* x, const float* gate, std::size_t n);
    void (*rotate)(float* x, std::size_t heads, std::size_t half, const float* cosine,
                   const float* sine);
    void (*layer_norm)(float* x, std::size_t n, const float* weight, const float* bias,
                       float epsilon);
};

/// The kernels of one instruction set; pack_bytes.hpp and elementwise.hpp describe them. Packed
/// operands belong to the set that packed them.
struct kernel_set {
    const char* name;          ///< of the instruction set
    product_kind fastest;      ///< that it has instructions for
    std::size_t panel_columns; ///< columns that one packed panel holds
    product_set f32, bf16, int8;
    void (*pack_bytes)(std::span<const void* const> columns, const float* steps, std::size_t k,
                       float* packed);
    void (*pack_key_codes)(const head_codes& keys, const float* steps, float* packed);
    void (*pack_value_codes)(const head_codes& values, float* packed);
    void (*add)(const float* x, float* y, std::size_t n);
    void (*column_maxima)(const float* x, std::size_t stride, std::size_t m, std::size_t n,
                          float* maxima);
    std::size_t (*nearest_column)(const float* x, std::size_t n, const float* matrix);

    [[nodiscard]] MICE_ALWAYS_INLINE const product_set& operator[](product_kind kind) const {
        return kind == product_kind::f32 ? f32 : kind == product_kind::bf16 ? bf16 : int8;
    }
};

} // namespace MICE_SHARED_NAMESPACE
} // namespace mice

MICE_NAMESPACE_BEGIN
namespace kernels {
using namespace MICE_SHARED_NAMESPACE;
} // namespace kernels
MICE_NAMESPACE_END
