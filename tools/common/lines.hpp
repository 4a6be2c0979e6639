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

/// The most bytes of a line, a JSON value, a TREC document and a text file, which are held in
/// memory. More is a mistake, such as a device that never ends.
inline constexpr std::size_t longest_record = std::size_t{256} << 20;

/// The most bytes that a program may read from a pipe or a device and hold in memory, the cost of
/// holding a line included.
inline constexpr std::uint64_t most_held = std::uint64_t{2} << 30;

/// Reads a text file or standard input line by line. A byte order mark at the start and the "\r" of
/// "\r\n" are removed; lines may hold any other byte. Refuses input that begins like another
/// encoding than UTF-8, naming it, and lines of more than longest_record bytes.
class line_reader {
  public:
    /// Opens a file, or standard input for "-". Throws mice::error (errc::io).
    explicit line_reader(const std::filesystem::path& path);
    /// Reads from a stream that outlives this object; `name` stands in messages.
    line_reader(std::istream& stream, std::string name);
    line_reader(const line_reader&) = delete;
    line_reader& operator=(const line_reader&) = delete;

    /// For a caller that holds all lines in memory: an input without a size of its own may have at
    /// most `bytes`, counting 256 more for every line.
    void hold_at_most(std::uint64_t bytes = most_held);

    /// The next line; false at the end. Throws mice::error: errc::io when reading fails,
    /// errc::encoding for another encoding, errc::format for more than may be held; and
    /// reading_stopped at the reading_deadline that existed when this object was constructed.
    bool next(std::string& line);
    /// Steps over lines that hold nothing but spaces and tabs.
    bool next_filled(std::string& line);
    /// Peeks at the next filled line; null at the end. Throws like next.
    const std::string* peek_filled();

    /// True when another line can be read without waiting for standard input.
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

} // namespace mice::tools
