// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "find/commands.hpp"
#include "find/mcp/server.hpp"

namespace mice::find {

void add_mcp_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<common_options>();
    CLI::App* const sub = app.add_subcommand(
        "mcp", "Answer a program that speaks the Model Context Protocol on standard input and "
               "output");
    sub->footer("A client starts it and ends it. It changes nothing, and sees what 'mice-find "
                "update' and 'watch' commit meanwhile. Example, in the settings of a client:\n"
                "  {\"mcpServers\": {\"files\": {\"command\": \"mice-find\", \"args\": "
                "[\"mcp\"]}}}\n");
    options->add_to(*sub, true);
    sub->callback([options, &chosen] {
        chosen = [options] {
            mcp::serve(options->for_finder());
            return exit_code::ok;
        };
    });
}

} // namespace mice::find
