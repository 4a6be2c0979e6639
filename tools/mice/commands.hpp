// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <mice/reranker.hpp>

#include "common/exit_code.hpp"
#include "common/program.hpp"
#include "common/records.hpp"

namespace mice::cli {

using tools::command;
using tools::exit_code;
using tools::usage_error;

// Each adds one subcommand; when it is parsed, `chosen` becomes what is to be run.
void add_rerank_command(CLI::App& app, command& chosen);
void add_score_command(CLI::App& app, command& chosen);
void add_tokenize_command(CLI::App& app, command& chosen);
void add_passages_command(CLI::App& app, command& chosen);
void add_eval_command(CLI::App& app, command& chosen);
void add_compare_command(CLI::App& app, command& chosen);
void add_attention_command(CLI::App& app, command& chosen);
void add_index_command(CLI::App& app, command& chosen);
void add_search_command(CLI::App& app, command& chosen);
void add_serve_command(CLI::App& app, command& chosen);
void add_inspect_command(CLI::App& app, command& chosen);
void add_selftest_command(CLI::App& app, command& chosen);

/// An empty file name is a script's mistake and never means the default.
[[nodiscard]] CLI::Validator not_empty();

/// --model alone, for commands that score nothing.
void add_model_option(CLI::App& app, std::string& model);

/// Options that several commands share.
struct scoring_options {
    std::string model;
    std::size_t threads = 0;
    precision computed = precision::automatic;
    bool parse_special = false;
    bool strict_utf8 = false;

    void add_to(CLI::App& app);
    /// All but --model.
    void add_without_model_to(CLI::App& app);
    [[nodiscard]] tools::bad_text text_policy() const;
    /// The options of the library's calls: threads and the treatment of text.
    [[nodiscard]] rank_options for_library() const;
    /// Loads the model that --model names, or the default one.
    [[nodiscard]] reranker load() const;
};

/// Prints what reading left out or changed; incomplete when something was left out, else ok.
exit_code report(const tools::reading_notes& notes);

/// `mice --version`.
[[nodiscard]] std::string version_text();

} // namespace mice::cli
