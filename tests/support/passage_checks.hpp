// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "catch.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <mice/passages.hpp>
#include <mice/text/passages/lines.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/unicode/utf8.hpp>
#include <mice/text/wordpiece/spec.hpp>

namespace fixtures {

/// WordPiece that knows some words, and letters, digits and marks by themselves.
inline std::shared_ptr<const mice::tokenizer> letters_and_words() {
    mice::wordpiece_spec spec;
    spec.vocabulary = {"[UNK]", "[CLS]", "[SEP]"};
    for (char c = '!'; c <= '~'; ++c) {
        if (c >= 'A' && c <= 'Z')
            continue;
        spec.vocabulary.emplace_back(1, c);
        if (mice::text::detail::is_letter(c) || mice::text::detail::is_digit(c))
            spec.vocabulary.push_back(std::string("##") + c);
    }
    for (const char* word : {"the", "old", "mill", "river", "sentence", "number", "word", "and"})
        spec.vocabulary.emplace_back(word);
    return mice::make_tokenizer(spec);
}

inline std::vector<mice::passage> in_portions(std::string_view text, const mice::tokenizer& words,
                                              const mice::passage_options& options,
                                              std::size_t portion) {
    mice::passage_cutter cutter(words, options);
    std::vector<mice::passage> found;
    const auto take = [&] {
        while (auto next = cutter.next()) {
            REQUIRE(cutter.text() == text.substr(next->begin, next->end - next->begin));
            found.push_back(std::move(*next));
        }
    };
    for (std::size_t at = 0; at < text.size(); at += portion) {
        cutter.feed(text.substr(at, portion));
        take();
    }
    cutter.finish();
    take();
    return found;
}

inline bool splits_code_point(std::string_view text, std::size_t at) {
    for (std::size_t first = at < 3 ? 0 : at - 3; first < at; ++first) {
        const mice::text::decoded next = mice::text::decode_utf8(text, first);
        if (next.valid && first + next.bytes > at)
            return true;
    }
    return false;
}

/// Line ends of the text before a byte, and one.
inline std::size_t line_of(std::string_view text, std::size_t byte) {
    std::size_t line = 1;
    for (std::size_t at = 0; at < byte; ++at)
        line += text[at] == '\n' ||
                (text[at] == '\r' && (at + 1 == text.size() || text[at + 1] != '\n'));
    return line;
}

/// What holds for the passages of every text. Returns them.
inline std::vector<mice::passage> checked_passages(std::string_view text,
                                                   const mice::tokenizer& words,
                                                   const mice::passage_options& options) {
    const std::vector<mice::passage> found = mice::passages(text, words, options);
    std::size_t covered = 0, index = 0;
    for (const mice::passage& one : found) {
        REQUIRE(one.index == index++);
        REQUIRE(one.begin < one.end);
        REQUIRE(one.end <= text.size());
        REQUIRE(one.end > covered);
        if (one.begin > covered)
            REQUIRE(mice::text::detail::leading_space(text.substr(covered, one.begin - covered)) ==
                    one.begin - covered);
        covered = one.end;
        const std::string_view part = text.substr(one.begin, one.end - one.begin);
        REQUIRE(mice::text::detail::trimmed(part) == part);
        REQUIRE_FALSE(splits_code_point(text, one.begin));
        REQUIRE_FALSE(splits_code_point(text, one.end));
        REQUIRE(one.tokens == words.encode(part, {.specials = options.specials}).ids.size());
        REQUIRE(one.tokens <= options.max_tokens);
        REQUIRE(one.headings.size() <= 6);
        for (const std::string& heading : one.headings)
            REQUIRE(heading.size() <= 200);
    }
    REQUIRE(mice::text::detail::leading_space(text.substr(covered)) == text.size() - covered);
    for (std::size_t i = 0; i < found.size(); i += 1 + found.size() / 50) {
        REQUIRE(found[i].first_line == line_of(text, found[i].begin));
        REQUIRE(found[i].last_line == line_of(text, found[i].end - 1));
    }
    return found;
}

} // namespace fixtures
