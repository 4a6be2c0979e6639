// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/lines.hpp"

namespace mice::tools {

/// Whether a file with this first filled line is JSON: JSON Lines of objects, or an array of
/// objects or texts.
[[nodiscard]] bool starts_json(std::string_view line);

/// The records of JSON Lines, or the elements of one JSON array, compact or over many lines. The
/// first filled line tells which of them it is.
class json_reader {
  public:
    /// `input` outlives this object, which alone reads from it.
    explicit json_reader(line_reader& input) : input_(input) {}

    /// The text of the next record, not yet parsed; false at the end. Throws mice::error like
    /// line_reader, and errc::format for a broken array, behind which nothing can be read.
    bool next(std::string& record);
    /// True when another record can be read without waiting for standard input.
    [[nodiscard]] bool ready();
    /// The number of the last record's line, or of its element in an array, from 1.
    [[nodiscard]] std::size_t number() const;
    /// "corpus.jsonl:17", or "corpus.json:17 (element 3)" of an array.
    [[nodiscard]] std::string place() const;

  private:
    enum class form { unknown, lines, array, ended };

    void recognise();
    bool next_element(std::string& element);
    char next_mark();
    bool begin_element();
    void read_element(std::string& element);
    bool next_line();
    [[noreturn]] void fail(std::string_view what) const;

    line_reader& input_;
    form form_ = form::unknown;
    std::string line_;      ///< of an array, the one that is being read
    std::size_t at_ = 0;    ///< in the line
    std::size_t count_ = 0; ///< elements so far
    std::string place_;
};

} // namespace mice::tools
