// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mice::tools {

/// The three standard streams; the values are their file descriptors.
enum class stream { standard_input, standard_output, standard_error };

/// Whether people read or write that stream on a terminal.
[[nodiscard]] bool is_terminal(stream which);

/// Columns of the terminal behind standard output; 100 where there is none.
[[nodiscard]] std::size_t output_columns();

/// Prepares the standard streams: the next opened file cannot take the place of a closed one, a
/// reader that goes away gives an error code and no signal, and bytes pass unchanged. Call once,
/// first thing in main.
void prepare_streams();

/// Whether a character could steer a terminal or hide text: control and format characters
/// (direction overrides among them), and separators of lines and paragraphs.
[[nodiscard]] bool steers_terminal(char32_t code_point);

/// Columns that a code point takes on a terminal: 0, 1 or 2.
[[nodiscard]] std::size_t display_width(char32_t code_point);

/// Columns that valid UTF-8 text takes on a terminal.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// The text as one harmless line: control characters, line breaks and direction overrides become
/// spaces, runs of spaces one space, and invalid bytes U+FFFD.
[[nodiscard]] std::string printable(std::string_view text);

/// The start of a printable text that fits in so many columns; ends in "..." where it was cut.
[[nodiscard]] std::string fit(std::string_view text, std::size_t columns);

} // namespace mice::tools
