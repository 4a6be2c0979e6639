// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mice::tools {

/// The reader of standard output went away (`mice ... | head -1`): stop, and say nothing.
class output_closed : public std::runtime_error {
  public:
    output_closed() : std::runtime_error("the reader of standard output went away") {}
};

/// Where a program's results go: standard output or a file. Every failed write throws, so a full
/// disk never leaves a cut result with an exit code of 0.
class output {
  public:
    /// Standard output.
    output();
    /// A new file, or the given one emptied. Throws mice::error (errc::io).
    explicit output(const std::filesystem::path& path);
    ~output();
    output(const output&) = delete;
    output& operator=(const output&) = delete;

    /// Throws output_closed or mice::error (errc::io).
    void write(std::string_view text);
    /// Flushes everything written so far to the reader. Throws like write.
    void flush();

  private:
    void fail(int code) const;

    std::FILE* file_;
    bool owned_ = false;
    std::string name_;
};

/// One line on standard error; control characters are replaced, so that a hostile file name or
/// text cannot steer the terminal.
void print_message(std::string_view text);

} // namespace mice::tools
