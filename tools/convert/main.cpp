// SPDX-License-Identifier: Apache-2.0
// mice-convert: a checkpoint directory in, one model file out. docs/convert.md is its manual page.
#include <exception>
#include <new>
#include <string>

#include "common/output.hpp"
#include "common/terminal.hpp"
#include "convert.hpp"
#include "options.hpp"
#include "summary.hpp"

namespace {

using namespace mice::tools;

int run(const convert_options& options) {
    const conversion_report report = convert(options);
    for (const std::string& warning : report.warnings) {
        print_message("mice-convert: warning: " + warning);
    }
    if (!options.quiet) {
        output out;
        out.write(summary_text(options, report));
        out.flush();
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    prepare_streams();
    try {
        const parsed_options parsed = parse_options(argc, argv);
        return parsed.exit_code ? *parsed.exit_code : run(parsed.options);
    } catch (const output_closed&) {
        return 0; // the file is written; only the summary has lost its reader
    } catch (const std::bad_alloc&) {
        print_message("mice-convert: error: not enough memory for this checkpoint");
    } catch (const std::exception& problem) {
        print_message(std::string("mice-convert: error: ") + problem.what());
    }
    return 1;
}
