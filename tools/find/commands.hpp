// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include <CLI/CLI.hpp>

#include "common/exit_code.hpp"
#include "common/program.hpp"
#include "find/finder.hpp"

namespace mice::find {

using tools::command;
using tools::exit_code;
using tools::usage_error;

/// Options of every command.
struct common_options {
    std::string folder; ///< of the index; empty: default_folder()
    std::string model;
    std::size_t threads = 0;

    /// --index, and with `computes` --model and --threads.
    void add_to(CLI::App& app, bool computes);
    [[nodiscard]] finder_options for_finder() const;
    [[nodiscard]] std::filesystem::path index_folder() const;
};

// Each adds subcommands; when one is parsed, `chosen` becomes what is to be run.
void add_writing_commands(CLI::App& app, command& chosen); ///< add, update, remove, cleanup
void add_asking_commands(CLI::App& app, command& chosen);  ///< search, query
void add_reading_commands(CLI::App& app, command& chosen); ///< get, multi-get, ls, status
void add_mcp_command(CLI::App& app, command& chosen);      ///< mcp
void add_watch_command(CLI::App& app, command& chosen);    ///< watch
void add_serving_commands(CLI::App& app, command& chosen); ///< serve

} // namespace mice::find
