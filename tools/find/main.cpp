// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <CLI/CLI.hpp>

#include <mice/version.hpp>

#include "common/program.hpp"
#include "find/commands.hpp"

namespace {

using mice::find::exit_code;

constexpr const char* footer =
    "Exit codes: 0 done; 1 an index, model or file could not be used, or cleanup --check found\n"
    "something; 2 done, but some files could not be read (stderr says which); 64 wrong command\n"
    "line; 130 stopped by Ctrl-C, and the next update goes on.\n\n"
    "Example: mice-find add ~/notes && mice-find query 'how do I renew the certificate'\n";

exit_code run(int argc, char** argv) {
    CLI::App app{"Searches your files: words find candidates, a MICE model ranks them, on this "
                 "machine alone.",
                 "mice-find"};
    app.require_subcommand(0, 1);
    app.footer(footer);
    mice::find::command chosen;
    mice::find::add_writing_commands(app, chosen);
    mice::find::add_asking_commands(app, chosen);
    mice::find::add_reading_commands(app, chosen);
    mice::find::add_watch_command(app, chosen);
    mice::find::add_mcp_command(app, chosen);
    mice::find::add_serving_commands(app, chosen);
    return mice::tools::run_command_line(
        app, argc, argv, chosen,
        {"Print the version", [] { return std::string("mice-find " MICE_VERSION_STRING "\n"); }});
}

} // namespace

int main(int argc, char** argv) {
    return mice::tools::run_program("mice-find", "", [&] { return run(argc, argv); });
}
