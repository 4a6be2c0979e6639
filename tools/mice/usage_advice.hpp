// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace mice::cli {

/// What may have been meant by words of the command line that no command expects: a name that is
/// nearly the same, or a query that needs quotes. Begins with "; "; empty where nothing is known.
[[nodiscard]] std::string usage_advice(const CLI::App& app);

/// The innermost command that was named; `app` itself where none was.
[[nodiscard]] const CLI::App& named_command(const CLI::App& app);

} // namespace mice::cli
