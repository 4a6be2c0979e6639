// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include <mice/error.hpp>

#include "common/interrupt.hpp"
#include "common/output.hpp"
#include "common/percent_encoding.hpp"
#include "common/scratch_folder.hpp"
#include "find/commands.hpp"
#include "find/open_index.hpp"
#include "find/opener.hpp"
#include "find/page_service.hpp"
#include "http/server.hpp"
#include "serve/server_module.hpp"

namespace mice::find {
namespace {

struct serving_options {
    common_options common;
    std::string host = "127.0.0.1";
    std::size_t port = 0, idle_seconds = 0;
    std::string asked;
    bool open = false, open_files = false;
};

/// The arguments of a program can be seen by every user of the machine: a browser gets the address
/// in a file that its owner alone can read.
std::filesystem::path leading_file(const tools::scratch_folder& folder,
                                   const std::string& address) {
    const std::filesystem::path file = folder.path() / "mice-find.html";
    std::ofstream stream(file, std::ios::binary);
    stream << "<!doctype html>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"refresh\" "
              "content=\"0;url="
           << address << "\">\n<title>mice-find</title>\n<p><a href=\"" << address
           << "\">mice-find</a></p>\n";
    stream.close();
    if (!stream) {
        throw error(errc::io, "cannot write " + detail::errors::quoted(file.string()));
    }
    return file;
}

exit_code run_serving(const serving_options& options) {
    const tools::interrupt_guard signals;
    serve::make_server& make = serve::load_server_module();
    open_index index(options.common.for_finder());
    (void)index.get().ranker(); // fails here, and the first question need not wait
    page_options page{.token = new_token(), .open_files = options.open_files};
    const std::string token = page.token;
    page_service answers(index, std::move(page));
    const std::unique_ptr<serve::server> listener(
        make(answers, {.host = options.host, .port = static_cast<int>(options.port)}));
    const int port = listener->bind();
    const bool v6 = options.host.find(':') != std::string::npos;
    const std::string asked =
        options.asked.empty()
            ? ""
            : "?q=" + tools::percent_encoded(options.asked, tools::slashes::encoded);
    const std::string address = "http://" + (v6 ? "[" + options.host + "]" : options.host) + ":" +
                                std::to_string(port) + "/" + asked + "#token=" + token;
    tools::output out;
    out.write(address + "\n");
    out.flush();
    std::optional<tools::scratch_folder> folder;
    opener opens;
    if (options.open) {
        try {
            folder.emplace("find");
            opens.open(leading_file(*folder, address));
        } catch (const error& problem) {
            tools::print_message("mice-find: note: " + std::string(problem.what()) +
                                 "; open the address above");
        }
    }
    const std::chrono::seconds patience(options.idle_seconds);
    listener->run([&] {
        return signals.requested() || (options.idle_seconds > 0 && answers.idle() >= patience);
    });
    return exit_code::ok;
}

} // namespace

void add_serving_commands(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<serving_options>();
    CLI::App* const sub =
        app.add_subcommand("serve", "Show a page for searching, for this machine alone");
    sub->add_option("--host", options->host,
                    "Address of this machine to listen at: 127.0.0.1 (default) or ::1")
        ->check(CLI::IsMember({"127.0.0.1", "::1"}))
        ->type_name("ADDRESS");
    sub->add_option("--port", options->port, "Port; one that is free if not given")
        ->check(CLI::Range(0, 65535))
        ->type_name("N");
    sub->add_flag("--open", options->open, "Open the page in the browser (xdg-open)");
    sub->add_flag("--open-files", options->open_files,
                  "Let the page open files with their programs (xdg-open)");
    sub->add_option("--ask", options->asked, "What the page asks at once")->type_name("QUERY");
    sub->add_option("--idle", options->idle_seconds,
                    "End when nothing was asked for so many seconds; 0, the default: never")
        ->check(CLI::Range(0, 1'000'000))
        ->type_name("SECONDS");
    options->common.add_to(*sub, true);
    sub->footer("The address that is printed holds a token, without which nothing is answered. "
                "Ctrl-C ends it.\n\nExample: mice-find serve --open");
    sub->callback([options, &chosen] { chosen = [options] { return run_serving(*options); }; });
}

} // namespace mice::find
