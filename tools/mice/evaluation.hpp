// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <mice/index/words/words.hpp>

#include "common/metrics.hpp"
#include "common/records.hpp"
#include "mice/list_scorer.hpp"

// What `mice eval` and `mice compare` share: judged collections, their candidates, and figures.
namespace mice::cli {

/// A judged collection.
struct collection {
    tools::passage_list corpus;
    std::vector<tools::query_record> queries;
    tools::judgements judged;
    std::filesystem::path qrels; ///< where they come from, in the folder
};

/// Where the candidates of each query come from.
struct candidate_options {
    std::vector<std::string> runs; ///< none: BM25
    bm25_options bm25;
    std::size_t depth = 0; ///< 0: 100 of BM25, all of a run
    std::string split;     ///< of the judgements; empty: see judgements_file

    /// --run, --k1, --b, --depth and --split.
    void add_to(CLI::App& app);
    /// Throws usage_error where there are too many or too few runs for the folders, mice::error for
    /// bad numbers.
    void check(std::size_t folders) const;
    /// The run of a folder, by its place among the folders; nothing: BM25.
    [[nodiscard]] std::optional<std::filesystem::path> run_of(std::size_t place,
                                                              const std::string& folder) const;
    /// How many candidates a query gets, in words: "BM25's first 100".
    [[nodiscard]] std::string text() const;
};

/// A collection: the queries that count, and their candidates in first-stage order.
struct judged_lists {
    std::string name;        ///< of the collection
    std::string first_stage; ///< "bm25" or the run's file name
    collection data;
    std::vector<candidate_list> lists;
    bool incomplete = false; ///< something was left out while reading
};

/// The judgements of a collection, in its folder: qrels/SPLIT.tsv, as in BEIR; without a split the
/// first that is there of qrels.tsv, qrels/test.tsv, qrels/dev.tsv and qrels/train.tsv. Throws
/// mice::error (errc::io) where there is none.
[[nodiscard]] std::filesystem::path judgements_file(const std::string& folder,
                                                    const std::string& split);

/// Reads a folder and finds its candidates; prints what was left out. Throws mice::error where no
/// query with a relevant document is left.
[[nodiscard]] judged_lists read_judged(const std::string& folder, const candidate_options& options,
                                       std::size_t place, tools::bad_text policy);

/// The figures of every query, in the order of the queries.
struct figures {
    std::vector<double> ndcg, reciprocal_rank, recall;
};

/// One order of the candidates, averaged over queries.
struct quality {
    double ndcg = 0; ///< at 10
    tools::interval ndcg_interval;
    double mrr = 0;    ///< at 10
    double recall = 0; ///< at 100
};

/// Compares the nDCG of two orders of the same candidates, query by query.
struct paired_difference {
    double ndcg = 0; ///< positive: the second is better
    tools::interval interval;
    double p_value = 1;
};

/// Places in a list, best score first; equal scores keep the order before.
[[nodiscard]] std::vector<std::size_t> order_of(std::span<const float> scores);
/// Of the candidates as the first stage ordered them.
[[nodiscard]] figures first_stage_figures(const judged_lists& from);
/// Of the candidates ordered by scores, a list of them for each list of candidates.
[[nodiscard]] figures reranked_figures(const judged_lists& from,
                                       std::span<const std::vector<float>> scores);
[[nodiscard]] quality summary(const figures& each);
[[nodiscard]] paired_difference difference_of(const figures& before, const figures& after);
/// Adds a collection's share to a mean in which each collection counts the same.
void add_share(quality& mean, const quality& of, double share);

/// A figure for JSON, to six places.
[[nodiscard]] tools::ordered_json rounded(double value);
[[nodiscard]] tools::ordered_json to_json(const tools::interval& range);
/// Without the interval, which a mean does not have.
[[nodiscard]] tools::ordered_json to_json(const quality& each);

} // namespace mice::cli
