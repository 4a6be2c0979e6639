// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/records.hpp"
#include "mice/list_scorer.hpp"

namespace mice::cli {

/// The candidate lists of a run: its queries with their texts, its documents by position in the
/// corpus, at most `depth` of each list (0: all). Queries and documents that the collection lacks
/// are left out and noted.
[[nodiscard]] std::vector<candidate_list>
run_candidates(std::span<const tools::run_list> run, std::span<const tools::query_record> queries,
               const tools::passage_list& corpus, std::size_t depth, tools::reading_notes& notes);

} // namespace mice::cli
