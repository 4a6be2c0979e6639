// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/choice_option.hpp"
#include "common/collections.hpp"
#include "common/file_names.hpp"
#include "common/output.hpp"
#include "common/progress.hpp"
#include "common/terminal.hpp"
#include "mice/commands.hpp"
#include "mice/list_scorer.hpp"
#include "mice/losses.hpp"
#include "mice/results.hpp"
#include "mice/run_candidates.hpp"
#include "mice/time_limit.hpp"

namespace mice::cli {
namespace {

enum class output_style { table, json, trec };

struct rerank_options {
    scoring_options scoring;
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
    /// Always with logits, which decide the order.
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

// ---- one query, passages from files ----

/// A file that is not there may be a word of a query that stands without quotes.
void check_files(const rerank_options& options) {
    std::string words = options.query;
    for (const std::string& file : options.files) {
        std::error_code problem;
        if (options.format != tools::passage_format::text &&
            std::filesystem::is_directory(file, problem)) {
            throw errors::cannot_open(file,
                                      "it is a directory; --format text ranks the files in it");
        }
        if (file == "-" || std::filesystem::exists(file, problem)) {
            continue;
        }
        std::string reason = problem ? problem.message() : "there is no such file";
        if (options.query.find(' ') == std::string::npos &&
            file.find_first_of("./\\") == std::string::npos) {
            reason += "; a query of several words stands in quotes: mice rerank " +
                      errors::quoted(words + " " + file + " ...");
        }
        throw errors::cannot_open(file, reason);
    }
}

/// Scores passages: all at once, or, while a slow input is waited for, those that are there.
class passage_ranker {
  public:
    passage_ranker(const reranker& ranker, const tools::passage_list& passages,
                   const rerank_options& options)
        : ranker_(ranker), passages_(passages), options_(options), library_(options.for_library()) {
    }

    /// Scores a few passages that have no score yet; false where there are none, or no time.
    bool score_some() {
        using clock = std::chrono::steady_clock;
        if (next_ == passages_.size() || !in_time()) {
            return false;
        }
        const clock::time_point begin = clock::now();
        const std::size_t count = std::min(step_, passages_.size() - next_);
        score(count, library_);
        // steps of a twentieth of the time: the input is looked at between them
        const bool quick = (clock::now() - begin) * 20 < *library_.deadline - begin;
        step_ = quick ? 2 * count : std::max<std::size_t>(1, count / 2);
        return true;
    }

    /// Scores all passages that have no score yet, and gives the ranking.
    [[nodiscard]] result_list finish() {
        tools::progress_bar bar("ranking", passages_.size());
        rank_options library = library_;
        library.progress = [this, &bar](std::size_t done, std::size_t) {
            bar.update(scored_before_ + done);
        };
        if (next_ == 0 && in_time() && library.deadline && passages_.size() > 0) {
            rank_options unhurried = library_; // one passage at least has a score
            unhurried.deadline.reset();
            score(1, unhurried);
        }
        score(passages_.size() - next_, library);
        bar.finish();
        list_.query = options_.query;
        list_.query_tokens_cut = query_ ? query_->tokens_cut() : 0;
        list_.query_replaced = query_ ? query_->replaced() : 0;
        list_.shown = options_.shown();
        for (std::size_t i = 0; i < passages_.size(); ++i) {
            list_.rows.push_back({&passages_[i], passages_[i].place, hits_[i].score,
                                  hits_[i].scored, hits_[i].tokens_seen, hits_[i].tokens_cut});
        }
        finish_list(list_, options_.top_k);
        list_.complete = list_.scored == list_.candidates;
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
        const std::vector<ranking> ranked = ranker_.rank_batch({&*query_, 1}, views, options);
        for (const hit& each : ranked[0]) {
            hits_[next_ + each.index] = each;
        }
        next_ += count;
        scored_before_ = next_;
    }

    const reranker& ranker_;
    const tools::passage_list& passages_;
    const rerank_options& options_;
    rank_options library_;
    std::optional<query> query_;
    std::vector<hit> hits_; // of the passages up to next_
    std::size_t next_ = 0;
    std::size_t step_ = 1;
    std::size_t scored_before_ = 0; // by earlier calls
    result_list list_;
};

/// Files that are passages themselves, and folders of such files.
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
        // The number of a line is an id of its own in one file only.
        tools::read_passages(input, options.format, options.scoring.text_policy(), passages, notes,
                             files.size() > 1 ? file + ":" : "");
    }
}

/// The passages' places in a list of losses: none, as the table and the JSON mark each.
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
    (void)ranker.text_tokenizer(); // fails here, before anything is read, where there is none
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

/// One query's list of a run, as it is printed.
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
    const scored_lists scored =
        score_lists(ranker, lists, corpus, options.for_library(), "ranking");

    tools::output out;
    std::size_t pairs = 0;
    sigmoid_check check(ranker.config().kind, options.shown());
    for (std::size_t q = 0; q < lists.size(); ++q) {
        const result_list list = list_of(lists[q], q, scored, corpus, options);
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
    options->scoring.add_to(*rerank_app);
    rerank_app->callback([options, query, &chosen] {
        const bool has_query = query->count() > 0;
        chosen = [options, has_query] { return rerank(*options, has_query); };
    });
}

} // namespace mice::cli
