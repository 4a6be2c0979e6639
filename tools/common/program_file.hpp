// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace mice::tools {

/// This program's own file; empty where the system does not say.
[[nodiscard]] std::filesystem::path program_file();

} // namespace mice::tools
