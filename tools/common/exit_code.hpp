// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace mice::tools {

/// How a program ends; docs/commands.md and --help say the same.
enum class exit_code : int {
    ok = 0,
    failure = 1,      ///< a model, file or input could not be used; one line on stderr says why
    incomplete = 2,   ///< finished, but something was left out, and stderr says what
    timed_out = 3,    ///< stopped by --timeout; the results are marked as partial
    usage = 64,       ///< the command line was wrong
    interrupted = 130 ///< stopped by Ctrl-C or a request to end; what was committed stays
};

} // namespace mice::tools
