// SPDX-License-Identifier: Apache-2.0
#include "common/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <mice/error.hpp>

namespace mice::tools {
namespace {

double discounted_gain(std::span<const int> grades, std::size_t depth) {
    double sum = 0;
    for (std::size_t rank = 0; rank < std::min(depth, grades.size()); ++rank) {
        sum += std::max(grades[rank], 0) / std::log2(static_cast<double>(rank) + 2);
    }
    return sum;
}

std::size_t relevant(std::span<const int> grades) {
    return static_cast<std::size_t>(
        std::count_if(grades.begin(), grades.end(), [](int grade) { return grade > 0; }));
}

} // namespace

double ndcg(std::span<const int> grades, std::span<const int> judged, std::size_t depth) {
    std::vector<int> ideal(judged.begin(), judged.end());
    std::sort(ideal.begin(), ideal.end(), std::greater<>());
    const double best = discounted_gain(ideal, depth);
    return best > 0 ? discounted_gain(grades, depth) / best : 0;
}

double reciprocal_rank(std::span<const int> grades, std::size_t depth) {
    const auto top = grades.first(std::min(depth, grades.size()));
    const auto found = std::find_if(top.begin(), top.end(), [](int grade) { return grade > 0; });
    return found == top.end() ? 0 : 1.0 / static_cast<double>(found - top.begin() + 1);
}

double recall(std::span<const int> grades, std::span<const int> judged, std::size_t depth) {
    const std::size_t all = relevant(judged);
    const std::size_t found = relevant(grades.first(std::min(depth, grades.size())));
    return all == 0 ? 0 : static_cast<double>(found) / static_cast<double>(all);
}

double mean(std::span<const double> values) {
    double sum = 0;
    for (const double value : values) {
        sum += value;
    }
    return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

interval bootstrap_interval(std::span<const double> values, const resampling& options) {
    if (values.size() < 2 || options.rounds == 0) {
        return {mean(values), mean(values)};
    }
    // The modulo's bias is below 2^-40; std::uniform_int_distribution differs between libraries.
    std::mt19937_64 random(options.seed);
    std::vector<double> means(options.rounds);
    for (double& result : means) {
        double sum = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            sum += values[static_cast<std::size_t>(random() % values.size())];
        }
        result = sum / static_cast<double>(values.size());
    }
    std::sort(means.begin(), means.end());
    const auto at = [&means](double share) {
        return means[static_cast<std::size_t>(share * static_cast<double>(means.size() - 1))];
    };
    return {at(0.025), at(0.975)};
}

double paired_randomisation_test(std::span<const double> a, std::span<const double> b,
                                 const resampling& options) {
    if (a.size() != b.size()) {
        throw detail::errors::bad_argument(
            "the paired test needs two equally long lists of figures");
    }
    std::vector<double> differences;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (b[i] != a[i]) {
            differences.push_back(b[i] - a[i]);
        }
    }
    if (differences.empty()) {
        return 1;
    }
    // Rounding must not decide whether a reordered sum counts as the observed one.
    const double observed =
        std::abs(mean(differences)) * static_cast<double>(differences.size()) - 1e-9;
    std::mt19937_64 random(options.seed);
    std::size_t as_far = 0;
    for (std::size_t round = 0; round < options.rounds; ++round) {
        double sum = 0;
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < differences.size(); ++i) {
            bits = i % 64 == 0 ? random() : bits >> 1;
            sum += (bits & 1) != 0 ? differences[i] : -differences[i];
        }
        as_far += std::abs(sum) >= observed ? 1 : 0;
    }
    return static_cast<double>(as_far + 1) / static_cast<double>(options.rounds + 1);
}

} // namespace mice::tools
