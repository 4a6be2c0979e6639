// SPDX-License-Identifier: Apache-2.0
#include "common/reference_math.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mice::tools {

reference_matrix zeros(std::size_t rows, std::size_t columns) {
    return {rows, columns, std::vector<double>(rows * columns)};
}

void add(reference_matrix& x, const reference_matrix& y) {
    for (std::size_t i = 0; i < x.values.size(); ++i) {
        x.values[i] += y.values[i];
    }
}

double dot(const double* a, const double* b, std::size_t size) {
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

reference_matrix product(const reference_matrix& x, const reference_matrix& w) {
    reference_matrix y = zeros(x.rows, w.rows);
    for (std::size_t out = 0; out < w.rows; ++out) {
        for (std::size_t t = 0; t < x.rows; ++t) {
            y.row(t)[out] = dot(x.row(t), w.row(out), w.columns);
        }
    }
    return y;
}

void softmax(std::span<double> logits) {
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (double& value : logits) {
        value = std::exp(value - largest);
        sum += value;
    }
    for (double& value : logits) {
        value /= sum;
    }
}

void normalise_rows(reference_matrix& x, double epsilon) {
    const auto width = static_cast<double>(x.columns);
    for (std::size_t t = 0; t < x.rows; ++t) {
        double* row = x.row(t);
        double mean = 0;
        double variance = 0;
        for (std::size_t i = 0; i < x.columns; ++i) {
            mean += row[i] / width;
        }
        for (std::size_t i = 0; i < x.columns; ++i) {
            variance += (row[i] - mean) * (row[i] - mean) / width;
        }
        const double deviation = std::sqrt(variance + epsilon);
        for (std::size_t i = 0; i < x.columns; ++i) {
            row[i] = (row[i] - mean) / deviation;
        }
    }
}

double exact_gelu(double x) {
    return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
}

void rotate(double* x, std::size_t width, std::size_t position, double theta) {
    const std::size_t half = width / 2;
    for (std::size_t i = 0; i < half; ++i) {
        const double angle =
            static_cast<double>(position) *
            std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(width));
        const double a = x[i];
        const double b = x[half + i];
        x[i] = a * std::cos(angle) - b * std::sin(angle);
        x[half + i] = b * std::cos(angle) + a * std::sin(angle);
    }
}

} // namespace mice::tools
