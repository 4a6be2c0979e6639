// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/json_output.hpp"
#include "find/finder.hpp"

// Answers and documents as text for people and programs.
namespace mice::find {

/// How results are printed.
enum class form { terminal, json, csv, md, files };

/// What is printed of each result.
struct shown_parts {
    form as = form::terminal;
    bool full = false;         ///< the whole document
    bool line_numbers = false; ///< before each line of a text
    bool explain = false;      ///< ranks and scores of both stages
    bool reranked = true;
    bool colours = false; ///< bold words and links, on a terminal
    std::size_t columns = 100;
};

/// A result with the document's text where it is shown.
struct shown_result {
    found_passage found;
    std::string body;
};

/// Results in the form that was asked for; docs/find.md has the schema of JSON.
[[nodiscard]] std::string render(const std::vector<shown_result>& results, const shown_parts& how);

/// One result for JSON.
[[nodiscard]] tools::ordered_json to_json(const shown_result& result, const shown_parts& how);

/// The address of a result's file, "file://...", with the line behind it.
[[nodiscard]] std::string link_of(const found_passage& found);

/// A document in the form that was asked for; `several`: with its name above.
[[nodiscard]] std::string render(const document_text& document, const shown_parts& how,
                                 bool several);

/// A document for JSON.
[[nodiscard]] tools::ordered_json to_json(const document_text& document);

/// What an index, or a collection in it, holds, for JSON.
[[nodiscard]] tools::ordered_json to_json(const index_status& status);
[[nodiscard]] tools::ordered_json to_json(const collection_status& status);

/// Text without control characters but tabs and line breaks, for a terminal.
[[nodiscard]] std::string harmless(std::string_view text);

} // namespace mice::find
