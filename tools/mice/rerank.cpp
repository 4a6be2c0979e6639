// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/output.hpp"
#include "common/progress.hpp"
#include "common/terminal.hpp"
#include "mice/commands.hpp"
#include "mice/list_scorer.hpp"
#include "mice/results.hpp"
#include "mice/run_candidates.hpp"

namespace mice::cli {
namespace {

using steady_clock = std::chrono::steady_clock;

enum class output_style { table, json, trec };

struct rerank_options {
    scoring_options scoring;
    std::string query;
    std::vector<std::string> files;
    tools::passage_format format = tools::passage_format::detect;
    std::string run, corpus, queries;
    std::size_t depth = 0;
    std::size_t top_k = 0;
    double timeout = 0;
    bool sigmoid = false;
    bool json = false;
    bool trec = false;
    std::string tag = "mice";
    std::string query_id = "1";
    steady_clock::time_point start = steady_clock::now();

    [[nodiscard]] output_style style() const {
        return json ? output_style::json : trec ? output_style::trec : output_style::table;
    }
    [[nodiscard]] rank_options for_library() const {
        rank_options options = scoring.for_library();
        options.output = sigmoid ? activation::sigmoid : activation::logit;
        if (timeout > 0) {
            options.deadline = start + std::chrono::duration_cast<steady_clock::duration>(
                                           std::chrono::duration<double>(timeout));
        }
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

exit_code report_timeout(std::size_t scored, std::size_t candidates) {
    tools::print_message("mice: stopped by --timeout: " + std::to_string(scored) + " of " +
                         std::to_string(candidates) +
                         " pairs were scored, and the results are partial; allow more time or give "
                         "fewer passages");
    return exit_code::timed_out;
}

// ---- one query, passages from files ----

tools::passage_list read_inputs(const rerank_options& options, tools::reading_notes& notes) {
    tools::passage_list passages;
    std::vector<std::string> files = options.files;
    if (files.empty()) {
        files.emplace_back("-");
        if (tools::is_terminal(tools::stream::standard_input)) {
            tools::print_message("mice: reading passages from the terminal, one a line; end with "
                                 "Ctrl-D");
        }
    }
    for (const std::string& file : files) {
        tools::line_reader input(file);
        tools::read_passages(input, options.format, options.scoring.text_policy(), passages, notes);
    }
    return passages;
}

result_list rank_passages(const reranker& ranker, const tools::passage_list& passages,
                          const rerank_options& options) {
    std::vector<std::string> texts;
    texts.reserve(passages.size());
    for (const tools::passage& each : passages.all()) {
        texts.push_back(each.joined());
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    tools::progress_bar bar("ranking", passages.size());
    rank_options library = options.for_library();
    library.progress = [&bar](std::size_t done, std::size_t) { bar.update(done); };
    const ranking ranked = ranker.score(options.query, views, library);
    bar.finish();

    result_list list;
    list.query = options.query;
    list.query_tokens_cut = ranked.query_tokens_cut;
    list.query_replaced = ranked.query_replaced;
    list.complete = ranked.complete;
    for (const hit& each : ranked) {
        list.rows.push_back({&passages[each.index], each.index, each.score, each.scored,
                             each.tokens_seen, each.tokens_cut});
    }
    finish_list(list, options.top_k);
    return list;
}

exit_code rerank_passages(const rerank_options& options) {
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer(); // fails here, before anything is read, where there is none
    tools::reading_notes notes;
    const tools::passage_list passages = read_inputs(options, notes);
    if (passages.size() == 0) {
        tools::print_message("mice: note: there are no passages to rank");
    }
    if (options.query.find_first_not_of(" \t\r\n") == std::string::npos) {
        tools::print_message("mice: note: the query is empty; the order means nothing");
    }
    result_list list = rank_passages(ranker, passages, options);
    if (list.query_tokens_cut > 0) {
        tools::print_message("mice: note: the query is too long for this model; its last " +
                             std::to_string(list.query_tokens_cut) + " tokens were cut");
    }
    if (options.style() == output_style::trec) {
        list.query_id = options.query_id;
    }
    tools::output out;
    write(out, list, options);
    out.flush();
    const exit_code result = report(notes);
    return list.complete ? result : report_timeout(list.scored, list.candidates);
}

// ---- a TREC run ----

exit_code rerank_run(const rerank_options& options) {
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer();
    tools::reading_notes notes;
    const tools::bad_text policy = options.scoring.text_policy();
    const tools::passage_list corpus = tools::read_corpus(options.corpus, policy, notes);
    const auto queries = tools::read_queries(options.queries, policy, notes);
    const std::vector<candidate_list> lists =
        run_candidates(tools::read_run(options.run, notes), queries, corpus, options.depth, notes);
    const scored_lists scored =
        score_lists(ranker, lists, corpus, options.for_library(), "ranking");

    tools::output out;
    std::size_t pairs = 0;
    for (std::size_t q = 0; q < lists.size(); ++q) {
        result_list list;
        list.query_id = lists[q].query.id;
        list.query = lists[q].query.text;
        list.query_tokens_cut = scored.query_tokens_cut[q];
        list.query_replaced = lists[q].query.replaced;
        for (std::size_t i = 0; i < lists[q].documents.size(); ++i) {
            const std::uint32_t document = lists[q].documents[i];
            const float score = scored.scores[q][i];
            list.rows.push_back({&corpus[document], i, score, score == score,
                                 scored.tokens_seen[document], scored.tokens_cut[document]});
        }
        finish_list(list, options.top_k);
        list.complete = list.scored == list.candidates;
        pairs += list.candidates;
        if (q > 0 && options.style() == output_style::table) {
            out.write("\n");
        }
        write(out, list, options);
    }
    out.flush();
    const exit_code result = report(notes);
    return scored.complete ? result : report_timeout(scored.pairs, pairs);
}

exit_code rerank(const rerank_options& options, bool has_query) {
    if (!options.run.empty()) {
        if (has_query || !options.files.empty()) {
            throw usage_error("--run takes its queries from --queries: give no QUERY and no FILES");
        }
        if (options.corpus.empty() || options.queries.empty()) {
            throw usage_error("--run needs --corpus and --queries");
        }
        return rerank_run(options);
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
        ->check(CLI::PositiveNumber)
        ->type_name("N");
}

void add_output_options(CLI::App& command, rerank_options& options) {
    CLI::Option* const json =
        command.add_flag("--json", options.json, "Print one JSON object a query");
    command.add_flag("--trec", options.trec, "Print a TREC run")->excludes(json);
    command.add_option("--top-k", options.top_k, "Print only the best K passages; 0 prints all")
        ->check(CLI::NonNegativeNumber)
        ->type_name("K");
    command.add_option("--tag", options.tag, "Last column of --trec")->capture_default_str();
    command.add_option("--query-id", options.query_id, "First column of --trec for QUERY")
        ->capture_default_str();
    command.add_flag("--sigmoid", options.sigmoid, "Print scores from 0 to 1 instead of logits");
    command
        .add_option("--timeout", options.timeout,
                    "Stop after so many seconds with what is ranked by then (exit code 3)")
        ->check(CLI::PositiveNumber)
        ->type_name("SECONDS");
}

} // namespace

void add_rerank_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<rerank_options>();
    CLI::App* const rerank_app =
        app.add_subcommand("rerank", "Rank passages for a query, or re-rank a TREC run");
    CLI::Option* const query =
        rerank_app->add_option("QUERY", options->query, "The question or search words");
    rerank_app
        ->add_option("FILES", options->files,
                     "Passages: lines, or JSON Lines {\"id\",\"title\",\"text\"}; - or none reads "
                     "standard input")
        ->type_name("");
    const std::map<std::string, tools::passage_format> formats{
        {"auto", tools::passage_format::detect},
        {"lines", tools::passage_format::lines},
        {"jsonl", tools::passage_format::json_lines}};
    rerank_app
        ->add_option("--format", options->format,
                     "What FILES hold: auto (JSON Lines if the first line starts with a brace), "
                     "lines or jsonl")
        ->transform(CLI::CheckedTransformer(formats).description(""))
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
