// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "temporary_folder.hpp"

namespace fixtures {

/// A file with given bytes in a fresh folder of its own; both are gone when this object is.
class temporary_file {
  public:
    temporary_file(const std::string& name, std::span<const std::byte> bytes)
        : path_(folder_.write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {}

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    temporary_folder folder_;
    std::filesystem::path path_;
};

} // namespace fixtures
