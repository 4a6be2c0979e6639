// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

// One order of two: that of the words and that of the model.
namespace mice::find {

/// How the scores of both stages become one.
enum class fusion {
    model,     ///< the model's alone
    z_scores,  ///< standardised scores, weighted
    reciprocal ///< reciprocal ranks (Cormack and others, 2009), k = 60
};

/// What mice-find does; docs/find.md has the measurement.
struct fusion_options {
    fusion way = fusion::z_scores;
    double weight = 0.15; ///< of the words, from 0 to 1
};

/// The scores of one candidate.
struct stage_scores {
    double words = 0; ///< BM25; higher is better
    double model = 0; ///< logit
};

/// One score for each candidate, higher is better. By model and z_scores it is on the scale of the
/// model's logits: what the words add is as many standard deviations as they are above their mean.
[[nodiscard]] std::vector<double> fuse(const std::vector<stage_scores>& candidates,
                                       const fusion_options& options = {});

/// Ranks from 1 on of values, the highest first; equal ones in their order.
[[nodiscard]] std::vector<std::size_t> ranks_of(const std::vector<double>& values);

} // namespace mice::find
