// SPDX-License-Identifier: Apache-2.0
#include "mice/eval_highlights.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/index/words/bm25.hpp>
#include <mice/index/words/builder.hpp>
#include <mice/index/words/view.hpp>
#include <mice/reranker.hpp>
#include <mice/sentences.hpp>

#include "common/json_output.hpp"
#include "common/json_records.hpp"
#include "common/output.hpp"
#include "common/progress.hpp"
#include "common/terminal.hpp"
#include "common/text_table.hpp"
#include "mice/evaluation.hpp"
#include "mice/highlighting.hpp"

namespace mice::cli {
namespace {

/// A question, a passage, and where in it answers are.
struct question {
    std::string query, passage, language;
    std::vector<byte_range> answers;
};

/// How often, of how many.
struct tally {
    std::size_t questions = 0;
    std::size_t best = 0;     ///< the best sentence holds an answer
    std::size_t kept = 0;     ///< its snippet does
    double shown = 0;         ///< sum of the shares of the passages that their snippets are
    std::size_t first = 0;    ///< the first sentence holds an answer
    std::size_t by_words = 0; ///< the best sentence by BM25
    std::size_t alone = 0;    ///< the best sentence by scores of the sentences' texts alone

    void add(const tally& other) {
        questions += other.questions;
        best += other.best;
        kept += other.kept;
        shown += other.shown;
        first += other.first;
        by_words += other.by_words;
        alone += other.alone;
    }
};

question read_question(const std::string& line, const std::string& place) {
    std::size_t replaced = 0;
    const tools::json record =
        tools::parse_object_line(line, place, tools::bad_text::refuse, replaced);
    const auto wrong = [&place](const std::string& what) {
        return error(errc::format, place + ": " + what +
                                       "; expected {\"query\", \"passage\", \"answers\": "
                                       "[[begin, end], ...]}, in bytes of the passage");
    };
    const auto text = [&](const char* key) {
        const auto found = record.find(key);
        if (found == record.end() || !found->is_string()) {
            throw wrong("'" + std::string(key) + "' is no text");
        }
        return found->get<std::string>();
    };
    question made{text("query"), text("passage"), "", {}};
    made.language = record.contains("language") ? text("language") : "";
    const auto answers = record.find("answers");
    if (answers == record.end() || !answers->is_array() || answers->empty()) {
        throw wrong("'answers' is no list, or empty");
    }
    for (const tools::json& each : *answers) {
        if (!each.is_array() || each.size() != 2 || !each[0].is_number_unsigned() ||
            !each[1].is_number_unsigned()) {
            throw wrong("an answer is not [begin, end]");
        }
        const byte_range where{each[0].get<std::size_t>(), each[1].get<std::size_t>()};
        if (where.begin >= where.end || where.end > made.passage.size()) {
            throw wrong("an answer is not inside the passage");
        }
        made.answers.push_back(where);
    }
    return made;
}

bool holds_answer(const question& asked, byte_range part) {
    return std::any_of(asked.answers.begin(), asked.answers.end(), [part](byte_range answer) {
        return answer.begin >= part.begin && answer.end <= part.end;
    });
}

std::vector<std::string_view> texts_of(const std::string& passage,
                                       std::span<const sentence> parts) {
    std::vector<std::string_view> texts;
    for (const sentence& each : parts) {
        texts.push_back(std::string_view(passage).substr(each.begin, each.end - each.begin));
    }
    return texts;
}

/// The best sentence by BM25, the sentences being the collection; the first where none shares a
/// word with the query.
std::size_t best_by_words(const std::string& query, std::span<const std::string_view> texts) {
    store::words_builder builder;
    for (const std::string_view text : texts) {
        builder.add(text);
    }
    const std::vector<std::byte> bytes = builder.finish();
    const store::words_view words(store::memory_reader(bytes));
    const store::bm25_part whole{&words, {}};
    const std::vector<store::bm25_hit> found = store::bm25_search({&whole, 1}, query, 1);
    return found.empty() ? 0 : found[0].document;
}

tally answer(const reranker& ranker, const question& asked, const rank_options& options) {
    tally made;
    made.questions = 1;
    const query encoded = ranker.encode_query(asked.query, options);
    const highlights found = ranker.highlight(encoded, asked.passage, options);
    if (!found.sentences.empty()) {
        const highlight& best = found.sentences.front();
        const byte_range snippet = snippet_range(asked.passage, best);
        made.best = holds_answer(asked, {best.begin, best.end}) ? 1 : 0;
        made.kept = holds_answer(asked, snippet) ? 1 : 0;
        made.shown = static_cast<double>(snippet.end - snippet.begin) /
                     static_cast<double>(asked.passage.size());
    }
    const std::vector<sentence> parts = sentences(asked.passage);
    if (parts.empty()) {
        return made;
    }
    const std::vector<std::string_view> texts = texts_of(asked.passage, parts);
    const auto is_right = [&](std::size_t i) -> std::size_t {
        return holds_answer(asked, {parts[i].begin, parts[i].end}) ? 1 : 0;
    };
    made.first = is_right(0);
    made.by_words = is_right(best_by_words(asked.query, texts));
    rank_options alone = options;
    alone.highlights.reset();
    alone.top_k = 1;
    made.alone = is_right(ranker.rank_batch({&encoded, 1}, texts, alone)[0][0].index);
    return made;
}

double percent(double part, std::size_t whole) {
    return 100 * part / static_cast<double>(std::max<std::size_t>(whole, 1));
}

std::string one_digit(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

tools::ordered_json json_of(const std::string& language, const tally& of) {
    const auto share = [&of](std::size_t count) {
        return rounded(percent(static_cast<double>(count), of.questions));
    };
    return {{"language", language},
            {"questions", of.questions},
            {"hit@1", share(of.best)},
            {"answer_in_snippet", share(of.kept)},
            {"shown", rounded(percent(of.shown, of.questions))},
            {"baselines",
             {{"first_sentence", share(of.first)},
              {"bm25", share(of.by_words)},
              {"sentences_alone", share(of.alone)}}}};
}

std::vector<std::string> row_of(const std::string& language, const tally& of) {
    std::vector<std::string> cells{language, std::to_string(of.questions)};
    for (const std::size_t count : {of.best, of.kept}) {
        cells.push_back(one_digit(percent(static_cast<double>(count), of.questions)));
    }
    cells.push_back(one_digit(percent(of.shown, of.questions)) + "%");
    for (const std::size_t count : {of.first, of.by_words, of.alone}) {
        cells.push_back(one_digit(percent(static_cast<double>(count), of.questions)));
    }
    return cells;
}

std::vector<question> read_questions(const std::string& file) {
    tools::line_reader lines(file);
    lines.hold_at_most();
    tools::json_reader input(lines);
    std::vector<question> questions;
    for (std::string line; input.next(line); line.clear()) {
        questions.push_back(read_question(line, input.place()));
    }
    if (questions.empty()) {
        throw error(errc::format, file + ": it holds no questions");
    }
    return questions;
}

} // namespace

exit_code evaluate_highlights(const scoring_options& scoring, const std::string& file, bool json) {
    const reranker ranker = scoring.load();
    (void)ranker.text_tokenizer();
    const std::vector<question> questions = read_questions(file);
    const rank_options options = scoring.for_library();
    std::map<std::string, tally> languages;
    tally all;
    tools::progress_bar bar("highlighting", questions.size());
    for (std::size_t i = 0; i < questions.size(); ++i) {
        const tally one = answer(ranker, questions[i], options);
        languages[questions[i].language].add(one);
        all.add(one);
        bar.update(i + 1);
    }
    bar.finish();
    tools::output out;
    tools::text_table table{{{"language", tools::text_table::alignment::left},
                             {"questions"},
                             {"hit@1"},
                             {"in snippet"},
                             {"shown"},
                             {"first sentence"},
                             {"BM25"},
                             {"sentences alone"}},
                            {}};
    const auto add = [&](const std::string& language, const tally& of) {
        if (json) {
            out.write(tools::json_line(json_of(language, of)));
        } else {
            table.rows.push_back(row_of(language.empty() ? "-" : language, of));
        }
    };
    for (const auto& [language, of] : languages) {
        add(language, of);
    }
    if (languages.size() > 1) {
        add("all", all);
    }
    if (!json) {
        out.write(table.text(tools::output_columns()));
    }
    out.flush();
    return exit_code::ok;
}

} // namespace mice::cli
