// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

// Lines from a program that may send anything.
namespace mice::find::mcp {

/// Reads lines of a pipe or file, and can be woken by another thread. A line that is too long costs
/// no more memory than the longest allowed one.
class line_input {
  public:
    enum class outcome { line, too_long, end, woken };

    /// `descriptor` stays the caller's. Throws mice::error (errc::io).
    line_input(int descriptor, std::size_t longest);
    ~line_input();
    line_input(const line_input&) = delete;
    line_input& operator=(const line_input&) = delete;

    /// The next line, without "\n" and "\r\n"; the last one may end without. Throws mice::error
    /// (errc::io) where reading fails.
    outcome next(std::string& line);
    /// Lets next() return `woken`, now and from now on. From any thread.
    void wake() noexcept;

  private:
    bool fill();

    int descriptor_;
    std::size_t longest_;
    int wake_read_ = -1, wake_write_ = -1;
    std::vector<char> buffer_;
    std::size_t begin_ = 0, end_ = 0; ///< of what is not taken yet
    bool ended_ = false, woken_ = false;
};

} // namespace mice::find::mcp
