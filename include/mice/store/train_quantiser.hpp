// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <mice/parallel.hpp>
#include <mice/store/dense.hpp>
#include <mice/store/pooling.hpp>
#include <mice/store/product_quantiser.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

namespace detail {

/// Adds a^T b to sum [a_columns, b_columns]; a and b have `rows` rows.
inline void add_products(const float* a, std::size_t a_columns, const float* b,
                         std::size_t b_columns, std::size_t rows, std::vector<double>& sum) {
    constexpr std::size_t block = 1024; // rows that are summed in single precision
    kernels::buffer columns(block * a_columns);
    kernels::buffer packed(kernels::active().f32.packed_floats(block, b_columns));
    kernels::buffer scratch;
    std::vector<float> part(a_columns * b_columns);
    for (std::size_t first = 0; first < rows; first += block) {
        const std::size_t count = std::min(block, rows - first);
        for (std::size_t row = 0; row < count; ++row) {
            for (std::size_t i = 0; i < a_columns; ++i) {
                columns.data()[i * count + row] = a[(first + row) * a_columns + i];
            }
        }
        kernels::active().f32.pack(b + first * b_columns, b_columns, count, b_columns,
                                   packed.data());
        kernels::active().f32.gemm(
            {columns.data(), count}, a_columns, packed.data(), count, b_columns, nullptr,
            {part.data(), b_columns},
            scratch.reserve(kernels::active().f32.gemm_scratch(a_columns, count)),
            kernels::epilogue::keep);
        for (std::size_t i = 0; i < part.size(); ++i) {
            sum[i] += static_cast<double>(part[i]);
        }
    }
}

/// a [rows, inner] b [inner, columns].
inline std::vector<float> product(const std::vector<float>& a, std::size_t inner,
                                  const std::vector<float>& b, std::size_t columns) {
    const std::size_t rows = a.size() / inner;
    std::vector<float> c(rows * columns);
    kernels::buffer packed(kernels::active().f32.packed_floats(inner, columns));
    kernels::buffer scratch(kernels::active().f32.gemm_scratch(rows, inner));
    kernels::active().f32.pack(b.data(), columns, inner, columns, packed.data());
    kernels::active().f32.gemm({a.data(), inner}, rows, packed.data(), inner, columns, nullptr,
                               {c.data(), columns}, scratch.data(), kernels::epilogue::keep);
    return c;
}

/// The ridge regression of states on their tokens' features [features, width].
inline std::vector<float> learn_guess(const token_features& features, const document_rows& sample,
                                      std::size_t width) {
    const std::size_t n = features.width();
    const std::size_t rows = sample.ids.size();
    constexpr std::size_t block = 1024;
    std::vector<float> given(block * n);
    dense::matrix squares(n);
    std::vector<double> right(n * width);
    for (std::size_t first = 0; first < rows; first += block) {
        const std::size_t count = std::min(block, rows - first);
        for (std::size_t i = 0; i < count; ++i) {
            features.read(static_cast<std::size_t>(sample.ids[first + i]), given.data() + i * n);
        }
        add_products(given.data(), n, given.data(), n, count, squares.values);
        add_products(given.data(), n, sample.states.data() + first * width, width, count, right);
    }
    const double ridge = 30 + 1e-4 * static_cast<double>(rows); // small samples learn little
    for (std::size_t i = 0; i + 1 < n; ++i) {
        squares.row(i)[i] += ridge;
    }
    squares.row(n - 1)[n - 1] += 1e-3; // the mean is hardly held back
    const dense::matrix lower = dense::cholesky(std::move(squares));
    dense::solve_lower(lower, right, width);
    dense::solve_lower_transposed(lower, right, width);
    return {right.begin(), right.end()};
}

/// L with L L^T = the metric in which a state's error counts: what it does to the keys, and to the
/// values behind the output projection, of all interaction layers alike. Other kinds of models have
/// one of their own, or look at the states themselves.
inline dense::matrix attention_metric(const model& engine) {
    const std::size_t width = engine.config().state_width();
    if (engine.config().kind != model_kind::mice) {
        dense::matrix identity(width);
        for (std::size_t i = 0; i < width; ++i) {
            identity.row(i)[i] = 1;
        }
        return identity;
    }
    const weights source(engine.file(), engine.config());
    dense::matrix metric(width);
    const auto add = [&](const std::vector<float>& map) {
        std::vector<double> squares(width * width);
        add_products(map.data(), width, map.data(), width, width, squares);
        double trace = 0;
        for (std::size_t i = 0; i < width; ++i) {
            trace += squares[i * width + i];
        }
        for (std::size_t i = 0; i < squares.size() && trace > 0; ++i) {
            metric.values[i] += squares[i] / trace;
        }
    };
    const std::size_t layers = engine.config().interaction_layers;
    for (std::size_t layer = 0; layer < layers; ++layer) {
        const std::string name = "top_layers." + std::to_string(layer) + ".crossattention.";
        const bool modern = engine.config().is_modernbert();
        const auto matrix = [&](const char* bert, const char* modernbert) {
            return source[name + (modern ? modernbert : bert)].floats();
        };
        add(matrix("self.key.weight", "k_proj.weight"));
        add(product(matrix("output.dense.weight", "Wo.weight"), width,
                    matrix("self.value.weight", "v_proj.weight"), width));
    }
    const double ridge = 1e-3 * static_cast<double>(2 * layers) / static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) {
        metric.row(i)[i] += ridge;
    }
    return dense::cholesky(std::move(metric));
}

/// Cuts the dimensions, largest variance first, into parts of about equal information: the rates
/// of reverse water-filling (Cover and Thomas, section 10.3.3) for eight bits a part.
inline std::vector<std::uint32_t> cut_dimensions(std::vector<double> variances, std::size_t parts) {
    const double largest = std::max(variances[0], 1e-30);
    for (double& each : variances) {
        each = std::max(each, 1e-12 * largest);
    }
    const double wanted = 8 * static_cast<double>(parts);
    const auto bits = [&](std::size_t i, double level) {
        return std::max(0.0, 0.5 * std::log2(variances[i] / level));
    };
    double low = 1e-30 * largest;
    double high = largest;
    for (int i = 0; i < 200; ++i) {
        const double level = std::sqrt(low * high);
        double sum = 0;
        for (std::size_t j = 0; j < variances.size(); ++j) {
            sum += bits(j, level);
        }
        (sum > wanted ? low : high) = level;
    }
    std::size_t used = parts;
    while (used < variances.size() && variances[used] > high) {
        ++used;
    }
    std::vector<std::uint32_t> cuts{0};
    double sum = 0;
    std::size_t next = 0;
    for (std::size_t part = 1; part < parts; ++part) {
        const std::size_t last = used - (parts - part); // each later part needs a dimension
        do {
            sum += bits(next++, high);
        } while (next < last && sum < 8 * static_cast<double>(part));
        cuts.push_back(static_cast<std::uint32_t>(next));
    }
    cuts.push_back(static_cast<std::uint32_t>(used));
    return cuts;
}

/// A generator whose numbers are the same everywhere (splitmix64).
class training_random {
  public:
    explicit training_random(std::uint64_t seed) : state_(seed) {}
    std::size_t below(std::size_t limit) {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t value = state_;
        value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
        value = (value ^ value >> 27) * 0x94d049bb133111ebU;
        return static_cast<std::size_t>((value ^ value >> 31) % limit);
    }

  private:
    std::uint64_t state_;
};

/// k-means of columns first..first+columns-1 of `rows`; centroids [256, columns]. A centroid
/// without members starts again at a row.
inline std::vector<float> learn_centroids(const std::vector<float>& rows, std::size_t stride,
                                          std::size_t first, std::size_t columns) {
    constexpr int rounds = 12;
    const std::size_t count = rows.size() / stride;
    training_random random(first);
    std::vector<float> by_column(columns * centroids_of_part);
    const auto start_at = [&](std::size_t centroid, std::size_t row) {
        for (std::size_t i = 0; i < columns; ++i) {
            by_column[i * centroids_of_part + centroid] = rows[row * stride + first + i];
        }
    };
    for (std::size_t c = 0; c < centroids_of_part; ++c) {
        start_at(c, random.below(count));
    }
    for (int round = 0; round < rounds; ++round) {
        std::vector<double> sums(columns * centroids_of_part);
        std::vector<std::size_t> members(centroids_of_part);
        for (std::size_t row = 0; row < count; ++row) {
            const float* x = rows.data() + row * stride + first;
            const std::size_t nearest = nearest_centroid(x, columns, by_column.data());
            ++members[nearest];
            for (std::size_t i = 0; i < columns; ++i) {
                sums[i * centroids_of_part + nearest] += static_cast<double>(x[i]);
            }
        }
        for (std::size_t c = 0; c < centroids_of_part; ++c) {
            if (members[c] == 0) {
                start_at(c, random.below(count));
                continue;
            }
            for (std::size_t i = 0; i < columns; ++i) {
                by_column[i * centroids_of_part + c] = static_cast<float>(
                    sums[i * centroids_of_part + c] / static_cast<double>(members[c]));
            }
        }
    }
    std::vector<float> centroids(by_column.size());
    for (std::size_t i = 0; i < centroids.size(); ++i) {
        centroids[i] = by_column[i % columns * centroids_of_part + i / columns];
    }
    return centroids;
}

} // namespace detail

/// What a quantiser of `parts` bytes learns from at least one row. The same sample gives the same
/// bytes on the same kind of processor, for any number of threads.
[[nodiscard]] inline quantiser_parameters train_quantiser(const model& engine, std::size_t parts,
                                                          const document_rows& sample,
                                                          const parallel_options& where) {
    const std::size_t width = engine.config().state_width();
    const std::size_t rows = sample.ids.size();
    const weight_view& words = engine.network().word_embeddings();
    quantiser_parameters learned;
    learned.width = width;
    const token_features features(words);
    learned.features = features.width();
    learned.guess = detail::learn_guess(features, sample, width);

    std::vector<float> residuals = sample.states;
    const state_predictor guess(words, learned.guess, width);
    for (std::size_t row = 0; row < rows; ++row) {
        const float* expected = guess[static_cast<std::size_t>(sample.ids[row])];
        for (std::size_t i = 0; i < width; ++i) {
            residuals[row * width + i] -= expected[i];
        }
    }
    // principal components of the residuals in the metric L L^T: those of residual * L
    const dense::matrix lower = detail::attention_metric(engine);
    dense::matrix covariance(width);
    {
        const std::vector<float> scaled =
            detail::product(residuals, width, {lower.values.begin(), lower.values.end()}, width);
        detail::add_products(scaled.data(), width, scaled.data(), width, rows, covariance.values);
    }
    for (double& each : covariance.values) {
        each /= static_cast<double>(rows);
    }
    const dense::eigen found = dense::symmetric_eigen(std::move(covariance));
    learned.cuts = detail::cut_dimensions(found.values, parts);
    const std::size_t dimensions = learned.dimensions();
    std::vector<double> back(width * dimensions); // V, one component a column
    for (std::size_t i = 0; i < width; ++i) {
        for (std::size_t d = 0; d < dimensions; ++d) {
            back[i * dimensions + d] = found.vectors.row(d)[i];
        }
    }
    learned.project = detail::product({lower.values.begin(), lower.values.end()}, width,
                                      {back.begin(), back.end()}, dimensions);
    dense::solve_lower_transposed(lower, back, dimensions);
    learned.restore.resize(dimensions * width);
    for (std::size_t i = 0; i < back.size(); ++i) {
        learned.restore[i % dimensions * width + i / dimensions] = static_cast<float>(back[i]);
    }

    const std::vector<float> projected =
        detail::product(residuals, width, learned.project, dimensions);
    learned.centroids.resize(centroids_of_part * dimensions);
    parallel_for(parts, where, [&](std::size_t part) {
        const std::size_t first = learned.cuts[part];
        const std::vector<float> centroids =
            detail::learn_centroids(projected, dimensions, first, learned.cuts[part + 1] - first);
        std::copy(centroids.begin(), centroids.end(),
                  learned.centroids.begin() +
                      static_cast<std::ptrdiff_t>(centroids_of_part * first));
    });
    return learned;
}

} // namespace store
MICE_NAMESPACE_END
