// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/model.hpp>

#include "common/output.hpp"
#include "mice/commands.hpp"
#include "mice/eval_highlights.hpp"
#include "mice/evaluation.hpp"
#include "mice/long_texts.hpp"

namespace mice::cli {
namespace {

struct eval_options {
    scoring_options scoring;
    long_texts texts;
    std::vector<std::string> folders;
    candidate_options candidates;
    std::string highlights;
    std::string trec_out;
    std::string tag = "mice";
    bool json = false;
};

struct evaluation {
    std::string collection;
    std::string first_stage;    ///< "bm25" or the run's file name
    std::string qrels;          ///< the file of the judgements
    std::string_view precision; ///< that was computed in
    std::size_t queries = 0;
    std::size_t documents = 0;
    std::size_t pairs = 0;
    std::size_t tokens_cut_documents = 0; ///< candidates that the model did not read to their end
    std::size_t passages = 0;             ///< that the candidates were cut into
    double seconds = 0;
    quality before, after;
    paired_difference difference;
    bool incomplete_input = false;
};

void write_run(const std::string& file, const judged_lists& from, const scored_lists& scored,
               std::string_view tag) {
    tools::output out{std::filesystem::path(file)};
    for (std::size_t q = 0; q < from.lists.size(); ++q) {
        const candidate_list& list = from.lists[q];
        const std::vector<std::size_t> order = order_of(scored.scores[q]);
        for (std::size_t rank = 0; rank < order.size(); ++rank) {
            const std::size_t place = order[rank];
            out.write(tools::run_line(list.query.id, from.data.corpus[list.documents[place]].id,
                                      rank + 1, tools::number_text(scored.scores[q][place]), tag));
        }
    }
    out.flush();
}

evaluation evaluate(const reranker& ranker, const eval_options& options, std::size_t place) {
    const judged_lists judged = read_judged(options.folders[place], options.candidates, place,
                                            options.scoring.text_policy());
    evaluation result;
    result.collection = judged.name;
    result.first_stage = judged.first_stage;
    result.qrels = judged.data.qrels.generic_string();
    result.incomplete_input = judged.incomplete;
    const auto start = std::chrono::steady_clock::now();
    const scored_lists scored =
        score_lists(ranker, judged.lists, judged.data.corpus, options.scoring.for_library(),
                    options.texts.for_library(), result.collection);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!options.trec_out.empty()) {
        write_run(options.trec_out, judged, scored, options.tag);
    }
    const figures before = first_stage_figures(judged);
    const figures after = reranked_figures(judged, scored.scores);
    result.before = summary(before);
    result.after = summary(after);
    result.difference = difference_of(before, after);
    result.precision = name_of(ranker.shared_model()->computed_in());
    result.queries = judged.lists.size();
    result.documents = judged.data.corpus.size();
    result.pairs = scored.pairs;
    result.tokens_cut_documents = scored.documents_cut();
    result.passages = scored.passages;
    report_losses(judged.lists, scored);
    return result;
}

/// The mean of several collections, each counting the same; no interval: they are not a sample.
evaluation mean_of(std::span<const evaluation> all) {
    evaluation result;
    result.collection = "mean";
    result.first_stage = all.front().first_stage;
    result.precision = all.front().precision;
    const auto share = 1.0 / static_cast<double>(all.size());
    for (const evaluation& each : all) {
        result.queries += each.queries;
        result.documents += each.documents;
        result.pairs += each.pairs;
        result.seconds += each.seconds;
        add_share(result.before, each.before, share);
        add_share(result.after, each.after, share);
        result.difference.ndcg += each.difference.ndcg * share;
    }
    return result;
}

// ---- output ----

/// One line; a mean has no intervals and no test.
std::string json_text(const evaluation& each, bool is_mean) {
    tools::ordered_json object{{"collection", each.collection},
                               {"queries", each.queries},
                               {"documents", each.documents},
                               {"pairs", each.pairs},
                               {"seconds", rounded(each.seconds)},
                               {"precision", each.precision},
                               {"bm25", to_json(each.before)},
                               {"reranked", to_json(each.after)},
                               {"difference", {{"ndcg@10", rounded(each.difference.ndcg)}}}};
    if (!is_mean) {
        object["first_stage"] = each.first_stage;
        object["judgements"] = each.qrels;
        object["documents_cut"] = each.tokens_cut_documents;
        object["passages"] = each.passages;
        object["bm25"]["ndcg@10_interval"] = to_json(each.before.ndcg_interval);
        object["reranked"]["ndcg@10_interval"] = to_json(each.after.ndcg_interval);
        object["difference"]["ndcg@10_interval"] = to_json(each.difference.interval);
        object["difference"]["p_value"] = rounded(each.difference.p_value);
    }
    return tools::json_line(object);
}

std::string table_row(std::string_view name, std::string_view queries, std::string_view order,
                      const quality& each, bool is_mean) {
    char range[40] = "";
    if (!is_mean) {
        std::snprintf(range, sizeof range, "%.4f..%.4f", each.ndcg_interval.low,
                      each.ndcg_interval.high);
    }
    char text[200];
    std::snprintf(text, sizeof text, "%-20.*s %7.*s  %-10.*s %8.4f  %-16s %7.4f %11.4f\n",
                  static_cast<int>(std::min<std::size_t>(name.size(), 40)), name.data(),
                  static_cast<int>(queries.size()), queries.data(), static_cast<int>(order.size()),
                  order.data(), each.ndcg, range, each.mrr, each.recall);
    return text;
}

std::string table_rows(const evaluation& each, bool is_mean) {
    std::string rows =
        table_row(each.collection, std::to_string(each.queries),
                  each.first_stage == "bm25" ? "BM25" : "run", each.before, is_mean) +
        table_row("", "", "reranked", each.after, is_mean);
    char text[200];
    if (is_mean) {
        std::snprintf(text, sizeof text, "%-20s %7s  %-10s %+8.4f\n", "", "", "difference",
                      each.difference.ndcg);
    } else {
        std::snprintf(text, sizeof text, "%-20s %7s  %-10s %+8.4f  %+.4f..%+.4f  p = %.4f\n", "",
                      "", "difference", each.difference.ndcg, each.difference.interval.low,
                      each.difference.interval.high, each.difference.p_value);
    }
    return rows + text;
}

constexpr const char* table_head =
    "collection           queries  order       nDCG@10  95% interval      MRR@10  recall@100\n";

void check(const eval_options& options) {
    if (!options.highlights.empty() && (!options.folders.empty() || !options.trec_out.empty())) {
        throw usage_error("--highlights measures its own file: give no FOLDERS and no --trec-out");
    }
    if (options.highlights.empty() && options.folders.empty()) {
        throw usage_error("FOLDERS are missing");
    }
    options.candidates.check(options.folders.size());
    if (options.folders.size() > 1 && !options.trec_out.empty()) {
        throw usage_error("--trec-out holds one collection: give one FOLDER");
    }
}

exit_code run_eval(const eval_options& options) {
    check(options);
    if (!options.highlights.empty()) {
        return evaluate_highlights(options.scoring, options.highlights, options.json);
    }
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer();
    tools::output out;
    std::vector<evaluation> all;
    for (std::size_t i = 0; i < options.folders.size(); ++i) {
        all.push_back(evaluate(ranker, options, i));
        if (i == 0 && !options.json) {
            out.write(table_head);
        }
        out.write(options.json ? json_text(all.back(), false) : table_rows(all.back(), false));
        out.flush();
    }
    if (all.size() > 1) {
        const evaluation average = mean_of(all);
        out.write(options.json ? json_text(average, true) : table_rows(average, true));
        out.flush();
    }
    const bool incomplete = std::any_of(
        all.begin(), all.end(), [](const evaluation& each) { return each.incomplete_input; });
    return incomplete ? exit_code::incomplete : exit_code::ok;
}

} // namespace

void add_eval_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<eval_options>();
    CLI::App* const eval =
        app.add_subcommand("eval", "Measure ranking quality on judged collections");
    eval->add_option("FOLDERS", options->folders,
                     "Folders with corpus.jsonl, queries.jsonl and qrels.tsv (or BEIR's qrels/)")
        ->type_name("");
    eval->add_option("--highlights", options->highlights,
                     "Instead: measure which sentence is highlighted, on JSON Lines {\"query\", "
                     "\"passage\", \"answers\": [[begin, end], ...]} in bytes of the passage")
        ->type_name("FILE")
        ->check(not_empty());
    options->candidates.add_to(*eval);
    eval->add_option("--trec-out", options->trec_out, "Save the re-ranked lists as a TREC run")
        ->type_name("FILE");
    eval->add_option("--tag", options->tag, "Last column of --trec-out")->capture_default_str();
    eval->add_flag("--json", options->json, "Print one JSON object a collection");
    options->texts.add_to(*eval);
    options->scoring.add_to(*eval);
    eval->callback([options, &chosen] { chosen = [options] { return run_eval(*options); }; });
}

} // namespace mice::cli
