// SPDX-License-Identifier: Apache-2.0
#include "model_file.hpp"

#include <algorithm>
#include <string>

#include "common/atomic_file.hpp"

namespace mice::tools {

std::size_t write_model_file(const std::filesystem::path& path,
                             std::vector<io::tensor_to_write> tensors,
                             const io::safetensors::metadata_map& metadata) {
    std::sort(tensors.begin(), tensors.end(),
              [](const io::tensor_to_write& a, const io::tensor_to_write& b) {
                  const std::size_t size_a = io::bytes_of(a.view.type);
                  const std::size_t size_b = io::bytes_of(b.view.type);
                  return size_a != size_b ? size_a > size_b : a.name < b.name;
              });
    const std::string header = io::safetensors_header(tensors, metadata);
    atomic_file file(path);
    file.write(header);
    std::size_t size = header.size();
    for (const io::tensor_to_write& tensor : tensors) {
        file.write(tensor.view.bytes);
        size += tensor.view.bytes.size();
    }
    file.commit();
    return size;
}

} // namespace mice::tools
