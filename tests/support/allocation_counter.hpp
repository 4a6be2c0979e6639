// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

// Counts the calls of this program's operator new, to show that no hostile file makes the library
// allocate much more than its own size.
namespace allocations {

/// Bytes asked of operator new. Memory that was freed in between counts again.
struct counts {
    std::size_t bytes = 0;   ///< in all
    std::size_t largest = 0; ///< in one request
};

/// Starts at zero, on all threads.
void reset();
/// Since the last reset.
[[nodiscard]] counts since_reset();

/// Blocks of operator new that are not deleted yet, on all threads.
[[nodiscard]] std::size_t living();

/// While this lives, request number `first` (from now) and all later ones fail, on all threads.
class failing {
  public:
    explicit failing(std::size_t first);
    failing(const failing&) = delete;
    failing& operator=(const failing&) = delete;
    ~failing();
};

} // namespace allocations
