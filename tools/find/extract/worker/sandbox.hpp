// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <linux/filter.h>

#include "find/extract/extract.hpp"

// What a process gives up before it reads a file.
namespace mice::find {

/// The descriptors of such a process.
inline constexpr int file_descriptor = 3;
inline constexpr int answer_descriptor = 4;

/// What a process can do from then on: read and write what is open, have memory and clocks, and
/// read below one folder, where Landlock can restrict it to that; else nothing is opened at all.
/// What the system lacks is left out: try_sandbox tells. Made once, as that takes longer than to
/// fork.
class sandbox {
  public:
    /// `readable`: that folder.
    explicit sandbox(const char* readable);

    /// Gives up the rest, closes all but the two descriptors above and standard streams, and sets
    /// limits of memory, time, files and descriptors.
    void enter(const extract_limits& limits) const;

  private:
    int folders_ = -1; ///< Landlock's rules
    std::vector<sock_filter> calls_;
    std::uint64_t addresses_ = 0; ///< bytes that the process has already
};

/// Closes all descriptors from `first` to `last`.
void close_range_of(unsigned first, unsigned last);

/// Tries what a hostile file would, and reports what is refused.
[[nodiscard]] sandbox_report try_sandbox();

} // namespace mice::find
