// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "find/finder.hpp"

namespace mice::find {

/// An index that is opened when it is needed first, stays open with its model, and is opened again
/// where another one has taken its place. For one thread at a time.
class open_index {
  public:
    explicit open_index(finder_options options) : options_(std::move(options)) {}

    /// Throws mice::error where there is no index, or one that cannot be read.
    [[nodiscard]] finder& get();
    /// Lets the next get() open it again: after an error of reading.
    void close() { finder_.reset(); }

  private:
    finder_options options_;
    std::unique_ptr<finder> finder_;
    std::pair<std::uint64_t, std::uint64_t> file_{}; ///< device and inode of its catalog
};

} // namespace mice::find
