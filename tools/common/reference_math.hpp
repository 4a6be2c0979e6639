// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

// GCC 12 warns of the deliberately undefined registers inside its own AVX-512 intrinsics.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

// The functions in the equations of the architecture, in double precision. They share no code with
// the engine. Matrices are [tokens, features]: one row a token.
namespace mice::tools {

/// A table of numbers in double precision, row after row.
using reference_matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using reference_row = Eigen::Matrix<double, 1, Eigen::Dynamic>;

/// Eigen counts with signed numbers.
[[nodiscard]] constexpr Eigen::Index index_of(std::size_t number) {
    return static_cast<Eigen::Index>(number);
}

/// The softmax of each row: exp(l_ij) / sum_j exp(l_ij). A logit of -infinity gets exactly 0; one
/// of each row is finite.
[[nodiscard]] reference_matrix softmax_rows(const reference_matrix& logits);

/// (x - mean) / sqrt(variance + epsilon) of each row: LayerNorm without gain and bias.
[[nodiscard]] reference_matrix normalise_rows(const reference_matrix& x, double epsilon);

/// x / 2 (1 + erf(x / sqrt 2)) of each element.
[[nodiscard]] reference_matrix gelu(const reference_matrix& x);

/// Rotary positions of one head [tokens, width]: turns the pairs (x[i], x[i + width / 2]) of row t
/// by places[t] * theta^(-2i / width). Without places row t stands at t.
[[nodiscard]] reference_matrix rotate_rows(const reference_matrix& x,
                                           std::span<const std::size_t> places, double theta);

} // namespace mice::tools
