// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include <mice/reranker.hpp>

namespace mice::tools {

/// File name of the model that is installed with the program.
inline constexpr const char* default_model_name = "mice-minilm-l6x2-int8.safetensors";

/// The default model: $MICE_MODEL where it is set, else the model in share/mice/models beside the
/// program's folder (installed, or in the build tree); nothing where there is none.
[[nodiscard]] std::optional<std::filesystem::path> default_model_path();

/// The same for what is installed in one of these folders, the first that has a model: for code
/// that is no program of its own.
[[nodiscard]] std::optional<std::filesystem::path>
default_model_path(std::span<const std::filesystem::path> prefixes);

/// The model to load: what the user named, else the default model. Throws mice::error when there
/// is no file of that name.
[[nodiscard]] std::filesystem::path model_path(const std::string& named);

/// Loads a model file on the threads of `loading`. Every error names it, and says what it is where
/// it is something else, such as a checkpoint's folder.
[[nodiscard]] reranker load_model(const std::filesystem::path& path,
                                  precision computed = precision::automatic,
                                  const parallel_options& loading = {});

} // namespace mice::tools
