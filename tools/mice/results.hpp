// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/reranker.hpp>

#include "common/output.hpp"
#include "common/records.hpp"
#include "mice/long_texts.hpp"

namespace mice::cli {

/// A text, and what answers the query in it.
struct lit_text {
    std::string text;
    highlights found;
};

/// One ranked passage.
struct result_row {
    const tools::passage* passage = nullptr;
    std::size_t index = 0; ///< place among the candidates as given
    float logit = 0;       ///< decides the order, whatever is shown
    bool scored = false;   ///< false: the time ran out before
    std::size_t tokens_seen = 0;
    std::size_t tokens_cut = 0;
    std::optional<lit_text> lit{}; ///< of what was ranked, where it is asked for
    bool as_is = false; ///< the passage's text is what was ranked, not title and text joined
    std::optional<best_passage> best{}; ///< none: only the text's beginning was read
};

/// The form in which scores are printed.
enum class shown_score { logit, sigmoid };

/// One query's ranking: scored rows first, best first.
struct result_list {
    std::string query_id; ///< empty for a query of the command line
    std::string query;
    std::size_t query_tokens_cut = 0;
    std::size_t query_replaced = 0;
    bool complete = true;
    std::size_t candidates = 0; ///< passages that were to be ranked
    std::size_t scored = 0;     ///< passages that have a score
    shown_score shown = shown_score::logit;
    std::vector<result_row> rows;
};

/// 1 / (1 + exp(-logit)), in double precision: floats would round the upper ones to 1 far earlier.
[[nodiscard]] double sigmoid(float logit);
/// A score as it is printed for programs: the fewest digits that read back as the same number.
[[nodiscard]] std::string score_text(float logit, shown_score shown);
/// Members for a JSON object: "score", and with sigmoids "logit", which decides the order.
void add_score(tools::ordered_json& object, float logit, shown_score shown);

/// Finds out whether sigmoids hide the order of their logits.
class sigmoid_check {
  public:
    sigmoid_check(model_kind kind, shown_score shown) : kind_(kind), shown_(shown) {}
    /// Looks at the scores of one query.
    void look_at(std::vector<float> logits);
    void look_at(const result_list& list);
    /// Notes it if they do.
    void report() const;

  private:
    model_kind kind_;
    shown_score shown_;
    bool hides_order_ = false;
};

/// Orders the rows by logit, unscored ones last, equal ones as given; counts them; keeps `top_k`
/// (0 keeps all).
void finish_list(result_list& list, std::size_t top_k);

/// A table for people, fitted to the terminal's width.
void write_table(tools::output& out, const result_list& list);
/// One JSON object on one line.
void write_json(tools::output& out, const result_list& list);
/// Lines of a TREC run; unscored passages are left out. Throws mice::error for ids with white
/// space or control characters.
void write_trec(tools::output& out, const result_list& list, std::string_view tag);

} // namespace mice::cli
