// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mice/reranker.hpp>

#include "common/records.hpp"

namespace mice::cli {

/// One query with the documents that are to be ranked for it, as positions in a passage_list.
struct candidate_list {
    tools::query_record query;
    std::vector<std::uint32_t> documents;
    /// Of a run: where each document stands in the run's list, from 0, documents that were left out
    /// included. Empty: as in `documents`.
    std::vector<std::size_t> places;
};

/// Scores of the lists that they were made from, in the same order.
struct scored_lists {
    std::vector<std::vector<float>> scores; ///< NaN where the time ran out
    std::vector<std::size_t> query_tokens_cut;
    /// By position in the passage_list; 0 for documents that no list holds or no time was left for.
    std::vector<std::size_t> tokens_seen, tokens_cut;
    std::size_t pairs = 0; ///< pairs that have a score
    bool complete = true;

    /// Documents that the model did not read to their end.
    [[nodiscard]] std::size_t documents_cut() const;
};

/// Says on standard error how many queries and documents the model did not read to their end.
void report_losses(std::span<const candidate_list> lists, const scored_lists& scored);

/// Scores every (query, document) pair. Each query is encoded once and each distinct document once,
/// where the model can encode them apart; documents are held in blocks, so memory depends on the
/// number of queries and not on the collection. Shows a progress bar called `label` on a terminal.
/// Threads, special tokens, activation, deadline and cancellation are taken from `options`; a
/// cancellation may also throw errc::stopped. With a deadline the blocks begin with one document
/// and grow with the time that they take, and a call that begins in time scores one pair at least.
[[nodiscard]] scored_lists score_lists(const reranker& ranker,
                                       std::span<const candidate_list> lists,
                                       const tools::passage_list& passages,
                                       const rank_options& options, const std::string& label);

} // namespace mice::cli
