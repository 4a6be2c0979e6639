// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// Quality of ranked lists, in the definitions of trec_eval. Everything here is a pure function.
namespace mice::tools {

/// nDCG of a ranked list cut at `depth`, with linear gains (trec_eval's ndcg_cut). `grades` are the
/// judged grades of the list's documents, best rank first, 0 where there is no judgement; `judged`
/// are all grades of the query. Grades below 1 count nothing. 0 when nothing is relevant.
[[nodiscard]] double ndcg(std::span<const int> grades, std::span<const int> judged,
                          std::size_t depth = 10);

/// 1 / rank of the first relevant document within `depth`, else 0.
[[nodiscard]] double reciprocal_rank(std::span<const int> grades, std::size_t depth = 10);

/// Relevant documents within `depth` over all relevant documents; 0 when nothing is relevant.
[[nodiscard]] double recall(std::span<const int> grades, std::span<const int> judged,
                            std::size_t depth = 100);

/// Arithmetic mean; 0 for no values.
[[nodiscard]] double mean(std::span<const double> values);

struct interval {
    double low = 0;
    double high = 0;
};

/// How resampling is done; the seed is fixed so that the same figures give the same result.
struct resampling {
    std::size_t rounds = 10'000;
    std::uint64_t seed = 20260218;
};

/// 95% percentile bootstrap interval of the mean over queries. Both ends are the mean itself for
/// fewer than two values.
[[nodiscard]] interval bootstrap_interval(std::span<const double> values,
                                          const resampling& options = {});

/// Two-sided p-value of the paired randomisation (sign-flip) test on the mean difference b - a:
/// the share of random sign assignments whose mean is at least as far from 0 as the observed one,
/// the observed one included. 1 when no pair differs. Throws mice::error (errc::invalid_argument)
/// when the lengths differ.
[[nodiscard]] double paired_randomisation_test(std::span<const double> a, std::span<const double> b,
                                               const resampling& options = {});

} // namespace mice::tools
