// SPDX-License-Identifier: Apache-2.0
#include "find/fusion.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mice::find {
namespace {

struct spread {
    double mean = 0, deviation = 0;
};

spread spread_of(const std::vector<double>& values) {
    spread of;
    for (const double each : values) {
        of.mean += each / static_cast<double>(values.size());
    }
    for (const double each : values) {
        of.deviation += (each - of.mean) * (each - of.mean) / static_cast<double>(values.size());
    }
    of.deviation = std::sqrt(of.deviation);
    return of;
}

} // namespace

std::vector<std::size_t> ranks_of(const std::vector<double>& values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
    std::vector<std::size_t> ranks(values.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        ranks[order[i]] = i + 1;
    }
    return ranks;
}

std::vector<double> fuse(const std::vector<stage_scores>& candidates,
                         const fusion_options& options) {
    std::vector<double> words, model;
    for (const stage_scores& each : candidates) {
        words.push_back(each.words);
        model.push_back(each.model);
    }
    const double weight = options.way == fusion::model ? 0 : options.weight;
    std::vector<double> fused(candidates.size());
    if (options.way == fusion::reciprocal) {
        constexpr double k = 60;
        const std::vector<std::size_t> by_words = ranks_of(words), by_model = ranks_of(model);
        for (std::size_t i = 0; i < fused.size(); ++i) {
            fused[i] = weight / (k + static_cast<double>(by_words[i])) +
                       (1 - weight) / (k + static_cast<double>(by_model[i]));
        }
        return fused;
    }
    const spread of_words = spread_of(words), of_model = spread_of(model);
    const double scale = of_words.deviation > 0 ? of_model.deviation / of_words.deviation : 0;
    for (std::size_t i = 0; i < fused.size(); ++i) {
        fused[i] =
            (1 - weight) * model[i] + weight * (of_model.mean + scale * (words[i] - of_words.mean));
    }
    return fused;
}

} // namespace mice::find
