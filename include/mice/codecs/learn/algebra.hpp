// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include <mice/codecs/learn/eigen.hpp>
#include <mice/error.hpp>

// The linear algebra that learning a codec needs, in double precision. The same matrix gives the
// same bytes on one machine. Whatever an app has Eigen do with threads is out of it: factors,
// triangular solves and eigenvectors stay in the calling thread. Only a general product of two
// matrices would be shared out among OpenMP's threads, so there is none here (kernels have those).
MICE_NAMESPACE_BEGIN
namespace store::learn {

/// [rows, columns], row after row.
using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using float_matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Eigen counts with signed numbers.
[[nodiscard]] constexpr Eigen::Index index_of(std::size_t number) {
    return static_cast<Eigen::Index>(number);
}

/// The elements, row after row.
[[nodiscard]] inline std::vector<float> floats_of(const matrix& from) {
    std::vector<float> values(static_cast<std::size_t>(from.size()));
    Eigen::Map<float_matrix>(values.data(), from.rows(), from.cols()) = from.cast<float>();
    return values;
}

/// The lower triangle L with L L^T = a, which is symmetric and positive definite. Throws
/// errc::tensor where it is not.
[[nodiscard]] inline matrix cholesky(const matrix& a) {
    const Eigen::LLT<matrix> factor(a);
    matrix lower = factor.matrixL();
    if (factor.info() != Eigen::Success || !lower.allFinite()) {
        throw errors::not_finite("the sample that a codec learns from");
    }
    return lower;
}

/// x with L x = right, in place of right.
inline void solve_lower(const matrix& lower, matrix& right) {
    lower.triangularView<Eigen::Lower>().solveInPlace(right);
}

/// x with L^T x = right, in place of right.
inline void solve_lower_transposed(const matrix& lower, matrix& right) {
    lower.transpose().triangularView<Eigen::Upper>().solveInPlace(right);
}

/// Eigenvalues of a symmetric matrix, largest first, and their vectors.
struct axes {
    std::vector<double> values; ///< [n]
    matrix vectors;             ///< [n, n], one a column, of length 1
};

/// Throws errc::tensor for a matrix that is not finite.
[[nodiscard]] inline axes principal_axes(const matrix& symmetric) {
    if (!symmetric.allFinite()) { // the search for eigenvalues would not end well
        throw errors::not_finite("the sample that a codec learns from");
    }
    const Eigen::SelfAdjointEigenSolver<matrix> solver(symmetric);
    if (solver.info() != Eigen::Success) {
        throw errors::not_finite("the sample that a codec learns from");
    }
    axes sorted;
    sorted.vectors = solver.eigenvectors().rowwise().reverse();
    const auto values = solver.eigenvalues().reverse();
    sorted.values.assign(values.begin(), values.end());
    return sorted;
}

} // namespace store::learn
MICE_NAMESPACE_END
