// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <mice/passages.hpp>
#include <mice/sentences.hpp>
#include <mice/text/unicode/utf8.hpp>

#include "../support/passage_checks.hpp"
#include "../support/random_numbers.hpp"
#include "../support/unigram_spec.hpp"

namespace {

using fixtures::random_numbers;

/// What means something to one kind of text or another, and what means nothing.
std::string some_text(random_numbers& random, std::size_t length) {
    constexpr std::array<std::string_view, 40> parts{"\n",
                                                     "\r\n",
                                                     "\r",
                                                     "\n\n",
                                                     " ",
                                                     "    ",
                                                     "# ",
                                                     "## x\n",
                                                     "```\n",
                                                     "~~~~\n",
                                                     "---\n",
                                                     "===\n",
                                                     "| a |",
                                                     "|-|-|",
                                                     "- ",
                                                     "12. ",
                                                     "> ",
                                                     ". ",
                                                     "! ",
                                                     "?\"",
                                                     "(",
                                                     ")",
                                                     "the ",
                                                     "river ",
                                                     "word",
                                                     "a.b@c.d",
                                                     "e.g. ",
                                                     "\xe3\x80\x82",
                                                     "\xe4\xb8\xad",
                                                     "\xe0\xb8\x81",
                                                     "\xcc\x81",
                                                     "\xe2\x80\x8d",
                                                     "\xc2\xa0",
                                                     "\xef\xb7\xba",
                                                     "\xe2\x80\xa8",
                                                     "{\n",
                                                     "}\n",
                                                     "2024-05-01 12:34:56 ",
                                                     "\f",
                                                     "\xef\xbb\xbf"};
    std::string made;
    while (length-- > 0) {
        switch (random.below(8)) {
        case 0:
            mice::text::append_utf8(made, static_cast<char32_t>(random.below(0x110000)));
            break;
        case 1:
            made += static_cast<char>(random.below(256));
            break;
        case 2:
            made.append(random.below(40), static_cast<char>('a' + random.below(26)));
            break;
        default:
            made += parts[random.below(parts.size())];
        }
    }
    return made;
}

} // namespace

TEST_CASE("fault 06: passages and sentences of any bytes keep their promises") {
    random_numbers random(21);
    const auto wordpiece = fixtures::letters_and_words();
    const auto unigram = mice::make_tokenizer(fixtures::small_unigram_of_bytes());
    for (int round = 0; round < 600; ++round) {
        const std::string text = some_text(random, 1 + random.below(600));
        mice::passage_options options;
        options.max_tokens = 64 + random.below(200);
        options.kind = static_cast<mice::text_kind>(random.below(5));
        if (random.below(3) == 0) {
            options.overlap_tokens = random.below(options.max_tokens / 3);
        } else if (random.below(3) == 0) {
            options.overlap_sentences = random.below(4);
        }
        const mice::tokenizer& words = round % 4 == 0 ? *unigram : *wordpiece;
        const auto whole = fixtures::checked_passages(text, words, options);
        const auto parts =
            fixtures::in_portions(text, words, options, 1 + random.below(text.size()));
        REQUIRE(parts.size() == whole.size());
        for (std::size_t i = 0; i < whole.size(); ++i) {
            REQUIRE(parts[i].begin == whole[i].begin);
            REQUIRE(parts[i].end == whole[i].end);
        }
        std::size_t covered = 0;
        for (const mice::sentence& one : mice::sentences(text)) {
            REQUIRE(mice::text::detail::leading_space(std::string_view(text).substr(
                        covered, one.begin - covered)) == one.begin - covered);
            REQUIRE_FALSE(fixtures::splits_code_point(text, one.begin));
            REQUIRE_FALSE(fixtures::splits_code_point(text, one.end));
            covered = one.end;
        }
    }
}
