// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "find/extract/extract.hpp"

// What mice-find and mice-find-extract say to each other. A request is one packet on a socket, with
// two descriptors beside it: the file, and a pipe for the answer. The answer is JSON Lines: the
// sections, then one object with `kind`, `error` or `probe`. On the socket follows, once the
// process that read the file is gone, its wait status as four bytes.
namespace mice::find {

/// The program, and the descriptor of its socket.
inline constexpr const char* worker_name = "mice-find-extract";
inline constexpr int worker_socket = 3;

/// The longest request, in bytes.
inline constexpr std::size_t longest_request = 16384;

/// What is asked for.
struct extract_request {
    std::string name; ///< of the file, without its folder
    extract_limits limits;
    bool probe = false; ///< try out the sandbox; there is no file
};

/// A request as text, of at most longest_request bytes: long names lose their beginning.
[[nodiscard]] std::string to_message(const extract_request& request);
/// Throws std::exception where the text is no request.
[[nodiscard]] extract_request request_of(std::string_view message);

/// The lines of an answer, each with its newline.
[[nodiscard]] std::string to_message(const section& part);
[[nodiscard]] std::string to_message(const extraction& whole); ///< all but the sections
[[nodiscard]] std::string to_message(const extract_error& error);
[[nodiscard]] std::string to_message(const sandbox_report& report);

/// Puts an answer together. Believes nothing: the process that wrote it has read a hostile file.
class answer_reader {
  public:
    explicit answer_reader(const extract_limits& limits) : limits_(limits) {}

    /// The next bytes of the answer. Throws extract_error where it is no answer or too long.
    void add(std::string_view bytes);
    /// Whether the last line was read.
    [[nodiscard]] bool complete() const { return complete_; }
    /// Throws the extract_error that was answered; else the answer.
    [[nodiscard]] extraction take();
    [[nodiscard]] sandbox_report report() const { return report_; }

  private:
    void line(std::string_view text);

    extract_limits limits_;
    std::string pending_;
    std::uint64_t bytes_ = 0, text_bytes_ = 0;
    bool complete_ = false;
    extraction answer_;
    sandbox_report report_;
    std::optional<extract_error> error_;
};

} // namespace mice::find
