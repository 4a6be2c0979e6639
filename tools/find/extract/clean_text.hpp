// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

// What every text is that extraction gives: both sides of the sandbox use it.
namespace mice::find {

/// Whether a text may hold the character: no control characters but tab and newline, none that
/// turn the direction of what follows, and none that are invisible and have no use here.
[[nodiscard]] bool is_kept(char32_t code) noexcept;

/// Whether the text is UTF-8 of such characters.
[[nodiscard]] bool is_clean(std::string_view text) noexcept;

/// Makes a text clean: line ends become "\n", form feeds spaces, what is not UTF-8 U+FFFD, and what
/// is not kept is left out.
[[nodiscard]] std::string clean(std::string_view text);

/// The text as one clean line of at most `most` bytes, without white space at its ends.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t most = 300);

} // namespace mice::find
