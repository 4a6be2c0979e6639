// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string_view>

namespace mice::find {

/// The right to write an index: one process at a time. The operating system gives it back when the
/// process ends, however it ends.
class write_lock {
  public:
    static constexpr const char* file_name = "lock";

    /// Takes the lock, or waits for it for so long; `waiting` is told once who has it. Throws
    /// errc::mismatch, naming the process that has it, errc::io where the folder cannot be written.
    write_lock(const std::filesystem::path& folder, std::string_view purpose,
               std::chrono::seconds patience,
               const std::function<bool(const std::string&)>& waiting);
    ~write_lock();
    write_lock(const write_lock&) = delete;
    write_lock& operator=(const write_lock&) = delete;

  private:
    int file_ = -1;
};

} // namespace mice::find
