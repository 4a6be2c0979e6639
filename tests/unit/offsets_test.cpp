// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "offset_checks.hpp"
#include "random_model.hpp"
#include "sentencepiece_file.hpp"
#include "unigram_spec.hpp"

#include <mice/text/tokenizer.hpp>
#include <mice/text/traced_form.hpp>
#include <mice/text/unicode/utf8.hpp>

namespace {

using mice::byte_range;
using ranges = std::vector<byte_range>;

constexpr mice::encode_options bare{.add_markers = mice::markers::omit, .offsets = true};

std::vector<std::shared_ptr<const mice::tokenizer>> small_tokenizers() {
    std::vector<std::shared_ptr<const mice::tokenizer>> list = {
        mice::make_tokenizer(fixtures::small_tokenizer()),
        mice::make_tokenizer(fixtures::small_byte_bpe()),
        mice::make_tokenizer(fixtures::small_unigram()),
        mice::make_tokenizer(fixtures::small_unigram_of_bytes())};
#if MICE_USE_SENTENCEPIECE
    list.push_back(mice::make_tokenizer(fixtures::small_xlmr()));
#endif
    return list;
}

/// What the tokens came from.
std::vector<std::string> parts(std::string_view text, const ranges& offsets) {
    std::vector<std::string> result;
    for (const byte_range& each : offsets)
        result.emplace_back(text.substr(each.begin, each.end - each.begin));
    return result;
}

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("offsets are there where they are asked for") {
    for (const auto& tokenizer : small_tokenizers()) {
        const std::string_view text = "the old mill";
        CHECK(tokenizer->encode(text).offsets.empty());
        CHECK(tokenizer->encode_pair(text, text).offsets.empty());
        const mice::encoding encoded = tokenizer->encode(text, {.offsets = true});
        fixtures::check_offsets(text, encoded);
        const mice::encoding inner = tokenizer->encode(text, bare);
        CHECK(inner.offsets == ranges(encoded.offsets.begin() + 1, encoded.offsets.end() - 1));
        const mice::encoding none = tokenizer->encode("", {.offsets = true});
        CHECK(none.offsets == ranges(none.ids.size()));
    }
}

TEST_CASE("WordPiece's offsets are of the text before it was normalized") {
    const auto tokenizer = mice::make_tokenizer(fixtures::small_tokenizer());
    const std::string text = "  The R\xc3\xadver\xc2\xad s, xyz\xe4\xb8\xad";
    CHECK(parts(text, tokenizer->encode(text, bare).offsets) ==
          texts{"The", "R\xc3\xadver", "s", ",", "x", "y", "z", "\xe4\xb8\xad"});
    const std::string unknown = "a \xd8\xb9\xd8\xb9 b"; // no pieces of the word
    CHECK(tokenizer->encode(unknown, bare).offsets == ranges{{0, 1}, {2, 6}, {7, 8}});
    const std::string longer = "a " + std::string(200, 'x') + " b";
    CHECK(tokenizer->encode(longer, bare).offsets == ranges{{0, 1}, {2, 202}, {203, 204}});
}

TEST_CASE("offsets of bytes have the whole character") {
    const auto tokenizer = mice::make_tokenizer(fixtures::small_byte_bpe());
    const std::string text = "a\xc3\xa9 the";
    CHECK(tokenizer->encode(text, bare).offsets == ranges{{0, 1}, {1, 3}, {1, 3}, {3, 4}, {4, 7}});
    const auto spelled = mice::make_tokenizer(fixtures::small_unigram_of_bytes());
    // The space put before the text is of its first character.
    CHECK(spelled
              ->encode("\xc3\xa9"
                       "a",
                       bare)
              .offsets == ranges{{0, 2}, {0, 2}, {0, 2}, {2, 3}});
}

TEST_CASE("byte-level BPE's offsets are trimmed as Hugging Face does") {
    mice::byte_bpe_spec spec = fixtures::small_byte_bpe();
    const auto offsets = [&spec](mice::offset_trim trim, bool prefix) {
        spec.trim = trim;
        spec.add_prefix_space = prefix;
        const auto made = mice::tokenizer_from_model(
            mice::to_metadata(spec), mice::vocabulary_bytes(spec), mice::merge_bytes(spec));
        return made->encode(" the old  ", bare).offsets;
    };
    using trim = mice::offset_trim;
    CHECK(offsets(trim::none, false) == ranges{{0, 1}, {1, 4}, {4, 8}, {8, 9}, {9, 10}});
    CHECK(offsets(trim::spaces, false) == ranges{{1, 1}, {1, 4}, {5, 8}, {9, 9}, {10, 10}});
    CHECK(offsets(trim::all_but_prefix, true) == ranges{{0, 0}, {1, 4}, {5, 8}, {9, 9}, {10, 10}});
    spec.trim = trim::none;
    CHECK(mice::to_metadata(spec).find("trim_offsets") == std::string::npos);
}

TEST_CASE("offsets of a pair are each into its own text, and cut as the ids are") {
    for (const auto& tokenizer : small_tokenizers()) {
        const std::string first = "the old mill", second = "a river, the \xff old mill";
        const auto one = tokenizer->encode(first, bare);
        const auto two = tokenizer->encode(second, bare);
        const auto whole = tokenizer->encode_pair(first, second, {.offsets = true});
        const std::size_t markers = whole.ids.size() - one.ids.size() - two.ids.size();
        for (std::size_t room = one.ids.size() + 1; room <= one.ids.size() + two.ids.size();
             ++room) {
            const mice::pair_options options{.max_tokens = room + markers};
            mice::pair_options traced = options;
            traced.offsets = true;
            const auto pair = tokenizer->encode_pair(first, second, traced);
            CHECK(pair.ids == tokenizer->encode_pair(first, second, options).ids);
            ranges expected(1);
            expected.insert(expected.end(), one.offsets.begin(), one.offsets.end());
            expected.resize(expected.size() + markers - 2);
            expected.insert(expected.end(), two.offsets.begin(),
                            two.offsets.end() - static_cast<std::ptrdiff_t>(pair.cut_second));
            expected.resize(expected.size() + 1);
            CHECK(pair.offsets == expected);
        }
    }
}

TEST_CASE("offsets are of the bytes that were no UTF-8") {
    const auto tokenizer = mice::make_tokenizer(fixtures::small_byte_bpe());
    const std::string text = "a\xff"
                             "b\xe4\xb8 c\xf0\x9f\x98"; // 1, 2 and 3 bytes
    const mice::encoding encoded = tokenizer->encode(text, bare);
    CHECK(encoded.replaced == 3);
    ranges expected{{0, 1}};
    expected.insert(expected.end(), 3, {1, 2});
    expected.push_back({2, 3});
    expected.insert(expected.end(), 3, {3, 5});
    expected.insert(expected.end(), {{5, 6}, {6, 7}});
    expected.insert(expected.end(), 3, {7, 10});
    CHECK(encoded.offsets == expected);
}

TEST_CASE("an added token has the white space that it takes in") {
    mice::wordpiece_spec spec = fixtures::small_tokenizer();
    spec.added_tokens.push_back({.id = 200, .content = "<x>", .lstrip = true, .rstrip = true});
    spec.added_tokens.push_back({.id = 201, .content = "\xc3\x89!", .normalized = true});
    const auto tokenizer = mice::make_tokenizer(spec);
    const std::string text = "a \t<x>\xc2\xa0 b \xc3\x89! e\xcc\x81!";
    CHECK(parts(text, tokenizer->encode(text, bare).offsets) ==
          texts{"a", " \t<x>\xc2\xa0 ", "b", "\xc3\x89!", "e\xcc\x81!"});
}

TEST_CASE("a composed character comes from the first of those that it was composed of") {
    const std::string text = "ae\xcc\x81q\xcc\x87\xcc\xa3";
    const mice::text::traced_text traced{text, mice::text::own_origins(text, 10)};
    const auto composed = mice::text::to_form(mice::text::normal_form::nfc, traced);
    CHECK(composed.text == "a\xc3\xa9q\xcc\xa3\xcc\x87");
    CHECK(composed.origins ==
          ranges{{10, 11}, {11, 12}, {11, 12}, {14, 15}, {15, 17}, {15, 17}, {17, 19}, {17, 19}});
}

#if MICE_USE_SENTENCEPIECE
TEST_CASE("sentencepiece's offsets do not tell where a long text was cut") {
    const auto tokenizer = mice::make_tokenizer(fixtures::small_xlmr());
    std::string text;
    while (text.size() < 700000)
        text += "the old  mill ";
    const mice::encoding encoded = tokenizer->encode(text, {.offsets = true});
    fixtures::check_offsets(text, encoded);
    CHECK(encoded.ids == tokenizer->encode(text).ids);
    const mice::encoding unit = tokenizer->encode("the old  mill the old  mill the", bare);
    // From the second one on every "the" has the space before it.
    const std::size_t each = (unit.ids.size() - 1) / 2;
    std::size_t wrong = 0;
    for (std::size_t i = each; i + 2 < encoded.offsets.size(); ++i) {
        const byte_range expected = unit.offsets[each + i % each];
        const std::size_t shift = (i / each - 1) * 14;
        wrong += encoded.offsets[i + 1] == byte_range{expected.begin + shift, expected.end + shift}
                     ? 0U
                     : 1U;
    }
    CHECK(wrong == 0);
    CHECK(each > 2);
}
#endif
