// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace mice::tools {

/// Advice on words of the command line that no command expects: a name that is nearly the same, or
/// quotes around a query. Begins with "; "; empty where there is none.
[[nodiscard]] std::string usage_advice(const CLI::App& app);

/// The innermost command named; `app` itself where there is none.
[[nodiscard]] const CLI::App& named_command(const CLI::App& app);

} // namespace mice::tools
