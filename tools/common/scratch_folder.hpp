// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>

namespace mice::tools {

/// A new empty folder among the system's temporary files (TMPDIR). It is removed with everything in
/// it when this object is destroyed. Other users cannot read it where the system has such
/// permissions.
class scratch_folder {
  public:
    /// `purpose` becomes part of its name. Throws mice::error (errc::io).
    explicit scratch_folder(std::string_view purpose);
    ~scratch_folder();
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  private:
    std::filesystem::path path_;
};

} // namespace mice::tools
