// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <mice/nn/linear.hpp>
#include <mice/nn/norm.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// The small head that finds the sentences of a document that answer a query (`highlight_width`;
/// docs/format.md has its equations, docs/training.md how it is trained). Every state is projected
/// to a vector of length 1, and a document's row matches a query's row by their product. Computes
/// in f32 whatever the model's precision. Immutable.
class matching_head {
  public:
    explicit matching_head(const weights& source)
        : projection_(
              source,
              {.names = {tensor_names::highlight_projection}, .with_bias = false, .in_f32 = true}),
          importance_(source[tensor_names::highlight_importance].floats()),
          mixture_(source[tensor_names::highlight_mixture].floats()) {}

    [[nodiscard]] std::size_t width() const noexcept { return projection_.out(); }

    /// out [rows, width()]: the vectors of states [rows, hidden].
    void project(matrix_view states, matrix_span out, workspace& space) const {
        projection_.apply(states, out, space);
        for (std::size_t i = 0; i < out.rows; ++i) {
            to_unit_length(out.row(i), out.columns, "a vector of the matching head");
        }
    }

    /// out [rows] = how much each state of a query counts: softplus(importance . state + offset),
    /// divided by their sum.
    void weigh(matrix_view states, std::span<float> out) const {
        const std::size_t hidden = states.columns;
        check_shape(out.size() == states.rows && importance_.size() == hidden + 1, "weigh");
        double sum = 0;
        std::vector<double> counts;
        for (std::size_t i = 0; i < states.rows; ++i) {
            auto x = static_cast<double>(importance_[hidden]);
            for (std::size_t j = 0; j < hidden; ++j) {
                x += static_cast<double>(importance_[j]) * static_cast<double>(states.row(i)[j]);
            }
            // log(1 + exp(x)) without overflow
            counts.push_back(std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))));
            sum += counts.back();
        }
        for (std::size_t i = 0; i < states.rows; ++i) {
            const double share = sum > 0 ? counts[i] / sum : 0;
            out[i] = static_cast<float>(share);
        }
    }

    /// The score of a sentence: of what it matches by itself, of what it and the sentence before it
    /// match, and of the model's own score of both.
    [[nodiscard]] float score(double match, double match_with_before, float own) const {
        return static_cast<float>(static_cast<double>(mixture_[0]) * match +
                                  static_cast<double>(mixture_[1]) * match_with_before +
                                  static_cast<double>(mixture_[2]) * static_cast<double>(own));
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return projection_.bytes() + (importance_.size() + mixture_.size()) * sizeof(float);
    }

  private:
    linear projection_;             // [width, hidden]
    std::vector<float> importance_; // [hidden], and an offset
    std::vector<float> mixture_;    // [3]
};

} // namespace nn
MICE_NAMESPACE_END
