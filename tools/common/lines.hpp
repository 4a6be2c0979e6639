// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/reading_deadline.hpp"

namespace mice::tools {

/// A line, a JSON value, a TREC document and a text file are held in memory: more is a mistake of
/// the input, such as a device that never ends.
inline constexpr std::size_t longest_record = std::size_t{256} << 20;

/// What a pipe or a device may give to a program that holds all of it in memory, with what it takes
/// to hold a line.
inline constexpr std::uint64_t most_held = std::uint64_t{2} << 30;

/// Reads a text file or standard input line by line. A byte order mark at the start and the "\r" of
/// "\r\n" are removed; lines may hold any other byte. What begins like another encoding than UTF-8
/// is refused by name, and so is a line of more than longest_record bytes.
class line_reader {
  public:
    /// Opens a file, or standard input for "-". Throws mice::error (errc::io).
    explicit line_reader(const std::filesystem::path& path);
    /// Reads from a stream that outlives this object; `name` stands in messages.
    line_reader(std::istream& stream, std::string name);
    line_reader(const line_reader&) = delete;
    line_reader& operator=(const line_reader&) = delete;

    /// Says that the caller holds all lines in memory, so that an input without a size of its own
    /// may not go on for ever: at most `bytes`, counting 256 for each line.
    void hold_at_most(std::uint64_t bytes = most_held);

    /// The next line; false at the end. Throws mice::error: errc::io when reading fails,
    /// errc::encoding for another encoding, errc::format for more than may be held; and
    /// reading_stopped at the reading_deadline that was there when this object was made.
    bool next(std::string& line);
    /// Steps over lines that hold nothing but spaces and tabs.
    bool next_filled(std::string& line);
    /// The next filled line, which next() then gives; null at the end. Throws as next.
    const std::string* peek_filled();

    /// True when another line can be had without waiting for whoever writes standard input.
    [[nodiscard]] bool ready();

    /// Number of the line that was read or peeked last, from 1.
    [[nodiscard]] std::size_t number() const { return number_; }
    /// Bytes read so far.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_ - (buffer_.size() - next_); }
    /// The file's name, or "standard input".
    [[nodiscard]] const std::string& name() const { return name_; }
    /// "corpus.jsonl:17", the place of the line that was read or peeked last.
    [[nodiscard]] std::string place() const { return name_ + ":" + std::to_string(number_); }

  private:
    bool fill();
    bool read(std::string& line);
    void recognise(std::string_view line);
    void count(std::size_t bytes);

    const reading_deadline* limit_ = reading_deadline::current();
    std::unique_ptr<waiting_input> waiting_; // set where there is a deadline and a pipe or the like
    std::unique_ptr<std::istream> waiting_stream_;
    std::ifstream file_;
    std::istream* stream_;
    std::string name_;
    std::string buffer_;
    std::size_t next_ = 0; ///< in the buffer
    std::uint64_t bytes_ = 0;
    std::size_t number_ = 0;
    std::optional<std::string> ahead_;
    bool recognised_ = false;
    bool endless_ = true; ///< not a regular file
    std::optional<std::uint64_t> may_hold_;
    std::uint64_t held_ = 0;
};

/// A line without white space at its ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

} // namespace mice::tools
