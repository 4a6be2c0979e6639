// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

// Plain loops in double precision for the reference scorer.
namespace mice::tools {

/// A table of numbers in double precision, row after row.
struct reference_matrix {
    std::size_t rows = 0;
    std::size_t columns = 0;
    std::vector<double> values;

    double* row(std::size_t index) { return values.data() + index * columns; }
    [[nodiscard]] const double* row(std::size_t index) const {
        return values.data() + index * columns;
    }
};

[[nodiscard]] reference_matrix zeros(std::size_t rows, std::size_t columns);

/// x += y, of the same shape.
void add(reference_matrix& x, const reference_matrix& y);

[[nodiscard]] double dot(const double* a, const double* b, std::size_t size);

/// x w^T, w [out, in].
[[nodiscard]] reference_matrix product(const reference_matrix& x, const reference_matrix& w);

/// The softmax of logits in place; -infinity becomes 0. One of them is finite.
void softmax(std::span<double> logits);

/// (x - mean) / sqrt(variance + epsilon) of each row.
void normalise_rows(reference_matrix& x, double epsilon);

/// x / 2 (1 + erf(x / sqrt 2)).
[[nodiscard]] double exact_gelu(double x);

/// Turns the pairs (x[i], x[i + width / 2]) of one head by position * theta^(-2i / width).
void rotate(double* x, std::size_t width, std::size_t position, double theta);

} // namespace mice::tools
