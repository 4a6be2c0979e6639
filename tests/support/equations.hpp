// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <Eigen/Core>

// The equations of the networks in double precision, which share no code with the engine.
namespace fixtures {

using row_vector = Eigen::Matrix<double, 1, Eigen::Dynamic>;

using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// x [rows, columns]
[[nodiscard]] inline matrix matrix_of(std::span<const float> x, std::size_t rows,
                                      std::size_t columns) {
    using floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    return Eigen::Map<const floats>(x.data(), static_cast<Eigen::Index>(rows),
                                    static_cast<Eigen::Index>(columns))
        .cast<double>();
}

[[nodiscard]] inline row_vector row_of(std::span<const float> x) {
    using floats = Eigen::Matrix<float, 1, Eigen::Dynamic>;
    return Eigen::Map<const floats>(x.data(), static_cast<Eigen::Index>(x.size())).cast<double>();
}

/// exp(l_i) / sum_j exp(l_j)
[[nodiscard]] inline row_vector softmax_of(const row_vector& logits) {
    const row_vector powers = (logits.array() - logits.maxCoeff()).exp();
    return powers / powers.sum();
}

/// (x - mean) / sqrt(variance + epsilon) * gain + bias
[[nodiscard]] inline row_vector layer_norm_of(const row_vector& x, const row_vector& gain,
                                              const row_vector& bias, double epsilon) {
    const row_vector centred = x.array() - x.mean();
    const double variance = centred.squaredNorm() / static_cast<double>(x.size());
    return centred.array() / std::sqrt(variance + epsilon) * gain.array() + bias.array();
}

} // namespace fixtures
