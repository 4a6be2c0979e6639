// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include <sys/types.h>

namespace mice::find {

/// Has the desktop open files and addresses (xdg-open). Any thread may call it.
class opener {
  public:
    opener() = default;
    /// What was opened stays open.
    ~opener();
    opener(const opener&) = delete;
    opener& operator=(const opener&) = delete;

    /// Opens a file by its absolute path. Throws mice::error: errc::invalid_argument where it is no
    /// regular file, or one that starts a program (.desktop); errc::io where there is no xdg-open.
    void open(const std::filesystem::path& file);
    /// Starts a program, a path or a name in PATH, with its arguments. Throws mice::error
    /// (errc::io) where that cannot be done.
    void start(std::vector<std::string> command);

  private:
    void forget_ended();

    std::mutex mutex_;
    std::vector<pid_t> started_;
};

} // namespace mice::find
