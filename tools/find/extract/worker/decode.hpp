// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "find/extract/worker/results.hpp"

// Bytes in any encoding to UTF-8.
namespace mice::find {

/// Whether the bytes look like text of any encoding: no NULs outside UTF-16 and UTF-32, few control
/// characters.
[[nodiscard]] bool looks_like_text(std::string_view bytes);

/// The text as UTF-8, without a byte order mark, by the mark, else the encoding that is `named`
/// (may be empty), else UTF-8 where it is that, else Windows-1252. Notes what was guessed.
/// Throws extract_error (not_text).
[[nodiscard]] std::string to_utf8(std::string_view bytes, std::string_view named, results& out);

/// Opens the converters of encodings that are in use, which are files that the sandbox cannot open.
void load_encodings();

} // namespace mice::find
