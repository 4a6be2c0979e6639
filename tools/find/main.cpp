// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <new>
#include <string>

#include <CLI/CLI.hpp>

#include <mice/version.hpp>

#include "common/output.hpp"
#include "common/terminal.hpp"
#include "find/commands.hpp"

namespace {

using mice::find::exit_code;

constexpr const char* footer =
    "Exit codes: 0 done; 1 an index, model or file could not be used, or cleanup --check found\n"
    "something; 2 done, but some files could not be read (stderr says which); 64 wrong command\n"
    "line; 130 stopped by Ctrl-C, and the next update goes on.\n\n"
    "Example: mice-find add ~/notes && mice-find query 'how do I renew the certificate'\n";

exit_code fail(exit_code code, const std::string& what) {
    mice::tools::print_message("mice-find: " + what);
    return code;
}

exit_code run(int argc, char** argv) {
    CLI::App app{"Searches your files: words find candidates, a MICE model ranks them, on this "
                 "machine alone.",
                 "mice-find"};
    app.require_subcommand(0, 1);
    app.footer(footer);
    bool version = false;
    app.add_flag("--version", version, "Print the version");
    mice::find::command chosen;
    mice::find::add_writing_commands(app, chosen);
    mice::find::add_asking_commands(app, chosen);
    mice::find::add_reading_commands(app, chosen);
    mice::find::add_watch_command(app, chosen);
    mice::find::add_mcp_command(app, chosen);
    mice::find::add_serving_commands(app, chosen);

    mice::tools::output out;
    exit_code result = exit_code::ok;
    try {
        app.parse(argc, argv);
        if (version) {
            out.write("mice-find " MICE_VERSION_STRING "\n");
        } else if (!chosen) {
            out.write(app.help());
        } else {
            result = chosen();
        }
    } catch (const CLI::CallForHelp&) {
        const auto named = app.get_subcommands();
        out.write(named.empty() ? app.help() : named.front()->help("mice-find"));
    } catch (const CLI::ParseError& problem) {
        return fail(exit_code::usage, problem.what() + std::string("; run 'mice-find --help'"));
    } catch (const mice::find::usage_error& problem) {
        return fail(exit_code::usage, problem.what());
    }
    out.flush();
    return result;
}

/// Turns exceptions into exit codes.
exit_code run_guarded(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const mice::tools::output_closed&) {
        return exit_code::failure; // the reader closed the pipe and has seen enough
    } catch (const std::bad_alloc&) {
        return fail(exit_code::failure, "not enough memory");
    } catch (const std::exception& problem) {
        return fail(exit_code::failure, problem.what());
    }
}

} // namespace

int main(int argc, char** argv) {
    mice::tools::prepare_streams();
    return static_cast<int>(run_guarded(argc, argv));
}
