// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/store/words.hpp>

#include "common/metrics.hpp"
#include "common/output.hpp"
#include "mice/commands.hpp"
#include "mice/list_scorer.hpp"
#include "mice/run_candidates.hpp"

namespace mice::cli {
namespace {

namespace fs = std::filesystem;

struct eval_options {
    scoring_options scoring;
    std::vector<std::string> folders;
    std::vector<std::string> runs;
    bm25_options bm25;
    std::size_t depth = 0;
    std::string trec_out;
    std::string tag = "mice";
    bool json = false;
};

/// Candidates of BM25 unless --depth says otherwise; a run's lists are taken whole.
constexpr std::size_t bm25_depth = 100;

/// Figures of each query, in the order of the queries.
struct figures {
    std::vector<double> ndcg, reciprocal_rank, recall;
};

/// One order of the candidates, averaged over queries.
struct quality {
    double ndcg = 0;
    tools::interval ndcg_interval;
    double mrr = 0;
    double recall = 0;
};

struct evaluation {
    std::string collection;
    std::string first_stage; ///< "bm25" or the run's file name
    std::size_t queries = 0;
    std::size_t documents = 0;
    std::size_t pairs = 0;
    std::size_t tokens_cut_documents = 0; ///< candidates that the model did not read to their end
    double seconds = 0;
    quality before, after;
    double difference = 0;
    tools::interval difference_interval;
    double p_value = 1;
    bool incomplete_input = false;
};

// ---- collections and candidates ----

struct collection {
    tools::passage_list corpus;
    std::vector<tools::query_record> queries;
    tools::judgements judged;
};

std::string folder_name(const std::string& folder) {
    const fs::path path = fs::path(folder).lexically_normal();
    const fs::path name = path.has_filename() ? path.filename() : path.parent_path().filename();
    return name.empty() || name == "." || name == ".."
               ? fs::weakly_canonical(path).filename().string()
               : name.string();
}

collection read_collection(const std::string& folder, tools::bad_text policy,
                           tools::reading_notes& notes) {
    const fs::path path(folder);
    collection result;
    result.judged = tools::read_qrels(path / "qrels.tsv", notes);
    result.queries = tools::read_queries(path / "queries.jsonl", policy, notes);
    result.corpus = tools::read_corpus(path / "corpus.jsonl", policy, notes);
    return result;
}

bool has_relevant(const tools::judgements& judged, const std::string& query) {
    const auto found = judged.find(query);
    return found != judged.end() &&
           std::any_of(found->second.begin(), found->second.end(),
                       [](const auto& judgement) { return judgement.second > 0; });
}

/// A judged query that has no text cannot be evaluated, and says so.
void note_queries_without_text(const collection& data, tools::reading_notes& notes) {
    std::vector<std::string_view> known;
    for (const tools::query_record& query : data.queries) {
        known.push_back(query.id);
    }
    std::sort(known.begin(), known.end());
    for (const auto& [query, grades] : data.judged) {
        if (has_relevant(data.judged, query) &&
            !std::binary_search(known.begin(), known.end(), std::string_view(query))) {
            notes.skipped("the judged query " + errors::quoted(query) +
                          " is not in queries.jsonl; it was left out");
        }
    }
}

std::vector<candidate_list> bm25_candidates(const collection& data, const eval_options& options) {
    store::words_builder builder;
    for (const tools::passage& each : data.corpus.all()) {
        builder.add(each.joined());
    }
    const std::vector<std::byte> bytes = builder.finish();
    const store::words_view words(store::memory_reader(bytes));
    const store::bm25_part whole{&words, {}};
    const std::size_t depth = options.depth > 0 ? options.depth : bm25_depth;
    std::vector<candidate_list> lists;
    for (const tools::query_record& query : data.queries) {
        if (has_relevant(data.judged, query.id)) {
            candidate_list& list = lists.emplace_back(candidate_list{query, {}});
            for (const store::bm25_hit& found :
                 store::bm25_search({&whole, 1}, query.text, depth, options.bm25)) {
                list.documents.push_back(found.document);
            }
        }
    }
    return lists;
}

/// The file of a run: a file, or in a folder the file named after the collection.
fs::path run_file(const std::string& given, const std::string& collection) {
    std::error_code ignored;
    if (fs::is_directory(given, ignored)) {
        return fs::path(given) / (collection + ".trec");
    }
    return given;
}

std::vector<candidate_list> candidates(const collection& data, const eval_options& options,
                                       const std::optional<fs::path>& run,
                                       tools::reading_notes& notes) {
    if (!run) {
        note_queries_without_text(data, notes);
        return bm25_candidates(data, options);
    }
    std::vector<candidate_list> lists = run_candidates(tools::read_run(*run, notes), data.queries,
                                                       data.corpus, options.depth, notes);
    std::erase_if(lists, [&data](const candidate_list& list) {
        return !has_relevant(data.judged, list.query.id);
    });
    return lists;
}

// ---- figures ----

std::vector<int> judged_grades(const collection& data, const std::string& query) {
    std::vector<int> grades;
    for (const auto& judgement : data.judged.at(query)) {
        grades.push_back(judgement.second);
    }
    return grades;
}

void add_figures(figures& into, const collection& data, const std::string& query,
                 std::span<const std::uint32_t> order) {
    const auto& judged = data.judged.at(query);
    std::vector<int> grades;
    for (const std::uint32_t document : order) {
        const auto found = judged.find(data.corpus[document].id);
        grades.push_back(found == judged.end() ? 0 : found->second);
    }
    const std::vector<int> all = judged_grades(data, query);
    into.ndcg.push_back(tools::ndcg(grades, all));
    into.reciprocal_rank.push_back(tools::reciprocal_rank(grades));
    into.recall.push_back(tools::recall(grades, all));
}

quality summary(const figures& each) {
    return {tools::mean(each.ndcg), tools::bootstrap_interval(each.ndcg),
            tools::mean(each.reciprocal_rank), tools::mean(each.recall)};
}

/// Places in the list, best score first; equal scores keep the order before.
std::vector<std::size_t> order_of(std::span<const float> scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&scores](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    return order;
}

void write_run(tools::output& out, const collection& data, const candidate_list& list,
               std::span<const std::size_t> order, std::span<const float> scores,
               std::string_view tag) {
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
        const std::size_t place = order[rank];
        out.write(tools::run_line(list.query.id, data.corpus[list.documents[place]].id, rank + 1,
                                  static_cast<double>(scores[place]), tag));
    }
}

void compare(evaluation& result, const figures& before, const figures& after) {
    result.before = summary(before);
    result.after = summary(after);
    std::vector<double> differences;
    for (std::size_t i = 0; i < before.ndcg.size(); ++i) {
        differences.push_back(after.ndcg[i] - before.ndcg[i]);
    }
    result.difference = tools::mean(differences);
    result.difference_interval = tools::bootstrap_interval(differences);
    result.p_value = tools::paired_randomisation_test(before.ndcg, after.ndcg);
}

evaluation evaluate(const reranker& ranker, const eval_options& options, const std::string& folder,
                    const std::optional<fs::path>& run) {
    evaluation result;
    result.collection = folder_name(folder);
    result.first_stage = run ? run->filename().string() : "bm25";
    tools::reading_notes notes;
    const collection data = read_collection(folder, options.scoring.text_policy(), notes);
    const std::vector<candidate_list> lists = candidates(data, options, run, notes);
    result.incomplete_input = report(notes) != exit_code::ok;
    if (lists.empty()) {
        throw errors::bad_argument(errors::quoted(folder) +
                                   " has no query with text and a relevant document" +
                                   (run ? " in the run; check that the ids are the same" : ""));
    }
    const auto start = std::chrono::steady_clock::now();
    const scored_lists scored =
        score_lists(ranker, lists, data.corpus, options.scoring.for_library(), result.collection);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

    std::optional<tools::output> saved;
    if (!options.trec_out.empty()) {
        saved.emplace(fs::path(options.trec_out));
    }
    figures before;
    figures after;
    for (std::size_t q = 0; q < lists.size(); ++q) {
        add_figures(before, data, lists[q].query.id, lists[q].documents);
        const std::vector<std::size_t> order = order_of(scored.scores[q]);
        std::vector<std::uint32_t> reranked;
        for (const std::size_t place : order) {
            reranked.push_back(lists[q].documents[place]);
        }
        add_figures(after, data, lists[q].query.id, reranked);
        if (saved) {
            write_run(*saved, data, lists[q], order, scored.scores[q], options.tag);
        }
    }
    if (saved) {
        saved->flush();
    }
    compare(result, before, after);
    result.queries = lists.size();
    result.documents = data.corpus.size();
    result.pairs = scored.pairs;
    result.tokens_cut_documents =
        static_cast<std::size_t>(std::count_if(scored.tokens_cut.begin(), scored.tokens_cut.end(),
                                               [](std::size_t cut) { return cut > 0; }));
    return result;
}

/// The mean of several collections, each counting the same; no interval: they are not a sample.
evaluation mean_of(std::span<const evaluation> all) {
    evaluation result;
    result.collection = "mean";
    result.first_stage = all.front().first_stage;
    const auto share = 1.0 / static_cast<double>(all.size());
    for (const evaluation& each : all) {
        result.queries += each.queries;
        result.documents += each.documents;
        result.pairs += each.pairs;
        result.seconds += each.seconds;
        result.before.ndcg += each.before.ndcg * share;
        result.before.mrr += each.before.mrr * share;
        result.before.recall += each.before.recall * share;
        result.after.ndcg += each.after.ndcg * share;
        result.after.mrr += each.after.mrr * share;
        result.after.recall += each.after.recall * share;
        result.difference += each.difference * share;
    }
    return result;
}

// ---- output ----

tools::ordered_json rounded(double value) {
    return std::round(value * 1e6) / 1e6;
}

tools::ordered_json to_json(const tools::interval& range) {
    return tools::ordered_json::array({rounded(range.low), rounded(range.high)});
}

tools::ordered_json to_json(const quality& each) {
    return {{"ndcg@10", rounded(each.ndcg)},
            {"mrr@10", rounded(each.mrr)},
            {"recall@100", rounded(each.recall)}};
}

/// One line; a mean has no intervals and no test.
std::string json_text(const evaluation& each, bool is_mean) {
    tools::ordered_json object{{"collection", each.collection},
                               {"queries", each.queries},
                               {"documents", each.documents},
                               {"pairs", each.pairs},
                               {"seconds", rounded(each.seconds)},
                               {"bm25", to_json(each.before)},
                               {"reranked", to_json(each.after)},
                               {"difference", {{"ndcg@10", rounded(each.difference)}}}};
    if (!is_mean) {
        object["first_stage"] = each.first_stage;
        object["documents_cut"] = each.tokens_cut_documents;
        object["bm25"]["ndcg@10_interval"] = to_json(each.before.ndcg_interval);
        object["reranked"]["ndcg@10_interval"] = to_json(each.after.ndcg_interval);
        object["difference"]["ndcg@10_interval"] = to_json(each.difference_interval);
        object["difference"]["p_value"] = rounded(each.p_value);
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
                      each.difference);
    } else {
        std::snprintf(text, sizeof text, "%-20s %7s  %-10s %+8.4f  %+.4f..%+.4f  p = %.4f\n", "",
                      "", "difference", each.difference, each.difference_interval.low,
                      each.difference_interval.high, each.p_value);
    }
    return rows + text;
}

constexpr const char* table_head =
    "collection           queries  order       nDCG@10  95% interval      MRR@10  recall@100\n";

void check(const eval_options& options) {
    if (options.runs.size() > 1 && options.runs.size() != options.folders.size()) {
        throw usage_error(
            "give --run once (a file, or a folder of <collection>.trec files), or once "
            "for each FOLDER");
    }
    if (options.folders.size() > 1 && options.runs.size() == 1 &&
        !fs::is_directory(options.runs[0])) {
        throw usage_error(
            "one run file cannot serve several folders: repeat --run, or name a folder "
            "of <collection>.trec files");
    }
    if (options.folders.size() > 1 && !options.trec_out.empty()) {
        throw usage_error("--trec-out holds one collection: give one FOLDER");
    }
}

exit_code run_eval(const eval_options& options) {
    check(options);
    store::validate(options.bm25); // before any work
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer();
    tools::output out;
    if (!options.json) {
        out.write(table_head);
    }
    std::vector<evaluation> all;
    for (std::size_t i = 0; i < options.folders.size(); ++i) {
        std::optional<fs::path> run;
        if (!options.runs.empty()) {
            run = run_file(options.runs[options.runs.size() == 1 ? 0 : i],
                           folder_name(options.folders[i]));
        }
        all.push_back(evaluate(ranker, options, options.folders[i], run));
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
                     "Folders with corpus.jsonl, queries.jsonl and qrels.tsv")
        ->required()
        ->type_name("");
    eval->add_option("--run", options->runs,
                     "Re-rank this TREC run instead of BM25's candidates; only its queries count. "
                     "A folder stands for <collection>.trec in it; repeat for several FOLDERS")
        ->type_name("FILE")
        ->expected(1)
        ->take_all();
    eval->add_option("--k1", options->bm25.k1, "BM25's k1")->capture_default_str()->type_name("X");
    eval->add_option("--b", options->bm25.b, "BM25's b")->capture_default_str()->type_name("X");
    eval->add_option("--depth", options->depth,
                     "Candidates a query; 100 of BM25, all of a run if not given")
        ->check(CLI::PositiveNumber)
        ->type_name("N");
    eval->add_option("--trec-out", options->trec_out, "Save the re-ranked lists as a TREC run")
        ->type_name("FILE");
    eval->add_option("--tag", options->tag, "Last column of --trec-out")->capture_default_str();
    eval->add_flag("--json", options->json, "Print one JSON object a collection");
    options->scoring.add_to(*eval);
    eval->callback([options, &chosen] { chosen = [options] { return run_eval(*options); }; });
}

} // namespace mice::cli
