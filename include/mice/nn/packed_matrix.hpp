// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include <mice/kernels/active.hpp>
#include <mice/nn/matrix_view.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// What to do with the elements of a product.
struct product_end {
    std::span<const float> bias{}; ///< [n], added to each row; empty: none
    kernels::epilogue apply = kernels::epilogue::keep;
};

/// The right operand B [k, n] of a product, in the order that the kernels want. Owns its memory,
/// which only grows; movable. Multiplying is safe from many threads.
class packed_matrix {
  public:
    packed_matrix() = default;
    /// Memory for B, which is not packed yet. It stays where it is when this object moves.
    packed_matrix(kernels::product_kind kind, std::size_t k, std::size_t n) {
        (void)reserve(kind, k, n);
    }
    /// B packed for that product.
    packed_matrix(kernels::product_kind kind, matrix_view b) { pack(kind, b); }

    /// Packs b [k, n], replacing what was there.
    void pack(kernels::product_kind kind, matrix_view b) {
        check_shape(b.per_group == 0, "packed_matrix::pack");
        float* packed = reserve(kind, b.rows, b.columns);
        set().pack(b.data, b.stride, b.rows, b.columns, packed);
    }
    /// Packs the transpose of b [n, k], replacing what was there.
    void pack_transposed(kernels::product_kind kind, matrix_view b) {
        check_shape(b.per_group == 0, "packed_matrix::pack_transposed");
        float* packed = reserve(kind, b.columns, b.rows);
        set().pack_transposed(b.data, b.stride, b.columns, b.rows, packed);
    }

    /// c [m, n] = end(a [m, k] B); c may not overlap a. `scratch` has at least scratch_floats(m).
    void multiply(matrix_view a, matrix_span c, float* scratch, product_end end = {}) const {
        check_shape(a.columns == k_ && c.columns == n_ && a.rows == c.rows &&
                        (end.bias.empty() || end.bias.size() == n_),
                    "packed_matrix::multiply");
        set().gemm(a.kernel_rows(), a.rows, memory_.data(), k_, n_,
                   end.bias.empty() ? nullptr : end.bias.data(), c.kernel_rows(), scratch,
                   end.apply);
    }
    /// The same; `scratch` grows if need be.
    void multiply(matrix_view a, matrix_span c, buffer& scratch, product_end end = {}) const {
        multiply(a, c, scratch.reserve(scratch_floats(a.rows)), end);
    }
    /// The floats of scratch for `m` rows.
    [[nodiscard]] std::size_t scratch_floats(std::size_t m) const {
        return set().gemm_scratch(m, k_);
    }

    [[nodiscard]] std::size_t k() const noexcept { return k_; }
    [[nodiscard]] std::size_t n() const noexcept { return n_; }
    [[nodiscard]] kernels::product_kind kind() const noexcept { return kind_; }
    /// The packed memory, for code that packs it in another way.
    [[nodiscard]] float* data() noexcept { return memory_.data(); }
    [[nodiscard]] const float* data() const noexcept { return memory_.data(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return memory_.capacity() * sizeof(float); }

  private:
    [[nodiscard]] const kernels::product_set& set() const { return kernels::active()[kind_]; }
    float* reserve(kernels::product_kind kind, std::size_t k, std::size_t n) {
        kind_ = kind;
        k_ = k;
        n_ = n;
        return memory_.reserve(set().packed_floats(k, n));
    }

    buffer memory_; // [k, n] in panels of the product
    std::size_t k_ = 0;
    std::size_t n_ = 0;
    kernels::product_kind kind_ = kernels::product_kind::f32;
};

} // namespace nn
MICE_NAMESPACE_END
