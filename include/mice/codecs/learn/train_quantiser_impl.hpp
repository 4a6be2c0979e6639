// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/codecs/learn/algebra.hpp>
#include <mice/codecs/learn/k_means.hpp>
#include <mice/codecs/learn/products.hpp>
#include <mice/codecs/learn/train_quantiser.hpp>
#include <mice/codecs/pooling.hpp>
#include <mice/codecs/product_quantiser.hpp>
#include <mice/networks/network.hpp>
#include <mice/parallel/parallel_for.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

namespace detail {

/// The ridge regression of states on their tokens' features [features, width].
inline std::vector<float> learn_guess(const token_features& features, const document_rows& sample,
                                      std::size_t width) {
    const std::size_t n = features.width();
    const std::size_t rows = sample.ids.size();
    constexpr std::size_t block = 1024;
    std::vector<float> given(block * n);
    learn::matrix squares = learn::matrix::Zero(learn::index_of(n), learn::index_of(n));
    learn::matrix right = learn::matrix::Zero(learn::index_of(n), learn::index_of(width));
    for (std::size_t first = 0; first < rows; first += block) {
        const std::size_t count = std::min(block, rows - first);
        for (std::size_t i = 0; i < count; ++i) {
            features.read(static_cast<std::size_t>(sample.ids[first + i]), given.data() + i * n);
        }
        const nn::matrix_view features_of = nn::matrix_at(given.data(), count, n);
        add_products(features_of, features_of, squares);
        add_products(features_of, nn::matrix_at(sample.states.data() + first * width, count, width),
                     right);
    }
    const double ridge = 30 + 1e-4 * static_cast<double>(rows); // small samples learn little
    squares.diagonal().array() += ridge;
    squares.diagonal()(learn::index_of(n) - 1) += 1e-3 - ridge; // the mean is hardly held back
    const learn::matrix lower = learn::cholesky(squares);
    learn::solve_lower(lower, right);
    learn::solve_lower_transposed(lower, right);
    return learn::floats_of(right);
}

/// L with L L^T = the metric in which a state's error counts: what it does to the keys, and to the
/// values behind the output projection, of all interaction layers alike. Other kinds of models have
/// one of their own, or look at the states themselves.
inline learn::matrix attention_metric(const model& engine) {
    const std::size_t width = engine.config().state_width();
    const Eigen::Index size = learn::index_of(width);
    if (engine.config().kind != model_kind::mice) {
        return learn::matrix::Identity(size, size);
    }
    const nn::weights source(engine.file(), engine.config());
    learn::matrix metric = learn::matrix::Zero(size, size);
    const auto add = [&](const std::vector<float>& map) {
        learn::matrix squares = learn::matrix::Zero(size, size);
        const nn::matrix_view rows = nn::matrix_at(map.data(), width, width);
        add_products(rows, rows, squares);
        if (const double trace = squares.trace(); trace > 0) {
            metric += squares / trace;
        }
    };
    const std::size_t layers = engine.config().interaction_layers;
    for (std::size_t layer = 0; layer < layers; ++layer) {
        const attention_names& names = engine.config().family().cross;
        const auto matrix = [&,
                             name = tensor_names::interaction_layer(layer)](std::string_view part) {
            return source[tensor_names::of(name, part) + ".weight"].floats();
        };
        add(matrix(names.key));
        add(product(matrix(names.output), width, matrix(names.value), width));
    }
    const double ridge = 1e-3 * static_cast<double>(2 * layers) / static_cast<double>(width);
    metric.diagonal().array() += ridge;
    return learn::cholesky(metric);
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

} // namespace detail

MICE_INLINE quantiser_parameters train_quantiser(const model& engine, std::size_t parts,
                                                 const document_rows& sample,
                                                 const parallel_options& where) {
    const std::size_t width = engine.config().state_width();
    const std::size_t rows = sample.ids.size();
    const nn::weight_view& words = engine.network().word_embeddings();
    quantiser_parameters learned;
    learned.width = width;
    const token_features features(words);
    learned.features = features.width();
    learned.guess = detail::learn_guess(features, sample, width);

    std::vector<float> residuals = sample.states;
    const state_predictor guess(words, learned.guess, width);
    guess.prepare(rows, [&](std::size_t row) { return static_cast<std::size_t>(sample.ids[row]); });
    for (std::size_t row = 0; row < rows; ++row) {
        const float* expected = guess[static_cast<std::size_t>(sample.ids[row])];
        for (std::size_t i = 0; i < width; ++i) {
            residuals[row * width + i] -= expected[i];
        }
    }
    // principal components of the residuals in the metric L L^T: those of residual * L
    const learn::matrix lower = detail::attention_metric(engine);
    const std::vector<float> lower_floats = learn::floats_of(lower);
    learn::matrix covariance = learn::matrix::Zero(lower.rows(), lower.cols());
    {
        const std::vector<float> scaled = detail::product(residuals, width, lower_floats, width);
        const nn::matrix_view all = nn::matrix_at(scaled.data(), rows, width);
        detail::add_products(all, all, covariance);
    }
    covariance /= static_cast<double>(rows);
    const learn::axes found = learn::principal_axes(covariance);
    learned.cuts = detail::cut_dimensions(found.values, parts);
    const std::size_t dimensions = learned.dimensions();
    learn::matrix back = found.vectors.leftCols(learn::index_of(dimensions)); // V
    learned.project =
        detail::product(lower_floats, width, learn::floats_of(back), dimensions); // L V
    learn::solve_lower_transposed(lower, back);                                   // L^-T V
    learned.restore = learn::floats_of(back.transpose());

    const std::vector<float> projected =
        detail::product(residuals, width, learned.project, dimensions);
    learned.centroids.resize(centroids_of_part * dimensions);
    parallel::parallel_for(parts, where, [&](std::size_t part) {
        const std::size_t first = learned.cuts[part];
        const std::vector<float> centroids =
            learn::k_means(projected, dimensions, first, learned.cuts[part + 1] - first);
        std::copy(centroids.begin(), centroids.end(),
                  learned.centroids.begin() +
                      static_cast<std::ptrdiff_t>(centroids_of_part * first));
    });
    return learned;
}

MICE_INLINE std::vector<std::byte> learn_quantiser(const std::string& name, const model& engine,
                                                   const document_rows& sample,
                                                   const parallel_options& where) {
    const std::size_t parts = *quantised_bytes(name) - token_id_bytes(engine.config().vocab_size);
    return train_quantiser(engine, parts, sample, where).serialize();
}

} // namespace store
MICE_NAMESPACE_END
