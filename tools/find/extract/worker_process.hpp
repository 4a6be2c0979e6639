// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <sys/types.h>

#include "common/descriptor.hpp"
#include "find/extract/messages.hpp"

// A running mice-find-extract, seen from mice-find.
namespace mice::find {

/// Serves one file after the other, each in a process that it forks for it; it never reads a file
/// itself. Not thread-safe.
class worker_process {
  public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Starts the program. Throws extract_error (crashed) where that fails.
    worker_process();
    worker_process(const worker_process&) = delete;
    worker_process& operator=(const worker_process&) = delete;
    /// Ends it and what it has forked.
    ~worker_process();

    /// What one process made of its file.
    struct outcome {
        enum class end { answered, died, killed, late } how;
        int signal = 0; ///< that it died of
    };

    /// Sends a request and reads the answer until it is complete or the time is over. After
    /// anything but answered and died this object is of no use. Throws extract_error for an answer
    /// that is none.
    [[nodiscard]] outcome ask(const extract_request& request, int file, time_point until,
                              answer_reader& answer);

  private:
    [[nodiscard]] bool send(const std::string& message, int file, int pipe) const;
    [[nodiscard]] bool read_answer(int pipe, time_point until, answer_reader& answer) const;
    [[nodiscard]] outcome read_status(time_point until, bool complete) const;

    tools::descriptor socket_;
    pid_t process_ = -1;
};

/// The program's file: in ../lib/mice beside this program's folder, or beside this program; empty
/// where there is none.
[[nodiscard]] std::string worker_file();

} // namespace mice::find
