// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <limits>

#include <mice/kernels/xsimd/elementwise.hpp>
#include <mice/kernels/xsimd/gemm.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels {
namespace detail {

/// How many query rows are scored at a time: so many that their scores fit into a second-level
/// cache, however many tokens there are.
template <class Arch>
[[nodiscard]] constexpr std::size_t rows_at_once(std::size_t rows, std::size_t stride) {
    constexpr std::size_t floats = 32768;
    constexpr std::size_t tall = tile_rows<Arch>;
    const std::size_t most = tall * larger(1, floats / (tall * stride));
    return smaller(rows, most);
}

/// Adds the bonus of matching ids to the logits of a row, before they are multiplied by `scale`,
/// and takes what the row does not see out of the softmax.
template <class Arch, rounding Steps>
void mask_row(float* row, std::size_t tokens, std::size_t position, float match_logit, float scale,
              const attention_mask& mask) {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    if (mask.matches != nullptr) {
        add_scaled<Arch, Steps>(mask.matches + position * tokens, match_logit / scale, row, tokens);
    }
    if (mask.window != 0) {
        const std::size_t column = mask.first_row_column + position;
        const std::size_t first = column > mask.window ? column - mask.window : 0;
        const std::size_t last = smaller(tokens, column + mask.window + 1);
        if (first > mask.window_first) {
            fill(row + mask.window_first, first - mask.window_first, lowest);
        }
        const std::size_t behind = larger(last, mask.window_first);
        if (behind < tokens) {
            fill(row + behind, tokens - behind, lowest);
        }
    }
    if (mask.hidden_first < mask.hidden_last) {
        fill(row + mask.hidden_first, mask.hidden_last - mask.hidden_first, lowest);
    }
}

} // namespace detail

/// Floats of scratch that attend needs.
template <template <class> class Product, class Arch = default_arch>
[[nodiscard]] std::size_t attention_scratch(std::size_t rows, const packed_attention& in) {
    const std::size_t stride = round_up(in.tokens, lanes<Arch>);
    const std::size_t block = detail::rows_at_once<Arch>(rows, stride);
    return round_up(block * stride, 16) +
           detail::larger(gemm_scratch<Product, Arch>(block, in.width),
                          gemm_scratch<Product, Arch>(block, in.tokens));
}

/// out [rows, value_width] = softmax(scale * query [rows, width] keys) values, where row i stands
/// at position i % period of the query, which is not read where `in` has it packed; `scratch` holds
/// attention_scratch(rows, in) floats. out may be the query itself.
template <template <class> class Product, class Arch = default_arch>
void attend(rows_in query, std::size_t rows, std::size_t period, const packed_attention& in,
            float scale, const attention_mask& mask, rows_out out, float* scratch) {
    constexpr rounding rounds = Product<Arch>::rounds;
    const std::size_t stride = round_up(in.tokens, lanes<Arch>);
    const std::size_t block = detail::rows_at_once<Arch>(rows, stride);
    float* scores = scratch;
    scratch += round_up(block * stride, 16);
    for (std::size_t first = 0; first < rows; first += block) {
        const std::size_t count = detail::smaller(block, rows - first);
        if (in.packed_query != nullptr) {
            detail::panels<Product<Arch>, Arch>(
                in.packed_query + packed_row_floats<Product, Arch>(first, in.width), in.keys,
                in.width, in.tokens, nullptr, {scores, stride}, 0, count, nullptr);
        } else {
            gemm<Product, Arch>({query.row(first), query.stride}, count, in.keys, in.width,
                                in.tokens, nullptr, {scores, stride}, scratch);
        }
        for (std::size_t i = 0; i < count; ++i) {
            float* row = scores + i * stride;
            const std::size_t position = (first + i) % period;
            const bool is_first = position == 0;
            if (is_first && mask.average_first_row) {
                detail::fill(row, in.tokens, 1.0F / static_cast<float>(in.tokens));
            } else {
                const float match =
                    mask.matches != nullptr ? mask.match_logits[(first + i) / period] : 0;
                detail::mask_row<Arch, rounds>(row, in.tokens, position, match, scale, mask);
                softmax<Arch, rounds>(row, in.tokens, scale,
                                      !is_first && mask.hide_first_column ? 1 : 0);
            }
            if (in.value_scales != nullptr) {
                multiply<Arch>(in.value_scales, row, in.tokens);
            }
        }
        gemm<Product, Arch>({scores, stride}, count, in.values, in.tokens, in.value_width, nullptr,
                            {out.row(first), out.stride}, scratch);
    }
}

} // namespace kernels
MICE_NAMESPACE_END
