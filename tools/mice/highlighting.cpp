// SPDX-License-Identifier: Apache-2.0
#include "mice/highlighting.hpp"

#include "common/number_option.hpp"
#include "mice/commands.hpp"

namespace mice::cli {

void highlight_flags::add_to(CLI::App& app) {
    CLI::Option* const flag = app.add_flag(
        "--highlight", asked, "Show the sentence that answers, its best words in bold");
    app.add_option("--sentences", sentences,
                   "With --highlight and --json: sentences of each hit, best first; 0 prints all. "
                   "1 if not given")
        ->needs(flag)
        ->check(tools::whole_number(0))
        ->type_name("N");
}

void highlight_flags::check(bool trec, bool json) const {
    if (asked && trec) {
        throw usage_error("--highlight has no place in a TREC run: leave out one of them");
    }
    if (sentences && !json) {
        throw usage_error("the table shows one sentence of each hit: give --sentences with --json");
    }
}

highlight_options highlight_flags::for_library() const {
    return {.sentences = sentences.value_or(1)};
}

} // namespace mice::cli
