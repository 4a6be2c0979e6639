// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace mice::cli {

/// What lies at a path that cannot be used as a model file, where it can be told from its first
/// bytes or, for a folder, from the names in it: what it is and what to do, such as "it is a GGUF
/// file (llama.cpp); ...". Empty where nothing is known.
[[nodiscard]] std::string kind_of_other(const std::filesystem::path& path);

} // namespace mice::cli
