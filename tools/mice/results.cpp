// SPDX-License-Identifier: Apache-2.0
#include "mice/results.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include <mice/scoring/text_map.hpp>

#include "common/output.hpp"
#include "common/terminal.hpp"
#include "common/trimmed.hpp"
#include "mice/highlighting.hpp"

namespace mice::cli {
namespace {

constexpr std::size_t longest_id = 24;

std::string padded(std::string text, std::size_t columns) {
    const std::size_t width = tools::display_width(text);
    text.append(columns > width ? columns - width : 0, ' ');
    return text;
}

std::string right_aligned(const std::string& text, std::size_t columns) {
    return std::string(columns > text.size() ? columns - text.size() : 0, ' ') + text;
}

std::string with_digits(double value, int digits) {
    char text[400]; // the largest double has 309 digits before the point
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

/// The column of scores. Sigmoids get enough digits to tell different ones apart.
std::vector<std::string> short_scores(const result_list& list) {
    constexpr int usual_digits = 4;
    constexpr int most_digits = 17;
    const auto text_of = [&list](const result_row& row, int digits) -> std::string {
        if (!row.scored) {
            return "-";
        }
        return with_digits(list.shown == shown_score::sigmoid ? sigmoid(row.logit)
                                                              : static_cast<double>(row.logit),
                           digits);
    };
    int digits = usual_digits;
    for (std::size_t i = 1; i < list.rows.size() && list.shown == shown_score::sigmoid; ++i) {
        const result_row& above = list.rows[i - 1];
        const result_row& row = list.rows[i];
        while (row.scored && sigmoid(above.logit) != sigmoid(row.logit) && digits < most_digits &&
               text_of(above, digits) == text_of(row, digits)) {
            ++digits;
        }
    }
    std::vector<std::string> texts;
    for (const result_row& row : list.rows) {
        texts.push_back(text_of(row, digits));
    }
    return texts;
}

/// A remark about a row, or nothing.
std::string remark(const result_row& row) {
    std::string text;
    const auto add = [&text](const std::string& part) {
        text += (text.empty() ? "" : ", ") + part;
    };
    if (!row.scored) {
        add("not scored");
    }
    if (row.best && row.best->of > 1) {
        add(row.best->remark());
    }
    if (row.tokens_cut > 0) {
        add("last " + std::to_string(row.tokens_cut) + " tokens cut");
    }
    if (row.passage->replaced > 0) {
        add("invalid UTF-8 replaced: " + std::to_string(row.passage->replaced));
    }
    return text.empty() ? "" : " [" + text + "]";
}

/// Of what was ranked, as much as the table can show: the title and the text, or the best passage.
std::string snippet(const result_row& row) {
    const std::string whole = row.as_is ? row.passage->text : row.passage->joined();
    const std::string_view joined = row.best ? row.best->in(whole) : whole;
    constexpr std::size_t enough = 4000; // bytes; no terminal line is longer
    std::size_t end = std::min(joined.size(), enough);
    while (end < joined.size() && end > 0 && (joined[end] & 0xC0) == 0x80) {
        --end;
    }
    return tools::printable(joined.substr(0, end));
}

/// Places in a passage's title and text as they are joined, as places in its own title or text.
class joined_places {
  public:
    joined_places(const tools::passage& passage, std::string_view joined)
        : joined_(joined), text_(passage.text), titled_(!passage.title.empty()),
          body_(passage.text_in(joined)), lead_(white_space_before(text_)) {}

    /// "begin", "end", "line", and "in" where there is a title. What begins in the title and goes
    /// on in the text is in the text.
    void add_to(tools::ordered_json& object, std::size_t begin, std::size_t end) const {
        const bool in_title = end <= body_ && titled_;
        const std::size_t from = in_title ? begin : moved(begin);
        object["begin"] = from;
        object["end"] = in_title ? end : moved(end);
        object["line"] = 1 + detail::line_ends(in_title ? joined_ : text_, 0, from);
        if (titled_) {
            object["in"] = in_title ? "title" : "text";
        }
    }

  private:
    static std::size_t white_space_before(std::string_view text) {
        const std::string_view body = tools::trimmed(text);
        return body.empty() ? text.size() : static_cast<std::size_t>(body.data() - text.data());
    }
    [[nodiscard]] std::size_t moved(std::size_t place) const {
        return std::max(place, body_) - body_ + lead_;
    }

    std::string_view joined_, text_;
    bool titled_;
    std::size_t body_; // where the text begins behind the title
    std::size_t lead_; // white space in front of it that is not read
};

tools::ordered_json highlights_json(const tools::passage& passage, const lit_text& lit) {
    const joined_places places(passage, lit.text);
    tools::ordered_json all = to_json(lit.text, lit.found);
    for (std::size_t i = 0; i < lit.found.sentences.size(); ++i) {
        const highlight& each = lit.found.sentences[i];
        places.add_to(all[i], each.begin, each.end);
        for (std::size_t w = 0; w < each.words.size(); ++w) {
            tools::ordered_json place;
            places.add_to(place, each.words[w].begin, each.words[w].end);
            all[i]["words"][w]["begin"] = place["begin"];
            all[i]["words"][w]["end"] = place["end"];
        }
    }
    return all;
}

/// Where the best passage is, and what it says.
tools::ordered_json passage_json(const result_row& row) {
    tools::ordered_json object = row.best->to_json();
    const std::string joined = row.passage->joined();
    const std::string_view part = row.best->in(joined);
    const auto begin = static_cast<std::size_t>(part.data() - joined.data());
    joined_places(*row.passage, joined).add_to(object, begin, begin + part.size());
    return object;
}

} // namespace

double sigmoid(float logit) {
    return 1 / (1 + std::exp(-static_cast<double>(logit)));
}

std::string score_text(float logit, shown_score shown) {
    return shown == shown_score::sigmoid ? tools::number_text(sigmoid(logit))
                                         : tools::number_text(logit);
}

void add_score(tools::ordered_json& object, float logit, shown_score shown) {
    if (shown == shown_score::sigmoid) {
        object["score"] = sigmoid(logit);
        object["logit"] = tools::json_number(logit);
    } else {
        object["score"] = tools::json_number(logit);
    }
}

void sigmoid_check::look_at(std::vector<float> logits) {
    if (shown_ != shown_score::sigmoid) {
        return;
    }
    std::sort(logits.begin(), logits.end());
    for (std::size_t i = 0; i < logits.size(); ++i) {
        const double value = sigmoid(logits[i]);
        hides_order_ = hides_order_ || value == 0 || value == 1 ||
                       (i > 0 && logits[i - 1] != logits[i] && sigmoid(logits[i - 1]) == value);
    }
}

void sigmoid_check::look_at(const result_list& list) {
    std::vector<float> logits;
    for (const result_row& row : list.rows) {
        if (row.scored) {
            logits.push_back(row.logit);
        }
    }
    look_at(std::move(logits));
}

void sigmoid_check::report() const {
    if (shown_ == shown_score::sigmoid && kind_ == model_kind::late_interaction) {
        tools::print_message("mice: note: the scores of a late-interaction model are sums of "
                             "cosines, of which a sigmoid is of no use; the order is that of the "
                             "scores themselves: leave out --sigmoid to see them");
    } else if (hides_order_) {
        tools::print_message("mice: note: these scores are too far from 0 for --sigmoid, which "
                             "rounds different ones to the same number; the order is that of the "
                             "logits: leave out --sigmoid to see them");
    }
}

void finish_list(result_list& list, std::size_t top_k) {
    for (result_row& row : list.rows) {
        row.scored = row.scored && !std::isnan(row.logit); // NaN has no place in an order
    }
    std::stable_sort(list.rows.begin(), list.rows.end(),
                     [](const result_row& a, const result_row& b) {
                         return a.scored != b.scored ? a.scored : a.scored && a.logit > b.logit;
                     });
    list.candidates = list.rows.size();
    list.scored = static_cast<std::size_t>(std::count_if(
        list.rows.begin(), list.rows.end(), [](const result_row& row) { return row.scored; }));
    if (top_k > 0 && top_k < list.rows.size()) {
        list.rows.resize(top_k);
    }
}

void write_table(tools::output& out, const result_list& list) {
    const std::size_t columns = tools::output_columns();
    if (!list.query_id.empty()) {
        out.write(tools::fit("query " + tools::printable(list.query_id) + ": " +
                                 tools::printable(list.query),
                             columns) +
                  "\n");
    }
    std::size_t id_width = 2;
    for (const result_row& row : list.rows) {
        id_width = std::max(id_width, tools::display_width(tools::printable(row.passage->id)));
    }
    id_width = std::min(id_width, longest_id);
    const bool bold = tools::is_terminal(tools::stream::standard_output);
    const std::vector<std::string> scores = short_scores(list);
    std::size_t score_width = 8;
    for (const std::string& score : scores) {
        score_width = std::max(score_width, score.size());
    }
    out.write("rank " + right_aligned("score", score_width) + "  " + padded("id", id_width) +
              "  passage\n");
    for (std::size_t i = 0; i < list.rows.size(); ++i) {
        const result_row& row = list.rows[i];
        std::string start =
            right_aligned(row.scored ? std::to_string(i + 1) : "-", 4) + " " +
            right_aligned(scores[i], score_width) + "  " +
            padded(tools::fit(tools::printable(row.passage->id), id_width), id_width) + "  ";
        const std::string end = remark(row);
        const std::size_t used = tools::display_width(start) + end.size();
        constexpr std::size_t least = 20; // a snippet shorter than this says nothing
        const std::size_t room = columns > used + least ? columns - used : least;
        start.append(tools::fit(snippet(row), room)).append(end).append("\n");
        if (row.lit && !row.lit->found.sentences.empty()) {
            const std::size_t line = row.lit->found.sentences.front().line;
            start.append(5 + score_width + 2, ' ')
                .append("line " + std::to_string(line) + ": ")
                .append(shown_line(row.lit->text, row.lit->found, snippet_characters, bold))
                .append("\n");
        }
        out.write(start);
    }
    if (!list.complete) {
        out.write("PARTIAL: the time ran out after " + std::to_string(list.scored) + " of " +
                  std::to_string(list.candidates) + " passages" +
                  (list.scored == list.candidates ? ", before the end of the input" : "") + "\n");
    }
}

void write_json(tools::output& out, const result_list& list) {
    tools::ordered_json hits = tools::ordered_json::array();
    for (std::size_t i = 0; i < list.rows.size(); ++i) {
        const result_row& row = list.rows[i];
        tools::ordered_json hit;
        hit["rank"] = i + 1;
        hit["index"] = row.index;
        hit["id"] = row.passage->id;
        hit["scored"] = row.scored;
        if (row.scored) {
            add_score(hit, row.logit, list.shown);
        } else {
            hit["score"] = nullptr;
        }
        hit["tokens_seen"] = row.tokens_seen;
        hit["tokens_cut"] = row.tokens_cut;
        hit["replaced"] = row.passage->replaced;
        if (row.best && row.scored) {
            hit["passage"] = passage_json(row);
        }
        if (!row.passage->title.empty()) {
            hit["title"] = row.passage->title;
        }
        hit["text"] = row.passage->text;
        if (row.lit) {
            hit["highlights"] = highlights_json(*row.passage, *row.lit);
        }
        hits.push_back(std::move(hit));
    }
    tools::ordered_json object;
    if (!list.query_id.empty()) {
        object["query_id"] = list.query_id;
    }
    object["query"] = list.query;
    object["query_tokens_cut"] = list.query_tokens_cut;
    object["query_replaced"] = list.query_replaced;
    object["complete"] = list.complete;
    object["candidates"] = list.candidates;
    object["scored"] = list.scored;
    object["hits"] = std::move(hits);
    out.write(tools::json_line(object));
}

void write_trec(tools::output& out, const result_list& list, std::string_view tag) {
    const std::string query_id = list.query_id.empty() ? "1" : list.query_id;
    std::string lines; // nothing is written if one of them cannot be
    for (std::size_t i = 0; i < list.rows.size() && list.rows[i].scored; ++i) {
        lines += tools::run_line(query_id, list.rows[i].passage->id, i + 1,
                                 score_text(list.rows[i].logit, list.shown), tag);
    }
    out.write(lines);
}

} // namespace mice::cli
