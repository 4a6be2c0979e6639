// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include <mice/io/safetensors.hpp>

namespace mice::tools {

/// Writes the model file and returns its size in bytes. Tensors are ordered by element size, then
/// by name, so that equal input gives equal bytes. The file appears only when it is complete; see
/// atomic_file.
std::size_t write_model_file(const std::filesystem::path& path,
                             std::vector<io::tensor_to_write> tensors,
                             const io::safetensors::metadata_map& metadata);

} // namespace mice::tools
