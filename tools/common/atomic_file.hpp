// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string_view>

namespace mice::tools {

/// A file that appears under its name only when all of it is on the disk: bytes go to a temporary
/// file in the same folder, which is flushed and then renamed over the target. A failure at any
/// point leaves an existing target as it was and removes the temporary file. Errors are mice::error
/// with errc::io.
class atomic_file {
  public:
    /// Creates the temporary file beside `target`, which must be free or a regular file.
    explicit atomic_file(std::filesystem::path target);
    ~atomic_file();
    atomic_file(const atomic_file&) = delete;
    atomic_file& operator=(const atomic_file&) = delete;

    /// Appends bytes.
    void write(std::span<const std::byte> bytes);
    /// Appends text.
    void write(std::string_view text);
    /// Flushes the file to the disk, gives it its name and flushes the folder. Call once, last.
    void commit();

  private:
    std::filesystem::path target_;
    std::filesystem::path temporary_;
    std::FILE* file_ = nullptr;
};

} // namespace mice::tools
