// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <streambuf>
#include <string>
#include <string_view>

#include <mice/error.hpp>

// Reading that ends at a given time, however slow the writer is.
namespace mice::tools {

/// What a line_reader throws at the deadline. What was read before is complete.
class reading_stopped : public error {
  public:
    explicit reading_stopped(std::string_view input)
        : error(errc::stopped, "the time ran out before the end of " + std::string(input)) {}
};

/// While it lives, a line_reader that would wait beyond the deadline throws reading_stopped. Input
/// that is there by then is still read, up to a MiB, so that an endless input ends, too. One at a
/// time, on the program's main thread.
class reading_deadline {
  public:
    using clock = std::chrono::steady_clock;
    /// `meanwhile` is called while there is nothing to read, and when half of the time is over. It
    /// does a little of the work on what was read, or returns false where there is none.
    explicit reading_deadline(std::optional<clock::time_point> deadline,
                              std::function<bool()> meanwhile = {});
    ~reading_deadline();
    reading_deadline(const reading_deadline&) = delete;
    reading_deadline& operator=(const reading_deadline&) = delete;

    /// The living one that has a deadline, or nullptr.
    [[nodiscard]] static const reading_deadline* current() noexcept;
    [[nodiscard]] clock::time_point when() const noexcept { return *deadline_; }
    [[nodiscard]] bool over() const { return clock::now() >= *deadline_; }
    /// Tells how many bytes of `input` were read. Throws reading_stopped where too many were read
    /// too late; calls `meanwhile` when half of the time is over.
    void was_read(std::string_view input, std::size_t bytes) const;
    /// Calls `meanwhile`; whether it found something to do.
    [[nodiscard]] bool work_meanwhile() const { return meanwhile_ && meanwhile_(); }

  private:
    std::optional<clock::time_point> deadline_;
    clock::time_point halfway_;
    mutable std::size_t late_bytes_ = 0;
    std::function<bool()> meanwhile_;
};

/// Reads input that may keep its reader waiting, such as a pipe, for as long as a reading_deadline
/// allows. Then it throws reading_stopped; it throws mice::error (errc::io) where reading fails.
class waiting_input : public std::streambuf {
  public:
    /// Whether `path` can be read in this way: a pipe, a terminal or another device; "-" is
    /// standard input.
    [[nodiscard]] static bool suits(const std::filesystem::path& path);
    /// Opens it; `limit` outlives this object. Throws mice::error (errc::io).
    waiting_input(const std::filesystem::path& path, std::string name,
                  const reading_deadline& limit);
    ~waiting_input() override;
    waiting_input(const waiting_input&) = delete;
    waiting_input& operator=(const waiting_input&) = delete;

    /// Whether there is something to read, or the end.
    [[nodiscard]] bool ready() const;

  protected:
    int_type underflow() override;

  private:
    int descriptor_ = 0;
    std::string name_;
    const reading_deadline& limit_;
    std::array<char, 1 << 16> buffer_{};
};

} // namespace mice::tools
