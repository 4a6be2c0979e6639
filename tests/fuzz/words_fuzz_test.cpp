// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <mice/index/words/bm25.hpp>
#include <mice/index/words/words.hpp>
#include <mice/text/unicode/utf8.hpp>

#include "random_numbers.hpp"

namespace {

namespace text = mice::text;
using fixtures::random_numbers;

/// Code points of every kind that words know, neighbours more often than not.
std::string random_text(random_numbers& random, std::size_t length) {
    std::string made;
    for (char32_t code = 0; length > 0; --length) {
        switch (random.below(6)) {
        case 0:
            code = static_cast<char32_t>(random.below(0x110000));
            break;
        case 1:
            code = static_cast<char32_t>(random.below(0x3400));
            break;
        case 2: // not UTF-8
            made += static_cast<char>(random.below(256));
            continue;
        default:
            code += static_cast<char32_t>(random.below(4));
        }
        text::append_utf8(made, code);
    }
    return made;
}

void check_words(const std::string& given) {
    for (const text::word_form form : {text::word_form::older, text::word_form::current}) {
        std::vector<std::string> all = text::analyse(given, text::word_use::document, form);
        std::sort(all.begin(), all.end());
        for (const std::string& word : all) {
            REQUIRE_FALSE(word.empty());
            REQUIRE(word.size() <= text::longest_word);
            REQUIRE(text::first_invalid_utf8(word) == std::string::npos);
        }
        for (const std::string& word : text::analyse(given, text::word_use::query, form)) {
            REQUIRE(std::binary_search(all.begin(), all.end(), word));
        }
    }
}

} // namespace

TEST_CASE("fault 07: words of any bytes are short and valid and found by the text itself") {
    random_numbers random(7);
    for (int round = 0; round < 20'000; ++round) {
        check_words(random_text(random, random.below(60)));
    }
}

TEST_CASE("fault 07: changed words sections of either form are refused or searched") {
    random_numbers random(77);
    std::size_t accepted = 0, refused = 0;
    for (const text::word_form form : {text::word_form::older, text::word_form::current}) {
        mice::store::words_builder builder(form);
        for (int i = 0; i < 40; ++i) {
            builder.add(random_text(random, 40) + " 成語しりとり river");
        }
        const std::vector<std::byte> section = builder.finish();
        for (int round = 0; round < 3000; ++round) {
            std::vector<std::byte> changed = section;
            const bool trailer = round % 2 == 0;
            const std::size_t first =
                trailer ? section.size() - sizeof(mice::store::words_trailer) : 0;
            for (std::size_t left = 1 + random.below(3); left > 0; --left) {
                changed[first + random.below(section.size() - first)] ^=
                    static_cast<std::byte>(1U << random.below(8));
            }
            changed.resize(round % 16 == 0 ? random.below(section.size()) : section.size());
            try {
                const mice::store::words_view words(mice::store::memory_reader(changed));
                const mice::store::bm25_part whole{&words, {}};
                (void)mice::store::bm25_search({&whole, 1}, "しりとり river 成", 10);
                ++accepted;
            } catch (const mice::error&) {
                ++refused;
            }
        }
    }
    CHECK(accepted > 100);
    CHECK(refused > 100);
}
