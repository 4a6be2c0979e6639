// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <istream>
#include <memory>
#include <string>
#include <string_view>

#include "common/reading_deadline.hpp"

namespace mice::tools {

/// Reads a text file or standard input line by line. A byte order mark at the start and the "\r" of
/// "\r\n" are removed; lines may hold any other byte and have any length.
class line_reader {
  public:
    /// Opens a file, or standard input for "-". Throws mice::error (errc::io).
    explicit line_reader(const std::filesystem::path& path);
    /// Reads from a stream that outlives this object; `name` stands in messages.
    line_reader(std::istream& stream, std::string name);
    line_reader(const line_reader&) = delete;
    line_reader& operator=(const line_reader&) = delete;

    /// The next line; false at the end. Throws mice::error (errc::io) when reading fails, and
    /// reading_stopped at the reading_deadline that was there when this object was made.
    bool next(std::string& line);
    /// Steps over lines that hold nothing but spaces and tabs.
    bool next_filled(std::string& line);

    /// True when another line can be had without waiting for whoever writes standard input.
    [[nodiscard]] bool ready();

    /// Number of the line that was read last, from 1.
    [[nodiscard]] std::size_t number() const { return number_; }
    /// The file's name, or "standard input".
    [[nodiscard]] const std::string& name() const { return name_; }
    /// "corpus.jsonl:17", the place of the line that was read last.
    [[nodiscard]] std::string place() const { return name_ + ":" + std::to_string(number_); }

  private:
    const reading_deadline* limit_ = reading_deadline::current();
    std::unique_ptr<waiting_input> waiting_; // set where there is a deadline and a pipe or the like
    std::unique_ptr<std::istream> waiting_stream_;
    std::ifstream file_;
    std::istream* stream_;
    std::string name_;
    std::size_t number_ = 0;
};

/// A line without white space at its ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

} // namespace mice::tools
