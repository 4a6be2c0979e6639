// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/terminal.hpp"
#include "common/text_table.hpp"
#include "mice/compare_results.hpp"

// The tables of `mice compare`, for a terminal and for a Markdown page.
namespace mice::cli {
namespace {

using tools::text_table;

constexpr const char* nothing = "-";

/// A table with a heading.
struct titled_table {
    std::string title;
    text_table table;
};

enum class file_column { shown, left_out };

template <class... Values> std::string formatted(const char* format, Values... values) {
    char text[80];
    std::snprintf(text, sizeof text, format, values...);
    return text;
}

/// Three digits, whatever the size: 0.123, 12.3, 1234.
std::string short_number(double value) {
    const char* format = value >= 99.95 ? "%.0f" : value >= 9.995 ? "%.1f" : "%.2f";
    return formatted(value < 0.9995 ? "%.3f" : format, value);
}

std::string times(const std::optional<double>& value) {
    return value ? short_number(*value) + "x" : nothing;
}

text_table::column left(std::string title) {
    return {std::move(title), text_table::alignment::left};
}

text_table::column right(std::string title) {
    return {std::move(title), text_table::alignment::right};
}

std::string first_stage_name(const collection_result& each) {
    return each.first_stage == "bm25" ? "BM25" : "run";
}

std::string range(const tools::interval& each, const char* format) {
    return formatted(format, each.low, each.high);
}

std::vector<std::string> quality_cells(const std::string& name, const quality& each, spread with) {
    return {name, formatted("%.4f", each.ndcg),
            with == spread::none ? "" : range(each.ndcg_interval, "%.4f..%.4f"),
            formatted("%.4f", each.mrr), formatted("%.4f", each.recall)};
}

titled_table quality_table(const collection_result& each, const comparison& all) {
    const spread with = all.spread_of(each);
    titled_table made;
    made.title = "Quality";
    made.table.columns = {
        left("model"),   right("nDCG@10"),    right("95% interval"),
        right("MRR@10"), right("recall@100"), right("to " + first_stage_name(each)),
        right("p")};
    made.table.rows.push_back(quality_cells(first_stage_name(each), each.before, with));
    for (std::size_t i = 0; i < each.models.size(); ++i) {
        const model_result& one = each.models[i];
        auto cells = quality_cells(all.models[i].name, one.reranked, with);
        cells.push_back(formatted("%+.4f", one.to_first_stage.ndcg));
        cells.push_back(with == spread::none ? "" : formatted("%.4f", one.to_first_stage.p_value));
        made.table.rows.push_back(std::move(cells));
    }
    return made;
}

titled_table latency_table(const collection_result& each, const comparison& all) {
    const spread with = all.spread_of(each);
    titled_table made;
    made.title =
        "Milliseconds a query, median and the middle half: " + std::to_string(each.timed_queries) +
        " queries of " + formatted("%.1f", each.timed_candidates) + " candidates on average";
    made.table.columns = {left("model"), right("not stored"), right("middle half"), right("stored"),
                          right("middle half")};
    const auto half = [with](const latency& of) {
        return with == spread::none ? std::string()
                                    : short_number(of.low) + ".." + short_number(of.high);
    };
    for (std::size_t i = 0; i < each.models.size(); ++i) {
        const model_result& one = each.models[i];
        made.table.rows.push_back({all.models[i].name, short_number(one.not_stored.median),
                                   half(one.not_stored),
                                   one.stored ? short_number(one.stored->median) : nothing,
                                   one.stored ? half(*one.stored) : nothing});
    }
    return made;
}

titled_table storage_table(const collection_result& each, const comparison& all) {
    titled_table made;
    made.title = "Documents: encoded a second; bytes of each as f32 states and in an index";
    made.table.columns = {left("model"),   right("a second"),    right("measured on"),
                          right("as f32"), right("in an index"), right("bytes a token")};
    for (std::size_t i = 0; i < each.models.size(); ++i) {
        const std::optional<storage_cost>& cost = each.models[i].storage;
        std::vector<std::string> cells{all.models[i].name};
        if (cost) {
            cells.push_back(short_number(cost->documents_per_second()));
            cells.push_back(std::to_string(cost->documents));
            cells.push_back(formatted("%.0f", cost->per_document(cost->state_bytes)));
            cells.push_back(formatted("%.0f", cost->per_document(cost->code_bytes)));
            cells.push_back(formatted("%.1f", cost->bytes_per_token()));
        } else {
            cells.insert(cells.end(), made.table.columns.size() - 1, nothing);
        }
        made.table.rows.push_back(std::move(cells));
    }
    return made;
}

titled_table ratio_table(const collection_result& each, const comparison& all) {
    const spread with = all.spread_of(each);
    const model_result& baseline = each.models[all.baseline];
    titled_table made;
    made.title =
        "Beside " + all.models[all.baseline].name +
        (baseline.stored ? "" : ", which stores nothing: \"stored\" is beside its one way") +
        "; times as fast, times the bytes";
    made.table.columns = {left("model"),   right("nDCG@10"),     right("95% interval"),
                          right("p"),      right("of its nDCG"), right("not stored"),
                          right("stored"), right("bytes")};
    for (std::size_t i = 0; i < each.models.size(); ++i) {
        const model_result& one = each.models[i];
        const ratios beside = ratios_of(one, baseline);
        const bool itself = i == all.baseline;
        const bool hidden = itself || with == spread::none;
        made.table.rows.push_back(
            {all.models[i].name, itself ? "" : formatted("%+.4f", one.to_baseline.ndcg),
             hidden ? "" : range(one.to_baseline.interval, "%+.4f..%+.4f"),
             hidden ? "" : formatted("%.4f", one.to_baseline.p_value),
             beside.ndcg ? formatted("%.1f%%", 100 * *beside.ndcg) : nothing,
             times(beside.not_stored), times(beside.stored), times(beside.bytes)});
    }
    return made;
}

/// The files' paths are too long for most terminals.
text_table model_table(const comparison& all, file_column files) {
    text_table made;
    made.columns = {left("model"), left("kind"), left("precision"), right("file bytes")};
    if (files == file_column::shown) {
        made.columns.push_back(left("file"));
    }
    for (const model_description& each : all.models) {
        std::vector<std::string> cells{each.name, each.kind, each.precision,
                                       std::to_string(each.file_bytes)};
        if (files == file_column::shown) {
            cells.push_back(each.file.string());
        }
        made.rows.push_back(std::move(cells));
    }
    return made;
}

std::string heading(const collection_result& each) {
    return each.name + ": " + std::to_string(each.queries) + " queries, " +
           std::to_string(each.documents) + " documents";
}

/// Drops empty columns, such as the intervals of a mean.
titled_table filled(titled_table made) {
    text_table& table = made.table;
    for (std::size_t i = table.columns.size(); i-- > 1;) {
        const auto is_empty = [i](const std::vector<std::string>& row) {
            return i >= row.size() || row[i].empty();
        };
        if (std::all_of(table.rows.begin(), table.rows.end(), is_empty)) {
            table.columns.erase(table.columns.begin() + static_cast<std::ptrdiff_t>(i));
            for (std::vector<std::string>& row : table.rows) {
                row.erase(row.begin() + static_cast<std::ptrdiff_t>(std::min(i, row.size())),
                          row.begin() + static_cast<std::ptrdiff_t>(std::min(i + 1, row.size())));
            }
        }
    }
    return made;
}

std::vector<titled_table> tables_of(const collection_result& each, const comparison& all) {
    return {filled(quality_table(each, all)), filled(latency_table(each, all)),
            storage_table(each, all), filled(ratio_table(each, all))};
}

/// One line for every model that did not read all candidates to their end.
std::vector<std::string> cut_notes(const collection_result& each, const comparison& all) {
    std::vector<std::string> notes;
    for (std::size_t i = 0; i < each.models.size(); ++i) {
        if (each.models[i].documents_cut > 0) {
            notes.push_back(all.models[i].name + " did not read " +
                            std::to_string(each.models[i].documents_cut) +
                            " candidates to their end");
        }
    }
    return notes;
}

std::string settings(const comparison& all) {
    return "Candidates: " + all.candidates + ". Timed on " + std::to_string(all.threads) +
           (all.threads == 1 ? " thread" : " threads") + " (" + all.simd +
           "), the models in turn. Stored: in an index, codec " + all.codec +
           "; quality is that of states that are not rounded by it. Baseline: " +
           all.models[all.baseline].name + ".";
}

} // namespace

std::string text_head(const comparison& all, std::size_t columns) {
    return tools::printable(settings(all)) + "\n\n" +
           model_table(all, file_column::left_out).text(columns);
}

std::string text_of(const collection_result& each, const comparison& all, std::size_t columns) {
    std::string text = "\n" + tools::printable(heading(each)) + "\n";
    for (const titled_table& one : tables_of(each, all)) {
        text += "\n" + tools::printable(one.title) + "\n" + one.table.text(columns);
    }
    for (const std::string& note : cut_notes(each, all)) {
        text += "\n" + tools::printable(note);
    }
    return text + (cut_notes(each, all).empty() ? "" : "\n");
}

std::string markdown_of(const comparison& all) {
    using tools::markdown_text;
    std::string page = "# Comparison\n\n" + markdown_text(settings(all)) + "\n\n" +
                       model_table(all, file_column::shown).markdown();
    const auto add = [&page, &all](const collection_result& each) {
        page += "\n## " + markdown_text(heading(each)) + "\n";
        for (const titled_table& one : tables_of(each, all)) {
            page += "\n" + markdown_text(one.title) + ":\n\n" + one.table.markdown();
        }
        for (const std::string& note : cut_notes(each, all)) {
            page += "\n" + markdown_text(note) + ".\n";
        }
    };
    for (const collection_result& each : all.collections) {
        add(each);
    }
    if (all.mean) {
        add(*all.mean);
    }
    return page;
}

} // namespace mice::cli
