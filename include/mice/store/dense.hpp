// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include <mice/error.hpp>

// The little linear algebra that learning a codec needs, in double precision. Results depend on the
// input alone.
MICE_NAMESPACE_BEGIN
namespace store::dense {

/// A square matrix, row after row.
struct matrix {
    std::size_t n = 0;
    std::vector<double> values; ///< [n, n]

    explicit matrix(std::size_t size) : n(size), values(size * size) {}
    [[nodiscard]] double* row(std::size_t i) { return values.data() + i * n; }
    [[nodiscard]] const double* row(std::size_t i) const { return values.data() + i * n; }
};

/// The lower triangle L with L L^T = a, which is symmetric and positive definite. Throws
/// errc::tensor where it is not.
[[nodiscard]] inline matrix cholesky(matrix a) {
    for (std::size_t i = 0; i < a.n; ++i) {
        double* row = a.row(i);
        for (std::size_t j = 0; j <= i; ++j) {
            const double* other = a.row(j);
            double sum = row[j];
            for (std::size_t k = 0; k < j; ++k) {
                sum -= row[k] * other[k];
            }
            if (i != j) {
                row[j] = sum / other[j];
            } else if (sum > 0) {
                row[j] = std::sqrt(sum);
            } else {
                throw errors::not_finite("the sample that a codec learns from");
            }
        }
        std::fill(row + i + 1, row + a.n, 0.0);
    }
    return a;
}

/// right [n, columns] = L^-1 right.
inline void solve_lower(const matrix& lower, std::vector<double>& right, std::size_t columns) {
    for (std::size_t i = 0; i < lower.n; ++i) {
        double* row = right.data() + i * columns;
        for (std::size_t k = 0; k < i; ++k) {
            const double factor = lower.row(i)[k];
            const double* other = right.data() + k * columns;
            for (std::size_t c = 0; c < columns; ++c) {
                row[c] -= factor * other[c];
            }
        }
        for (std::size_t c = 0; c < columns; ++c) {
            row[c] /= lower.row(i)[i];
        }
    }
}

/// right [n, columns] = L^-T right.
inline void solve_lower_transposed(const matrix& lower, std::vector<double>& right,
                                   std::size_t columns) {
    for (std::size_t i = lower.n; i-- > 0;) {
        double* row = right.data() + i * columns;
        for (std::size_t k = i + 1; k < lower.n; ++k) {
            const double factor = lower.row(k)[i];
            const double* other = right.data() + k * columns;
            for (std::size_t c = 0; c < columns; ++c) {
                row[c] -= factor * other[c];
            }
        }
        for (std::size_t c = 0; c < columns; ++c) {
            row[c] /= lower.row(i)[i];
        }
    }
}

/// Eigenvalues of a symmetric positive semidefinite matrix, largest first, and their vectors.
struct eigen {
    std::vector<double> values; ///< [n]
    matrix vectors;             ///< one a row
};

namespace detail {

struct products {
    double aa = 0, bb = 0, ab = 0;
};

inline products products_of(const double* a, const double* b, std::size_t n) {
    constexpr std::size_t lanes = 4; // independent sums
    double aa[lanes] = {};
    double bb[lanes] = {};
    double ab[lanes] = {};
    for (std::size_t i = 0; i < n; ++i) {
        aa[i % lanes] += a[i] * a[i];
        bb[i % lanes] += b[i] * b[i];
        ab[i % lanes] += a[i] * b[i];
    }
    return {aa[0] + aa[1] + aa[2] + aa[3], bb[0] + bb[1] + bb[2] + bb[3],
            ab[0] + ab[1] + ab[2] + ab[3]};
}

inline void rotate(double* a, double* b, std::size_t n, double cosine, double sine) {
    for (std::size_t i = 0; i < n; ++i) {
        const double first = a[i];
        const double second = b[i];
        a[i] = cosine * first - sine * second;
        b[i] = sine * first + cosine * second;
    }
}

} // namespace detail

/// Eigenvectors by one-sided Jacobi rotations (Hestenes, 1958): rows of V a are made orthogonal.
[[nodiscard]] inline eigen symmetric_eigen(matrix a) {
    constexpr int most_sweeps = 40;
    constexpr double tolerance = 1e-12;
    matrix vectors(a.n);
    for (std::size_t i = 0; i < a.n; ++i) {
        vectors.row(i)[i] = 1;
    }
    bool changed = true;
    for (int sweep = 0; sweep < most_sweeps && changed; ++sweep) {
        changed = false;
        for (std::size_t p = 0; p + 1 < a.n; ++p) {
            for (std::size_t q = p + 1; q < a.n; ++q) {
                const auto [aa, bb, ab] = detail::products_of(a.row(p), a.row(q), a.n);
                if (std::fabs(ab) <= tolerance * std::sqrt(aa * bb)) {
                    continue;
                }
                changed = true;
                const double ratio = (bb - aa) / (2 * ab);
                const double tangent =
                    (ratio >= 0 ? 1 : -1) / (std::fabs(ratio) + std::sqrt(1 + ratio * ratio));
                const double cosine = 1 / std::sqrt(1 + tangent * tangent);
                detail::rotate(a.row(p), a.row(q), a.n, cosine, cosine * tangent);
                detail::rotate(vectors.row(p), vectors.row(q), a.n, cosine, cosine * tangent);
            }
        }
    }
    std::vector<double> values(a.n);
    for (std::size_t i = 0; i < a.n; ++i) {
        values[i] = detail::products_of(a.row(i), vectors.row(i), a.n).ab;
    }
    std::vector<std::size_t> order(a.n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t i, std::size_t j) { return values[i] > values[j]; });
    eigen sorted{std::vector<double>(a.n), matrix(a.n)};
    for (std::size_t i = 0; i < a.n; ++i) {
        sorted.values[i] = values[order[i]];
        std::copy_n(vectors.row(order[i]), a.n, sorted.vectors.row(i));
    }
    return sorted;
}

} // namespace store::dense
MICE_NAMESPACE_END
