// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "common/terminal.hpp"
#include "find/results.hpp"

namespace mice::find {

/// --json, --csv, --md, --files, --full and --line-numbers.
struct shown_options {
    bool json = false, csv = false, md = false, files = false;
    bool full = false, line_numbers = false;

    void add_to(CLI::App& app, bool results) {
        CLI::Option* const as_json = app.add_flag("--json", json, "Print JSON");
        CLI::Option* const as_csv = app.add_flag("--csv", csv, "Print CSV")->excludes(as_json);
        CLI::Option* const as_md =
            app.add_flag("--md", md, "Print Markdown")->excludes(as_json)->excludes(as_csv);
        app.add_flag("--files", files, "Print ids, scores and paths of files alone")
            ->excludes(as_json)
            ->excludes(as_csv)
            ->excludes(as_md);
        if (results) {
            app.add_flag("--full", full, "Show whole documents");
        }
        app.add_flag("--line-numbers", line_numbers, "Number the lines of texts");
    }

    [[nodiscard]] shown_parts parts() const {
        shown_parts made;
        made.as = json    ? form::json
                  : csv   ? form::csv
                  : md    ? form::md
                  : files ? form::files
                          : form::terminal;
        made.full = full;
        made.line_numbers = line_numbers;
        const char* const plain = std::getenv("NO_COLOR");
        made.colours = tools::is_terminal(tools::stream::standard_output) &&
                       (plain == nullptr || *plain == '\0');
        made.columns = tools::output_columns();
        return made;
    }
};

} // namespace mice::find
