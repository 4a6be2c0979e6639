// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <mice/index.hpp>
#include <mice/index/state.hpp>
#include <mice/index/words/bm25.hpp>

#include "common/id_lines.hpp"
#include "common/id_set.hpp"
#include "common/output.hpp"
#include "common/progress.hpp"
#include "mice/commands.hpp"
#include "mice/highlighting.hpp"
#include "mice/index_commands.hpp"
#include "mice/long_texts.hpp"
#include "mice/losses.hpp"
#include "mice/results.hpp"
#include "mice/time_limit.hpp"

namespace mice::cli {
namespace {

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
    highlight_flags highlight;
    time_limit limit;
    bool sigmoid = false;
    bool json = false;
    bool trec = false;
    std::string tag = "mice";
    std::string query_id = "1";

    [[nodiscard]] bool batch() const { return !queries.empty(); }
    [[nodiscard]] bool as_run() const { return trec || (batch() && !json); }
    /// People and programs want the best few; the evaluation of a run needs all.
    [[nodiscard]] std::size_t kept() const { return top_k.value_or(as_run() ? 0 : shown_hits); }
    [[nodiscard]] shown_score shown() const {
        return sigmoid ? shown_score::sigmoid : shown_score::logit;
    }
    /// Always with logits: they decide the order.
    [[nodiscard]] rank_options for_library() const {
        rank_options options = scoring.for_library();
        options.top_k = kept();
        options.deadline = limit.deadline();
        if (highlight.asked) {
            options.highlights = highlight.for_library();
        }
        return options;
    }
};

/// One query's answer, and what to show of its documents.
struct answer {
    tools::query_record query;
    std::size_t candidates = 0;
    index_ranking ranked;
};

/// Where the documents of a query come from.
class candidate_source {
  public:
    candidate_source(const index& from, const search_options& options, tools::reading_notes& notes)
        : index_(from), options_(options), notes_(notes) {
        if (!options.ids.empty()) {
            tools::line_reader input(options.ids);
            input.hold_at_most();
            tools::id_set seen;
            for (std::string line; input.next_filled(line);) {
                std::string id = tools::id_of(line);
                if (seen.insert(id)) {
                    ids_.push_back(std::move(id));
                } else {
                    notes.skipped(tools::duplicate_note(input.place(), "document", id));
                }
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
                notes_.skipped("the run has no list for the query " +
                               detail::errors::quoted(query.id));
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

/// Whether the metadata of a document is its text: its hash says so.
bool keeps_text(const stored_document& document) {
    const auto hash = [&document](std::string_view kind) {
        return io::hex_digits(
            detail::content_hash(kind, io::text_bytes(document.metadata), document.metadata));
    };
    constexpr std::array<std::string_view, 4> kinds{"plain text", "text with special tokens",
                                                    "long text", "long text with special tokens"};
    return std::any_of(kinds.begin(), kinds.end(),
                       [&](std::string_view kind) { return document.content_hash == hash(kind); });
}

result_list table_of(const index& from, const answer& found, std::vector<tools::passage>& shown,
                     shown_score score) {
    result_list list;
    list.shown = score;
    list.query = found.query.text;
    list.complete = found.ranked.complete;
    list.candidates = found.candidates;
    list.scored = found.candidates - found.ranked.unscored;
    std::vector<bool> texts; // whether what is shown is the text itself
    for (const index_hit& hit : found.ranked) {
        const std::optional<stored_document> document = from.get(hit.id);
        shown.push_back({hit.id, "", document ? document->metadata : "", hit.replaced});
        texts.push_back(hit.passages == 1 || (document && keeps_text(*document)));
    }
    for (std::size_t i = 0; i < shown.size(); ++i) {
        const index_hit& hit = found.ranked[i];
        list.rows.push_back({&shown[i], i, hit.score, true, hit.tokens_seen, hit.tokens_cut});
        list.rows.back().as_is = true;
        if (texts[i]) {
            list.rows.back().best = best_passage(hit);
        }
        if (!found.ranked.highlights.empty()) {
            list.rows.back().lit = {shown[i].text, found.ranked.highlights[i]};
        }
    }
    return list;
}

std::string json_of(const index& from, const answer& found, bool with_id, shown_score shown) {
    tools::ordered_json hits = tools::ordered_json::array();
    for (std::size_t i = 0; i < found.ranked.size(); ++i) {
        const index_hit& hit = found.ranked[i];
        const std::optional<stored_document> document = from.get(hit.id);
        tools::ordered_json object{{"rank", i + 1}, {"id", hit.id}};
        add_score(object, hit.score, shown);
        object["tokens_seen"] = hit.tokens_seen;
        object["tokens_cut"] = hit.tokens_cut;
        object["replaced"] = hit.replaced;
        if (hit.passages > 1) {
            object["passage"] = best_passage(hit).to_json();
        }
        object["metadata"] = document ? document->metadata : "";
        if (!found.ranked.highlights.empty() && document) {
            object["highlights"] = to_json(document->metadata, found.ranked.highlights[i]);
        }
        hits.push_back(std::move(object));
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
            lines +=
                tools::run_line(found.query.id, found.ranked[i].id, i + 1,
                                score_text(found.ranked[i].score, options.shown()), options.tag);
        }
        out.write(lines);
    } else if (options.json) {
        out.write(json_of(from, found, options.batch(), options.shown()));
    } else {
        std::vector<tools::passage> shown;
        write_table(out, table_of(from, found, shown, options.shown()));
    }
}

// ---- searching ----

/// Ranks the candidates of every query, or all documents for all queries at once.
class searcher {
  public:
    searcher(const index& from, const search_options& options, tools::reading_notes& notes)
        : index_(from), options_(options), notes_(notes),
          check_(from.ranker().config().kind, options.shown()) {}

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
            use(past_deadline() && done > 0 ? not_ranked(query, 0)
                                            : rank_candidates(query, source.of(query)));
            bar.update(++done);
        }
    }

    [[nodiscard]] std::size_t unscored() const { return unscored_; }
    [[nodiscard]] std::size_t queries_left_out() const { return left_out_; }
    /// Whether the time ran out before all was scored and highlighted.
    [[nodiscard]] bool stopped() const { return stopped_ || left_out_ > 0; }
    /// Notes what was cut, and scores for which a sigmoid is useless.
    void report() const {
        if (options_.batch()) {
            queries_cut_.report();
        }
        if (options_.as_run()) {
            documents_cut_.report();
        }
        check_.report();
        if (!highlight_note_.empty()) {
            tools::print_message("mice: note: highlights: " + highlight_note_);
        }
    }

  private:
    /// The options of ranking; highlights need the texts that the index keeps.
    [[nodiscard]] rank_options for_library() const {
        rank_options options = options_.for_library();
        if (options.highlights) {
            options.highlights->text_of =
                [this](std::string_view id,
                       std::string_view metadata) -> std::optional<std::string> {
                const std::optional<stored_document> found = index_.get(id);
                if (!found || !keeps_text(*found)) {
                    notes_.skipped("no highlight of document " + detail::errors::quoted(id) +
                                   ", whose text the index does not keep: it was added without "
                                   "--keep-text, or has metadata of its own");
                    return std::nullopt;
                }
                return std::string(metadata);
            };
        }
        return options;
    }

    [[nodiscard]] bool past_deadline() const {
        const auto deadline = options_.limit.deadline();
        return deadline && std::chrono::steady_clock::now() >= *deadline;
    }

    /// The answer of a query for which no time is left, with the candidates known so far.
    answer not_ranked(const tools::query_record& query, std::size_t candidates) {
        ++left_out_;
        answer found{query, candidates, {}};
        found.ranked.unscored = candidates;
        found.ranked.complete = false;
        unscored_ += candidates;
        return found;
    }

    template <class Use> void rank_all(std::span<const tools::query_record> queries, Use&& use) {
        tools::progress_bar bar("ranking", index_.size() * queries.size());
        std::size_t done = 0;
        while (done < queries.size()) {
            if (done > 0 && past_deadline()) {
                use(not_ranked(queries[done++], static_cast<std::size_t>(index_.size())));
                continue;
            }
            const std::vector<query> encoded = encode_some(queries.subspan(done));
            rank_options options = for_library();
            options.progress = [&](std::size_t documents, std::size_t) {
                bar.update(index_.size() * done + documents * encoded.size());
            };
            std::vector<index_ranking> ranked = index_.rank_batch(encoded, options);
            for (index_ranking& each : ranked) {
                use(finish(
                    {queries[done], static_cast<std::size_t>(index_.size()), std::move(each)}));
                ++done;
            }
        }
        bar.finish();
    }

    /// The next queries: all, or with a timeout only as many as leave time to rank for them.
    std::vector<query> encode_some(std::span<const tools::query_record> queries) const {
        using clock = std::chrono::steady_clock;
        const rank_options options = options_.for_library();
        const clock::time_point begin = clock::now();
        std::vector<query> encoded;
        for (const tools::query_record& each : queries) {
            encoded.push_back(index_.ranker().encode_query(each.text, options));
            if (options.deadline && (clock::now() - begin) * 20 >= *options.deadline - begin) {
                break;
            }
        }
        return encoded;
    }

    answer rank_candidates(const tools::query_record& query, const std::vector<std::string>& ids) {
        answer found{query, 0, index_.rank(query.text, ids, for_library(), unknown_ids::report)};
        for (const std::string& id : found.ranked.unknown) {
            notes_.skipped("the index holds no document " + detail::errors::quoted(id));
        }
        found.candidates = ids.size() - found.ranked.unknown.size();
        if (ids.empty() && options_.ids.empty() && !options_.batch() && index_.size() > 0) {
            tools::print_message("mice: note: no document shares a word with the query; --all "
                                 "ranks every document");
        }
        return finish(std::move(found));
    }

    answer finish(answer found) {
        unscored_ += found.ranked.unscored;
        stopped_ = stopped_ || !found.ranked.complete;
        if (options_.batch()) {
            queries_cut_.cut(detail::errors::quoted(found.query.id), found.ranked.query_tokens_cut);
        } else {
            report_query(found.ranked.query_tokens_cut, found.ranked.query_replaced);
        }
        for (const highlights& each : found.ranked.highlights) {
            if (each.method != highlight_method::none && !each.note.empty()) {
                highlight_note_ = each.note;
            }
        }
        std::vector<float> logits;
        for (const index_hit& hit : found.ranked) {
            if (hit.tokens_cut > 0 && cut_ids_.insert(hit.id).second) {
                documents_cut_.cut("", hit.tokens_cut);
            }
            logits.push_back(hit.score);
        }
        check_.look_at(std::move(logits));
        return found;
    }

    const index& index_;
    const search_options& options_;
    tools::reading_notes& notes_;
    text_losses queries_cut_{"queries"};
    text_losses documents_cut_{"documents"};
    std::unordered_set<std::string> cut_ids_; // a document may be found by many queries
    sigmoid_check check_;
    std::size_t unscored_ = 0;
    std::string highlight_note_; ///< of any hit
    bool stopped_ = false;
    std::size_t left_out_ = 0;
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
    report_empty_query(options.query);
    return {{options.query_id, options.query, 0}};
}

exit_code report_timeout(const searcher& search) {
    const std::size_t left_out = search.queries_left_out();
    tools::print_message(
        "mice: stopped by --timeout: " + std::to_string(search.unscored()) +
        " pairs have no score" +
        (left_out > 0 ? ", " + std::to_string(left_out) + " queries were not searched for" : "") +
        ", and the results are partial; allow more time or rank fewer documents");
    return exit_code::timed_out;
}

exit_code search_in(const index& from, const search_options& options) {
    const tools::reading_deadline limit(options.limit.deadline());
    tools::reading_notes notes;
    const std::vector<tools::query_record> queries = queries_of(options, notes);
    tools::output out;
    searcher search(from, options, notes);
    search.run(queries, [&](const answer& found) { write(out, from, found, options); });
    out.flush();
    search.report();
    const exit_code result = report(notes);
    return search.stopped() ? report_timeout(search) : result;
}

exit_code run_search(const search_options& options, bool has_query) {
    check(options, has_query);
    options.highlight.check(options.as_run(), options.json);
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer();
    const index from = options.target.open(ranker);
    const index_stats stats = from.stats();
    note_if_empty(from);
    if (stats.words == index_words::none && !options.all && options.ids.empty() &&
        options.run.empty()) {
        throw detail::errors::bad_argument(
            "the index in " + detail::errors::quoted(options.target.folder) +
            " keeps no words; rank all documents with --all, or give "
            "candidates with --ids or --run");
    }
    if (!options.all && options.ids.empty() && options.run.empty()) {
        note_older_words(stats, options.target.folder);
    }
    try {
        return search_in(from, options);
    } catch (const tools::reading_stopped& problem) {
        return report_unread(problem);
    }
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
        ->check(tools::whole_number(1))
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
        ->check(tools::whole_number(0))
        ->type_name("K");
    search.add_option("--tag", options.tag, "Last column of a TREC run")->capture_default_str();
    search.add_option("--query-id", options.query_id, "First column of --trec for QUERY")
        ->capture_default_str();
    search.add_flag("--sigmoid", options.sigmoid, "Print scores from 0 to 1 instead of logits");
    options.limit.add_to(search);
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
    options->highlight.add_to(*search);
    options->scoring.add_to(*search);
    search->callback([options, query, &chosen] {
        chosen = [options, has_query = query->count() > 0] {
            return run_search(*options, has_query);
        };
    });
}

} // namespace mice::cli
