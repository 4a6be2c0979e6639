// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>

#include "common/exit_code.hpp"

// What programs with commands do alike.
namespace mice::tools {

/// The action of the chosen command: set by parsing, run afterwards.
using command = std::function<exit_code()>;

/// A mistake on the command line that shows only when all options are read.
class usage_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What `--version` prints, and its help.
struct program_version {
    std::string help;
    std::function<std::string()> text;
};

/// Parses the command line and runs the command that it chooses, or prints help or the version. A
/// wrong command line is told with what may have been meant and where to read on.
exit_code run_command_line(CLI::App& app, int argc, char** argv, const command& chosen,
                           const program_version& version);

/// Prepares the standard streams, calls `run`, and makes a message and an exit code of its
/// exceptions. `advice` follows "not enough memory".
int run_program(const std::string& program, const std::string& advice, const command& run);

} // namespace mice::tools
