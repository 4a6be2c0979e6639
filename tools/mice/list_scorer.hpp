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
#include "mice/long_texts.hpp"

namespace mice::cli {

/// One query with the documents that are to be ranked for it, as positions in a passage_list.
struct candidate_list {
    tools::query_record query;
    std::vector<std::uint32_t> documents;
    /// Of a run: the place of each document in the run's list, from 0, counting documents that were
    /// left out. Empty: as in `documents`.
    std::vector<std::size_t> places;
};

/// The scores of lists, in the order of the lists.
struct scored_lists {
    std::vector<std::vector<float>> scores; ///< NaN where the time ran out
    std::vector<std::size_t> query_tokens_cut;
    /// By position in the passage_list; 0 for documents that are in no list or for which no time
    /// was left.
    std::vector<std::size_t> tokens_seen, tokens_cut;
    /// Like `scores`: each text's best passage; empty where only beginnings were read.
    std::vector<std::vector<best_passage>> best;
    std::size_t passages = 0; ///< that were encoded, or of a cross-encoder scored
    std::size_t pairs = 0;    ///< pairs that have a score
    bool complete = true;

    /// How many documents the model did not read to their end.
    [[nodiscard]] std::size_t documents_cut() const;
};

/// Notes how many queries and documents the model did not read to their end.
void report_losses(std::span<const candidate_list> lists, const scored_lists& scored);

/// Scores every (query, document) pair: all passages of a document, as rank_texts does, or without
/// `texts` its beginning. Encodes every query and every distinct passage once, where the model can
/// encode them apart. Passages are held in blocks, so memory depends on the number of queries and
/// not on the collection. Shows a progress bar called `label` on a terminal.
/// Threads, special tokens, activation, deadline and cancellation are taken from `options`; a
/// cancellation may also throw errc::stopped. With a deadline the blocks begin with one document
/// and grow with the time that they take, and a call that begins in time scores one pair at least.
[[nodiscard]] scored_lists
score_lists(const reranker& ranker, std::span<const candidate_list> lists,
            const tools::passage_list& passages, const rank_options& options,
            const std::optional<text_options>& texts, const std::string& label);

} // namespace mice::cli
