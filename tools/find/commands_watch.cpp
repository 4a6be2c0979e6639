// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "common/interrupt.hpp"
#include "common/output.hpp"
#include "find/commands.hpp"
#include "find/priority.hpp"
#include "find/watch/watcher.hpp"

namespace mice::find {
namespace {

struct watching_options {
    common_options common;
    watch::watch_options watched;
    bool usual_priority = false;
};

exit_code run_watch(const watching_options& options) {
    if (!options.usual_priority) {
        give_way();
    }
    const tools::interrupt_guard guard;
    watch::watch_options how = options.watched;
    how.folder = options.common.index_folder();
    how.model = options.common.model;
    how.threads = options.common.threads;
    how.ended = [&guard] { return guard.requested(); };
    how.tell = [](const std::string& line) { tools::print_message("mice-find: " + line); };
    if (watch::watch(how)) {
        return exit_code::ok;
    }
    tools::print_message("mice-find: stopped; 'mice-find update' goes on");
    return exit_code::interrupted;
}

} // namespace

void add_watch_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<watching_options>();
    CLI::App* const sub =
        app.add_subcommand("watch", "Keep collections up to date until Ctrl-C or SIGTERM");
    sub->footer("A line on standard error tells of each update. Example, also of what a network "
                "drive holds:\n  mice-find watch --poll 300\n");
    sub->add_option("NAMES", options->watched.names, "Collections; all if not given")
        ->type_name("");
    constexpr double shortest = 0.01, day = 86400;
    sub->add_option("--poll", options->watched.poll,
                    "Look at folders every so many seconds, and do not wait for the system to tell "
                    "of changes")
        ->check(CLI::Range(shortest, day))
        ->type_name("SECONDS");
    sub->add_option("--settle", options->watched.settle,
                    "Read a file when it was left alone for so many seconds")
        ->capture_default_str()
        ->check(CLI::Range(shortest, day))
        ->type_name("SECONDS");
    sub->add_flag("--on-battery", options->watched.on_battery, "Do not wait for mains power");
    sub->add_option("--power-supply", options->watched.power)->group(""); // for tests
    sub->add_flag("--usual-priority", options->usual_priority, "Do not give way to other programs");
    options->common.add_to(*sub, true);
    sub->callback([options, &chosen] { chosen = [options] { return run_watch(*options); }; });
}

} // namespace mice::find
