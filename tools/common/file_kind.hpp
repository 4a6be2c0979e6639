// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace mice::tools {

/// Says what a path that is no model file holds, and what to do, such as "it is a GGUF file
/// (llama.cpp); ...". Looks at the first bytes, or at the names in a folder. Empty where nothing is
/// known.
[[nodiscard]] std::string kind_of_other(const std::filesystem::path& path);

} // namespace mice::tools
