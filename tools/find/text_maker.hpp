// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include <mice/reranker.hpp>

#include "find/catalog.hpp"
#include "find/extract/extract.hpp"

namespace mice::find {

/// The part of a text's key that says how its bytes are read: the ending of a file's name in lower
/// case, or the whole name where it has none.
[[nodiscard]] std::string ending_of(std::string_view path);

/// A file's text cut into passages, all but its key. Throws extract_error with the reason where
/// there is none, mice::error for what the model cannot cut.
[[nodiscard]] stored_text make_text(const std::filesystem::path& file, const reranker& ranker,
                                    const extract_limits& limits);

/// The same of what was extracted from a file of that name.
[[nodiscard]] stored_text make_text(const extraction& found, const std::string& name,
                                    const reranker& ranker);

} // namespace mice::find
