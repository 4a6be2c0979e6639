// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <mice/text/unigram/spec.hpp>

#include "sentencepiece_file.hpp"

namespace fixtures {

/// Letters and the words that tests of models use, as XLM-R has them; below 100 ids.
inline mice::unigram_spec small_unigram() {
    mice::unigram_spec spec;
    const auto add = [&spec](std::string piece, double score) {
        spec.vocabulary.push_back(std::move(piece));
        spec.scores.push_back(score);
    };
    for (const char* name : {"<s>", "<pad>", "</s>", "<unk>"})
        add(name, 0);
    add(spaced("_"), -2);
    for (char letter = 'a'; letter <= 'z'; ++letter)
        add(std::string(1, letter), -8);
    for (const char* word : {"_the", "_old", "_mill", "_river", "er", "_a", ".", ","})
        add(spaced(word), -4.25);
    add("<mask>", 0);
    const auto mask = static_cast<std::int32_t>(spec.vocabulary.size() - 1);
    spec.normalizer = {
        {.kind = mice::text_step_kind::nfkc, .pattern = "", .content = ""},
        {.kind = mice::text_step_kind::replace_regex, .pattern = " {2,}", .content = " "},
        {.kind = mice::text_step_kind::strip, .pattern = "", .content = "", .right = true}};
    spec.splitter = {{.kind = mice::split_step_kind::whitespace},
                     {.kind = mice::split_step_kind::metaspace}};
    spec.pairs = mice::pair_form::roberta;
    spec.pad_token = "<pad>";
    spec.mask_token = "<mask>";
    spec.added_tokens = {{.id = 0, .content = "<s>", .special = true},
                         {.id = 1, .content = "<pad>", .special = true},
                         {.id = 2, .content = "</s>", .special = true},
                         {.id = 3, .content = "<unk>", .special = true},
                         {.id = mask, .content = "<mask>", .special = true, .lstrip = true}};
    return spec;
}

/// The same with a piece for each byte, which unknown characters are spelled in; below 400 ids.
inline mice::unigram_spec small_unigram_of_bytes() {
    mice::unigram_spec spec = small_unigram();
    spec.byte_fallback = true;
    for (std::size_t byte = 0; byte < 256; ++byte) {
        spec.vocabulary.push_back(mice::text::detail::byte_piece(byte));
        spec.scores.push_back(0);
    }
    return spec;
}

/// Every kind of step.
inline mice::unigram_spec long_unigram() {
    mice::unigram_spec spec = small_unigram_of_bytes();
    using kind = mice::text_step_kind;
    const auto step = [](kind each, std::string pattern = "", std::string content = "") {
        return mice::text_step{each, std::move(pattern), std::move(content), true, true};
    };
    spec.normalizer = {step(kind::nmt),
                       step(kind::replace, "``", "\""),
                       step(kind::nfkd),
                       step(kind::strip_accents),
                       step(kind::lowercase),
                       step(kind::replace_regex, "\\s{2,}|[\\n\\r\\t]", " "),
                       step(kind::replace_regex, " +#|\\A +| +\\z|^#+$", "a"),
                       step(kind::nfc),
                       step(kind::strip),
                       step(kind::nfd),
                       step(kind::prepend, "", " ")};
    spec.splitter = {
        {.kind = mice::split_step_kind::punctuation},
        {.kind = mice::split_step_kind::metaspace, .prefix = mice::metaspace_prefix::first}};
    spec.added_tokens.push_back({.id = 400, .content = "the old", .normalized = true});
    return spec;
}

} // namespace fixtures
