// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/output.hpp"
#include "common/records.hpp"

namespace mice::cli {

/// One ranked passage.
struct result_row {
    const tools::passage* passage = nullptr;
    std::size_t index = 0; ///< in the candidates as they were given
    float score = 0;
    bool scored = false; ///< false: the time ran out before
    std::size_t tokens_seen = 0;
    std::size_t tokens_cut = 0;
};

/// One query's ranking: scored rows first, best first.
struct result_list {
    std::string query_id; ///< empty for a query of the command line
    std::string query;
    std::size_t query_tokens_cut = 0;
    std::size_t query_replaced = 0;
    bool complete = true;
    std::size_t candidates = 0; ///< passages that were to be ranked
    std::size_t scored = 0;     ///< passages that have a score
    std::vector<result_row> rows;
};

/// Orders the rows by score, unscored ones last, equal ones as given; counts them; keeps `top_k`
/// (0 keeps all).
void finish_list(result_list& list, std::size_t top_k);

/// A score for JSON: null unless it is a number.
[[nodiscard]] tools::ordered_json json_score(float score);

/// A table for people, fitted to the terminal's width.
void write_table(tools::output& out, const result_list& list);
/// One JSON object on one line.
void write_json(tools::output& out, const result_list& list);
/// Lines of a TREC run; unscored passages are left out. Throws mice::error for ids with white
/// space.
void write_trec(tools::output& out, const result_list& list, std::string_view tag);

} // namespace mice::cli
