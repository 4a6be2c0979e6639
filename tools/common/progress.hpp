// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mice::tools {

/// The text of a progress bar, without line end: label, bar, share, rate and remaining time in at
/// most `columns` columns. `done` may exceed `total`.
[[nodiscard]] std::string progress_line(std::string_view label, std::uint64_t done,
                                        std::uint64_t total, double seconds, std::size_t columns);

/// The same for work of unknown amount: how many units are done, and the share of the input that
/// they came from, from 0 to 1, or below 0 where that is unknown, too.
[[nodiscard]] std::string stream_line(std::string_view label, std::uint64_t done, double share,
                                      double seconds, std::size_t columns);

/// A bar on standard error while work goes on; silent unless standard error is a terminal. Not
/// thread-safe: call it from one thread, or serialised.
class progress_bar {
  public:
    explicit progress_bar(std::string label, std::uint64_t total = 0);
    /// Removes the bar.
    ~progress_bar() { finish(); }
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    /// Shows that `done` units are done; draws at most ten times a second.
    void update(std::uint64_t done);
    /// The same where the total is not known; see stream_line.
    void update(std::uint64_t done, double share);
    /// Removes the bar from the screen; later updates are ignored.
    void finish();

  private:
    using clock = std::chrono::steady_clock;

    bool due();
    [[nodiscard]] double seconds() const;
    void draw(const std::string& line);

    std::string label_;
    std::uint64_t total_;
    bool active_;
    bool drawn_ = false;
    clock::time_point start_ = clock::now();
    clock::time_point next_ = clock::now();
};

} // namespace mice::tools
