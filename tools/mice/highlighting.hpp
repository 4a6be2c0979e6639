// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>

#include <mice/highlights.hpp>

#include <CLI/CLI.hpp>

#include "common/shown_highlights.hpp"

namespace mice::cli {

using tools::shown_line;
using tools::snippet_characters;
using tools::snippet_range;
using tools::to_json;

/// --highlight and --sentences.
struct highlight_flags {
    bool asked = false;
    std::optional<std::size_t> sentences;

    void add_to(CLI::App& app);
    /// Throws usage_error where `trec` runs are printed, which have no place for it, and for
    /// --sentences without `json`.
    void check(bool trec, bool json) const;
    [[nodiscard]] highlight_options for_library() const;
};

} // namespace mice::cli
