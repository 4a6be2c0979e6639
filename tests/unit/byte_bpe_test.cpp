// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "tokenizer_checks.hpp"

#include <mice/codecs/token_filter.hpp>
#include <mice/text/byte_bpe/byte_alphabet.hpp>
#include <mice/text/byte_bpe/gpt2_splitter.hpp>
#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/wordpiece/spec.hpp>
#include <nlohmann/json.hpp>

using fixtures::contains;
using fixtures::problem;
using fixtures::with;
using mice::added_token;
using mice::byte_bpe_spec;
using mice::errc;
using mice::special_tokens;
using mice::text::split_class;
using words = std::vector<std::string>;
using pairs = std::vector<std::pair<std::string, std::string>>;

namespace {

std::string character(std::size_t byte) {
    std::string result;
    mice::text::append_utf8(result, mice::text::byte_character(static_cast<std::uint8_t>(byte)));
    return result;
}

/// Bytes as tokens write them.
std::string alphabet(std::string_view bytes) {
    std::string result;
    for (const char byte : bytes)
        result += character(static_cast<unsigned char>(byte));
    return result;
}

std::int32_t id_of(const byte_bpe_spec& spec, const std::string& token) {
    const auto found = std::find(spec.vocabulary.begin(), spec.vocabulary.end(), token);
    return static_cast<std::int32_t>(found - spec.vocabulary.begin());
}

/// [CLS] 0, [SEP] 1, the bytes from 2, then what the merges make; texts are plain bytes.
byte_bpe_spec bpe_of(const pairs& merges) {
    byte_bpe_spec spec;
    spec.vocabulary = {"[CLS]", "[SEP]"};
    for (std::size_t byte = 0; byte < 256; ++byte)
        spec.vocabulary.push_back(character(byte));
    for (const auto& [left, right] : merges) {
        const std::string a = alphabet(left), b = alphabet(right);
        if (id_of(spec, a + b) == static_cast<std::int32_t>(spec.vocabulary.size()))
            spec.vocabulary.push_back(a + b);
        spec.merges.push_back({id_of(spec, a), id_of(spec, b)});
    }
    return spec;
}

/// The tokens of a text as they are written, without markers.
words tokens_of(const byte_bpe_spec& spec, std::string_view text,
                special_tokens specials = special_tokens::plain) {
    const auto tokenizer = mice::make_tokenizer(spec);
    words result;
    for (const std::int32_t id :
         tokenizer->encode(text, {.specials = specials, .add_markers = mice::markers::omit}).ids)
        result.emplace_back(tokenizer->token(id));
    return result;
}

words split(std::string_view text) {
    words result;
    mice::text::split_gpt2(text, [&result](std::string_view word) { result.emplace_back(word); });
    return result;
}

std::string invalid(const byte_bpe_spec& spec) {
    const auto message = problem(errc::tokenizer, [&spec] { spec.validate(); });
    CHECK(message == problem(errc::tokenizer, [&spec] { (void)mice::make_tokenizer(spec); }));
    return message;
}

/// \u0120, which stands for a space.
const std::string space = "\xC4\xA0";

} // namespace

TEST_CASE("The byte alphabet is GPT-2's") {
    std::set<char32_t> seen;
    for (unsigned byte = 0; byte < 256; ++byte) {
        const char32_t code = mice::text::byte_character(static_cast<std::uint8_t>(byte));
        CHECK(seen.insert(code).second);
        const std::string one(1, static_cast<char>(byte));
        CHECK(mice::text::spelled_bytes(alphabet(one)) == one);
    }
    CHECK(*seen.begin() == U'!');
    CHECK(*seen.rbegin() == 0x143);
    CHECK(mice::text::byte_character(0) == 0x100);
    CHECK(mice::text::byte_character(' ') == 0x120);
    CHECK(mice::text::byte_character(0x7F) == 0x121);
    CHECK(mice::text::byte_character(0xAD) == 0x143);
    CHECK(mice::text::byte_character(0xFF) == 0xFF);
    CHECK(mice::text::spelled_bytes("") == "");
    CHECK_FALSE(mice::text::spelled_bytes("a b").has_value());
    CHECK_FALSE(mice::text::spelled_bytes("\xC5\x84").has_value()); // U+0144
    CHECK_FALSE(mice::text::spelled_bytes("\xFF").has_value());
}

TEST_CASE("Texts are split at the places of GPT-2's rule") {
    CHECK(split("") == words{});
    CHECK(split("Hello world") == words{"Hello", " world"});
    CHECK(split("it's we'll I'd you've they're I'm don't") ==
          words{"it", "'s", " we", "'ll", " I", "'d", " you", "'ve", " they", "'re", " I", "'m",
                " don", "'t"});
    CHECK(split("IT'S x'") == words{"IT", "'", "S", " x", "'"}); // endings are lower case
    CHECK(split("'l 'less") == words{"'", "l", " '", "less"});
    CHECK(split("'stop") == words{"'s", "top"});
    CHECK(split("a!'s") == words{"a", "!'", "s"});
    CHECK(split("3rd 42.5") == words{"3", "rd", " 42", ".", "5"});
    CHECK(split("a  b") == words{"a", " ", " b"});
    CHECK(split("a   b") == words{"a", "  ", " b"});
    CHECK(split("a \n b") == words{"a", " \n", " b"});
    CHECK(split("a\nb") == words{"a", "\n", "b"});
    CHECK(split("a\n\nb") == words{"a", "\n", "\n", "b"});
    CHECK(split("a  ") == words{"a", "  "});
    CHECK(split("  ") == words{"  "});
    CHECK(split(" ") == words{" "});
    CHECK(split("\xC2\xA0x\xE3\x80\x80\xE3\x80\x80y") ==
          words{"\xC2\xA0", "x", "\xE3\x80\x80", "\xE3\x80\x80", "y"});
    CHECK(split(" \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80!") ==
          words{" \xE4\xB8\xAD\xE6\x96\x87", " \xF0\x9F\x98\x80!"});
}

namespace {

/// GPT-2's regular expression, alternative by alternative, with the backtracking that it asks for.
std::size_t match_at(const std::vector<char32_t>& text, std::size_t at) {
    const auto class_at = [&text](std::size_t i) { return mice::text::split_class_of(text[i]); };
    for (const std::u32string_view ending : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"})
        if (text.size() - at >= ending.size() &&
            std::equal(ending.begin(), ending.end(),
                       text.begin() + static_cast<std::ptrdiff_t>(at)))
            return at + ending.size();
    for (const split_class wanted :
         {split_class::letter, split_class::number, split_class::other}) {
        for (const std::size_t skipped : {1, 0}) { // ` ?` is greedy
            if (skipped == 1 && text[at] != U' ')
                continue;
            std::size_t stop = at + skipped;
            while (stop < text.size() && class_at(stop) == wanted)
                ++stop;
            if (stop > at + skipped)
                return stop;
        }
    }
    std::size_t stop = at;
    while (stop < text.size() && class_at(stop) == split_class::white_space)
        ++stop;
    for (std::size_t end = stop; end > at; --end) // \s+(?!\S)
        if (end == text.size() || class_at(end) == split_class::white_space)
            return end;
    return stop;
}

} // namespace

TEST_CASE("Random texts are split as by a backtracking matcher, without losing a byte") {
    constexpr std::array<char32_t, 22> alphabet_of_text = {
        U' ', U' ', U' ', U'\n', U'\t', 0x85, 0xA0,   0x3000, U'\'', U'\'', U's',
        U't', U'r', U'e', U'l',  U'A',  0xE9, 0x4E2D, U'7',   0xBD,  U'!',  0x1F600};
    std::mt19937 random(5);
    for (int round = 0; round < 50000; ++round) {
        std::vector<char32_t> codes(random() % 14);
        for (char32_t& code : codes)
            code = alphabet_of_text[random() % alphabet_of_text.size()];
        std::string text;
        for (const char32_t code : codes)
            mice::text::append_utf8(text, code);
        words expected;
        for (std::size_t at = 0; at < codes.size();) {
            const std::size_t stop = match_at(codes, at);
            REQUIRE(stop > at);
            expected.emplace_back();
            for (; at < stop; ++at)
                mice::text::append_utf8(expected.back(), codes[at]);
        }
        INFO(text);
        REQUIRE(split(text) == expected);
    }
}

TEST_CASE("The lowest rank is merged first, and the leftmost of equals") {
    CHECK(tokens_of(bpe_of({}), "abc") == words{"a", "b", "c"});
    CHECK(tokens_of(bpe_of({{"b", "c"}, {"a", "b"}}), "abc") == words{"a", "bc"});
    CHECK(tokens_of(bpe_of({{"a", "b"}, {"b", "c"}}), "abc") == words{"ab", "c"});
    CHECK(tokens_of(bpe_of({{"a", "a"}}), "aaaaa") == words{"aa", "aa", "a"});
    CHECK(tokens_of(bpe_of({{"a", "b"}, {"ab", "c"}, {" ", "abc"}}), "abc abc") ==
          words{"abc", space + "abc"});
    // No merge reaches from one word into the next.
    CHECK(tokens_of(bpe_of({{"a", " "}, {" ", "b"}}), "a b") == words{"a", space + "b"});
    // A whole word is a token only where merges lead to it.
    auto spec = bpe_of({});
    spec.vocabulary.emplace_back("abc");
    CHECK(tokens_of(spec, "abc") == words{"a", "b", "c"});
}

namespace {

/// Merging as it is defined: one scan of the word for each merge.
std::vector<std::int32_t> slow_merge(const byte_bpe_spec& spec, std::vector<std::int32_t> ids) {
    for (;;) {
        std::size_t best_rank = spec.merges.size(), best_place = 0;
        for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
            const auto found = std::find(spec.merges.begin(), spec.merges.end(),
                                         mice::token_merge{ids[i], ids[i + 1]});
            const auto rank = static_cast<std::size_t>(found - spec.merges.begin());
            if (rank < best_rank) {
                best_rank = rank;
                best_place = i;
            }
        }
        if (best_rank == spec.merges.size())
            return ids;
        const auto [left, right] = spec.merges[best_rank];
        ids[best_place] = id_of(spec, spec.vocabulary[static_cast<std::size_t>(left)] +
                                          spec.vocabulary[static_cast<std::size_t>(right)]);
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_place) + 1);
    }
}

} // namespace

TEST_CASE("Random merges of random words are those of the definition") {
    std::mt19937 random(6);
    std::size_t merged = 0;
    for (int round = 0; round < 60; ++round) {
        // Any two tokens so far may merge, also into a token that another pair makes.
        pairs merges;
        words known = {"a", "b", "c"};
        for (std::size_t tries = 0; tries < 40; ++tries) {
            const auto pair =
                std::pair(known[random() % known.size()], known[random() % known.size()]);
            if (std::find(merges.begin(), merges.end(), pair) == merges.end() &&
                pair.first.size() + pair.second.size() < 9) {
                merges.push_back(pair);
                known.push_back(pair.first + pair.second);
            }
        }
        std::shuffle(merges.begin(), merges.end(), random);
        byte_bpe_spec spec = bpe_of({});
        std::sort(known.begin(), known.end());
        known.erase(std::unique(known.begin(), known.end()), known.end());
        for (const std::string& token : known)
            if (token.size() > 1)
                spec.vocabulary.push_back(token);
        for (const auto& [left, right] : merges)
            spec.merges.push_back({id_of(spec, left), id_of(spec, right)});
        const auto tokenizer = mice::make_tokenizer(spec);
        for (int text = 0; text < 60; ++text) {
            std::string word(random() % 40, 'a');
            std::vector<std::int32_t> ids;
            for (char& letter : word) {
                letter = "abc"[random() % 3];
                ids.push_back(id_of(spec, std::string(1, letter)));
            }
            const auto expected = slow_merge(spec, ids);
            merged += ids.size() - expected.size();
            INFO(word);
            REQUIRE(tokenizer->encode(word, {.add_markers = mice::markers::omit}).ids == expected);
        }
    }
    CHECK(merged > 10000);
}

TEST_CASE("Every byte has a token and every text has ids") {
    const auto spec = bpe_of({});
    std::string text;
    for (char32_t code = 0; code < 0x400; ++code)
        mice::text::append_utf8(text, code);
    mice::text::append_utf8(text, 0x10FFFF);
    auto plain = spec;
    plain.normalizer = mice::bpe_normalizer::none;
    std::string spelled;
    for (const std::string& token : tokens_of(plain, text))
        spelled += mice::text::spelled_bytes(token).value();
    CHECK(spelled == text);
}

TEST_CASE("NFC comes before the split, where the spec has it") {
    auto spec = bpe_of({{"\xC3", "\xA9"}});
    const std::string composed = alphabet("\xC3\xA9");
    CHECK(tokens_of(spec, "e\xCC\x81") == words{composed});
    CHECK(tokens_of(spec, "\xC3\xA9") == words{composed});
    spec.normalizer = mice::bpe_normalizer::none;
    CHECK(tokens_of(spec, "e\xCC\x81") == words{"e", alphabet("\xCC"), alphabet("\x81")});
    CHECK(tokens_of(spec, "\xC3\xA9") == words{composed});
}

TEST_CASE("Splitting can be left out") {
    auto spec = bpe_of({{"a", " "}, {"a ", "b"}});
    CHECK(tokens_of(spec, "a b") == words{"a", space, "b"});
    spec.split = mice::bpe_split::none;
    CHECK(tokens_of(spec, "a b") == words{"a" + space + "b"});
}

TEST_CASE("A prefix space stands before a text and behind added tokens, once") {
    auto spec = bpe_of({{" ", "a"}});
    spec.added_tokens = {{.id = 500, .content = "<x>"}};
    CHECK(tokens_of(spec, "a<x>a") == words{"a", "<x>", "a"});
    spec.add_prefix_space = true;
    CHECK(tokens_of(spec, "a<x>a") == words{space + "a", "<x>", space + "a"});
    CHECK(tokens_of(spec, " a") == words{space + "a"});
    CHECK(tokens_of(spec, "\na") == words{space, character('\n'), "a"});
    CHECK(tokens_of(spec, "") == words{});
    CHECK(tokens_of(spec, "<x>") == words{"<x>"});
}

TEST_CASE("Special tokens in a text are plain bytes unless they are parsed, in byte-level BPE") {
    auto spec = bpe_of({{"S", "E"}});
    spec.mask_token = "[MASK]";
    spec.added_tokens = {{.id = 1, .content = "[SEP]", .special = true},
                         {.id = 600, .content = "[MASK]", .special = true, .lstrip = true}};
    CHECK(tokens_of(spec, "a[SEP]") == words{"a", "[", "SE", "P", "]"});
    CHECK(tokens_of(spec, "a[SEP]a", special_tokens::parse) == words{"a", "[SEP]", "a"});
    CHECK(tokens_of(spec, "a  [MASK] b", special_tokens::parse) ==
          words{"a", "[MASK]", space, "b"});
    const auto tokenizer = mice::make_tokenizer(spec);
    CHECK(tokenizer->vocabulary_size() == 601);
    CHECK(tokenizer->id("[MASK]") == 600);
    CHECK(tokenizer->token(600) == "[MASK]");
    CHECK(tokenizer->token(599).empty());
    CHECK(tokenizer->encode("").ids == std::vector<std::int32_t>{0, 1});
}

TEST_CASE("Added tokens of byte-level BPE are cut out before the split") {
    auto spec = bpe_of({});
    spec.added_tokens = {{.id = 500, .content = "  "},
                         {.id = 501, .content = "   "},
                         {.id = 502, .content = "\xC3\xA9!", .normalized = true},
                         {.id = 503, .content = "QQ", .single_word = true}};
    CHECK(tokens_of(spec, "a   b  c d") == words{"a", "   ", "b", "  ", "c", space, "d"});
    CHECK(tokens_of(spec, "e\xCC\x81!") == words{"\xC3\xA9!"}); // found once it is composed
    spec.added_tokens[2].normalized = false;
    CHECK(tokens_of(spec, "e\xCC\x81!").size() == 3);
    CHECK(tokens_of(spec, "xQQ QQ") == words{"x", "Q", "Q", space, "QQ"});
    CHECK(mice::make_tokenizer(spec)->encode("xQQ QQ").ids[2] != 503);
    CHECK(mice::make_tokenizer(spec)->encode("xQQ QQ").ids[5] == 503);
}

TEST_CASE("A limit keeps [SEP] and counts the rest, and invalid bytes are replaced or refused") {
    const auto spec = bpe_of({{"a", "b"}});
    const auto tokenizer = mice::make_tokenizer(spec);
    const auto cut = tokenizer->encode("abababab", {.max_tokens = 4});
    CHECK(cut.ids == std::vector<std::int32_t>{0, 258, 258, 1});
    CHECK(cut.cut == 2);
    const auto repaired = tokenizer->encode("a\xFF");
    CHECK(repaired.replaced == 1);
    CHECK(repaired.ids == tokenizer->encode("a\xEF\xBF\xBD").ids);
    CHECK(contains(problem(errc::encoding,
                           [&] {
                               (void)tokenizer->encode("a\xFF",
                                                       {.on_invalid = mice::invalid_utf8::refuse});
                           }),
                   "byte 1"));
}

TEST_CASE("RoBERTa's form of pairs has two separators and one type") {
    auto spec = bpe_of({});
    const auto ids = [&spec](std::size_t limit) {
        return mice::make_tokenizer(spec)->encode_pair("a", "bc", {.max_tokens = limit});
    };
    const std::int32_t a = id_of(spec, "a"), b = id_of(spec, "b"), c = id_of(spec, "c");
    CHECK(ids(99).ids == std::vector<std::int32_t>{0, a, 1, b, c, 1});
    CHECK(ids(99).type_ids == std::vector<std::int32_t>{0, 0, 0, 1, 1, 1});
    spec.pairs = mice::pair_form::roberta;
    CHECK(ids(99).ids == std::vector<std::int32_t>{0, a, 1, 1, b, c, 1});
    CHECK(ids(99).type_ids == std::vector<std::int32_t>(7, 0));
    CHECK(ids(6).ids == std::vector<std::int32_t>{0, a, 1, 1, b, 1});
    CHECK(ids(6).cut_second == 1);
    CHECK(contains(problem(errc::invalid_argument, [&] { (void)ids(3); }), "take 4"));
}

TEST_CASE("Pieces are bytes, begin words behind a space and are no marks when they are parts") {
    auto spec = bpe_of({{" ", "o"}, {" o", "f"}, {" ", ","}, {"\xE2", "\x80"}, {"o", "f"}});
    spec.vocabulary.emplace_back("not of it");
    spec.added_tokens = {{.id = 700, .content = ", ,"}};
    const auto tokenizer = mice::make_tokenizer(spec);
    const auto piece = [&](const std::string& token) {
        return tokenizer->piece(tokenizer->id(token).value());
    };
    CHECK(piece(space + "of").text == "of");
    CHECK_FALSE(piece(space + "of").continues);
    CHECK(piece("of").continues);
    CHECK_FALSE(piece(",").continues);
    CHECK(piece(alphabet("\xE2\x80")).text == "\xE2\x80");
    CHECK(piece(alphabet("\xE2\x80")).continues);
    CHECK(piece("not of it").text == "not of it");
    CHECK(piece(", ,").text == ", ,");
    CHECK(piece("[CLS]").text == "[CLS]");
    CHECK(tokenizer->piece(-1).text.empty());
    CHECK(tokenizer->piece(9999).text.empty());
    using mice::dropped_tokens;
    const mice::store::token_filter marks(*tokenizer, dropped_tokens::punctuation);
    const mice::store::token_filter stops(*tokenizer, dropped_tokens::stop_words);
    const auto ids = [&](const words& tokens) {
        std::vector<std::int32_t> result;
        for (const std::string& token : tokens)
            result.push_back(tokenizer->id(token).value());
        return result;
    };
    const auto line = ids({"a", ",", space + ",", alphabet("\xE2\x80"), space + "of", ","});
    CHECK(marks.kept(line) == std::vector<std::size_t>{0, 3, 4});
    CHECK(stops.kept(line) == std::vector<std::size_t>{0, 3});
    CHECK(stops.kept(ids({"a", space + "of", "of"})) == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("Hostile words take n log n steps") {
    // Each would take 10^11 steps or more if a merge were searched for from the start.
    pairs doubling;
    for (std::string token = "a"; token.size() <= 256; token += token)
        doubling.emplace_back(token, token);
    const auto spec = bpe_of(doubling);
    const auto tokenizer = mice::make_tokenizer(spec);
    const auto encoding = tokenizer->encode(std::string(1 << 20, 'a'), {.max_tokens = 5});
    CHECK(encoding.ids.size() == 5);
    CHECK(encoding.cut == (1 << 20) / 512 - 3);
    pairs growing; // one token eats the word from the left
    for (std::string token = "b"; token.size() < 300; token += 'a')
        growing.emplace_back(token, "a");
    CHECK(mice::make_tokenizer(bpe_of(growing))
              ->encode("b" + std::string(1'000'000, 'a'))
              .ids.size() == 1'000'001 - 299 + 2);
    for (const std::string_view unit : {" ", "\n", "'", "'s", " '", "\xCC\x81", "\xE1\x85\xA1"}) {
        std::string text;
        while (text.size() < 1'000'000)
            text += unit;
        CHECK(tokenizer->encode(text, {.max_tokens = 10}).ids.size() == 10);
    }
}

TEST_CASE("Merges that cannot work are refused by name") {
    const auto with = [](mice::token_merge merge) {
        auto spec = bpe_of({{"a", "b"}});
        spec.merges.push_back(merge);
        return invalid(spec);
    };
    const auto spec = bpe_of({{"a", "b"}});
    const std::int32_t a = id_of(spec, "a"), b = id_of(spec, "b"), ab = id_of(spec, "ab");
    CHECK(invalid(spec) == "");
    CHECK(contains(with({a, b}), "appears twice"));
    CHECK(contains(with({-1, b}), "id -1 is not in the vocabulary"));
    CHECK(contains(with({a, 259}), "id 259 is not in the vocabulary"));
    CHECK(contains(with({a, 2147483647}), "id 2147483647 is not"));
    CHECK(contains(with({ab, b}), "'ab' and 'b': what they make is not in the vocabulary"));
    CHECK(contains(with({b, a}), "what they make is not in the vocabulary"));
    auto hole = spec;
    hole.vocabulary.insert(hole.vocabulary.end(), {"", "xx"});
    hole.merges.push_back({259, a});
    CHECK(contains(invalid(hole), "id 259 is not in the vocabulary"));
    auto many = spec;
    many.merges.assign(mice::text::merge_table::max_merges + 1, {a, b});
    CHECK(contains(invalid(many), "2097153 merges"));
}

TEST_CASE("A vocabulary of byte-level BPE that cannot work is refused by name") {
    const auto changed = [](const std::function<void(byte_bpe_spec&)>& change) {
        auto spec = bpe_of({{"a", "b"}});
        change(spec);
        return invalid(spec);
    };
    for (const std::size_t byte : {0, 32, 97, 192, 255})
        CHECK(contains(changed([byte](auto& spec) { spec.vocabulary[2 + byte] = "other"; }),
                       "the byte " + std::to_string(byte)));
    CHECK(contains(changed([](auto& spec) { spec.vocabulary.emplace_back("ab"); }),
                   "'ab' has two ids, 258 and 259"));
    CHECK(contains(changed([](auto& spec) { spec.vocabulary.emplace_back("\xFF"); }),
                   "token 259 is not valid UTF-8"));
    CHECK(contains(changed([](auto& spec) { spec.vocabulary.emplace_back("a\0b", 3); }), "NUL"));
    CHECK(contains(changed([](auto& spec) { spec.vocabulary.emplace_back(1025, 'x'); }),
                   "1025 bytes"));
    CHECK(contains(changed([](auto& spec) { spec.cls_token = "<s>"; }), "'<s>' is not in"));
    CHECK(contains(changed([](auto& spec) { spec.sep_token.clear(); }), "'' is not in"));
    CHECK(contains(changed([](auto& spec) { spec.unk_token = "[UNK]"; }), "'[UNK]' is not in"));
    CHECK(contains(changed([](auto& spec) { spec.pad_token = "[PAD]"; }), "'[PAD]' is not in"));
    CHECK(contains(changed([](auto& spec) { spec.added_tokens = {{.id = 3, .content = "x"}}; }),
                   "the id 3"));
    CHECK(contains(changed([](auto& spec) {
                       spec.added_tokens = {
                           {.id = 500, .content = "\xE1\xB9\xA9", .normalized = true},
                           {.id = 501, .content = "s\xCC\xA3\xCC\x87", .normalized = true}};
                   }),
                   "the same once they are normalized"));
}

TEST_CASE("No text may make a special token of byte-level BPE") {
    auto spec = bpe_of({{"a", "b"}, {"ab", "c"}});
    CHECK(invalid(spec) == "");
    spec.sep_token = "abc";
    CHECK(contains(invalid(spec), "'abc' is the result of a merge"));
    spec.sep_token = "a";
    CHECK(contains(invalid(spec), "'a' is the token of a byte"));
    spec.sep_token = "[SEP]";
    spec.added_tokens = {{.id = 1, .content = "[SEP]"}};
    CHECK(contains(invalid(spec), "'[SEP]' is an added token that is not special"));
    spec.added_tokens[0].special = true;
    CHECK(invalid(spec) == "");
    spec.added_tokens.push_back({.id = id_of(spec, "ab"), .content = "ab", .special = true});
    CHECK(contains(invalid(spec), "'ab' is the result of a merge"));
}

namespace {

byte_bpe_spec every_bpe_field() {
    auto spec = bpe_of({{"a", "b"}, {" ", "ab"}});
    spec.vocabulary.insert(spec.vocabulary.end(), {"[UNK]", "", "[PAD]", "[MASK]"});
    spec.normalizer = mice::bpe_normalizer::none;
    spec.split = mice::bpe_split::none;
    spec.add_prefix_space = true;
    spec.pairs = mice::pair_form::roberta;
    spec.unk_token = "[UNK]";
    spec.pad_token = "[PAD]";
    spec.mask_token = "[MASK]";
    spec.added_tokens = {{.id = 1, .content = "[SEP]", .special = true},
                         {.id = 300, .content = "x\"y\n", .single_word = true, .lstrip = true},
                         {.id = 301, .content = "zz", .rstrip = true, .normalized = true}};
    return spec;
}

byte_bpe_spec read_back(const byte_bpe_spec& spec) {
    return mice::byte_bpe_from_model(mice::to_metadata(spec), mice::vocabulary_bytes(spec),
                                     mice::merge_bytes(spec));
}

std::string read_problem(errc code, const byte_bpe_spec& spec, const std::string& metadata,
                         std::optional<std::vector<std::byte>> merges) {
    return problem(code, [&] {
        std::optional<std::span<const std::byte>> bytes;
        if (merges)
            bytes = *merges;
        (void)mice::tokenizer_from_model(metadata, mice::vocabulary_bytes(spec), bytes);
    });
}

std::string read_problem(errc code, const byte_bpe_spec& spec, const std::string& metadata) {
    return read_problem(code, spec, metadata, mice::merge_bytes(spec));
}

} // namespace

TEST_CASE("A byte-level BPE spec survives the model file") {
    for (const auto& spec : {every_bpe_field(), bpe_of({}), bpe_of({{"a", "a"}})}) {
        const auto back = read_back(spec);
        CHECK(back.vocabulary == spec.vocabulary);
        CHECK(back.merges == spec.merges);
        CHECK(back.normalizer == spec.normalizer);
        CHECK(back.split == spec.split);
        CHECK(back.add_prefix_space == spec.add_prefix_space);
        CHECK(back.pairs == spec.pairs);
        CHECK(back.unk_token == spec.unk_token);
        CHECK(back.cls_token == spec.cls_token);
        CHECK(back.sep_token == spec.sep_token);
        CHECK(back.pad_token == spec.pad_token);
        CHECK(back.mask_token == spec.mask_token);
        REQUIRE(back.added_tokens.size() == spec.added_tokens.size());
        CHECK(mice::to_metadata(back) == mice::to_metadata(spec));
    }
    CHECK(mice::merge_bytes(bpe_of({{"a", "b"}})) ==
          std::vector<std::byte>{std::byte{2 + 97}, {}, {}, {}, std::byte{2 + 98}, {}, {}, {}});
}

TEST_CASE("Every damaged key of byte-level BPE's metadata is refused by name") {
    const auto spec = every_bpe_field();
    const auto metadata = mice::to_metadata(spec);
    const auto object = nlohmann::json::parse(metadata);
    CHECK(object.size() == 13);
    for (const auto& [key, value] : object.items()) {
        INFO(key);
        auto without = object;
        without.erase(key);
        CHECK(contains(read_problem(errc::tokenizer, spec, without.dump()), "lacks '" + key + "'"));
        CHECK(contains(read_problem(errc::tokenizer, spec,
                                    with(metadata, key.c_str(), nlohmann::json{{"x", 1}})),
                       "'" + key + "' must be"));
    }
    CHECK(contains(read_problem(errc::tokenizer, spec, with(metadata, "extra", 1)),
                   "unknown key 'extra'"));
    // What a later version may have is named.
    for (const char* key : {"normalizer", "split", "pairs"})
        CHECK(contains(read_problem(errc::unsupported, spec, with(metadata, key, "later")),
                       "'" + std::string(key) + "' 'later'"));
    CHECK(contains(read_problem(errc::unsupported, spec, with(metadata, "type", "char_level")),
                   "'char_level'"));
    CHECK(contains(problem(errc::unsupported,
                           [&] {
                               (void)mice::byte_bpe_from_model(with(metadata, "type", "wordpiece"),
                                                               mice::vocabulary_bytes(spec),
                                                               mice::merge_bytes(spec));
                           }),
                   "'wordpiece'"));
}

TEST_CASE("A merges tensor that does not fit is refused") {
    const auto spec = bpe_of({{"a", "b"}, {"ab", "c"}});
    const auto metadata = mice::to_metadata(spec);
    const auto whole = mice::merge_bytes(spec);
    CHECK(read_problem(errc::tokenizer, spec, metadata, whole) == "");
    CHECK(contains(read_problem(errc::tokenizer, spec, metadata, std::nullopt),
                   "needs the tensor 'tokenizer.merges'"));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::vector<std::byte> part(whole.begin(),
                                          whole.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(contains(read_problem(errc::tokenizer, spec, metadata, part), "merges tensor has"));
    }
    auto longer = whole;
    longer.insert(longer.end(), whole.begin(), whole.begin() + 8);
    CHECK(contains(read_problem(errc::tokenizer, spec, metadata, longer), "says 2"));
    CHECK(contains(read_problem(errc::tokenizer, spec, with(metadata, "merges", 3), longer),
                   "appears twice"));
    for (const nlohmann::json& number :
         {nlohmann::json(-1), nlohmann::json(1.5), nlohmann::json(~std::uint64_t{0})})
        CHECK(contains(read_problem(errc::tokenizer, spec, with(metadata, "merges", number)),
                       "'merges' must be"));
    for (std::size_t at = 0; at < whole.size(); ++at) // any one byte: an error or a valid spec
        for (const auto value : {std::byte{0}, std::byte{100}, std::byte{0x80}, std::byte{0xFF}}) {
            auto flipped = whole;
            flipped[at] = value;
            (void)read_problem(errc::tokenizer, spec, metadata, flipped);
        }
    // A WordPiece tokenizer has none.
    mice::wordpiece_spec other;
    other.vocabulary = {"[UNK]", "[CLS]", "[SEP]"};
    CHECK(contains(problem(errc::tokenizer,
                           [&] {
                               (void)mice::tokenizer_from_model(mice::to_metadata(other),
                                                                mice::vocabulary_bytes(other),
                                                                std::span<const std::byte>());
                           }),
                   "'tokenizer.merges' is there"));
}
