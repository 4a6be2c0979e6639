// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/offset_checks.hpp"
#include "mutator.hpp"

#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>

#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/unicode/utf8.hpp>
#include <mice/text/unigram/spec.hpp>
#include <mice/text/wordpiece/spec.hpp>

// Random texts and random tokenizers: every text has ids, the ids are inside the vocabulary, limits
// hold, what was cut is counted exactly, and offsets are in order, of whole characters.
namespace {

using fixtures::random_numbers;
using fuzz::byte_string;
using fuzz::mutator;
using fuzz::tally;

std::string random_bytes(random_numbers& random, std::size_t length) {
    std::string text(length, '\0');
    for (char& c : text) {
        c = static_cast<char>(random.below(256));
    }
    return text;
}

/// Code points of every plane, with more of those that tokenizers treat specially.
std::string random_unicode(random_numbers& random, std::size_t length) {
    static constexpr std::array<char32_t, 20> special{
        0x0,    0x9,    0x20,   0xA0,   0xAD,   0x300,  0x301,  0x345,   0x130,   0x1E9E,
        0x200D, 0x2028, 0x3000, 0x4E2D, 0xAC00, 0xFE0F, 0xFFFD, 0x1F600, 0x2F800, 0x10FFFF};
    std::string text;
    for (std::size_t i = 0; i < length; ++i) {
        switch (random.below(5)) {
        case 0:
            mice::text::append_utf8(text, special[random.below(special.size())]);
            break;
        case 1:
            mice::text::append_utf8(text, static_cast<char32_t>(random.below(0x110000)));
            break;
        case 2:
            mice::text::append_utf8(text, static_cast<char32_t>(0x300 + random.below(0x70)));
            break;
        case 3: {
            static constexpr std::array<std::string_view, 6> words{"[SEP]",    "##", "the",
                                                                   " rivers ", "[",  "ing"};
            text += words[random.below(words.size())];
            break;
        }
        default:
            text += static_cast<char>(0x20 + random.below(0x5f));
        }
    }
    return text;
}

/// The promises of tokenizer::encode for one text.
void check_encoding(const mice::tokenizer& tokenizer, std::string_view text) {
    for (const auto specials : {mice::special_tokens::plain, mice::special_tokens::parse}) {
        const mice::encoding whole = tokenizer.encode(text, {.specials = specials});
        REQUIRE(whole.cut == 0);
        REQUIRE(whole.ids.size() >= 2);
        for (const std::int32_t id : whole.ids) {
            REQUIRE(id >= 0);
            REQUIRE(static_cast<std::size_t>(id) < tokenizer.vocabulary_size());
        }
        const mice::encoding part = tokenizer.encode(text, {.max_tokens = 7, .specials = specials});
        REQUIRE(part.ids.size() == std::min<std::size_t>(7, whole.ids.size()));
        REQUIRE(part.ids.size() + part.cut == whole.ids.size());
        REQUIRE(std::equal(part.ids.begin(), part.ids.end() - 1, whole.ids.begin()));
        REQUIRE(part.ids.back() == whole.ids.back());
        REQUIRE(part.replaced == whole.replaced);
        const mice::encoding traced =
            tokenizer.encode(text, {.specials = specials, .offsets = true});
        REQUIRE(traced.ids == whole.ids);
        REQUIRE(traced.replaced == whole.replaced);
        fixtures::check_offsets(text, traced);
        const mice::encoding traced_part =
            tokenizer.encode(text, {.max_tokens = 7, .specials = specials, .offsets = true});
        REQUIRE(traced_part.ids == part.ids);
        REQUIRE(traced_part.offsets.size() == part.ids.size());
        REQUIRE(std::equal(traced_part.offsets.begin(), traced_part.offsets.end() - 1,
                           traced.offsets.begin()));
        REQUIRE((whole.replaced == 0) ==
                (mice::text::first_invalid_utf8(text) == std::string_view::npos));
    }
}

/// A real sentencepiece model.
mice::sentencepiece_spec golden_model(const std::string& name) {
    std::ifstream file(std::string(MICE_TEST_DATA) + "/tokenizers/" + name + "/spm.model",
                       std::ios::binary);
    return fixtures::sentencepiece_file::spec_of(
        std::string(std::istreambuf_iterator<char>(file), {}));
}

/// Real normalization rules.
mice::unigram_spec unigram_of_rules() {
    const mice::sentencepiece_spec model = golden_model("spm_unigram");
    const std::string_view rules = mice::text::read_sentencepiece_model(model.model).charsmap;
    const auto bytes = std::as_bytes(std::span(rules));
    mice::unigram_spec spec = fixtures::small_unigram();
    spec.normalizer.front().kind = mice::text_step_kind::precompiled;
    spec.charsmap.assign(bytes.begin(), bytes.end());
    return spec;
}

std::vector<std::shared_ptr<const mice::tokenizer>> tokenizers() {
    std::vector<std::shared_ptr<const mice::tokenizer>> list;
    mice::wordpiece_spec spec = fixtures::small_tokenizer();
    list.push_back(mice::make_tokenizer(spec));
    spec.lowercase = spec.clean_text = spec.handle_chinese_chars = false;
    spec.max_input_chars_per_word = 3;
    spec.added_tokens.push_back({.id = 200, .content = "the old", .lstrip = true, .rstrip = true});
    spec.added_tokens.push_back(
        {.id = 201, .content = "rivers", .single_word = true, .normalized = true});
    list.push_back(mice::make_tokenizer(spec));
    mice::byte_bpe_spec bytes = fixtures::small_byte_bpe();
    list.push_back(mice::make_tokenizer(bytes));
    bytes.add_prefix_space = true;
    bytes.split = mice::bpe_split::none;
    bytes.added_tokens.push_back({.id = 400, .content = "the old", .lstrip = true, .rstrip = true});
    bytes.added_tokens.push_back(
        {.id = 401, .content = "  ", .single_word = true, .normalized = true});
    list.push_back(mice::make_tokenizer(bytes));
    for (const mice::unigram_spec& unigram :
         {fixtures::small_unigram(), fixtures::small_unigram_of_bytes(), fixtures::long_unigram(),
          unigram_of_rules()})
        list.push_back(mice::make_tokenizer(unigram));
#if MICE_USE_SENTENCEPIECE
    mice::sentencepiece_spec pieces = fixtures::small_xlmr();
    list.push_back(mice::make_tokenizer(pieces));
    pieces.added_tokens.push_back({.id = 90, .content = "the old", .lstrip = true, .rstrip = true});
    list.push_back(mice::make_tokenizer(pieces));
    list.push_back(mice::make_tokenizer(golden_model("spm_bpe")));
#endif
    return list;
}

} // namespace

TEST_CASE("random bytes become ids") {
    random_numbers random(1);
    for (const auto& tokenizer : tokenizers()) {
        for (int i = 0; i < 3000; ++i) {
            check_encoding(*tokenizer, random_bytes(random, random.below(80)));
        }
    }
}

TEST_CASE("random Unicode becomes ids") {
    random_numbers random(2);
    for (const auto& tokenizer : tokenizers()) {
        for (int i = 0; i < 3000; ++i) {
            check_encoding(*tokenizer, random_unicode(random, random.below(60)));
        }
    }
}

TEST_CASE("long texts of one thing take a time in proportion to their length") {
    const std::size_t length = 40000; // squared it would take minutes
    std::vector<std::string> texts;
    for (const std::string_view unit :
         {"a", " ", "\xcc\x81", "a\xcc\x81", "[SEP]", "[", "\xe4\xb8\xad", "\xff", "\xf0\x9f", "#",
          "the old", "\xc2\xad", "the", "'s", "\xe1\x84\x80\xe1\x85\xa1", "\n"}) {
        std::string text;
        while (text.size() < length) {
            text += unit;
        }
        texts.push_back(std::move(text));
    }
    for (const auto& tokenizer : tokenizers()) {
        for (const std::string& text : texts) {
            check_encoding(*tokenizer, text);
        }
    }
}

TEST_CASE("changed tokenizer settings are refused or make a tokenizer") {
    mice::wordpiece_spec spec = fixtures::small_tokenizer();
    spec.added_tokens.push_back(
        {.id = 130, .content = "the old", .lstrip = true, .normalized = true});
    const byte_string metadata = fuzz::bytes_of(mice::to_metadata(spec));
    const byte_string vocabulary = mice::vocabulary_bytes(spec);
    mutator mutate(3);
    tally results;
    for (int i = 0; i < 5000; ++i) {
        const byte_string settings =
            i % 3 == 0 ? metadata : mutate.change(metadata, {0, metadata.size()});
        const byte_string words =
            i % 3 == 0 ? mutate.change(vocabulary, {0, vocabulary.size()}) : vocabulary;
        results.run([&] {
            const auto made = mice::tokenizer_from_model(fuzz::text_of(settings), words);
            check_encoding(*made,
                           "The old [SEP] r\xc3\xadver, \xff\xe4\xb8\xad unaffable the oldest");
        });
    }
    CHECK(results.refused > 1000);
    CHECK(results.accepted > 100);
}

TEST_CASE("changed byte-level BPE settings are refused or make a tokenizer") {
    mice::byte_bpe_spec spec = fixtures::small_byte_bpe();
    spec.added_tokens.push_back(
        {.id = 300, .content = "the old", .lstrip = true, .normalized = true});
    const byte_string metadata = fuzz::bytes_of(mice::to_metadata(spec));
    const byte_string vocabulary = mice::vocabulary_bytes(spec);
    const byte_string merges = mice::merge_bytes(spec);
    mutator mutate(4);
    tally results;
    for (int i = 0; i < 6000; ++i) {
        const auto changed = [&](int turn, const byte_string& bytes) {
            return i % 4 == turn ? mutate.change(bytes, {0, bytes.size()}) : bytes;
        };
        const byte_string settings = changed(0, metadata);
        const byte_string words = changed(1, vocabulary);
        const byte_string pairs =
            i % 4 == 3 ? fuzz::swap_rows(mutate, merges, 8) : changed(2, merges);
        results.run([&] {
            const auto made = mice::tokenizer_from_model(fuzz::text_of(settings), words, pairs);
            check_encoding(*made, "The old [SEP] r\xc3\xadver, \xff\xe4\xb8\xad the the oldest");
        });
    }
    CHECK(results.refused > 1000);
    CHECK(results.accepted > 1000);
}

TEST_CASE("changed unigram settings are refused or make a tokenizer") {
    const mice::unigram_spec spec = fixtures::long_unigram();
    const byte_string metadata = fuzz::bytes_of(mice::to_metadata(spec));
    const byte_string vocabulary = mice::vocabulary_bytes(spec);
    const byte_string scores = mice::score_bytes(spec);
    mutator mutate(8);
    tally results;
    for (int i = 0; i < 8000; ++i) {
        const byte_string settings =
            i % 4 < 2 ? mutate.change(metadata, {0, metadata.size()}) : metadata;
        const byte_string words =
            i % 4 == 2 ? mutate.change(vocabulary, {0, vocabulary.size()}) : vocabulary;
        const byte_string numbers = i % 4 != 3   ? scores
                                    : i % 8 == 3 ? mutate.flip(scores, {0, scores.size()}, 6)
                                                 : fuzz::swap_rows(mutate, scores, 8);
        results.run([&] {
            mice::tokenizer_tensors tensors{.vocabulary = words, .merges = {}, .sentencepiece = {}};
            tensors.scores = numbers;
            const auto made = mice::tokenizer_from_model(fuzz::text_of(settings), tensors);
            check_encoding(*made, "  The old <s> r\xc3\xadver, \xff\xe4\xb8\xad ``the the \n #");
        });
    }
    CHECK(results.refused > 1000);
    CHECK(results.accepted > 1000);
}

TEST_CASE("changed normalization rules of unigram are refused or make a tokenizer") {
    const mice::unigram_spec spec = unigram_of_rules();
    mutator mutate(9);
    random_numbers random(10);
    std::string text;
    for (char32_t code = 0x80; code < 0x3400; code += 3) {
        mice::text::append_utf8(text, code);
    }
    text += random_unicode(random, 300);
    tally results;
    for (int i = 0; i < 600; ++i) {
        mice::unigram_spec changed = spec;
        const fuzz::region all{0, spec.charsmap.size()};
        changed.charsmap = mutate.flip(spec.charsmap, all, 1 + random.below(8));
        results.run([&] { check_encoding(*mice::make_tokenizer(changed), text); });
    }
    CHECK(results.refused > 50);
    CHECK(results.accepted > 50);
}

#if MICE_USE_SENTENCEPIECE
TEST_CASE("changed sentencepiece settings are refused or make a tokenizer") {
    const mice::sentencepiece_spec spec = fixtures::small_xlmr();
    const byte_string metadata = fuzz::bytes_of(mice::to_metadata(spec));
    mutator mutate(5);
    tally results;
    for (int i = 0; i < 6000; ++i) {
        const bool settings = i % 2 == 0;
        const byte_string words =
            settings ? mutate.change(metadata, {0, metadata.size()}) : metadata;
        const byte_string model =
            settings ? spec.model : mutate.change(spec.model, {0, spec.model.size()}, 2);
        results.run([&] {
            const auto made = mice::tokenizer_from_model(
                fuzz::text_of(words),
                mice::tokenizer_tensors{.vocabulary = {}, .merges = {}, .sentencepiece = model});
            check_encoding(*made, "The old <s> r\xc3\xadver<mask>, \xff\xe4\xb8\xad <sym>oldest");
        });
    }
    CHECK(results.refused > 1000);
    CHECK(results.accepted > 200);
}

TEST_CASE(
    "changed rules and pieces of a real sentencepiece model are refused or make a tokenizer") {
    const mice::sentencepiece_spec spec = golden_model("spm_unigram");
    const std::string_view file = fuzz::text_of(spec.model);
    const std::size_t rules = file.find("nmt_nfkc") + 8;
    const std::size_t table = rules + 180000;
    mutator mutate(6);
    random_numbers random(7);
    std::string text;
    for (char32_t code = 0x80; code < 0x3400; code += 3) {
        mice::text::append_utf8(text, code);
    }
    for (int i = 0; i < 4; ++i) {
        text += random_unicode(random, 100);
    }
    tally results;
    for (int i = 0; i < 1200; ++i) {
        mice::sentencepiece_spec changed = spec;
        const fuzz::region hot = i % 3 == 0   ? fuzz::region{0, rules}
                                 : i % 3 == 1 ? fuzz::region{rules, table}
                                              : fuzz::region{table, spec.model.size()};
        changed.model = mutate.flip(spec.model, hot, 1 + random.below(8));
        results.run([&] { check_encoding(*mice::make_tokenizer(changed), text); });
    }
    CHECK(results.refused > 200);
    CHECK(results.accepted > 200);
}
#endif
