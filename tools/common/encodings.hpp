// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

// Recognises what is not UTF-8 text by the first bytes of a file.
namespace mice::tools {

/// How many bytes at the start of a file are looked at.
inline constexpr std::size_t recognised_bytes = 4096;

/// What the bytes at the start of a file are, where that is not UTF-8, and what to do: "UTF-16
/// (little-endian), not UTF-8; convert it first, ...". Empty for UTF-8, for text with a few invalid
/// bytes or NULs, and for an empty file. UTF-16 and UTF-32 are recognised with and without their
/// mark.
[[nodiscard]] std::string foreign_encoding(std::string_view start);

} // namespace mice::tools
