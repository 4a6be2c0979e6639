// SPDX-License-Identifier: Apache-2.0
#include "mice/results.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/terminal.hpp"

namespace mice::cli {
namespace {

constexpr std::size_t longest_id = 24;

std::string padded(std::string text, std::size_t columns) {
    const std::size_t width = tools::display_width(text);
    return text + std::string(columns > width ? columns - width : 0, ' ');
}

std::string right_aligned(const std::string& text, std::size_t columns) {
    return std::string(columns > text.size() ? columns - text.size() : 0, ' ') + text;
}

std::string short_score(const result_row& row) {
    if (!row.scored) {
        return "-";
    }
    char text[40];
    std::snprintf(text, sizeof text, "%.4f", static_cast<double>(row.score));
    return text;
}

/// What the reader should know about a row, or nothing.
std::string remark(const result_row& row) {
    std::string text;
    const auto add = [&text](const std::string& part) {
        text += (text.empty() ? "" : ", ") + part;
    };
    if (!row.scored) {
        add("not scored");
    }
    if (row.tokens_cut > 0) {
        add("last " + std::to_string(row.tokens_cut) + " tokens cut");
    }
    if (row.passage->replaced > 0) {
        add("invalid UTF-8 replaced: " + std::to_string(row.passage->replaced));
    }
    return text.empty() ? "" : " [" + text + "]";
}

/// The id and title of a passage, and as much of its text as the table may show.
std::string snippet(const tools::passage& passage) {
    const std::string joined = passage.joined();
    constexpr std::size_t enough = 4000; // bytes; no terminal line is longer
    std::size_t end = std::min(joined.size(), enough);
    while (end < joined.size() && end > 0 && (joined[end] & 0xC0) == 0x80) {
        --end;
    }
    return tools::printable(std::string_view(joined).substr(0, end));
}

} // namespace

void finish_list(result_list& list, std::size_t top_k) {
    for (result_row& row : list.rows) {
        row.scored = row.scored && !std::isnan(row.score); // NaN has no place in an order
    }
    std::stable_sort(list.rows.begin(), list.rows.end(),
                     [](const result_row& a, const result_row& b) {
                         return a.scored != b.scored ? a.scored : a.scored && a.score > b.score;
                     });
    list.candidates = list.rows.size();
    list.scored = static_cast<std::size_t>(std::count_if(
        list.rows.begin(), list.rows.end(), [](const result_row& row) { return row.scored; }));
    if (top_k > 0 && top_k < list.rows.size()) {
        list.rows.resize(top_k);
    }
}

tools::ordered_json json_score(float score) {
    if (!std::isfinite(score)) {
        return nullptr;
    }
    // The shortest decimal that reads back as the same float, not the double beside it.
    return std::stod(tools::score_text(static_cast<double>(score)));
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
    out.write("rank    score  " + padded("id", id_width) + "  passage\n");
    for (std::size_t i = 0; i < list.rows.size(); ++i) {
        const result_row& row = list.rows[i];
        const std::string start =
            right_aligned(row.scored ? std::to_string(i + 1) : "-", 4) + " " +
            right_aligned(short_score(row), 8) + "  " +
            padded(tools::fit(tools::printable(row.passage->id), id_width), id_width) + "  ";
        const std::string end = remark(row);
        const std::size_t used = tools::display_width(start) + end.size();
        constexpr std::size_t least = 20; // a snippet shorter than this says nothing
        const std::size_t room = columns > used + least ? columns - used : least;
        out.write(start + tools::fit(snippet(*row.passage), room) + end + "\n");
    }
    if (!list.complete) {
        out.write("PARTIAL: the time ran out after " + std::to_string(list.scored) + " of " +
                  std::to_string(list.candidates) + " passages\n");
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
        hit["score"] = row.scored ? json_score(row.score) : tools::ordered_json(nullptr);
        hit["tokens_seen"] = row.tokens_seen;
        hit["tokens_cut"] = row.tokens_cut;
        hit["replaced"] = row.passage->replaced;
        if (!row.passage->title.empty()) {
            hit["title"] = row.passage->title;
        }
        hit["text"] = row.passage->text;
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
                                 static_cast<double>(list.rows[i].score), tag);
    }
    out.write(lines);
}

} // namespace mice::cli
