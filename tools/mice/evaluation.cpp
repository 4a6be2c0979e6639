// SPDX-License-Identifier: Apache-2.0
#include "mice/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <system_error>

#include <mice/error.hpp>

#include "common/number_option.hpp"
#include "common/output.hpp"
#include "mice/commands.hpp"
#include "mice/run_candidates.hpp"

namespace mice::cli {
namespace {

namespace fs = std::filesystem;

/// Candidates of BM25 unless --depth says otherwise; a run's lists are taken whole.
constexpr std::size_t bm25_depth = 100;

// ---- collections ----

std::string folder_name(const std::string& folder) {
    const fs::path path = fs::path(folder).lexically_normal();
    const fs::path name = path.has_filename() ? path.filename() : path.parent_path().filename();
    return name.empty() || name == "." || name == ".."
               ? fs::weakly_canonical(path).filename().string()
               : name.string();
}

bool is_file(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored) && !fs::is_directory(path, ignored);
}

collection read_collection(const std::string& folder, const std::string& split,
                           tools::bad_text policy, tools::reading_notes& notes) {
    const fs::path path(folder);
    collection result;
    result.qrels = judgements_file(folder, split);
    result.judged = tools::read_qrels(path / result.qrels, notes);
    result.queries = tools::read_queries(path / "queries.jsonl", policy, notes);
    result.corpus = tools::read_corpus(path / "corpus.jsonl", policy, notes);
    if (result.corpus.size() == 0) {
        throw error(errc::format, "the collection " + detail::errors::quoted(folder) +
                                      " is empty: its corpus.jsonl holds no document");
    }
    return result;
}

bool has_relevant(const tools::judgements& judged, const std::string& query) {
    const auto found = judged.find(query);
    return found != judged.end() &&
           std::any_of(found->second.begin(), found->second.end(),
                       [](const auto& judgement) { return judgement.second > 0; });
}

/// Notes judged queries without text: they cannot be evaluated.
void note_queries_without_text(const collection& data, tools::reading_notes& notes) {
    std::vector<std::string_view> known;
    for (const tools::query_record& query : data.queries) {
        known.push_back(query.id);
    }
    std::sort(known.begin(), known.end());
    for (const auto& [query, grades] : data.judged) {
        if (has_relevant(data.judged, query) &&
            !std::binary_search(known.begin(), known.end(), std::string_view(query))) {
            notes.skipped("the judged query " + detail::errors::quoted(query) +
                          " is not in queries.jsonl; it was left out");
        }
    }
}

/// Notes relevant documents that the corpus lacks: they lower the figures of every order.
void note_missing_documents(const collection& data, tools::reading_notes& notes) {
    std::size_t missing = 0;
    std::string first;
    for (const tools::query_record& query : data.queries) {
        const auto judged = data.judged.find(query.id);
        if (judged == data.judged.end()) {
            continue;
        }
        for (const auto& [id, grade] : judged->second) {
            if (grade > 0 && !data.corpus.find(id) && missing++ == 0) {
                first = id;
            }
        }
    }
    if (missing > 0) {
        notes.remark(std::to_string(missing) + " documents that are judged relevant are not in " +
                     "corpus.jsonl, such as " + detail::errors::quoted(first) +
                     "; they count as not found, as in trec_eval");
    }
}

// ---- candidates ----

std::vector<candidate_list> bm25_candidates(const collection& data,
                                            const candidate_options& options) {
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
            candidate_list& list = lists.emplace_back(candidate_list{query, {}, {}});
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

std::vector<candidate_list> candidates(const collection& data, const candidate_options& options,
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

void add_figures(figures& into, const collection& data, const std::string& query,
                 std::span<const std::uint32_t> order) {
    const auto& judged = data.judged.at(query);
    std::vector<int> grades;
    for (const std::uint32_t document : order) {
        const auto found = judged.find(data.corpus[document].id);
        grades.push_back(found == judged.end() ? 0 : found->second);
    }
    std::vector<int> all;
    for (const auto& judgement : judged) {
        all.push_back(judgement.second);
    }
    into.ndcg.push_back(tools::ndcg(grades, all));
    into.reciprocal_rank.push_back(tools::reciprocal_rank(grades));
    into.recall.push_back(tools::recall(grades, all));
}

} // namespace

void candidate_options::add_to(CLI::App& app) {
    app.add_option("--run", runs,
                   "Re-rank this TREC run instead of BM25's candidates; only its queries count. "
                   "A folder stands for <collection>.trec in it; repeat for several FOLDERS")
        ->type_name("FILE")
        ->expected(1)
        ->take_all();
    app.add_option("--k1", bm25.k1, "BM25's k1")->capture_default_str()->type_name("X");
    app.add_option("--b", bm25.b, "BM25's b")->capture_default_str()->type_name("X");
    app.add_option("--depth", depth, "Candidates a query; 100 of BM25, all of a run if not given")
        ->check(tools::whole_number(1))
        ->type_name("N");
    app.add_option("--split", split,
                   "Judgements: qrels/NAME.tsv. If not given: qrels.tsv, else qrels/test.tsv, "
                   "dev.tsv or train.tsv, the first that is there")
        ->type_name("NAME")
        ->check(not_empty());
}

void candidate_options::check(std::size_t folders) const {
    if (runs.size() > 1 && runs.size() != folders) {
        throw usage_error(
            "give --run once (a file, or a folder of <collection>.trec files), or once "
            "for each FOLDER");
    }
    if (folders > 1 && runs.size() == 1 && !fs::is_directory(runs[0])) {
        throw usage_error("one run file cannot serve several folders: repeat --run, or name a "
                          "folder of <collection>.trec files");
    }
    store::validate(bm25);
}

std::optional<fs::path> candidate_options::run_of(std::size_t place,
                                                  const std::string& folder) const {
    if (runs.empty()) {
        return std::nullopt;
    }
    return run_file(runs[runs.size() == 1 ? 0 : place], folder_name(folder));
}

std::string candidate_options::text() const {
    if (runs.empty()) {
        return "BM25's first " + std::to_string(depth > 0 ? depth : bm25_depth);
    }
    return depth > 0 ? "the run's first " + std::to_string(depth) : "the run's whole lists";
}

fs::path judgements_file(const std::string& folder, const std::string& split) {
    const fs::path splits("qrels");
    std::vector<fs::path> wanted{"qrels.tsv", splits / "test.tsv", splits / "dev.tsv",
                                 splits / "train.tsv"};
    if (!split.empty()) {
        wanted = {splits / (split + ".tsv")};
    }
    for (const fs::path& each : wanted) {
        if (is_file(fs::path(folder) / each)) {
            return each;
        }
    }
    throw detail::errors::cannot_open(
        (fs::path(folder) / wanted.front()).string(),
        split.empty() ? "there is no such file, and no test.tsv, dev.tsv or train.tsv in qrels/"
                      : "there is no such file; name another --split");
}

judged_lists read_judged(const std::string& folder, const candidate_options& options,
                         std::size_t place, tools::bad_text policy) {
    const std::optional<fs::path> run = options.run_of(place, folder);
    judged_lists result;
    result.name = folder_name(folder);
    result.first_stage = run ? run->filename().string() : "bm25";
    tools::reading_notes notes;
    result.data = read_collection(folder, options.split, policy, notes);
    note_missing_documents(result.data, notes);
    if (options.split.empty() && result.data.qrels.has_parent_path() &&
        result.data.qrels.stem() != "test") {
        tools::print_message("mice: note: " + detail::errors::quoted(folder) +
                             " has no test judgements; taking " +
                             result.data.qrels.generic_string());
    }
    result.lists = candidates(result.data, options, run, notes);
    result.incomplete = report(notes) != exit_code::ok;
    if (result.lists.empty()) {
        throw detail::errors::bad_argument(
            detail::errors::quoted(folder) + " has no query with text and a relevant document" +
            (run ? " in the run; check that the ids are the same" : ""));
    }
    return result;
}

std::vector<std::size_t> order_of(std::span<const float> scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&scores](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    return order;
}

figures first_stage_figures(const judged_lists& from) {
    figures result;
    for (const candidate_list& list : from.lists) {
        add_figures(result, from.data, list.query.id, list.documents);
    }
    return result;
}

figures reranked_figures(const judged_lists& from, std::span<const std::vector<float>> scores) {
    figures result;
    for (std::size_t q = 0; q < from.lists.size(); ++q) {
        std::vector<std::uint32_t> reranked;
        for (const std::size_t place : order_of(scores[q])) {
            reranked.push_back(from.lists[q].documents[place]);
        }
        add_figures(result, from.data, from.lists[q].query.id, reranked);
    }
    return result;
}

quality summary(const figures& each) {
    return {tools::mean(each.ndcg), tools::bootstrap_interval(each.ndcg),
            tools::mean(each.reciprocal_rank), tools::mean(each.recall)};
}

paired_difference difference_of(const figures& before, const figures& after) {
    std::vector<double> differences;
    for (std::size_t i = 0; i < before.ndcg.size(); ++i) {
        differences.push_back(after.ndcg[i] - before.ndcg[i]);
    }
    return {tools::mean(differences), tools::bootstrap_interval(differences),
            tools::paired_randomisation_test(before.ndcg, after.ndcg)};
}

void add_share(quality& mean, const quality& of, double share) {
    mean.ndcg += of.ndcg * share;
    mean.mrr += of.mrr * share;
    mean.recall += of.recall * share;
}

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

} // namespace mice::cli
