// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <limits>

#include <mice/kernels/eigen/gemm.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels::eigen {

/// Query rows whose scores are there at the same time: whole tiles, within a second-level cache.
inline std::size_t rows_at_once(std::size_t rows, std::size_t tokens) {
    constexpr std::size_t floats = 32768;
    const std::size_t tiles = floats / (tile_rows * (tokens + 1));
    const std::size_t most = tiles == 0 ? tile_rows : tiles * tile_rows;
    return rows < most ? rows : most;
}

/// Adds what matching ids are worth to the logits of a row, which are still to be multiplied by
/// `scale`, and takes what the row does not see out of the softmax.
template <rounding How>
void mask_row(float* row, std::size_t tokens, std::size_t position, float match_logit, float scale,
              const attention_mask& mask) {
    const auto hide = [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
            row[i] = -std::numeric_limits<float>::infinity();
        }
    };
    if (mask.matches != nullptr) {
        add_scaled<How>(mask.matches + position * tokens, match_logit / scale, row, tokens);
    }
    if (mask.window != 0) {
        const std::size_t column = mask.first_row_column + position;
        const std::size_t behind = column + mask.window + 1;
        hide(mask.window_first, column > mask.window ? column - mask.window : 0);
        hide(behind > mask.window_first ? behind : mask.window_first, tokens);
    }
    hide(mask.hidden_first, mask.hidden_last);
}

/// Floats of scratch that attend needs.
template <class Product>
std::size_t attention_scratch(std::size_t rows, const packed_attention& in) {
    const std::size_t block = rows_at_once(rows, in.tokens);
    const std::size_t for_scores = gemm_scratch<Product>(block, in.width);
    const std::size_t for_values = gemm_scratch<Product>(block, in.tokens);
    return round_up(block * in.tokens, sums_apart) +
           (for_scores > for_values ? for_scores : for_values);
}

/// out [rows, value_width] = softmax(scale * query [rows, width] keys) values, where row i stands
/// at position i % period of the query, which is not read where `in` has it packed; `scratch` holds
/// attention_scratch(rows, in) floats. out may be the query itself.
template <class Product>
void attend(rows_in query, std::size_t rows, std::size_t period, const packed_attention& in,
            float scale, const attention_mask& mask, rows_out out, float* scratch) {
    constexpr rounding rounds = Product::rounds;
    const std::size_t block = rows_at_once(rows, in.tokens);
    float* scores = scratch;
    scratch += round_up(block * in.tokens, sums_apart);
    for (std::size_t first = 0; first < rows; first += block) {
        const std::size_t count = rows - first < block ? rows - first : block;
        const rows_out to{scores, in.tokens};
        if (in.packed_query != nullptr) {
            multiply_tiles<Product>(in.packed_query + packed_row_floats<Product>(first, in.width),
                                    0, count, in.keys, in.width, in.tokens, nullptr, to, scratch,
                                    epilogue::keep);
        } else {
            gemm<Product>({query.row(first), query.stride}, count, in.keys, in.width, in.tokens,
                          nullptr, to, scratch, epilogue::keep);
        }
        for (std::size_t i = 0; i < count; ++i) {
            float* row = to.row(i);
            const std::size_t position = (first + i) % period;
            if (position == 0 && mask.average_first_row) {
                Eigen::Map<Eigen::ArrayXf>(row, static_cast<Index>(in.tokens))
                    .setConstant(1.0F / static_cast<float>(in.tokens));
            } else {
                const float match =
                    mask.matches != nullptr ? mask.match_logits[(first + i) / period] : 0;
                mask_row<rounds>(row, in.tokens, position, match, scale, mask);
                softmax<rounds>(row, in.tokens, scale,
                                position != 0 && mask.hide_first_column ? 1 : 0);
            }
            if (in.value_scales != nullptr) {
                multiply(in.value_scales, row, in.tokens);
            }
        }
        gemm<Product>(to, count, in.values, in.tokens, in.value_width, nullptr,
                      {out.row(first), out.stride}, scratch, epilogue::keep);
    }
}

} // namespace kernels::eigen
MICE_NAMESPACE_END
