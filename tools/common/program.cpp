// SPDX-License-Identifier: Apache-2.0
#include "common/program.hpp"

#include <exception>
#include <new>

#include "common/output.hpp"
#include "common/terminal.hpp"
#include "common/usage_advice.hpp"

namespace mice::tools {
namespace {

/// Says on standard error why a program fails; returns the code.
exit_code fail(const std::string& program, exit_code code, const std::string& why) {
    print_message(program + ": " + why);
    return code;
}

/// `what`, and where to read on: "...; run 'mice index add --help'".
std::string with_help_advice(const std::string& what, const CLI::App& app) {
    std::string name;
    for (const CLI::App* each = &named_command(app); each != nullptr; each = each->get_parent()) {
        name.insert(0, each->get_name() + " ");
    }
    return what + (what.ends_with('?') ? " Run '" : "; run '") + name + "--help'";
}

exit_code run_guarded(const std::string& program, const std::string& advice, const command& run) {
    try {
        return run();
    } catch (const output_closed&) {
        return exit_code::failure; // the reader closed the pipe and has seen enough
    } catch (const std::bad_alloc&) {
        return fail(program, exit_code::failure, "not enough memory" + advice);
    } catch (const std::exception& problem) {
        return fail(program, exit_code::failure, problem.what());
    }
}

} // namespace

exit_code run_command_line(CLI::App& app, int argc, char** argv, const command& chosen,
                           const program_version& version) {
    const std::string program = app.get_name();
    const auto wrong = [&](const std::string& what) {
        return fail(program, exit_code::usage, with_help_advice(what, app));
    };
    bool asks_for_version = false;
    app.add_flag("--version", asks_for_version, version.help);
    output out;
    exit_code result = exit_code::ok;
    try {
        app.parse(argc, argv);
        if (asks_for_version) {
            out.write(version.text());
        } else if (!chosen) {
            out.write(app.help());
        } else {
            result = chosen();
        }
    } catch (const CLI::CallForHelp&) {
        const auto named = app.get_subcommands();
        out.write(named.empty() ? app.help() : named.front()->help(program));
    } catch (const CLI::ExtrasError&) {
        std::string words; // what() has them backwards
        for (const std::string& word : app.remaining(true)) {
            words += " " + word;
        }
        return wrong("not expected:" + words + usage_advice(app));
    } catch (const CLI::ParseError& problem) {
        return wrong(problem.what());
    } catch (const usage_error& problem) {
        return wrong(problem.what());
    }
    out.flush();
    return result;
}

int run_program(const std::string& program, const std::string& advice, const command& run) {
    prepare_streams();
    return static_cast<int>(run_guarded(program, advice, run));
}

} // namespace mice::tools
