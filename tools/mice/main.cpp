// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string>

#include <CLI/CLI.hpp>

#include "common/program.hpp"
#include "mice/commands.hpp"

namespace {

using mice::cli::exit_code;

constexpr const char* footer =
    "Exit codes: 0 done; 1 a model, file or input could not be used, or a self-test failed; 2 "
    "done,\n"
    "but something was left out (stderr says what); 3 stopped by --timeout with partial results;\n"
    "64 wrong command line; 130 stopped by Ctrl-C.\n\n"
    "Example: ";

/// What the help of a command ends with.
struct command_example {
    const char* command; ///< its name, or "" for the help of the program
    const char* line;
};
constexpr const char* rerank_example =
    "printf 'Bread freezes well.\\nHone knives often.\\n' | mice rerank 'keep bread fresh'";
constexpr std::array<command_example, 13> examples{{
    {"", rerank_example},
    {"rerank", rerank_example},
    {"score",
     R"(echo '{"query": "keep bread fresh", "document": "Bread freezes well."}' | mice score)"},
    {"tokenize", R"(echo '{"text": "unaffable"}' | mice tokenize --tokens --offsets)"},
    {"passages", "mice passages --tokens 128 --json README.md"},
    {"eval", "mice eval examples/data"},
    {"compare", "mice compare small.safetensors large.safetensors --collection examples/data"},
    {"attention", "mice attention 'keep bread fresh' 'Bread freezes well.'"},
    {"index", "mice index add passages.index corpus.jsonl --create --keep-text"},
    {"search", "mice search passages.index 'keep bread fresh' --highlight"},
    {"serve", "mice serve --port 8080 --log"},
    {"inspect", "mice inspect models/mice-minilm-l6x2-int8.safetensors"},
    {"selftest", "mice selftest --tolerance 1e-4"},
}};

/// Commands without an example of their own have that of the command they belong to.
void set_footers(CLI::App& app, const std::string& inherited) {
    const auto* const found =
        std::find_if(examples.begin(), examples.end(), [&](const command_example& each) {
            return each.command == (app.get_parent() == nullptr ? "" : app.get_name());
        });
    const std::string text =
        found != examples.end() ? footer + (found->line + std::string("\n")) : inherited;
    app.footer(text);
    for (CLI::App* const each : app.get_subcommands([](CLI::App*) { return true; })) {
        set_footers(*each, text);
    }
}

exit_code run(int argc, char** argv) {
    CLI::App app{"Re-ranks passages for a query with a MICE transformer, on the CPU, and searches "
                 "indexes of encoded documents.",
                 "mice"};
    app.require_subcommand(0, 1);
    mice::cli::command chosen;
    mice::cli::add_rerank_command(app, chosen);
    mice::cli::add_score_command(app, chosen);
    mice::cli::add_tokenize_command(app, chosen);
    mice::cli::add_passages_command(app, chosen);
    mice::cli::add_eval_command(app, chosen);
    mice::cli::add_compare_command(app, chosen);
    mice::cli::add_attention_command(app, chosen);
    mice::cli::add_index_command(app, chosen);
    mice::cli::add_search_command(app, chosen);
    mice::cli::add_serve_command(app, chosen);
    mice::cli::add_inspect_command(app, chosen);
    mice::cli::add_selftest_command(app, chosen);
    set_footers(app, "");
    return mice::tools::run_command_line(
        app, argc, argv, chosen,
        {"Print version, build and default model", &mice::cli::version_text});
}

} // namespace

int main(int argc, char** argv) {
    return mice::tools::run_program("mice", "; use fewer threads or smaller input",
                                    [&] { return run(argc, argv); });
}
