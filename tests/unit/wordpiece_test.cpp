// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "tokenizer_checks.hpp"

#include <mice/text/tokenizer.hpp>
#include <mice/text/unicode/utf8.hpp>
#include <mice/text/wordpiece/bert_splitter.hpp>
#include <mice/text/wordpiece/spec.hpp>
#include <nlohmann/json.hpp>

using namespace std::string_literals;
using fixtures::contains;
using fixtures::problem;
using fixtures::with;
using mice::added_token;
using mice::encode_options;
using mice::errc;
using mice::special_tokens;
using mice::wordpiece_spec;
using words = std::vector<std::string>;

namespace {

/// [UNK] 0, [CLS] 1, [SEP] 2, then `tokens` from 3.
wordpiece_spec wordpiece_of(const words& tokens) {
    wordpiece_spec spec;
    spec.vocabulary = {"[UNK]", "[CLS]", "[SEP]"};
    spec.vocabulary.insert(spec.vocabulary.end(), tokens.begin(), tokens.end());
    return spec;
}

/// The tokens of a text, without markers.
words tokens_of(const wordpiece_spec& spec, std::string_view text,
                special_tokens specials = special_tokens::plain) {
    const auto tokenizer = mice::make_tokenizer(spec);
    words result;
    for (const std::int32_t id :
         tokenizer->encode(text, {.specials = specials, .add_markers = mice::markers::omit}).ids)
        result.emplace_back(tokenizer->token(id));
    return result;
}

std::string invalid(const wordpiece_spec& spec) {
    return problem(errc::tokenizer, [&spec] { spec.validate(); });
}

} // namespace

TEST_CASE("Words are cut greedily into the longest pieces") {
    const auto spec =
        wordpiece_of({"un", "##aff", "##able", "##a", "##ff", "unaffable", "una", "x"});
    CHECK(tokens_of(spec, "unaffable") == words{"unaffable"});
    CHECK(tokens_of(spec, "unaffablex") == words{"[UNK]"});
    CHECK(tokens_of(spec, "unaff") == words{"una", "##ff"});
}

TEST_CASE("One piece that is not known makes the whole word unknown") {
    const auto spec = wordpiece_of({"a", "##b"});
    CHECK(tokens_of(spec, "ab a abc ca b") == words{"a", "##b", "a", "[UNK]", "[UNK]", "[UNK]"});
}

TEST_CASE("Pieces end at code points, not at bytes") {
    // é and è share their first byte.
    auto spec = wordpiece_of({"\xC3", "x", "##\xA9", "\xC3\xA8"});
    CHECK(contains(invalid(spec), "token 3 is not valid UTF-8"));
    spec = wordpiece_of({"\xC3\xA8", "##x"});
    spec.strip_accents = false;
    CHECK(tokens_of(spec, "\xC3\xA8x \xC3\xA9x") == words{"\xC3\xA8", "##x", "[UNK]"});
}

TEST_CASE("The prefix of continuing pieces is read from the spec") {
    auto spec = wordpiece_of({"a", "##b", "@@b", "b"});
    CHECK(tokens_of(spec, "ab") == words{"a", "##b"});
    spec.continuing_subword_prefix = "@@";
    CHECK(tokens_of(spec, "ab") == words{"a", "@@b"});
    spec.continuing_subword_prefix = "";
    CHECK(tokens_of(spec, "ab") == words{"a", "b"});
}

TEST_CASE("Words longer than the limit are unknown") {
    auto spec = wordpiece_of({"a", "##a", "\xC3\xA9", "##\xC3\xA9"});
    spec.strip_accents = false;
    spec.max_input_chars_per_word = 3;
    CHECK(tokens_of(spec, "aaa aaaa") == words{"a", "##a", "##a", "[UNK]"});
    // Code points count, not bytes.
    CHECK(tokens_of(spec, "\xC3\xA9\xC3\xA9\xC3\xA9").size() == 3);
    spec.max_input_chars_per_word = 0;
    CHECK(tokens_of(spec, "a") == words{"[UNK]"});
}

TEST_CASE("clean_text drops control characters and unifies white space") {
    auto spec = wordpiece_of({"a", "b", "ab"});
    CHECK(tokens_of(spec, "a\x01\x0B\xEF\xBF\xBD\xE2\x80\x8B"
                          "b") == words{"ab"});
    CHECK(tokens_of(spec, "a\0b"s) == words{"ab"});
    CHECK(tokens_of(spec, "a\xC2\xA0"
                          "b\ta\r\nb") == words{"a", "b", "a", "b"});
    spec.clean_text = false;
    CHECK(tokens_of(spec, "a\x01"
                          "b") == words{"[UNK]"});
    CHECK(tokens_of(spec, "a\0b"s) == words{"[UNK]"});
    // A vertical tab is white space to the splitter, which clean_text would have dropped.
    CHECK(tokens_of(spec, "a\x0B"
                          "b") == words{"a", "b"});
}

TEST_CASE("handle_chinese_chars puts spaces around ideographs") {
    auto spec = wordpiece_of({"\xE6\xB1\x89", "\xE5\xAD\x97", "a", "##\xE6\xB1\x89"});
    CHECK(tokens_of(spec, "a\xE6\xB1\x89\xE5\xAD\x97") ==
          words{"a", "\xE6\xB1\x89", "\xE5\xAD\x97"});
    spec.handle_chinese_chars = false;
    CHECK(tokens_of(spec, "a\xE6\xB1\x89") == words{"a", "##\xE6\xB1\x89"});
    CHECK(tokens_of(spec, "\xE6\xB1\x89\xE5\xAD\x97") == words{"[UNK]"});
}

TEST_CASE("lowercase maps every code point fully and without context") {
    auto spec = wordpiece_of({"abc", "ABC", "i\xCC\x87", "\xCF\x83"});
    spec.strip_accents = false;
    CHECK(tokens_of(spec, "ABC") == words{"abc"});
    CHECK(tokens_of(spec, "\xC4\xB0") == words{"i\xCC\x87"});                     // U+0130
    CHECK(tokens_of(spec, "\xCE\xA3 \xCF\x83") == words{"\xCF\x83", "\xCF\x83"}); // sigma
    spec.lowercase = false;
    CHECK(tokens_of(spec, "ABC") == words{"ABC"});
    CHECK(tokens_of(spec, "\xC4\xB0") == words{"[UNK]"});
}

TEST_CASE("strip_accents follows lowercase unless it is set") {
    auto spec = wordpiece_of({"e", "\xC3\xA9", "E"});
    const std::string accented = "\xC3\xA9";
    CHECK(tokens_of(spec, accented) == words{"e"});
    spec.strip_accents = false;
    CHECK(tokens_of(spec, accented) == words{accented});
    spec.lowercase = false;
    spec.strip_accents.reset();
    CHECK(tokens_of(spec, accented) == words{accented});
    spec.strip_accents = true;
    CHECK(tokens_of(spec, accented + " \xC3\x89") == words{"e", "E"});
    // Hangul is decomposed, too.
    spec.vocabulary.emplace_back("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB");
    CHECK(tokens_of(spec, "\xED\x95\x9C").front().size() == 9);
}

TEST_CASE("Marks that stay after stripping come in canonical order") {
    // U+302F (class 224) and U+1B44 (class 9) are spacing marks: kept, but moved.
    const auto spec = wordpiece_of({"a\xE1\xAD\x84\xE3\x80\xAF", "a\xE3\x80\xAF"
                                                                 "e"});
    CHECK(tokens_of(spec, "a\xE3\x80\xAF\xE1\xAD\x84") == words{"a\xE1\xAD\x84\xE3\x80\xAF"});
    // They stay before the letter that follows, also when it is decomposed.
    CHECK(tokens_of(spec, "a\xE3\x80\xAF"
                          "e") == words{"a\xE3\x80\xAF"
                                        "e"});
    CHECK(tokens_of(spec, "a\xE3\x80\xAF\xC3\xA9") == words{"a\xE3\x80\xAF"
                                                            "e"});
    // A stripped mark of class 0 (U+034F) still separates the runs.
    CHECK(tokens_of(spec, "a\xE3\x80\xAF\xCD\x8F\xE1\xAD\x84") == words{"[UNK]"});
}

TEST_CASE("Punctuation stands alone") {
    const auto spec = wordpiece_of({"a", ".", ",", "$", "\xE3\x80\x82", "_"});
    CHECK(tokens_of(spec, "a.,a$_a\xE3\x80\x82") ==
          words{"a", ".", ",", "a", "$", "_", "a", "\xE3\x80\x82"});
}

TEST_CASE("The other special tokens have the names of the spec") {
    auto spec = wordpiece_of({"<unk>", "<s>", "</s>", "a"});
    spec.unk_token = "<unk>";
    spec.cls_token = "<s>";
    spec.sep_token = "</s>";
    const auto tokenizer = mice::make_tokenizer(spec);
    CHECK(tokenizer->encode("a b").ids == std::vector<std::int32_t>{4, 6, 3, 5});
    CHECK(tokenizer->id("</s>") == 5);
    CHECK_FALSE(tokenizer->id("nothing").has_value());
    CHECK(tokenizer->token(-1).empty());
    CHECK(tokenizer->token(7).empty());
    CHECK(tokenizer->vocabulary_size() == 7);
}

TEST_CASE("Special tokens in a text are plain text unless they are parsed") {
    auto spec = wordpiece_of({"[", "]", "sep", "a"});
    spec.added_tokens = {{.id = 2, .content = "[SEP]", .special = true}};
    CHECK(tokens_of(spec, "a[SEP]a") == words{"a", "[", "sep", "]", "a"});
    CHECK(tokens_of(spec, "a[SEP]a", special_tokens::parse) == words{"a", "[SEP]", "a"});
}

TEST_CASE("No text produces a special token that is an ordinary word") {
    auto spec = wordpiece_of({"sep", "##x", "s", "##ep"});
    spec.sep_token = "sep";
    CHECK(tokens_of(spec, "sep sepx") == words{"s", "##ep", "s", "##ep", "##x"});
    CHECK(tokens_of(spec, "sepx", special_tokens::parse) == words{"sep", "##x"});
}

TEST_CASE("Added tokens that are not special are found in both modes") {
    auto spec = wordpiece_of({"a", "##b", "ab"});
    spec.added_tokens = {{.id = 100, .content = "aB"}};
    CHECK(tokens_of(spec, "aBab aB") == words{"aB", "ab", "aB"});
    CHECK(tokens_of(spec, "aBab aB", special_tokens::parse) == words{"aB", "ab", "aB"});
    const auto tokenizer = mice::make_tokenizer(spec);
    CHECK(tokenizer->vocabulary_size() == 101);
    CHECK(tokenizer->token(100) == "aB");
    CHECK(tokenizer->token(50).empty());
    CHECK(tokenizer->id("aB") == 100);
}

TEST_CASE("The leftmost, then the longest added token wins") {
    auto spec = wordpiece_of({"y", "##z", "z", "x"});
    spec.added_tokens = {
        {.id = 10, .content = "<x"}, {.id = 11, .content = "<xy>"}, {.id = 12, .content = "xy>z"}};
    CHECK(tokens_of(spec, "<xy>z <xyz xy>z") == words{"<xy>", "z", "<x", "y", "##z", "xy>z"});
}

TEST_CASE("A special token in plain text hides added tokens inside it, as in the reference") {
    auto spec = wordpiece_of({"<", ">", "s"});
    spec.added_tokens = {{.id = 10, .content = "<s>", .special = true},
                         {.id = 11, .content = "s>"}};
    CHECK(tokens_of(spec, "<s> s>") == words{"<", "s", ">", "s>"});
    CHECK(tokens_of(spec, "<s> s>", special_tokens::parse) == words{"<s>", "s>"});
}

TEST_CASE("single_word tokens need a boundary on both sides") {
    auto spec = wordpiece_of({"a"});
    spec.added_tokens = {{.id = 10, .content = "QQ"}};
    CHECK(tokens_of(spec, "aQQ") == words{"a", "QQ"});
    spec.added_tokens[0].single_word = true;
    CHECK(tokens_of(spec, "aQQ") == words{"[UNK]"});
    CHECK(tokens_of(spec, "QQ\xC3\xA9") == words{"[UNK]"});
    CHECK(tokens_of(spec, "QQ") == words{"QQ"});
    CHECK(tokens_of(spec, "a QQ,") == words{"a", "QQ", "[UNK]"});
}

TEST_CASE("lstrip and rstrip take white space along") {
    // White space that was taken along cannot be part of another token.
    auto spec = wordpiece_of({"a"});
    spec.clean_text = false;
    spec.added_tokens = {{.id = 10, .content = "QQ"},
                         {.id = 11, .content = "\xE3\x80\x80 a", .normalized = true}};
    CHECK(tokens_of(spec, "QQ\xE3\x80\x80 a") == words{"QQ", "\xE3\x80\x80 a"});
    spec.added_tokens[0].rstrip = true;
    CHECK(tokens_of(spec, "QQ\xE3\x80\x80 a") == words{"QQ", "a"});
    spec.added_tokens = {{.id = 10, .content = "QQ", .lstrip = true},
                         {.id = 11, .content = "a \xE3\x80\x80", .normalized = true}};
    CHECK(tokens_of(spec, "a \xE3\x80\x80QQ") == words{"a", "QQ"});
    spec.added_tokens[0].lstrip = false;
    CHECK(tokens_of(spec, "a \xE3\x80\x80QQ") == words{"a \xE3\x80\x80", "QQ"});
}

TEST_CASE("normalized added tokens are looked for in normalized text") {
    auto spec = wordpiece_of({"a"});
    spec.added_tokens = {{.id = 10, .content = "Yest\xC3\xA9r"}};
    CHECK(tokens_of(spec, "YESTER a") == words{"[UNK]", "a"});
    spec.added_tokens[0].normalized = true;
    CHECK(tokens_of(spec, "aYESTER a") == words{"a", "Yest\xC3\xA9r", "a"});
    CHECK(tokens_of(spec, "yest\xC3\xA9r") == words{"Yest\xC3\xA9r"});
}

TEST_CASE("Invalid UTF-8 is replaced as Rust and Python do, and counted") {
    struct sample {
        std::string_view bytes, repaired;
        std::size_t replaced;
    };
    using namespace std::string_view_literals;
#define R "\xEF\xBF\xBD"
    const std::vector<sample> samples = {
        {"\x80"sv, R ""sv, 1},
        {"\xC3\x28"sv, R "("sv, 1},
        {"\xC0\xAF"sv, R R ""sv, 2},
        {"\xE0\x80\xAF"sv, R R R ""sv, 3},
        {"\xF0\x80\x80\xAF"sv, R R R R ""sv, 4},
        {"\xED\xA0\x80"sv, R R R ""sv, 3},
        {"\xED\xA0\xBD\xED\xB8\x80"sv, R R R R R R ""sv, 6},
        {"\xF4\x90\x80\x80"sv, R R R R ""sv, 4},
        {"\xE4\xBD"sv, R ""sv, 1},
        {"\xF0\x9F\x98"sv, R ""sv, 1},
        {"hello\xFFworld"sv, "hello" R "world"sv, 1},
        {"\xE4\xBD\xA0\xE5\xA5"sv, "\xE4\xBD\xA0" R ""sv, 1},
        {"\0\xFF\0"sv, "\0" R "\0"sv, 1},
        {"\xFC\x84\x80\x80\x80\x80"sv, R R R R R R ""sv, 6},
        {"a\xE2\x82"
         "a"sv,
         "a" R "a"sv, 1},
    };
#undef R
    auto spec = wordpiece_of({"\xEF\xBF\xBD", "a"});
    spec.clean_text = false;
    const auto tokenizer = mice::make_tokenizer(spec);
    for (const sample& each : samples) {
        const auto repaired = mice::text::repair_utf8(each.bytes);
        CHECK(repaired.text == each.repaired);
        CHECK(repaired.replaced == each.replaced);
        const auto encoding = tokenizer->encode(each.bytes);
        CHECK(encoding.replaced == each.replaced);
        CHECK(encoding.ids == tokenizer->encode(each.repaired).ids);
    }
    CHECK(tokenizer->encode("fine \xC3\xA9").replaced == 0);
    CHECK(tokenizer->encode_pair("\xFF", "\xFE\xFD").replaced == 3);
}

TEST_CASE("Invalid UTF-8 can be refused") {
    const auto tokenizer = mice::make_tokenizer(wordpiece_of({"a"}));
    const auto refuse = mice::invalid_utf8::refuse;
    CHECK(contains(problem(errc::encoding,
                           [&] { (void)tokenizer->encode("abc\xFF", {.on_invalid = refuse}); }),
                   "byte 3"));
    CHECK(contains(
        problem(errc::encoding,
                [&] { (void)tokenizer->encode_pair("a", "\xFF", {.on_invalid = refuse}); }),
        "the second text"));
    CHECK(tokenizer->encode("a", {.on_invalid = refuse}).ids.size() == 3);
}

TEST_CASE("The limit keeps both markers and counts exactly what was cut") {
    const auto tokenizer = mice::make_tokenizer(wordpiece_of({"a", "b"}));
    const auto all = tokenizer->encode("a b a b", {.max_tokens = 6});
    CHECK(all.ids == std::vector<std::int32_t>{1, 3, 4, 3, 4, 2});
    CHECK(all.cut == 0);
    const auto some = tokenizer->encode("a b a b", {.max_tokens = 4});
    CHECK(some.ids == std::vector<std::int32_t>{1, 3, 4, 2});
    CHECK(some.cut == 2);
    CHECK(tokenizer->encode("a b", {.max_tokens = 2}).ids == std::vector<std::int32_t>{1, 2});
    CHECK(contains(
        problem(errc::invalid_argument, [&] { (void)tokenizer->encode("a", {.max_tokens = 1}); }),
        "max_tokens is 1"));
    const encode_options bare{.max_tokens = 1, .add_markers = mice::markers::omit};
    CHECK(tokenizer->encode("a b", bare).ids == std::vector<std::int32_t>{3});
    CHECK(tokenizer->encode("a b", bare).cut == 1);
    CHECK(tokenizer->encode("").ids == std::vector<std::int32_t>{1, 2});
}

TEST_CASE("Pairs are truncated as the reference truncates them") {
    const auto tokenizer = mice::make_tokenizer(wordpiece_of({"a", "b"}));
    const auto repeat = [](const char* word, std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i)
            text += word;
        return text;
    };
    for (std::size_t first = 0; first < 9; ++first)
        for (std::size_t second = 0; second < 9; ++second)
            for (std::size_t room = 0; room < 9; ++room) {
                // Take one token at a time from the longer text (from the first when the odd
                // one is left to the second).
                std::size_t n1 = first, n2 = second;
                while (n1 + n2 > room)
                    --(n1 > n2 || (n1 == n2 && first <= second) ? n1 : n2);
                const auto pair = tokenizer->encode_pair(
                    repeat("a ", first), repeat("b ", second),
                    {.max_tokens = room + 3, .strategy = mice::truncation::longest_first});
                std::vector<std::int32_t> ids = {1};
                ids.insert(ids.end(), n1, 3);
                ids.push_back(2);
                std::vector<std::int32_t> types(ids.size(), 0);
                ids.insert(ids.end(), n2, 4);
                ids.push_back(2);
                types.resize(ids.size(), 1);
                REQUIRE(pair.ids == ids);
                REQUIRE(pair.type_ids == types);
                REQUIRE(pair.cut_first == first - n1);
                REQUIRE(pair.cut_second == second - n2);
            }
    const auto cut = tokenizer->encode_pair("a a", "b b b", {.max_tokens = 6});
    CHECK(cut.ids == std::vector<std::int32_t>{1, 3, 3, 2, 4, 2});
    CHECK(cut.cut_second == 2);
    CHECK(contains(problem(errc::invalid_argument,
                           [&] { (void)tokenizer->encode_pair("a a", "b", {.max_tokens = 5}); }),
                   "leaves the second none"));
    CHECK(contains(problem(errc::invalid_argument,
                           [&] { (void)tokenizer->encode_pair("", "", {.max_tokens = 2}); }),
                   "take 3"));
}

TEST_CASE("A word of any length takes bounded memory") {
    std::size_t longest = 0, reported = 0, count = 0;
    mice::text::bert_splitter splitter(100, [&](std::string_view word, std::size_t chars) {
        longest = std::max(longest, word.size());
        reported = std::max(reported, chars);
        ++count;
    });
    for (int i = 0; i < 10'000'000; ++i)
        splitter.add(0x1F600);
    splitter.end();
    CHECK(longest == 404);
    CHECK(reported == 101);
    CHECK(count == 1);
}

TEST_CASE("Ten megabytes are cut at the limit and counted") {
    const auto tokenizer = mice::make_tokenizer(wordpiece_of({"a", "##a"}));
    std::string text;
    for (int i = 0; i < 2'500'000; ++i)
        text += "aa a";
    text.resize(10'000'000);
    // "aa" and "aaa" with a space between: 2,500,001 words, the first and the last are shorter.
    const auto encoding = tokenizer->encode(text, {.max_tokens = 128});
    CHECK(encoding.ids.size() == 128);
    CHECK(encoding.ids.capacity() <= 256); // what is cut is not stored
    CHECK(encoding.cut == 7'500'000 - 126);
    const auto word = tokenizer->encode(std::string(10'000'000, 'a'), {.max_tokens = 128});
    CHECK(word.ids == std::vector<std::int32_t>{1, 0, 2});
}

TEST_CASE("Hostile texts take linear time") {
    // Every one of these would take 10^11 steps or more if some loop started over.
    auto spec = wordpiece_of({"a", "##a"});
    spec.added_tokens = {{.id = 10, .content = " ", .lstrip = true, .rstrip = true},
                         {.id = 11, .content = "<x>", .single_word = true, .lstrip = true},
                         {.id = 12, .content = "zz", .normalized = true}};
    const auto tokenizer = mice::make_tokenizer(spec);
    const std::string spaces(1'000'000, ' ');
    CHECK(tokenizer->encode(spaces).ids.size() == 3);
    std::string blocked;
    for (int i = 0; i < 300'000; ++i)
        blocked += " <x>a";
    CHECK(tokenizer->encode(blocked, {.max_tokens = 10}).ids.size() == 10);
    std::string marks = "a";
    for (int i = 0; i < 500'000; ++i)
        marks += "\xE3\x80\xAF"; // U+302F, class 224, kept
    for (int i = 0; i < 500'000; ++i)
        marks += "\xE1\xAD\x84"; // U+1B44, class 9, kept
    CHECK(tokenizer->encode(marks).ids == std::vector<std::int32_t>{1, 0, 2});
}

TEST_CASE("One tokenizer serves many threads") {
    auto spec = wordpiece_of({"a", "##b", "b", "c"});
    spec.added_tokens = {{.id = 10, .content = "zz", .normalized = true}};
    const auto tokenizer = mice::make_tokenizer(spec);
    const auto expected = tokenizer->encode("ab c ZZ \xC3\xA1").ids;
    std::array<bool, 4> same{};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < same.size(); ++t)
        threads.emplace_back([&, t] {
            bool all = true;
            for (int i = 0; i < 2000; ++i)
                all = all && tokenizer->encode("ab c ZZ \xC3\xA1").ids == expected;
            same[t] = all;
        });
    for (std::thread& thread : threads)
        thread.join();
    CHECK(std::all_of(same.begin(), same.end(), [](bool ok) { return ok; }));
}

TEST_CASE("A vocabulary that cannot work is refused") {
    CHECK(invalid(wordpiece_of({"a"})) == "");
    CHECK(invalid(wordpiece_of({"a", "", "", "b"})) == ""); // holes are fine
    CHECK(contains(invalid(wordpiece_of({"a", "b", "a"})), "'a' has two ids, 3 and 5"));
    CHECK(contains(invalid(wordpiece_of({"a\0b"s})), "NUL"));
    CHECK(contains(invalid(wordpiece_of({std::string(1025, 'a')})), "token 3 has 1025 bytes"));
    CHECK(contains(invalid(wordpiece_spec{}), "'[UNK]' is not in the vocabulary"));
    auto spec = wordpiece_of({"a"});
    spec.sep_token = "</s>";
    CHECK(contains(invalid(spec), "'</s>' is not in the vocabulary"));
    spec = wordpiece_of({"a"});
    spec.mask_token = "[MASK]";
    CHECK(contains(invalid(spec), "'[MASK]'"));
    spec = wordpiece_of({"a"});
    spec.max_input_chars_per_word = 1'000'000'000;
    CHECK(contains(invalid(spec), "max_input_chars_per_word"));
    spec = wordpiece_of({"a"});
    spec.continuing_subword_prefix = "\xFF";
    CHECK(contains(invalid(spec), "continuing_subword_prefix"));
    spec = wordpiece_of({"a"});
    spec.unk_token = "added";
    spec.added_tokens = {{.id = 4, .content = "added"}};
    CHECK(contains(invalid(spec), "'added' is not in the vocabulary"));
}

TEST_CASE("Added tokens that contradict the vocabulary or each other are refused") {
    const auto with = [](std::vector<added_token> tokens) {
        auto spec = wordpiece_of({"a"});
        spec.added_tokens = std::move(tokens);
        return invalid(spec);
    };
    CHECK(with({{.id = 3, .content = "a"}}) == "");
    CHECK(with({{.id = 4, .content = "b"}, {.id = 5, .content = "c"}}) == "");
    CHECK(contains(with({{.id = 4, .content = "a"}}), "the vocabulary has it as 3"));
    CHECK(contains(with({{.id = 3, .content = "b"}}), "which is 'a' in the vocabulary"));
    CHECK(contains(with({{.id = 4, .content = "b"}, {.id = 4, .content = "c"}}), "same id, 4"));
    CHECK(contains(with({{.id = 4, .content = "b"}, {.id = 5, .content = "b"}}), "appears twice"));
    CHECK(contains(with({{.id = -1, .content = "b"}}), "the id -1"));
    CHECK(contains(with({{.id = 1 << 30, .content = "b"}}), "the id 1073741824"));
    CHECK(contains(with({{.id = 4, .content = ""}}), "1 to 256 bytes"));
    CHECK(contains(with({{.id = 4, .content = std::string(257, 'b')}}), "1 to 256 bytes"));
    CHECK(contains(with({{.id = 4, .content = "\xFF"}}), "UTF-8"));
    CHECK(contains(with({{.id = 4, .content = "\x01", .normalized = true}}), "is empty"));
    CHECK(contains(with({{.id = 4, .content = "QQ", .normalized = true},
                         {.id = 5, .content = "qq", .normalized = true}}),
                   "the same once"));
}

namespace {

/// Many tokens whose hashes fall into one corner of the table, found by trying.
words colliding_tokens(std::size_t count, std::size_t slots) {
    words result;
    for (std::uint64_t n = 0; result.size() < count; ++n) {
        const std::string token = "t" + std::to_string(n);
        mice::text::running_hash hash;
        hash.add(token);
        if (hash.value() >> (64 - 6) == 0) // the first 64th of the table
            result.push_back(token);
    }
    CHECK(slots >= count);
    return result;
}

wordpiece_spec every_wordpiece_field() {
    auto spec = wordpiece_of({"a", "", "##b", "[PAD]", "[MASK]", "\xC3\xA9"});
    spec.clean_text = false;
    spec.handle_chinese_chars = false;
    spec.lowercase = false;
    spec.strip_accents = true;
    spec.pad_token = "[PAD]";
    spec.mask_token = "[MASK]";
    spec.continuing_subword_prefix = "@\xC3\xA9";
    spec.max_input_chars_per_word = 77;
    spec.added_tokens = {{.id = 2, .content = "[SEP]", .special = true},
                         {.id = 20, .content = "x\"y\n", .single_word = true, .lstrip = true},
                         {.id = 21, .content = "z", .rstrip = true, .normalized = true}};
    return spec;
}

std::string read_problem(errc code, const std::string& metadata,
                         const std::vector<std::byte>& vocabulary) {
    return problem(code, [&] { (void)mice::wordpiece_from_model(metadata, vocabulary); });
}

} // namespace

TEST_CASE("A vocabulary made to collide is refused instead of searched for ever") {
    CHECK(contains(invalid(wordpiece_of(colliding_tokens(2000, 4096))), "collide"));
}

TEST_CASE("A spec survives the model file") {
    for (const auto& spec : {every_wordpiece_field(), wordpiece_of({"a"})}) {
        const auto back =
            mice::wordpiece_from_model(mice::to_metadata(spec), mice::vocabulary_bytes(spec));
        CHECK(back.vocabulary == spec.vocabulary);
        CHECK(back.clean_text == spec.clean_text);
        CHECK(back.handle_chinese_chars == spec.handle_chinese_chars);
        CHECK(back.lowercase == spec.lowercase);
        CHECK(back.strip_accents == spec.strip_accents);
        CHECK(back.unk_token == spec.unk_token);
        CHECK(back.cls_token == spec.cls_token);
        CHECK(back.sep_token == spec.sep_token);
        CHECK(back.pad_token == spec.pad_token);
        CHECK(back.mask_token == spec.mask_token);
        CHECK(back.continuing_subword_prefix == spec.continuing_subword_prefix);
        CHECK(back.max_input_chars_per_word == spec.max_input_chars_per_word);
        REQUIRE(back.added_tokens.size() == spec.added_tokens.size());
        for (std::size_t i = 0; i < spec.added_tokens.size(); ++i) {
            const added_token &a = back.added_tokens[i], &b = spec.added_tokens[i];
            CHECK(a.id == b.id);
            CHECK(a.content == b.content);
            CHECK(a.special == b.special);
            CHECK(a.single_word == b.single_word);
            CHECK(a.lstrip == b.lstrip);
            CHECK(a.rstrip == b.rstrip);
            CHECK(a.normalized == b.normalized);
        }
        CHECK(mice::to_metadata(back) == mice::to_metadata(spec));
    }
}

TEST_CASE("Another type of tokenizer in a model file is named") {
    const auto spec = wordpiece_of({"a"});
    const auto metadata = with(mice::to_metadata(spec), "type", "char_level");
    const auto message = read_problem(errc::unsupported, metadata, mice::vocabulary_bytes(spec));
    CHECK(contains(message, "'char_level'"));
    CHECK(contains(message, "not supported yet"));
}

TEST_CASE("Every damaged key of the metadata is refused by name") {
    const auto spec = every_wordpiece_field();
    const auto metadata = mice::to_metadata(spec);
    const auto vocabulary = mice::vocabulary_bytes(spec);
    const auto object = nlohmann::json::parse(metadata);
    for (const auto& [key, value] : object.items()) {
        INFO(key);
        auto without = object;
        without.erase(key);
        CHECK(contains(read_problem(errc::tokenizer, without.dump(), vocabulary),
                       "lacks '" + key + "'"));
        CHECK(contains(read_problem(errc::tokenizer,
                                    with(metadata, key.c_str(), nlohmann::json{{"x", 1}}),
                                    vocabulary),
                       "'" + key + "' must be"));
    }
    CHECK(contains(read_problem(errc::tokenizer, with(metadata, "extra", 1), vocabulary),
                   "unknown key 'extra'"));
    for (const nlohmann::json& number : {nlohmann::json(-1), nlohmann::json(1.5),
                                         nlohmann::json(1e18), nlohmann::json(~std::uint64_t{0})})
        CHECK(contains(
            read_problem(errc::tokenizer, with(metadata, "vocabulary_size", number), vocabulary),
            "'vocabulary_size' must be"));
    CHECK(contains(read_problem(errc::tokenizer, "[]", vocabulary), "must be a JSON object"));
    CHECK(contains(read_problem(errc::format, metadata.substr(0, metadata.size() - 1), vocabulary),
                   "not usable JSON"));
    const nlohmann::json token = object["added_tokens"][0];
    for (const auto& [key, value] : token.items()) {
        INFO(key);
        auto damaged = token;
        damaged[key] = nlohmann::json::array();
        CHECK(
            contains(read_problem(errc::tokenizer,
                                  with(metadata, "added_tokens", nlohmann::json::array({damaged})),
                                  vocabulary),
                     "'" + key + "' must be"));
    }
}

TEST_CASE("A vocabulary tensor that does not fit is refused") {
    const auto spec = wordpiece_of({"a"});
    const auto metadata = mice::to_metadata(spec);
    const auto whole = mice::vocabulary_bytes(spec);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::vector<std::byte> part(whole.begin(),
                                          whole.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(contains(read_problem(errc::tokenizer, metadata, part), "vocabulary tensor"));
    }
    auto longer = whole;
    longer.push_back(std::byte{'x'});
    CHECK(contains(read_problem(errc::tokenizer, metadata, longer), "vocabulary tensor"));
    longer.back() = std::byte{0};
    CHECK(contains(read_problem(errc::tokenizer, metadata, longer), "says 4"));
    auto broken = whole;
    broken[broken.size() - 2] = std::byte{0xFF};
    CHECK(contains(read_problem(errc::tokenizer, metadata, broken), "token 3 is not valid UTF-8"));
    for (std::size_t at = 0; at < whole.size(); ++at) // any one byte: an error or a valid spec
        for (const auto value : {std::byte{0}, std::byte{'a'}, std::byte{0x80}}) {
            auto flipped = whole;
            flipped[at] = value;
            try {
                mice::wordpiece_from_model(metadata, flipped).validate();
            } catch (const mice::error& raised) {
                CHECK(raised.code() == errc::tokenizer);
            }
        }
}
