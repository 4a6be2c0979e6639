// SPDX-License-Identifier: Apache-2.0
// Ids that the sentencepiece library gives, in a program that has it.
#include <mice/config.hpp>
#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/unicode/utf8.hpp>

#if MICE_USE_SENTENCEPIECE

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../support/random_numbers.hpp"
#include "../support/sentencepiece_file.hpp"
#include "catch.hpp"
#include "wordpiece_folder.hpp"

#include <mice/codecs/token_filter.hpp>
#include <mice/text/sentencepiece/sentencepiece.hpp>
#include <mice/text/tokenizer.hpp>

using fixtures::sentencepiece_file;
using fixtures::spaced;
using mice::errc;
using mice::markers;
using mice::sentencepiece_spec;
using mice::special_tokens;
using ids = std::vector<std::int32_t>;

namespace {

ids plain(const mice::tokenizer& tokenizer, std::string_view text) {
    return tokenizer.encode(text, {.add_markers = markers::omit}).ids;
}

ids plain(const sentencepiece_spec& spec, std::string_view text) {
    return plain(*mice::make_tokenizer(spec), text);
}

sentencepiece_spec golden_spec(const std::string& folder) {
    return sentencepiece_file::spec_of(test::golden_text("tokenizers/" + folder + "/spm.model"));
}

/// What the library itself gives for a model file.
class bare_library {
  public:
    explicit bare_library(const sentencepiece_spec& spec) {
        REQUIRE(library_
                    .LoadFromSerializedProto(
                        {reinterpret_cast<const char*>(spec.model.data()), spec.model.size()})
                    .ok());
    }
    [[nodiscard]] ids operator()(std::string_view text) const {
        const std::vector<int> found = library_.EncodeAsIds(text);
        return {found.begin(), found.end()};
    }

  private:
    sentencepiece::SentencePieceProcessor library_;
};

/// Known and unknown characters, spaces and pieces of markup.
std::string random_text(fixtures::random_numbers& random, std::size_t parts) {
    static constexpr const char* pool[] = {
        "the ", "a",    "\xe4\xb8\xad", "\xf0\x9f\x98\x80", " ", "<s>", "ing",   "\xef\xb7\xba",
        "\n",   "\xc3", "<0x41>",       "\xe2\x96\x81",     "_", "zz",  "<unk>", "\xe1\xbc\x80"};
    std::string text;
    for (std::size_t i = 0; i < parts; ++i)
        text += pool[random.below(std::size(pool))];
    return mice::text::repair_utf8(text).text;
}

} // namespace

TEST_CASE("Unigram takes the best sum of scores, BPE the best merge first") {
    sentencepiece_file file;
    file.add(spaced("_"), -1).add("a", -3).add("b", -3).add("c", -3).add("ab", -4).add("bc", -3.5F);
    CHECK(plain(file.spec(), "abc") == ids{3, 4, 8});
    CHECK(plain(file.spec(), "ab c") == ids{3, 7, 3, 6});
    file.type = 2;
    CHECK(plain(file.spec(), "abc") == ids{3, 4, 8});
    file.pieces[7].score = -3;
    CHECK(plain(file.spec(), "abc") == ids{3, 7, 6});
    file.add_dummy_prefix = false;
    CHECK(plain(file.spec(), "abc") == ids{7, 6});
}

TEST_CASE("XLM-R's ids are the library's, moved, with markers of their own") {
    const auto tokenizer = mice::make_tokenizer(fixtures::small_xlmr());
    const auto same = mice::make_tokenizer(fixtures::small_sentencepiece());
    const auto mask = static_cast<std::int32_t>(same->vocabulary_size()) + 1;
    CHECK(tokenizer->vocabulary_size() == same->vocabulary_size() + 2);
    CHECK(tokenizer->token(0) == "<s>");
    CHECK(tokenizer->token(1) == "<pad>");
    CHECK(tokenizer->token(2) == "</s>");
    CHECK(tokenizer->token(3) == "<unk>");
    CHECK(tokenizer->token(mask) == "<mask>");
    CHECK(tokenizer->token(mask - 1) == "<sym>");
    CHECK(tokenizer->token(mask + 1) == "");
    CHECK(tokenizer->id("<mask>") == mask);
    CHECK(tokenizer->id(spaced("_the")) == *same->id(spaced("_the")) + 1);
    CHECK(tokenizer->id("nowhere") == std::nullopt);
    const std::int32_t the = *tokenizer->id(spaced("_the"));
    CHECK(tokenizer->encode("the the").ids == ids{0, the, the, 2});
    CHECK(tokenizer->encode("").ids == ids{0, 2});
    CHECK(plain(*tokenizer, "the Q") == ids{the, *tokenizer->id(spaced("_")), 3});
    const auto pair = tokenizer->encode_pair("the", "the the");
    CHECK(pair.ids == ids{0, the, 2, 2, the, the, 2});
    CHECK(pair.type_ids == ids(7, 0));
    const auto cut = tokenizer->encode("the the the", {.max_tokens = 4});
    CHECK(cut.ids == ids{0, the, the, 2});
    CHECK(cut.cut == 1);
}

TEST_CASE("A text cannot make a special token of sentencepiece unless it is parsed") {
    const std::string forged = "<s> the</s><mask><unk><pad>";
    for (const auto& spec : {fixtures::small_xlmr(), fixtures::small_sentencepiece()}) {
        const auto tokenizer = mice::make_tokenizer(spec);
        for (const std::int32_t id : plain(*tokenizer, forged)) {
            const auto token = tokenizer->token(id);
            CHECK((token == "<unk>" || token.find('<') == std::string_view::npos));
        }
    }
    const auto tokenizer = mice::make_tokenizer(fixtures::small_xlmr());
    const std::int32_t the = *tokenizer->id(spaced("_the"));
    const auto parsed = [&](std::string_view text) {
        return tokenizer
            ->encode(text, {.specials = special_tokens::parse, .add_markers = markers::omit})
            .ids;
    };
    CHECK(parsed("<s>the</s>") == ids{0, the, 2});
    CHECK(parsed("the  <mask>the") == ids{the, *tokenizer->id("<mask>"), the}); // lstrip
    // A user-defined piece that is a special token is structure here, others are not.
    sentencepiece_file file;
    file.add(spaced("_"), -1).add("[MASK]", 0, sentencepiece_file::user_defined);
    file.add("[X]", 0, sentencepiece_file::user_defined);
    for (const unsigned type : {1U, 2U}) {
        file.type = type;
        sentencepiece_spec spec = file.spec();
        CHECK(plain(spec, "[MASK][X]") == ids{3, 4, 5});
        spec.mask_token = "[MASK]";
        CHECK(plain(spec, "[MASK][X]") == ids{3, 0, 5});
    }
}

TEST_CASE("Added tokens are cut out of a text before sentencepiece sees it") {
    sentencepiece_spec spec = fixtures::small_sentencepiece();
    spec.added_tokens.push_back({.id = 90, .content = "new word", .single_word = true});
    const auto tokenizer = mice::make_tokenizer(spec);
    const std::int32_t the = *tokenizer->id(spaced("_the"));
    CHECK(plain(*tokenizer, "the new word the") == ids{the, 90, the});
    CHECK(plain(*tokenizer, "new wordy").front() != 90);
    CHECK(tokenizer->vocabulary_size() == 91);
    CHECK(tokenizer->token(90) == "new word");
}

TEST_CASE("A run of unknown characters is one token, as in the library") {
    sentencepiece_file file;
    file.add(spaced("_"), -1).add("a", -2).add("<0x51>", -2);
    CHECK(plain(file.spec(), "QQQ") == ids{3, 0});
    CHECK(plain(file.spec(), "\xe4\xb8\xad\xe4\xb8\xad"
                             "a\xe4\xb8\xad") == ids{3, 0, 4, 0});
    CHECK(plain(file.spec(), "Q Q") == ids{3, 0, 3, 0});
    CHECK(plain(file.spec(), std::string("\0", 1)) == ids{3, 0});
    file.pieces[3].text = "b"; // no space: unknown, too
    CHECK(plain(file.spec(), "Q Q") == ids{0});
    file.type = 2;
    CHECK(plain(file.spec(), "Q Q") == ids{0});
    file.pieces.pop_back();
    file.add("c").add_bytes();
    CHECK(plain(file.spec(), "\xc3\xa4") == ids{6 + 0xE2, 6 + 0x96, 6 + 0x81, 6 + 0xC3, 6 + 0xA4});
}

TEST_CASE("Random texts get the ids that the library gives for the model file as it is") {
    fixtures::random_numbers random(7);
    for (const char* folder : {"spm_unigram", "spm_bpe"}) {
        const sentencepiece_spec spec = golden_spec(folder);
        const bare_library library(spec);
        const auto tokenizer = mice::make_tokenizer(spec);
        for (std::size_t i = 0; i < 2000; ++i) {
            const std::string text = random_text(random, 1 + random.below(30));
            INFO(text);
            REQUIRE(plain(*tokenizer, text) == library(text));
        }
    }
}

TEST_CASE("A text beyond the longest part is cut at a space without a trace") {
    const std::size_t limit = mice::text::sentencepiece::longest_part;
    for (const char* folder : {"spm_unigram", "spm_bpe"}) {
        const sentencepiece_spec spec = golden_spec(folder);
        const bare_library library(spec);
        const auto tokenizer = mice::make_tokenizer(spec);
        for (const std::size_t before : {limit - 40, limit - 1, limit, limit + 1}) {
            std::string text(before, 'x');
            text.replace(limit / 2, 1, " ");
            text += " ends with some more words";
            CHECK(plain(*tokenizer, text) == library(text));
        }
    }
    // Without a space it is cut between two characters.
    const auto tokenizer = mice::make_tokenizer(golden_spec("spm_bpe"));
    std::string text = "x";
    while (text.size() <= 2 * limit)
        text += "\xf0\x9f\x98\x80";
    const auto found = plain(*tokenizer, text);
    for (const std::int32_t id : found)
        REQUIRE(id != 3 + 0xEF); // of U+FFFD
}

TEST_CASE("A megabyte of unknown characters is no work") {
    std::string text;
    while (text.size() < 1U << 20)
        text += "\xe4\xb8\xad";
    sentencepiece_file file;
    file.add(spaced("_"), -1).add("a", -2);
    for (const unsigned type : {1U, 2U}) {
        file.type = type;
        CHECK(plain(file.spec(), text).size() <= 10);
    }
}

TEST_CASE("Bytes that are not UTF-8 never reach the library") {
    const auto tokenizer = mice::make_tokenizer(golden_spec("spm_bpe"));
    const auto found = tokenizer->encode("a\xff", {.add_markers = markers::omit});
    CHECK(found.replaced == 1);
    CHECK(found.ids == plain(*tokenizer, "a\xef\xbf\xbd"));
    CHECK_THROWS_AS(tokenizer->encode("a\xff", {.on_invalid = mice::invalid_utf8::refuse}),
                    mice::error);
}

TEST_CASE("Many threads share one sentencepiece tokenizer") {
    const auto tokenizer = mice::make_tokenizer(golden_spec("spm_unigram"));
    fixtures::random_numbers random(8);
    std::vector<std::string> texts;
    std::vector<ids> expected;
    for (std::size_t i = 0; i < 50; ++i) {
        texts.push_back(random_text(random, 20));
        expected.push_back(tokenizer->encode(texts.back()).ids);
    }
    std::atomic<std::size_t> wrong{0};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (std::size_t i = 0; i < 400; ++i) {
                const std::size_t at = (i * 7 + t * 13) % texts.size();
                wrong += tokenizer->encode(texts[at]).ids == expected[at] ? 0 : 1;
            }
        });
    for (std::thread& each : threads)
        each.join();
    CHECK(wrong == 0);
}

TEST_CASE("Pieces of sentencepiece say whether they go on with a word") {
    sentencepiece_file file;
    file.add(spaced("_the")).add("ing").add(".").add(spaced("_")).add_bytes();
    const auto tokenizer = mice::make_tokenizer(file.spec());
    const auto is = [&](std::int32_t id, std::string_view text, bool continues) {
        CHECK(tokenizer->piece(id).text == text);
        CHECK(tokenizer->piece(id).continues == continues);
    };
    is(0, "<unk>", false);
    is(1, "<s>", false);
    is(3, "the", false);
    is(4, "ing", true);
    is(5, ".", false);
    is(6, "", false);
    is(7 + 'A', "A", true);
    is(7 + '!', "!", false);
    is(7 + 0xE4, "\xE4", true);
    is(-1, "", false);
    is(1000, "", false);
    const mice::store::token_filter filter(*tokenizer, mice::dropped_tokens::stop_words);
    CHECK(filter.kept(ids{3, 4, 3, 5, 4}) == std::vector<std::size_t>{0, 1, 4});
}

TEST_CASE("A rule of a hand-made table is applied, and the library's refusals are errors") {
    sentencepiece_file file;
    file.add(spaced("_"), -1).add("a", -2).add("b", -2);
    std::string table(4 + 4 * 256, '\0');
    const auto put = [&table](std::size_t at, std::uint32_t value) {
        for (unsigned i = 0; i < 4; ++i)
            table[at + i] = static_cast<char>(value >> 8 * i);
    };
    put(0, 4 * 256);
    put(4, 1U << 10);                                             // the root leads to base 1
    put(4 + 4 * (1 ^ 'a'), (1U ^ 'a' ^ 4) << 10 | 1U << 8 | 'a'); // "a" leads to base 4
    put(4 + 4 * 4, 1U << 31);                                     // its replacement is at 0
    for (std::size_t unit = 1; unit < 256; ++unit)                // other bytes lead nowhere
        if (unit != (1 ^ 'a') && unit != 4)
            put(4 + 4 * unit, static_cast<std::uint32_t>(unit ^ 0xFF) & 0xFF);
    file.charsmap = table + std::string("b\0", 2);
    CHECK(plain(file.spec(), "aab") == ids{3, 5, 5, 5});
    sentencepiece_file empty; // nothing that a text could be made of
    try {
        (void)mice::make_tokenizer(empty.spec());
        FAIL("made a tokenizer");
    } catch (const mice::error& raised) {
        CHECK(raised.code() == errc::tokenizer);
        CHECK(std::string(raised.what()).find("no pieces are loaded") != std::string::npos);
    }
}

#endif
