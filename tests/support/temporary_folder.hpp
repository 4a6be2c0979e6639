// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

/// A new empty folder that is removed with everything in it.
class temporary_folder {
  public:
    temporary_folder() {
        const auto base = std::filesystem::temp_directory_path();
        do {
            path_ = base / ("mice_test_" + std::to_string(std::random_device()()));
        } while (!std::filesystem::create_directory(path_));
    }
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    /// Writes a file into the folder.
    std::filesystem::path write(const std::string& name, std::string_view content) const {
        std::ofstream out(path_ / name, std::ios::binary);
        out << content;
        if (!out.flush()) {
            throw std::runtime_error("cannot write " + (path_ / name).string());
        }
        return path_ / name;
    }

  private:
    std::filesystem::path path_;
};
