// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

// This program's operator new counts: it shows that no hostile file makes the library allocate much
// more than the file itself.
namespace allocations {

/// What was asked of operator new; memory that was given back in between counts again.
struct counts {
    std::size_t bytes = 0;   ///< in all
    std::size_t largest = 0; ///< in one request
};

/// Starts at zero, on all threads.
void reset();
/// Since the last reset.
[[nodiscard]] counts since_reset();

/// While this lives, the request number `first` from now on and all later ones get no memory, on
/// all threads.
class failing {
  public:
    explicit failing(std::size_t first);
    failing(const failing&) = delete;
    failing& operator=(const failing&) = delete;
    ~failing();
};

} // namespace allocations
