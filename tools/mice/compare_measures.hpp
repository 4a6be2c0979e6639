// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include <mice/index.hpp>

#include "mice/compare_models.hpp"
#include "mice/compare_results.hpp"
#include "mice/evaluation.hpp"

// The measurements of `mice compare`.
namespace mice::cli {

/// Settings of the measurements.
struct measuring_options {
    rank_options library; ///< threads, the treatment of text, cancellation
    index_options stored; ///< of the temporary indexes
    std::size_t baseline = 0;
    std::size_t timed_queries = 20; ///< at most, of each collection
};

/// Throws mice::error, naming the model, where its documents cannot be stored in this way: better
/// now than after hours of scoring.
void check_storable(std::span<const compared_model> models, const index_options& stored);

/// Measures all models on a collection: quality on all of its queries, latency and storage on a
/// sample of them. Throws errc::stopped when the call is cancelled.
[[nodiscard]] collection_result measure(std::span<const compared_model> models,
                                        const judged_lists& judged,
                                        const measuring_options& options);

} // namespace mice::cli
