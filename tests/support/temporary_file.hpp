// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <random>
#include <span>
#include <stdexcept>
#include <string>

namespace fixtures {

/// A file with given bytes in a fresh folder of its own; both are gone when this object is.
class temporary_file {
  public:
    temporary_file(const std::string& name, std::span<const std::byte> bytes)
        : folder_(std::filesystem::temp_directory_path() /
                  ("mice-test-" + std::to_string(std::random_device()()) + "-" +
                   std::to_string(std::random_device()()))),
          path_(folder_ / name) {
        if (!std::filesystem::create_directory(folder_)) {
            throw std::runtime_error("cannot create " + folder_.string());
        }
        std::ofstream out(path_, std::ios::binary);
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
        if (!out.flush()) {
            throw std::runtime_error("cannot write " + path_.string());
        }
    }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    ~temporary_file() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path folder_;
    std::filesystem::path path_;
};

} // namespace fixtures
