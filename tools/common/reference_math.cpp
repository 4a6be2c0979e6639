// SPDX-License-Identifier: Apache-2.0
#include "common/reference_math.hpp"

#include <cmath>
#include <numbers>

namespace mice::tools {

reference_matrix softmax_rows(const reference_matrix& logits) {
    // std::exp, as Eigen's own of -infinity is a little more than 0
    const reference_matrix powers =
        (logits.colwise() - logits.rowwise().maxCoeff()).unaryExpr([](double logit) {
            return std::exp(logit);
        });
    return powers.array().colwise() / powers.rowwise().sum().array();
}

reference_matrix normalise_rows(const reference_matrix& x, double epsilon) {
    const reference_matrix centred = x.colwise() - x.rowwise().mean();
    const Eigen::VectorXd variance =
        centred.rowwise().squaredNorm() / static_cast<double>(x.cols());
    return centred.array().colwise() / (variance.array() + epsilon).sqrt();
}

reference_matrix gelu(const reference_matrix& x) {
    return x.unaryExpr([](double v) { return v / 2 * (1 + std::erf(v / std::numbers::sqrt2)); });
}

reference_matrix rotate_rows(const reference_matrix& x, std::span<const std::size_t> places,
                             double theta) {
    const Eigen::Index half = x.cols() / 2;
    const auto width = static_cast<double>(x.cols());
    const reference_matrix angles =
        reference_matrix::NullaryExpr(x.rows(), half, [&](Eigen::Index t, Eigen::Index i) {
            const auto place = static_cast<double>(
                places.empty() ? static_cast<std::size_t>(t) : places[static_cast<std::size_t>(t)]);
            return place * std::pow(theta, -2 * static_cast<double>(i) / width);
        });
    const auto cosine = angles.array().cos();
    const auto sine = angles.array().sin();
    const auto a = x.leftCols(half).array();
    const auto b = x.rightCols(half).array();
    reference_matrix turned(x.rows(), x.cols());
    turned.leftCols(half) = a * cosine - b * sine;
    turned.rightCols(half) = b * cosine + a * sine;
    return turned;
}

} // namespace mice::tools
