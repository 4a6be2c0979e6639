// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "wordpiece_folder.hpp"

#include <mice/text/tokenizer.hpp>
#include <nlohmann/json.hpp>

namespace test {

/// The lines of tokenizers/offsets/golden.jsonl: see generate.py there.
inline std::vector<nlohmann::json> golden_offsets() {
    return golden_lines("tokenizers/offsets/golden.jsonl");
}

/// Compares the offsets of a text with a golden list, and its ids with those without offsets.
inline void check_golden_offsets(std::string_view text, const nlohmann::json& expected,
                                 const mice::tokenizer& tokenizer, bool plain) {
    INFO(nlohmann::json(std::string(text))
             .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
    mice::encode_options options{.specials = plain ? mice::special_tokens::plain
                                                   : mice::special_tokens::parse,
                                 .add_markers = mice::markers::omit};
    const mice::encoding without = tokenizer.encode(text, options);
    CHECK(without.offsets.empty());
    options.offsets = true;
    const mice::encoding encoded = tokenizer.encode(text, options);
    CHECK(encoded.ids == without.ids);
    std::vector<mice::byte_range> wanted;
    std::ptrdiff_t last = 0;
    for (std::size_t i = 0; i + 1 < expected.size(); i += 2) {
        const std::ptrdiff_t begin = last + expected[i].get<std::ptrdiff_t>();
        last = begin + expected[i + 1].get<std::ptrdiff_t>();
        wanted.push_back({static_cast<std::size_t>(begin), static_cast<std::size_t>(last)});
    }
    CHECK(encoded.offsets.size() == wanted.size());
    CHECK((encoded.offsets == wanted));
}

/// The same for all texts of the golden lines that have the form; how many that are.
inline std::size_t check_golden_offsets(const std::vector<nlohmann::json>& lines,
                                        const std::string& form, const mice::tokenizer& tokenizer) {
    std::size_t texts = 0;
    for (const nlohmann::json& line : lines) {
        if (!line.contains("offsets") || !line["offsets"].contains(form))
            continue;
        std::string text = line.value("text", "");
        const std::string hex = line.value("hex", "");
        for (std::size_t i = 0; i < hex.size(); i += 2)
            text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
        check_golden_offsets(text, line["offsets"][form], tokenizer, form.starts_with("spm"));
        ++texts;
    }
    return texts;
}

} // namespace test
