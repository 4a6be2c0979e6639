// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <mice/error.hpp>

#include "common/number_option.hpp"
#include "common/output.hpp"
#include "common/program_file.hpp"
#include "common/terminal.hpp"
#include "find/commands.hpp"
#include "find/picker.hpp"
#include "find/results.hpp"
#include "find/shown_options.hpp"

namespace mice::find {
namespace {

struct asking_options {
    common_options common;
    shown_options shown;
    std::vector<std::string> words;
    question asked;
    bool no_rerank = false;
    bool explain = false;
    bool interactive = false;
};

/// What is asked: the words of the command line, or standard input for "-" alone.
std::string text_of(const std::vector<std::string>& words) {
    if (words.size() == 1 && words[0] == "-") {
        constexpr std::size_t most = std::size_t{16} << 20;
        std::string text{std::istreambuf_iterator<char>(std::cin), {}};
        text.resize(std::min(text.size(), most));
        return text;
    }
    std::string text;
    for (const std::string& each : words) {
        text += (text.empty() ? "" : " ") + each;
    }
    return text;
}

/// A result as a line of a list: score, name, what answers.
pickable line_of(const found_passage& found) {
    constexpr std::size_t longest = 300; // bytes: a line of a terminal shows less
    const std::string says = found.highlights.sentences.empty()
                                 ? found.passage.substr(0, longest)
                                 : found.passage.substr(found.highlights.sentences[0].begin,
                                                        found.highlights.sentences[0].end -
                                                            found.highlights.sentences[0].begin);
    std::array<char, 32> score{};
    std::snprintf(score.data(), score.size(), "%.3f", found.score);
    return {std::string(score.data()) + "  " + tools::printable(found.file.filename().string()) +
                "  " + tools::printable(says.substr(0, longest)),
            "#" + found.document,
            static_cast<std::size_t>(std::max<std::int64_t>(1, found.first_line))};
}

/// Leaves the results that a person chooses; false where they left.
bool choose(std::vector<found_passage>& found, const asking_options& options) {
    std::vector<pickable> list;
    list.reserve(found.size());
    for (const found_passage& each : found) {
        list.push_back(line_of(each));
    }
    const auto chosen = pick(list, tools::program_file().string(),
                             std::filesystem::absolute(options.common.index_folder()).string());
    std::vector<found_passage> kept;
    for (const std::size_t each : chosen.value_or(std::vector<std::size_t>())) {
        kept.push_back(std::move(found[each]));
    }
    found = std::move(kept);
    return chosen.has_value();
}

exit_code ask(const asking_options& options) {
    question asked = options.asked;
    asked.text = text_of(options.words);
    asked.rerank = asked.rerank && !options.no_rerank;
    shown_parts how = options.shown.parts();
    how.explain = options.explain;
    how.reranked = asked.rerank;
    finder find(options.common.for_finder());
    answer made = find.query(asked);
    const bool nothing = made.found.empty();
    if (options.interactive && !nothing && !choose(made.found, options)) {
        return exit_code::interrupted;
    }
    std::vector<shown_result> results;
    for (const found_passage& each : made.found) {
        shown_result result{each, {}};
        if (how.full) {
            result.body = find.get("#" + each.document).text;
        }
        results.push_back(std::move(result));
    }
    tools::output out;
    out.write(render(results, how));
    out.flush();
    if (made.no_words) {
        tools::print_message("mice-find: note: the question has no word that could be looked for");
    } else if (nothing) {
        tools::print_message("mice-find: note: nothing was found");
    }
    if (!made.empty_field.empty()) {
        tools::print_message("mice-find: note: nothing stands behind " + made.empty_field +
                             ", so it is a word like any other; write " + made.empty_field +
                             "WORD without a space");
    }
    std::size_t encoded_now = 0;
    for (const found_passage& each : made.found) {
        encoded_now += each.encoded_now ? 1 : 0;
    }
    if (!made.states_note.empty()) {
        tools::print_message("mice-find: note: " + made.states_note);
    } else if (encoded_now > 0) {
        tools::print_message("mice-find: note: the states of some passages are missing, and were "
                             "computed for this question; 'mice-find cleanup' stores them");
    }
    if (options.explain) {
        const auto ms = [](double seconds) {
            return std::to_string(static_cast<int>(seconds * 1000 + 0.5)) + " ms";
        };
        tools::print_message("mice-find: " + std::to_string(made.candidates) +
                             " candidates; words " + ms(made.words_seconds) + ", loading " +
                             ms(made.load_seconds) + ", ranking " + ms(made.rank_seconds) +
                             ", showing " + ms(made.highlight_seconds));
    }
    return exit_code::ok;
}

void add_command(CLI::App& app, command& chosen, const char* name, const char* what, bool rerank) {
    const auto options = std::make_shared<asking_options>();
    options->asked.rerank = rerank;
    CLI::App* const sub = app.add_subcommand(name, what);
    sub->add_option("WORDS", options->words,
                    "What to look for; \"a phrase\" has to be there, begin* stands for words that "
                    "begin so, title:word and path:word look there alone; - reads standard input")
        ->required()
        ->type_name("");
    sub->add_option("-n", options->asked.results, "Results")
        ->capture_default_str()
        ->check(tools::whole_number(1))
        ->type_name("N");
    sub->add_option("-c,--collection", options->asked.collections,
                    "Look in this collection alone; may be given again")
        ->type_name("NAME")
        ->allow_extra_args(false);
    sub->add_option("--min-score", options->asked.min_score, "Leave out results below this score")
        ->type_name("X");
    if (rerank) {
        sub->add_option("-C,--candidates", options->asked.candidates,
                        "Passages that words find and the model ranks")
            ->capture_default_str()
            ->check(tools::whole_number(1))
            ->type_name("N");
        sub->add_flag("--no-rerank", options->no_rerank, "Order by words alone, as 'search' does");
    }
    sub->add_flag("--interactive", options->interactive,
                  "Choose results in fzf, with their texts beside; Tab takes several");
    sub->add_flag("--explain", options->explain, "Show the ranks and scores of each stage");
    options->shown.add_to(*sub, true);
    options->common.add_to(*sub, rerank);
    sub->callback([options, &chosen] { chosen = [options] { return ask(*options); }; });
}

} // namespace

void add_asking_commands(CLI::App& app, command& chosen) {
    add_command(app, chosen, "search", "Search by words alone (BM25)", false);
    add_command(app, chosen, "query", "Search by words, and rank what was found by the model",
                true);
}

} // namespace mice::find
