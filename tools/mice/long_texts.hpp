// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include <mice/index_results.hpp>
#include <mice/texts.hpp>

#include "common/json_output.hpp"

// What the commands do with texts that are longer than the model's limit.
namespace mice::cli {

/// Where a text's best passage is, in bytes of the text that the model reads.
struct best_passage {
    std::uint64_t begin = 0, end = 0;
    std::uint64_t line = 1; ///< its first
    std::size_t index = 0;
    std::size_t of = 1; ///< passages of the text

    best_passage() = default;
    best_passage(const passage& found, std::size_t passages)
        : begin(found.begin), end(found.end), line(found.first_line), index(found.index),
          of(passages) {}
    explicit best_passage(const index_hit& found)
        : begin(found.best.begin), end(found.best.end), line(found.best.first_line),
          index(found.best_index), of(found.passages) {}

    /// Its bytes, where it is not all of the text.
    [[nodiscard]] std::string_view in(std::string_view text) const;
    /// "passage 3 of 7"; empty for a text of one passage.
    [[nodiscard]] std::string remark() const;
    [[nodiscard]] tools::ordered_json to_json() const;
};

/// --first-passage, or else all passages of a text.
struct long_texts {
    bool first_passage = false;

    void add_to(CLI::App& app);
    /// How texts are scored; nothing with --first-passage.
    [[nodiscard]] std::optional<text_options> for_library() const;
};

} // namespace mice::cli
