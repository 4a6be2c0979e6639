// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <mice/scoring/highlighter.hpp>

#include "common/choice_option.hpp"
#include "common/collections.hpp"
#include "common/file_names.hpp"
#include "common/output.hpp"
#include "common/progress.hpp"
#include "common/terminal.hpp"
#include "mice/commands.hpp"
#include "mice/highlighting.hpp"
#include "mice/list_scorer.hpp"
#include "mice/long_texts.hpp"
#include "mice/losses.hpp"
#include "mice/results.hpp"
#include "mice/run_candidates.hpp"
#include "mice/time_limit.hpp"

namespace mice::cli {
namespace {

enum class output_style { table, json, trec };

struct rerank_options {
    scoring_options scoring;
    long_texts texts;
    highlight_flags highlight;
    std::string query;
    std::vector<std::string> files;
    tools::passage_format format = tools::passage_format::detect;
    std::string run, corpus, queries;
    std::size_t depth = 0;
    std::size_t top_k = 0;
    time_limit limit;
    bool sigmoid = false;
    bool json = false;
    bool trec = false;
    std::string tag = "mice";
    std::string query_id = "1";

    [[nodiscard]] output_style style() const {
        return json ? output_style::json : trec ? output_style::trec : output_style::table;
    }
    [[nodiscard]] shown_score shown() const {
        return sigmoid ? shown_score::sigmoid : shown_score::logit;
    }
    /// Always with logits: they decide the order.
    [[nodiscard]] rank_options for_library() const {
        rank_options options = scoring.for_library();
        options.deadline = limit.deadline();
        return options;
    }
};

void write(tools::output& out, const result_list& list, const rerank_options& options) {
    switch (options.style()) {
    case output_style::table:
        write_table(out, list);
        break;
    case output_style::json:
        write_json(out, list);
        break;
    case output_style::trec:
        write_trec(out, list, options.tag);
        break;
    }
}

/// `stopped`: why reading ended before its time, if it did.
exit_code report_timeout(std::size_t scored, std::size_t candidates, const std::string& stopped) {
    tools::print_message("mice: stopped by --timeout: " + (stopped.empty() ? "" : stopped + "; ") +
                         std::to_string(scored) + " of " + std::to_string(candidates) +
                         " pairs were scored, and the results are partial; allow more time or give "
                         "fewer passages");
    return exit_code::timed_out;
}

/// Finds what answers the query in the rows of a list that have a score.
void highlight_rows(const reranker& ranker, result_list& list, const rerank_options& options) {
    if (!options.highlight.asked) {
        return;
    }
    rank_options library = options.for_library();
    library.highlights = options.highlight.for_library();
    const query encoded = ranker.encode_query(list.query, library);
    for (result_row& row : list.rows) {
        if (row.scored) {
            row.lit.emplace(lit_text{row.passage->joined(), {}});
        }
    }
    std::vector<highlights> found =
        detail::highlight_hits(list.rows.size(), library, list.complete, [&](std::size_t i) {
            const result_row& row = list.rows[i];
            return row.lit
                       ? ranker.highlight(encoded,
                                          row.best ? row.best->in(row.lit->text) : row.lit->text,
                                          library)
                       : highlights();
        });
    std::string note; // of any row, told once
    for (std::size_t i = 0; i < list.rows.size(); ++i) {
        result_row& row = list.rows[i];
        if (!row.lit) {
            continue;
        }
        lit_text& lit = *row.lit;
        lit.found = std::move(found[i]);
        const std::string_view part = row.best ? row.best->in(lit.text) : lit.text;
        detail::shift(lit.found, static_cast<std::size_t>(part.data() - lit.text.data()),
                      row.best ? static_cast<std::size_t>(row.best->line) - 1 : 0);
        // a title without a full stop is no part of the sentence behind it
        const std::size_t body = row.passage->text_in(lit.text);
        for (highlight& each : lit.found.sentences) {
            if (each.begin < body && body < each.end) {
                each.line += detail::line_ends(lit.text, each.begin, body);
                each.begin = body;
                std::erase_if(each.words,
                              [body](const highlighted_word& w) { return w.begin < body; });
            }
        }
        note = lit.found.note.empty() ? note : lit.found.note;
    }
    if (!note.empty()) {
        tools::print_message("mice: note: highlights: " + note);
    }
}

// ---- one query, passages from files ----

/// A file that does not exist may be a word of a query without quotes.
void check_files(const rerank_options& options) {
    std::string words = options.query;
    for (const std::string& file : options.files) {
        std::error_code problem;
        if (options.format != tools::passage_format::text &&
            std::filesystem::is_directory(file, problem)) {
            throw detail::errors::cannot_open(
                file, "it is a directory; --format text ranks the files in it");
        }
        if (file == "-" || std::filesystem::exists(file, problem)) {
            continue;
        }
        std::string reason = problem ? problem.message() : "there is no such file";
        if (options.query.find(' ') == std::string::npos &&
            file.find_first_of("./\\") == std::string::npos) {
            words.append(" ").append(file).append(" ...");
            reason += "; a query of several words stands in quotes: mice rerank " +
                      detail::errors::quoted(words);
        }
        throw detail::errors::cannot_open(file, reason);
    }
}

/// Scores passages: all at once, or, while waiting for a slow input, those that are there.
class passage_ranker {
  public:
    passage_ranker(const reranker& ranker, const tools::passage_list& passages,
                   const rerank_options& options)
        : ranker_(ranker), passages_(passages), options_(options), library_(options.for_library()) {
    }

    /// Scores a few passages that have no score yet; false where there are none left, or no time.
    bool score_some() {
        using clock = std::chrono::steady_clock;
        if (next_ == passages_.size() || !in_time()) {
            return false;
        }
        const clock::time_point begin = clock::now();
        const std::size_t count = std::min(step_, passages_.size() - next_);
        score(count, library_);
        // steps of a twentieth of the time; the input is checked between them
        const bool quick = (clock::now() - begin) * 20 < *library_.deadline - begin;
        step_ = quick ? 2 * count : std::max<std::size_t>(1, count / 2);
        return true;
    }

    /// Scores all passages that have no score yet, and gives the ranking.
    [[nodiscard]] result_list finish() {
        tools::progress_bar bar("ranking", passages_.size());
        rank_options library = library_;
        library.progress = [this, &bar](std::size_t done, std::size_t all) {
            const std::size_t left = passages_.size() - scored_before_;
            bar.update(scored_before_ + (all == left ? done : left * done / std::max(all, done)));
        };
        if (next_ == 0 && in_time() && library.deadline && passages_.size() > 0) {
            // a call that begins in time gives one passage a score at least
            query_ = ranker_.encode_query(options_.query, library_);
            rank_options begun = library_;
            begun.deadline = std::max(*begun.deadline, std::chrono::steady_clock::now() +
                                                           std::chrono::milliseconds(20));
            score(1, begun);
        }
        score(passages_.size() - next_, library);
        bar.finish();
        list_.query = options_.query;
        list_.query_tokens_cut = query_ ? query_->tokens_cut() : 0;
        list_.query_replaced = query_ ? query_->replaced() : 0;
        list_.shown = options_.shown();
        for (std::size_t i = 0; i < passages_.size(); ++i) {
            const text_hit& each = hits_[i];
            list_.rows.push_back({&passages_[i], passages_[i].place, each.score, each.scored,
                                  each.tokens_seen, each.tokens_cut});
            if (options_.texts.for_library()) {
                list_.rows.back().best = best_passage(each.best, each.passages);
            }
            whole_ = whole_ && each.whole;
        }
        finish_list(list_, options_.top_k);
        list_.complete = list_.scored == list_.candidates && whole_;
        return std::move(list_);
    }

  private:
    [[nodiscard]] bool in_time() const {
        return !library_.deadline || std::chrono::steady_clock::now() < *library_.deadline;
    }

    /// The next passages.
    void score(std::size_t count, const rank_options& options) {
        std::vector<std::string> texts;
        for (std::size_t i = 0; i < count; ++i) {
            texts.push_back(passages_[next_ + i].joined());
        }
        if (!query_) {
            query_ = ranker_.encode_query(options_.query, library_);
        }
        const std::vector<std::string_view> views(texts.begin(), texts.end());
        hits_.resize(next_ + count);
        if (const auto of_texts = options_.texts.for_library()) {
            for (const text_hit& each :
                 rank_texts(ranker_, *query_, std::span(views), options, *of_texts)) {
                hits_[next_ + each.index] = each;
            }
        } else {
            const std::vector<ranking> ranked = ranker_.rank_batch({&*query_, 1}, views, options);
            for (const hit& each : ranked[0]) {
                static_cast<hit&>(hits_[next_ + each.index]) = each;
                hits_[next_ + each.index].whole = true;
            }
        }
        next_ += count;
        scored_before_ = next_;
    }

    const reranker& ranker_;
    const tools::passage_list& passages_;
    const rerank_options& options_;
    rank_options library_;
    std::optional<query> query_;
    std::vector<text_hit> hits_; // of the passages up to next_
    bool whole_ = true;          // whether all of every text was read
    std::size_t next_ = 0;
    std::size_t step_ = 1;
    std::size_t scored_before_ = 0; // by earlier calls
    result_list list_;
};

/// Files that are one passage each, and folders of such files.
void read_texts(const std::vector<std::string>& files, const rerank_options& options,
                tools::passage_list& passages, tools::reading_notes& notes) {
    const tools::file_names names(files);
    tools::collection_document document;
    for (const std::string& file : files) {
        const auto source = tools::open_collection(file, tools::collection_format::text,
                                                   options.scoring.text_policy());
        for (bool more = true; more;) {
            try {
                more = source->next(document);
                if (!more) {
                    break;
                }
            } catch (const tools::bad_record& problem) {
                notes.skipped(std::string(problem.what()) + "; left out");
                continue;
            }
            notes.replaced(document.place, document.replaced);
            tools::passage entry;
            entry.id = names.id_of(document.file);
            entry.text = std::move(document.text);
            entry.replaced = document.replaced;
            if (!passages.add(std::move(entry))) {
                notes.skipped(
                    tools::duplicate_note(document.place, "file", names.id_of(document.file)));
            }
        }
        notes.passed_over(source->passed_over());
    }
}

void read_inputs(const rerank_options& options, tools::passage_list& passages,
                 tools::reading_notes& notes) {
    std::vector<std::string> files = options.files;
    if (files.empty()) {
        files.emplace_back("-");
        if (tools::is_terminal(tools::stream::standard_input)) {
            tools::print_message("mice: reading passages from the terminal, one a line; end with "
                                 "Ctrl-D");
        }
    }
    if (options.format == tools::passage_format::text) {
        read_texts(files, options, passages, notes);
        return;
    }
    for (const std::string& file : files) {
        tools::line_reader input(file);
        // Line numbers are unique only within one file.
        tools::read_passages(input, options.format, options.scoring.text_policy(), passages, notes,
                             files.size() > 1 ? file + ":" : "");
    }
}

/// No places in the list of losses: the table and the JSON mark the passages.
void report_cut_passages(const result_list& list) {
    text_losses losses("passages");
    for (const result_row& row : list.rows) {
        losses.cut("", row.tokens_cut);
    }
    losses.report();
}

exit_code rerank_passages(const rerank_options& options) {
    check_files(options);
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer(); // fails here, before anything is read, if there is no tokenizer
    tools::reading_notes notes;
    tools::passage_list passages;
    passage_ranker ranking(ranker, passages, options);
    std::string stopped; // reading, by the timeout
    try {
        const tools::reading_deadline limit(options.limit.deadline(),
                                            [&ranking] { return ranking.score_some(); });
        read_inputs(options, passages, notes);
    } catch (const tools::reading_stopped& problem) {
        stopped = problem.what();
    }
    if (passages.size() == 0 && stopped.empty()) {
        tools::print_message("mice: note: there are no passages to rank");
    }
    report_empty_query(options.query);
    result_list list = ranking.finish();
    list.complete = list.complete && stopped.empty();
    highlight_rows(ranker, list, options);
    report_query(list.query_tokens_cut, list.query_replaced);
    sigmoid_check check(ranker.config().kind, list.shown);
    check.look_at(list);
    if (options.style() == output_style::trec) {
        list.query_id = options.query_id;
        report_cut_passages(list);
    }
    tools::output out;
    write(out, list, options);
    out.flush();
    check.report();
    const exit_code result = report(notes);
    return list.complete ? result : report_timeout(list.scored, list.candidates, stopped);
}

// ---- a TREC run ----

/// One query's list of a run, ready to be printed.
result_list list_of(const candidate_list& candidates, std::size_t place, const scored_lists& scored,
                    const tools::passage_list& corpus, const rerank_options& options) {
    result_list list;
    list.query_id = candidates.query.id;
    list.query = candidates.query.text;
    list.query_tokens_cut = scored.query_tokens_cut[place];
    list.query_replaced = candidates.query.replaced;
    list.shown = options.shown();
    for (std::size_t i = 0; i < candidates.documents.size(); ++i) {
        const std::uint32_t document = candidates.documents[i];
        const float score = scored.scores[place][i];
        list.rows.push_back({&corpus[document], candidates.places[i], score, score == score,
                             scored.tokens_seen[document], scored.tokens_cut[document]});
        if (!scored.best.empty()) {
            list.rows.back().best = scored.best[place][i];
        }
    }
    finish_list(list, options.top_k);
    list.complete = list.scored == list.candidates;
    return list;
}

exit_code rerank_run(const rerank_options& options) {
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer();
    tools::reading_notes notes;
    const tools::reading_deadline limit(options.limit.deadline());
    const tools::bad_text policy = options.scoring.text_policy();
    const tools::passage_list corpus = tools::read_corpus(options.corpus, policy, notes);
    const auto queries = tools::read_queries(options.queries, policy, notes);
    const std::vector<candidate_list> lists =
        run_candidates(tools::read_run(options.run, notes), queries, corpus, options.depth, notes);
    const scored_lists scored = score_lists(ranker, lists, corpus, options.for_library(),
                                            options.texts.for_library(), "ranking");

    tools::output out;
    std::size_t pairs = 0;
    sigmoid_check check(ranker.config().kind, options.shown());
    for (std::size_t q = 0; q < lists.size(); ++q) {
        result_list list = list_of(lists[q], q, scored, corpus, options);
        highlight_rows(ranker, list, options);
        pairs += list.candidates;
        check.look_at(list);
        if (q > 0 && options.style() == output_style::table) {
            out.write("\n");
        }
        write(out, list, options);
    }
    out.flush();
    check.report();
    report_losses(lists, scored);
    const exit_code result = report(notes);
    return scored.complete ? result : report_timeout(scored.pairs, pairs, "");
}

exit_code rerank(const rerank_options& options, bool has_query) {
    options.highlight.check(options.trec, options.json);
    if (!options.run.empty()) {
        if (has_query || !options.files.empty()) {
            throw usage_error("--run takes its queries from --queries: give no QUERY and no FILES");
        }
        if (options.corpus.empty() || options.queries.empty()) {
            throw usage_error("--run needs --corpus and --queries");
        }
        try {
            return rerank_run(options);
        } catch (const tools::reading_stopped& problem) {
            return report_unread(problem);
        }
    }
    if (!options.corpus.empty() || !options.queries.empty() || options.depth > 0) {
        throw usage_error("--corpus, --queries and --depth belong to --run");
    }
    if (!has_query) {
        throw usage_error("QUERY is missing");
    }
    return rerank_passages(options);
}

void add_run_options(CLI::App& command, rerank_options& options) {
    command.add_option("--run", options.run, "Re-rank every query of this TREC run")
        ->type_name("FILE")
        ->check(not_empty());
    command
        .add_option("--corpus", options.corpus,
                    "With --run: the documents, JSON Lines {\"_id\",\"title\",\"text\"}")
        ->type_name("FILE");
    command
        .add_option("--queries", options.queries,
                    "With --run: the queries, JSON Lines {\"_id\",\"text\"}")
        ->type_name("FILE");
    command
        .add_option("--depth", options.depth,
                    "With --run: re-rank only the first N documents of each query, drop the rest")
        ->check(tools::whole_number(1))
        ->type_name("N");
}

void add_output_options(CLI::App& command, rerank_options& options) {
    CLI::Option* const json =
        command.add_flag("--json", options.json, "Print one JSON object a query");
    command.add_flag("--trec", options.trec, "Print a TREC run")->excludes(json);
    command.add_option("--top-k", options.top_k, "Print only the best K passages; 0 prints all")
        ->check(tools::whole_number(0))
        ->type_name("K");
    command.add_option("--tag", options.tag, "Last column of --trec")->capture_default_str();
    command.add_option("--query-id", options.query_id, "First column of --trec for QUERY")
        ->capture_default_str();
    command.add_flag("--sigmoid", options.sigmoid, "Print scores from 0 to 1 instead of logits");
    options.limit.add_to(command);
}

} // namespace

void add_rerank_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<rerank_options>();
    CLI::App* const rerank_app =
        app.add_subcommand("rerank", "Rank passages for a query, or re-rank a TREC run");
    CLI::Option* const query =
        rerank_app->add_option("QUERY", options->query, "The question or search words");
    rerank_app
        ->add_option(
            "FILES", options->files,
            "Passages: lines, JSON Lines {\"id\",\"title\",\"text\"}, or with --format text "
            "texts and folders of texts; - or none reads standard input")
        ->type_name("");
    const std::map<std::string, tools::passage_format> formats{
        {"auto", tools::passage_format::detect},
        {"lines", tools::passage_format::lines},
        {"jsonl", tools::passage_format::json_lines},
        {"text", tools::passage_format::text}};
    rerank_app
        ->add_option("--format", options->format,
                     "What FILES hold: auto (JSON if the first line looks so, else lines), lines, "
                     "jsonl (JSON Lines or a JSON array) or text (each file is one passage)")
        ->transform(tools::one_of(formats))
        ->type_name("FORMAT");
    add_run_options(*rerank_app, *options);
    add_output_options(*rerank_app, *options);
    options->texts.add_to(*rerank_app);
    options->highlight.add_to(*rerank_app);
    options->scoring.add_to(*rerank_app);
    rerank_app->callback([options, query, &chosen] {
        const bool has_query = query->count() > 0;
        chosen = [options, has_query] { return rerank(*options, has_query); };
    });
}

} // namespace mice::cli
