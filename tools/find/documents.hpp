// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "find/finder.hpp"

// Documents by the names that people and programs give them.
namespace mice::find {

/// Lines that are asked for beside a name; what is not said is up to the name.
struct wanted_lines {
    std::optional<std::int64_t> from{};
    std::optional<std::int64_t> count{}; ///< 0: all
};

/// The document of a name as finder::get knows it, or of one with ":FROM" or ":FROM:COUNT" behind
/// it. A file whose whole name ends in a colon and digits goes before. Throws like finder::get.
[[nodiscard]] document_text document_of(finder& find, const std::string& given,
                                        const wanted_lines& lines);

/// Several documents.
struct documents_asked {
    std::vector<std::string> names; ///< patterns, names, and names with commas between
    wanted_lines lines{};
    std::int64_t max_bytes = 0; ///< longer texts are left out; 0: none is
};

/// Calls `take` for each document, until it returns false, and `left_out` with name and reason for
/// what has no text, is not there or is too long.
void documents_of(finder& find, const documents_asked& asked,
                  const std::function<bool(const document_text&)>& take,
                  const std::function<void(const std::string&, const std::string&)>& left_out);

} // namespace mice::find
