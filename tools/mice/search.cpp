// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <mice/index.hpp>

#include "common/output.hpp"
#include "common/progress.hpp"
#include "mice/commands.hpp"
#include "mice/index_commands.hpp"
#include "mice/results.hpp"

namespace mice::cli {
namespace {

using steady_clock = std::chrono::steady_clock;

constexpr std::size_t shown_hits = 10;

struct search_options {
    scoring_options scoring;
    index_target target;
    std::string query;
    std::string queries;
    bool all = false;
    std::string ids;
    std::string run;
    std::size_t depth = 100;
    bm25_options bm25;
    std::optional<std::size_t> top_k;
    double timeout = 0;
    bool sigmoid = false;
    bool json = false;
    bool trec = false;
    std::string tag = "mice";
    std::string query_id = "1";
    steady_clock::time_point start = steady_clock::now();

    [[nodiscard]] bool batch() const { return !queries.empty(); }
    [[nodiscard]] bool as_run() const { return trec || (batch() && !json); }
    /// People and programs want the best few, the evaluation of a run all.
    [[nodiscard]] std::size_t kept() const { return top_k.value_or(as_run() ? 0 : shown_hits); }
    [[nodiscard]] rank_options for_library() const {
        rank_options options = scoring.for_library();
        options.output = sigmoid ? activation::sigmoid : activation::logit;
        options.top_k = kept();
        if (timeout > 0) {
            options.deadline = start + std::chrono::duration_cast<steady_clock::duration>(
                                           std::chrono::duration<double>(timeout));
        }
        return options;
    }
};

/// One query's answer, with what is shown of its documents.
struct answer {
    tools::query_record query;
    std::size_t candidates = 0;
    index_ranking ranked;
};

/// Where the documents of each query come from.
class candidate_source {
  public:
    candidate_source(const index& from, const search_options& options, tools::reading_notes& notes)
        : index_(from), options_(options), notes_(notes) {
        if (!options.ids.empty()) {
            tools::line_reader input(options.ids);
            for (std::string line; input.next_filled(line);) {
                ids_.push_back(line);
            }
        }
        if (!options.run.empty()) {
            for (tools::run_list& list : tools::read_run(options.run, notes)) {
                runs_.insert_or_assign(list.query_id, std::move(list.document_ids));
            }
        }
    }

    /// The ids to rank for a query.
    [[nodiscard]] std::vector<std::string> of(const tools::query_record& query) const {
        if (!options_.ids.empty()) {
            return ids_;
        }
        if (!options_.run.empty()) {
            const auto list = runs_.find(query.id);
            if (list == runs_.end()) {
                notes_.skipped("the run has no list for the query " + errors::quoted(query.id));
                return {};
            }
            std::vector<std::string> first = list->second;
            first.resize(std::min(first.size(), options_.depth));
            return first;
        }
        std::vector<std::string> found;
        for (index_candidate& each : index_.candidates(query.text, options_.depth, options_.bm25)) {
            found.push_back(std::move(each.id));
        }
        return found;
    }

  private:
    const index& index_;
    const search_options& options_;
    tools::reading_notes& notes_;
    std::vector<std::string> ids_;
    std::unordered_map<std::string, std::vector<std::string>> runs_;
};

// ---- output ----

result_list table_of(const index& from, const answer& found, std::vector<tools::passage>& shown) {
    result_list list;
    list.query = found.query.text;
    list.complete = found.ranked.complete;
    list.candidates = found.candidates;
    list.scored = found.candidates - found.ranked.unscored;
    for (const index_hit& hit : found.ranked) {
        const std::optional<stored_document> document = from.get(hit.id);
        shown.push_back({hit.id, "", document ? document->metadata : "", hit.replaced});
    }
    for (std::size_t i = 0; i < shown.size(); ++i) {
        const index_hit& hit = found.ranked[i];
        list.rows.push_back({&shown[i], i, hit.score, true, hit.tokens_seen, hit.tokens_cut});
    }
    return list;
}

std::string json_of(const index& from, const answer& found, bool with_id) {
    tools::ordered_json hits = tools::ordered_json::array();
    for (std::size_t i = 0; i < found.ranked.size(); ++i) {
        const index_hit& hit = found.ranked[i];
        const std::optional<stored_document> document = from.get(hit.id);
        hits.push_back({{"rank", i + 1},
                        {"id", hit.id},
                        {"score", json_score(hit.score)},
                        {"tokens_seen", hit.tokens_seen},
                        {"tokens_cut", hit.tokens_cut},
                        {"replaced", hit.replaced},
                        {"metadata", document ? document->metadata : ""}});
    }
    tools::ordered_json object;
    if (with_id) {
        object["query_id"] = found.query.id;
    }
    object["query"] = found.query.text;
    object["query_tokens_cut"] = found.ranked.query_tokens_cut;
    object["query_replaced"] = found.query.replaced + found.ranked.query_replaced;
    object["complete"] = found.ranked.complete;
    object["candidates"] = found.candidates;
    object["scored"] = found.candidates - found.ranked.unscored;
    object["hits"] = std::move(hits);
    return tools::json_line(object);
}

void write(tools::output& out, const index& from, const answer& found,
           const search_options& options) {
    if (options.as_run()) {
        std::string lines; // nothing is written if one of them cannot be
        for (std::size_t i = 0; i < found.ranked.size(); ++i) {
            lines += tools::run_line(found.query.id, found.ranked[i].id, i + 1,
                                     static_cast<double>(found.ranked[i].score), options.tag);
        }
        out.write(lines);
    } else if (options.json) {
        out.write(json_of(from, found, options.batch()));
    } else {
        std::vector<tools::passage> shown;
        write_table(out, table_of(from, found, shown));
    }
}

// ---- searching ----

/// Ranks each query's candidates, or all documents for all queries at once.
class searcher {
  public:
    searcher(const index& from, const search_options& options, tools::reading_notes& notes)
        : index_(from), options_(options), notes_(notes) {}

    /// Calls `use` with the answers in the order of the queries.
    template <class Use> void run(std::span<const tools::query_record> queries, Use&& use) {
        if (options_.all) {
            rank_all(queries, use);
            return;
        }
        const candidate_source source(index_, options_, notes_);
        tools::progress_bar bar("searching", queries.size());
        std::uint64_t done = 0;
        for (const tools::query_record& query : queries) {
            use(rank_candidates(query, source.of(query)));
            bar.update(++done);
        }
    }

    [[nodiscard]] std::size_t unscored() const { return unscored_; }

  private:
    template <class Use> void rank_all(std::span<const tools::query_record> queries, Use&& use) {
        tools::progress_bar bar("ranking", index_.size());
        rank_options options = options_.for_library();
        options.progress = [&bar](std::size_t done, std::size_t) { bar.update(done); };
        std::vector<query> encoded;
        for (const tools::query_record& each : queries) {
            encoded.push_back(index_.ranker().encode_query(each.text, options));
        }
        std::vector<index_ranking> ranked = index_.rank_batch(encoded, options);
        bar.finish();
        for (std::size_t i = 0; i < queries.size(); ++i) {
            use(finish(
                {queries[i], static_cast<std::size_t>(index_.size()), std::move(ranked[i])}));
        }
    }

    answer rank_candidates(const tools::query_record& query, const std::vector<std::string>& ids) {
        answer found{query, 0,
                     index_.rank(query.text, ids, options_.for_library(), unknown_ids::report)};
        for (const std::string& id : found.ranked.unknown) {
            notes_.skipped("the index holds no document " + errors::quoted(id));
        }
        found.candidates = ids.size() - found.ranked.unknown.size();
        if (ids.empty() && options_.ids.empty() && !options_.batch()) {
            tools::print_message("mice: note: no document shares a word with the query; --all "
                                 "ranks every document");
        }
        return finish(std::move(found));
    }

    answer finish(answer found) {
        unscored_ += found.ranked.unscored;
        if (found.ranked.query_tokens_cut > 0) {
            tools::print_message(
                "mice: note: the query" +
                (options_.batch() ? " " + errors::quoted(found.query.id) : std::string()) +
                " is too long for this model; its last " +
                std::to_string(found.ranked.query_tokens_cut) + " tokens were cut");
        }
        return found;
    }

    const index& index_;
    const search_options& options_;
    tools::reading_notes& notes_;
    std::size_t unscored_ = 0;
};

void check(const search_options& options, bool has_query) {
    if (has_query == options.batch()) {
        throw usage_error(has_query ? "give QUERY or --queries, not both"
                                    : "QUERY is missing; or give --queries FILE");
    }
    if ((options.all ? 1 : 0) + (options.ids.empty() ? 0 : 1) + (options.run.empty() ? 0 : 1) > 1) {
        throw usage_error("--all, --ids and --run say different things: give one of them");
    }
    if (!options.run.empty() && !options.batch()) {
        throw usage_error("--run takes its queries from --queries");
    }
    store::validate(options.bm25);
}

std::vector<tools::query_record> queries_of(const search_options& options,
                                            tools::reading_notes& notes) {
    if (options.batch()) {
        return tools::read_queries(options.queries, options.scoring.text_policy(), notes);
    }
    if (options.query.find_first_not_of(" \t\r\n") == std::string::npos) {
        tools::print_message("mice: note: the query is empty; the order means nothing");
    }
    return {{options.query_id, options.query, 0}};
}

exit_code run_search(const search_options& options, bool has_query) {
    check(options, has_query);
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer();
    const index from = options.target.open(ranker);
    const index_stats stats = from.stats();
    if (!stats.recovered.empty()) {
        tools::print_message("mice: note: " + stats.recovered);
    }
    if (stats.words == index_words::none && !options.all && options.ids.empty() &&
        options.run.empty()) {
        throw errors::bad_argument("the index in " + errors::quoted(options.target.folder) +
                                   " keeps no words; rank all documents with --all, or give "
                                   "candidates with --ids or --run");
    }
    tools::reading_notes notes;
    const std::vector<tools::query_record> queries = queries_of(options, notes);
    tools::output out;
    searcher search(from, options, notes);
    search.run(queries, [&](const answer& found) { write(out, from, found, options); });
    out.flush();
    const exit_code result = report(notes);
    if (search.unscored() > 0) {
        tools::print_message("mice: stopped by --timeout: " + std::to_string(search.unscored()) +
                             " pairs have no score, and the results are partial; allow more time "
                             "or rank fewer documents");
        return exit_code::timed_out;
    }
    return result;
}

void add_candidate_options(CLI::App& search, search_options& options) {
    search.add_flag("--all", options.all, "Rank every document of the index");
    search.add_option("--ids", options.ids, "Rank the documents of this file, one id a line")
        ->type_name("FILE")
        ->check(not_empty());
    search
        .add_option("--run", options.run,
                    "With --queries: rank the documents that this TREC run lists for each query")
        ->type_name("FILE")
        ->check(not_empty());
    search
        .add_option("--depth", options.depth, "Candidates a query, of the index's BM25 or of --run")
        ->capture_default_str()
        ->check(CLI::PositiveNumber)
        ->type_name("N");
    search.add_option("--k1", options.bm25.k1, "BM25's k1")->capture_default_str()->type_name("X");
    search.add_option("--b", options.bm25.b, "BM25's b")->capture_default_str()->type_name("X");
}

void add_output_options(CLI::App& search, search_options& options) {
    CLI::Option* const json =
        search.add_flag("--json", options.json, "Print one JSON object a query");
    search.add_flag("--trec", options.trec, "Print a TREC run; so does --queries without --json")
        ->excludes(json);
    search
        .add_option("--top-k", options.top_k,
                    "Print only the best K; 0 prints all. 10 if not given, all in a TREC run")
        ->check(CLI::NonNegativeNumber)
        ->type_name("K");
    search.add_option("--tag", options.tag, "Last column of a TREC run")->capture_default_str();
    search.add_option("--query-id", options.query_id, "First column of --trec for QUERY")
        ->capture_default_str();
    search.add_flag("--sigmoid", options.sigmoid, "Print scores from 0 to 1 instead of logits");
    search
        .add_option("--timeout", options.timeout,
                    "Stop after so many seconds with what is ranked by then (exit code 3)")
        ->check(CLI::PositiveNumber)
        ->type_name("SECONDS");
}

} // namespace

void add_search_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<search_options>();
    CLI::App* const search = app.add_subcommand(
        "search", "Search an index: candidates by its BM25, ranked by the model");
    search->add_option("INDEX", options->target.folder, "The folder of the index")
        ->required()
        ->type_name("")
        ->check(not_empty());
    CLI::Option* const query =
        search->add_option("QUERY", options->query, "The question or search words");
    query->type_name("");
    search
        ->add_option("--queries", options->queries,
                     "Search for every query of this file, JSON Lines {\"_id\",\"text\"}, and "
                     "print a TREC run")
        ->type_name("FILE")
        ->check(not_empty());
    add_candidate_options(*search, *options);
    add_output_options(*search, *options);
    options->scoring.add_to(*search);
    search->callback([options, query, &chosen] {
        chosen = [options, has_query = query->count() > 0] {
            return run_search(*options, has_query);
        };
    });
}

} // namespace mice::cli
