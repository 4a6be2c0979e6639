// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>
#include <mice/passages.hpp>
#include <mice/reranker.hpp>
#include <mice/text/byte_bpe/byte_alphabet.hpp>
#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/unicode/utf8.hpp>

#include "passage_checks.hpp"
#include "random_numbers.hpp"
#include "unigram_spec.hpp"

namespace {

using fixtures::checked_passages;
using fixtures::random_numbers;
using mice::passage;
using mice::passage_options;
using mice::text_kind;
using texts = std::vector<std::string>;

const mice::tokenizer& words() {
    static const auto made = fixtures::letters_and_words();
    return *made;
}

texts cut(const std::string& text, const passage_options& options) {
    texts found;
    for (const passage& one : checked_passages(text, words(), options)) {
        found.push_back(text.substr(one.begin, one.end - one.begin));
    }
    return found;
}

passage_options of_kind(text_kind kind, std::size_t tokens = 40) {
    passage_options options;
    options.max_tokens = tokens;
    options.kind = kind;
    return options;
}

std::string sentence(random_numbers& random) {
    static const std::vector<std::string> known{"the", "old", "mill", "river", "word", "and"};
    std::string made = "The";
    for (std::size_t left = 4 + random.below(12); left > 0; --left) {
        made += " " + known[random.below(known.size())];
    }
    return made + " number " + std::to_string(random.below(100'000)) + ".";
}

std::string document(std::uint64_t seed, std::size_t paragraphs) {
    random_numbers random(seed);
    std::string made = "# Title\n\n";
    for (std::size_t i = 0; i < paragraphs; ++i) {
        if (random.below(5) == 0) {
            made += "## The number " + std::to_string(i) + "\n\n";
        }
        for (std::size_t left = 1 + random.below(8); left > 0; --left) {
            made += sentence(random) + (left % 3 == 0 ? "\n" : " ");
        }
        made += "\n\n";
    }
    return made;
}

std::string repeated(std::string_view part, std::size_t bytes) {
    std::string made;
    while (made.size() < bytes) {
        made += part;
    }
    return made;
}

} // namespace

TEST_CASE("a text within the limit is one passage") {
    CHECK(cut("", of_kind(text_kind::plain)).empty());
    CHECK(cut(" \r\n\t ", of_kind(text_kind::plain)).empty());
    CHECK(cut("  The old mill.\n", of_kind(text_kind::plain)) == texts{"The old mill."});
    CHECK(cut("The\n\nold\n\n\nmill", of_kind(text_kind::plain)) == texts{"The\n\nold\n\n\nmill"});
}

TEST_CASE("passages are cut at the best borders that there are") {
    const std::string a = "The old mill and the river and the word.";
    const std::string b = "The river and the old mill and the number.";
    const auto limit = [](std::size_t tokens) { return of_kind(text_kind::plain, tokens); };
    SECTION("paragraphs before sentences") {
        CHECK(cut(a + " " + b + "\n\n" + b + " " + a, limit(24)) ==
              texts{a + " " + b, b + " " + a});
    }
    SECTION("sentences before clauses") {
        CHECK(cut(a + " " + b, limit(18)) == texts{a, b});
    }
    SECTION("clauses before words, words before letters") {
        const std::string clause = "the old mill and the river and the word and the word,";
        CHECK(cut(clause + " " + clause, limit(18)) == texts{clause, clause});
        for (const std::string& part : cut(repeated("river ", 600), limit(18))) {
            CHECK(part.starts_with("river"));
            CHECK(part.ends_with("river"));
        }
        CHECK(cut(repeated("a-", 400), limit(18)).size() > 20);
    }
    SECTION("list items") {
        const std::string item = "* the old mill and the river and the number and";
        CHECK(cut(item + "\n" + item + "\n" + item, limit(20)) == texts{item, item, item});
    }
}

TEST_CASE("passages of Markdown know the headings above them") {
    const std::string fill = "The old mill and the river and the old word and the number.";
    const std::string text = "Title\n=====\n\n" + fill + "\n\n## One ##\n\n" + fill + "\n\n" +
                             fill +
                             "\n\n```sh\n# no heading\n## nor this\n```\n\n    # nor that\n\n" +
                             fill + "\n\nTwo\n---\n\n" + fill + "\n\n#### Deep\n" + fill +
                             "\n\n# Last #1\n" + fill + "\n\n- # in a list\n- x\n\n---\n" + fill;
    const auto found = checked_passages(text, words(), of_kind(text_kind::markdown, 30));
    const auto at = [&](std::string_view start) {
        const std::size_t place = text.find(start);
        REQUIRE(place != std::string::npos);
        for (const passage& one : found) {
            if (one.begin <= place && place < one.end) {
                return one;
            }
        }
        FAIL("no passage has " << start);
        return passage();
    };
    CHECK(at("Title").headings.empty());
    CHECK(at("## One").begin == text.find("## One"));
    CHECK(at("## One").headings == texts{"Title"});
    CHECK(at("# no heading").headings == texts{"Title", "One"});
    CHECK(at("# nor that").headings == texts{"Title", "One"});
    CHECK(at("Two").begin == text.find("Two\n---"));
    CHECK(at("Two").headings == texts{"Title"});
    CHECK(at("#### Deep").headings == texts{"Title", "Two"});
    CHECK(at("# Last").begin == text.find("# Last"));
    CHECK(at("# Last").headings.empty());
    CHECK(at("- # in a list").headings == texts{"Last #1"});
}

TEST_CASE("front matter, tables and fences of Markdown keep together") {
    const std::string fill = "The old mill and the river and the old word and the number.";
    const std::string front = "---\ntitle: the old mill\n# comment: x\n---";
    const std::string head = "| the | old |\n| --- | --- |\n| mill | river |";
    std::string table = head;
    for (int row = 0; row < 12; ++row) {
        table += "\n| the old mill | and the river |";
    }
    const auto found =
        cut(front + "\n" + fill + "\n\n" + table + "\n", of_kind(text_kind::markdown, 40));
    CHECK(found.front().starts_with(front));
    for (const std::string& part : found) {
        CHECK((part[0] == '|' || part.find("| ") == std::string::npos || part.starts_with("---") ||
               part.starts_with("The")));
        if (part.find("| --- |") != std::string::npos) {
            CHECK(part.find(head) != std::string::npos); // its first rows stay with a head
        }
    }
    // Without an end it is no front matter for ever, and without a start none at all.
    const std::string late = "x\n\n---\n\n# The\n\n" + fill + "\n\n" + fill;
    CHECK(checked_passages(late, words(), of_kind(text_kind::markdown, 30)).back().headings ==
          texts{"The"});
}

TEST_CASE("code is cut at blank lines and outdents, logs between entries") {
    const std::string function = "int the(int old) {\n    word();\n    river();\n}";
    CHECK(cut(function + "\n\n" + function + "\n\n" + function, of_kind(text_kind::code, 36)) ==
          texts{function, function, function});
    const std::string entry = "2024-05-01 12:34:56 the old mill\n    at the.river(word)";
    for (const std::string& part : cut(repeated(entry + "\n", 3000), of_kind(text_kind::log, 80))) {
        CHECK(part.starts_with("2024"));
        CHECK(part.ends_with("(word)"));
    }
}

TEST_CASE("the kind of a text is told by the file's name, or by its look") {
    using mice::text::kind_of_name;
    using mice::text::kind_of_text;
    CHECK(kind_of_name("a/b.MD") == text_kind::markdown);
    CHECK(kind_of_name("x.tar.py") == text_kind::code);
    CHECK(kind_of_name("CMakeLists.txt") == text_kind::code);
    CHECK(kind_of_name("notes.txt") == text_kind::plain);
    CHECK(kind_of_name("sys.log") == text_kind::log);
    CHECK(kind_of_name("a.md/README") == text_kind::automatic);
    CHECK(kind_of_text("") == text_kind::plain);
    CHECK(kind_of_text("The old mill.\nThe river.\n") == text_kind::plain);
    CHECK(kind_of_text("# The mill\n\nThe river [is](here).\n") == text_kind::markdown);
    CHECK(kind_of_text("#include <x>\nint main() {\n  return 0;\n}\n") == text_kind::code);
    CHECK(kind_of_text("# x\nimport os\ndef f(x):\n    return x\nclass y:\n") == text_kind::code);
    CHECK(kind_of_text("May  1 12:34:56 host a: b\nMay  1 12:34:57 host a: c\n") == text_kind::log);
    CHECK(kind_of_text("[2024-05-01T12:34:56Z] a\n[2024-05-01T12:34:57Z] b\n") == text_kind::log);
}

TEST_CASE("passages overlap by whole sentences, within the limit") {
    random_numbers random(5);
    std::string text;
    for (int i = 0; i < 60; ++i) {
        text += sentence(random) + " ";
    }
    passage_options options = of_kind(text_kind::plain, 100);
    options.overlap_tokens = 40;
    const auto by_tokens = checked_passages(text, words(), options);
    options.overlap_tokens = 0;
    options.overlap_sentences = 1;
    const auto by_sentences = checked_passages(text, words(), options);
    for (const auto& found : {by_tokens, by_sentences}) {
        std::size_t overlapping = 0;
        for (std::size_t i = 1; i < found.size(); ++i) {
            overlapping += found[i].begin < found[i - 1].end ? 1 : 0;
            CHECK(text.substr(found[i].begin, 4) == "The ");
        }
        CHECK(overlapping * 4 > found.size() * 3);
    }
    // Not over a heading.
    options.kind = text_kind::markdown;
    const std::string two = "# One\n\n" + text.substr(0, 700) + "\n\n# Two\n\n" + text;
    for (const passage& one : checked_passages(two, words(), options)) {
        const std::size_t heading = two.find("# Two");
        CHECK((one.begin >= heading || one.end <= heading));
    }
}

TEST_CASE("passages are the same in whatever portions a text comes") {
    const std::string markdown = document(3, 60);
    const std::string crlf = repeated("The old mill.\r\nThe river\r\r\n\n", 3000);
    const std::string long_line = repeated("the old mill and the river ", 200'000) + "\r\nend";
    for (const std::string& text : {markdown, crlf, long_line}) {
        const passage_options options = of_kind(text_kind::automatic, 60);
        const auto whole = checked_passages(text, words(), options);
        for (const std::size_t portion : {std::size_t{7}, std::size_t{1000}, text.size()}) {
            const auto found = fixtures::in_portions(text, words(), options, portion);
            REQUIRE(found.size() == whole.size());
            for (std::size_t i = 0; i < found.size(); ++i) {
                REQUIRE(found[i].begin == whole[i].begin);
                REQUIRE(found[i].end == whole[i].end);
                REQUIRE(found[i].headings == whole[i].headings);
                REQUIRE(found[i].first_line == whole[i].first_line);
            }
        }
    }
}

TEST_CASE("fault 06: hostile texts are cut within the limit") {
    random_numbers random(6);
    std::string bytes;
    for (int i = 0; i < 100'000; ++i) {
        bytes += static_cast<char>(random.below(256));
    }
    std::string headings;
    for (int i = 0; i < 100'000; ++i) {
        headings += "# H" + std::to_string(i) + "\n";
    }
    const texts hostile{
        bytes,
        headings,
        repeated("a", 1'000'000),
        repeated("ab+/", 200'000),
        std::string(200'000, '\0'),
        std::string(200'000, '\n'),
        std::string(200'000, ' ') + "x",
        repeated("# H\n", 100'000),
        repeated("the\r", 100'000),
        repeated("the\r\n", 100'000),
        "e" + repeated("\xcc\x81", 100'000),               // marks
        repeated("\xd7\xa9\xd7\x9c\xd7\x95 ", 100'000),    // right to left
        repeated("\xf0\x9f\x91\xa9\xe2\x80\x8d", 100'000), // joiners
        repeated("\xe4\xb8\xad\xe6\x96\x87", 100'000),
        repeated(". ", 100'000),
        repeated("```\n", 20'000),
        repeated("> ", 100'000) + "x",
        repeated("|-", 50'000) + "\n" + repeated("|x|\n", 50'000),
        repeated("- ", 50'000),
        "---\n" + repeated("x: y\n", 50'000),
        repeated("\x80", 100'000),
    };
    for (const std::string& text : hostile) {
        INFO(text.substr(0, 20));
        for (const text_kind kind : {text_kind::plain, text_kind::markdown, text_kind::code}) {
            checked_passages(text, words(), of_kind(kind, 64));
        }
    }
}

TEST_CASE("passages are within the limit for tokenizers whose words are not apart") {
    const auto unigram = mice::make_tokenizer(fixtures::small_unigram_of_bytes());
    mice::byte_bpe_spec spec;
    spec.vocabulary = {"[CLS]", "[SEP]"};
    for (std::size_t byte = 0; byte < 256; ++byte)
        mice::text::append_utf8(spec.vocabulary.emplace_back(),
                                mice::text::byte_character(static_cast<std::uint8_t>(byte)));
    const auto bytes = mice::make_tokenizer(spec);
    random_numbers random(9);
    std::string text = document(4, 10) + "\xef\xb7\xba\xef\xb7\xba \xe4\xb8\xad\xe6\x96\x87 ";
    for (int i = 0; i < 3000; ++i)
        mice::text::append_utf8(text, static_cast<char32_t>(random.below(0x3000)));
    for (const auto* tokenizer : {unigram.get(), bytes.get()})
        CHECK(checked_passages(text, *tokenizer, of_kind(text_kind::plain, 100)).size() > 10);
}

TEST_CASE("an edit changes only the passages near it") {
    const std::string before = document(7, 200);
    const passage_options options = of_kind(text_kind::markdown, 120);
    const auto old = cut(before, options);
    std::multiset<std::string> known(old.begin(), old.end());
    REQUIRE(old.size() > 60);
    /// Passages of the edited text that were not there before.
    const auto changed = [&](std::size_t from, std::size_t size, const std::string& put) {
        std::string after = before;
        after.replace(from, size, put);
        auto left = known;
        std::size_t fresh = 0;
        for (const std::string& one : cut(after, options)) {
            const auto found = left.find(one);
            if (found == left.end()) {
                ++fresh;
            } else {
                left.erase(found);
            }
        }
        return fresh;
    };
    random_numbers random(8);
    for (int round = 0; round < 40; ++round) {
        const std::size_t at = before.find("The ", random.below(before.size() - 2000) + 100);
        CHECK(changed(at, 0, sentence(random) + " ") <= 3); // a sentence more
        CHECK(changed(at, 3, "Some") <= 3);                 // another word
        const std::size_t paragraph = before.find("\n\n", at);
        const std::size_t next = before.find("\n\n", paragraph + 2);
        CHECK(changed(paragraph, next - paragraph, "") <= 4); // two passages touched at most
    }
    CHECK(changed(0, 0, "") == 0);
}

TEST_CASE("options of passages out of range are refused") {
    const auto refuses = [](passage_options options, std::string_view what) {
        try {
            (void)mice::passages("x", words(), options);
            FAIL("not refused: " << what);
        } catch (const mice::error& problem) {
            CHECK(problem.code() == mice::errc::invalid_argument);
            CHECK_THAT(problem.what(), Catch::Matchers::Contains(std::string(what)));
        }
    };
    refuses({}, "max_tokens of passages is 0");
    refuses({.max_tokens = 17}, "expected 18 to");
    refuses({.max_tokens = 1'100'000}, "max_tokens");
    refuses({.max_tokens = 102, .overlap_tokens = 51}, "overlap_tokens of passages is 51");
    refuses({.max_tokens = 102, .overlap_sentences = 101}, "overlap_sentences");
    refuses({.max_tokens = 102, .overlap_tokens = 5, .overlap_sentences = 1}, "set one of");
    mice::passage_cutter cutter(words(), {.max_tokens = 20});
    cutter.finish();
    CHECK_FALSE(cutter.next());
    CHECK_THROWS_AS(cutter.feed("x"), mice::error);
}

TEST_CASE("passages of a model are what it reads whole") {
    const mice::reranker ranker(std::filesystem::path(MICE_TEST_MODELS) /
                                "mice-minilm-l2x2-int8.safetensors");
    const std::string text = document(11, 60);
    const std::size_t limit = ranker.config().max_document_length;
    const auto found = mice::passages(text, ranker);
    REQUIRE(found.size() > 5);
    for (const passage& one : found) {
        CHECK(one.tokens <= limit);
        const mice::document encoded = ranker.encode(text.substr(one.begin, one.end - one.begin));
        CHECK(encoded.tokens_cut() == 0);
    }
    CHECK_THROWS_AS(mice::passages(text, ranker, {.max_tokens = limit + 1}), mice::error);
}
