// SPDX-License-Identifier: Apache-2.0
// The parts of a Unigram tokenizer; its ids are compared in tests/tools/unigram_files_test.cpp.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/random_numbers.hpp"
#include "../support/unigram_spec.hpp"
#include "catch.hpp"
#include "tokenizer_checks.hpp"
#include "wordpiece_folder.hpp"

#include <mice/text/tokenizer.hpp>
#include <mice/text/unigram/spec.hpp>
#include <nlohmann/json.hpp>

using fixtures::contains;
using fixtures::problem;
using fixtures::spaced;
using fixtures::with;
using mice::errc;
using mice::special_tokens;
using mice::text_step_kind;
using mice::unigram_spec;
using id_list = std::vector<std::int32_t>;

namespace {

id_list unigram_ids(const mice::tokenizer& tokenizer, std::string_view text,
                    special_tokens specials = special_tokens::plain) {
    return tokenizer.encode(text, {.specials = specials, .add_markers = mice::markers::omit}).ids;
}

/// What a regular expression finds, in brackets.
std::string found_by(std::string_view expression, std::string_view text) {
    const mice::text::text_pattern pattern(expression);
    std::string result;
    std::size_t copied = 0;
    pattern.each_match(text, [&](const auto& match) {
        result += text.substr(copied, match.start - copied);
        result += '[';
        result += text.substr(match.start, match.stop - match.start);
        result += ']';
        copied = match.stop;
    });
    return result + std::string(text.substr(copied));
}

std::string normalized_by(const std::vector<mice::text_step>& steps, std::string_view text) {
    return mice::text::text_steps(steps, {}).normalized(text);
}

mice::text_step step_of(text_step_kind kind, std::string pattern = "", std::string content = "") {
    return {kind, std::move(pattern), std::move(content), true, true};
}

} // namespace

TEST_CASE("Patterns find what Oniguruma finds") {
    CHECK(found_by(" {2,}", "a  b c   d ") == "a[  ]b c[   ]d ");
    CHECK(found_by(" {2}", "    a") == "[  ][  ]a");
    CHECK(found_by("\\s{2,}|[\\n\\r\\t]", "a\tb \n\xc2\xa0 c d\n") ==
          "a[\t]b[ \n\xc2\xa0 ]c d[\n]");
    CHECK(found_by("\\A +| +\\z", "  a  b  ") == "[  ]a  b[  ]");
    CHECK(found_by("^x+$", "xx\nxxy\nxxx") == "[xx]\nxxy\n[xxx]");
    CHECK(found_by("^x+$", "axx") == "axx");
    CHECK(found_by(" +x", "a  x  y x") == "a[  x]  y[ x]");
    CHECK(found_by("\\A\xe2\x96\x81", "\xe2\x96\x81\xe2\x96\x81z") ==
          "[\xe2\x96\x81]\xe2\x96\x81z");
    CHECK(found_by("ab|a", "aab") == "[a][ab]");
    CHECK(found_by("a|ab", "aab") == "[a][a]b");
    CHECK(found_by("\\.\\[[.\\]]", ".[.x.[]") == "[.[.]x[.[]]");
    CHECK(found_by("a{3,}", "aa aaaa") == "aa [aaaa]");
    CHECK(found_by("a{2}b", "aaab") == "a[aab]");
    CHECK(found_by("a", "").empty());
}

TEST_CASE("A pattern takes a time in proportion to the text") {
    std::string text;
    for (int i = 0; i < 400000; ++i)
        text += i % 1000 == 999 ? 'y' : ' ';
    std::size_t matches = 0;
    for (const char* expression : {" +x", " +\\z", " {999,}x", "\\A +x| +x", "^ +$"})
        mice::text::text_pattern(expression).each_match(text, [&](const auto&) { ++matches; });
    CHECK(matches == 0);
    text.assign(400000, ' '); // one run
    for (const char* expression : {" +x", " +x\\z", "x +"})
        mice::text::text_pattern(expression).each_match(text, [&](const auto&) { ++matches; });
    CHECK(matches == 0);
}

TEST_CASE("Steps of a Unigram normalizer do what their names say") {
    using kind = text_step_kind;
    CHECK(normalized_by({step_of(kind::strip)}, " \xc2\xa0"
                                                "a b\n ") == "a b");
    CHECK(normalized_by({step_of(kind::strip)}, " \n ").empty());
    CHECK(normalized_by({step_of(kind::replace, "``", "\"")}, "``a```") == "\"a\"`");
    CHECK(normalized_by({step_of(kind::replace, "aa", "a")}, "aaaaa") == "aaa");
    CHECK(normalized_by({step_of(kind::prepend, "", "x")}, "a") == "xa");
    CHECK(normalized_by({step_of(kind::prepend, "", "x")}, "").empty());
    CHECK(normalized_by({step_of(kind::lowercase)}, "\xc4\xb0\xce\xa3") == "i\xcc\x87\xcf\x83");
    CHECK(normalized_by({step_of(kind::nfd), step_of(kind::strip_accents)}, "\xc3\xa9") == "e");
    CHECK(normalized_by({step_of(kind::nmt)}, "\x01"
                                              "a\tb\xe2\x80\x8b\xe2\x96\x81") == "a b  ");
    CHECK(normalized_by({step_of(kind::nfkc)}, "\xef\xac\x81\xe2\x91\xa0") == "fi1");
    CHECK(normalized_by({step_of(kind::nfkd)}, "\xea\xb0\x80") == "\xe1\x84\x80\xe1\x85\xa1");
}

TEST_CASE("Hugging Face's Precompiled sees clusters below 6 bytes as one") {
    const auto model = fixtures::sentencepiece_file::spec_of(
        test::golden_text("tokenizers/spm_unigram/spm.model"));
    const std::string_view rules = mice::text::read_sentencepiece_model(model.model).charsmap;
    const mice::text::text_steps steps({step_of(text_step_kind::precompiled)},
                                       mice::text::charsmap_rules(std::as_bytes(std::span(rules))));
    CHECK(steps.normalized("\xef\xac\x81x") == "fix");
    CHECK(steps.normalized("e\xcc\x81") == "\xc3\xa9");
    CHECK(steps.normalized("\r\n") == " ");
    CHECK(steps.normalized("\xef\xac\x81\xcc\x81") == "fi"); // 5 bytes: the mark is lost
    CHECK(steps.normalized("\xef\xac\x81\xe0\xa4\x83") == "fi\xe0\xa4\x83"); // 6 bytes
    CHECK(steps.normalized(std::string("a\0b", 3)) == std::string("a\0b", 3));
    CHECK(steps.normalized("\x01").empty());
}

TEST_CASE("Unigram takes the best sum of scores and the first of equal ones") {
    unigram_spec spec = fixtures::small_unigram();
    spec.normalizer.clear();
    spec.splitter.clear();
    spec.vocabulary = {"<s>", "<pad>", "</s>", "<unk>", "a", "b", "ab", "abc", "<mask>"};
    spec.scores = {0, 0, 0, 0, -1, -1, -2, -9, 0};
    spec.added_tokens.back().id = 8;
    const auto with_score = [&spec](std::size_t id, double score) {
        spec.scores[id] = score;
        return mice::make_tokenizer(spec);
    };
    CHECK(unigram_ids(*with_score(6, -1.9), "ab") == id_list{6});
    CHECK(unigram_ids(*with_score(6, -2.1), "ab") == id_list{4, 5});
    CHECK(unigram_ids(*with_score(6, -2), "ab") == id_list{6}); // offered first
    CHECK(unigram_ids(*with_score(7, -9), "abc") == id_list{7});
    CHECK(unigram_ids(*with_score(7, -30), "abc") == id_list{7}); // unknown: the least - 10
    CHECK(unigram_ids(*with_score(7, -9), "xyzaxx") == id_list{3, 4, 3});
    CHECK(unigram_ids(*with_score(7, -9), "").empty());
}

TEST_CASE("No text makes a special token of Unigram unless they are parsed") {
    const auto tokenizer = mice::make_tokenizer(fixtures::small_unigram_of_bytes());
    fixtures::random_numbers random(3);
    const std::vector<std::string> parts = {
        "<s>", "</s>", "<pad>", "<unk>", "<mask>",       "\xef\xbc\x9cs\xef\xbc\x9e",
        "a",   " ",    "<",     ">",     "\xe2\x82\xac", "<0x41>"};
    for (int i = 0; i < 2000; ++i) {
        std::string text;
        for (std::size_t n = random.below(8); n-- > 0;)
            text += parts[random.below(parts.size())];
        for (const std::int32_t id : unigram_ids(*tokenizer, text)) {
            INFO(text);
            REQUIRE(id > 3);
            REQUIRE(tokenizer->token(id) != "<mask>");
        }
    }
    CHECK(unigram_ids(*tokenizer, "a <mask>", special_tokens::parse).back() ==
          tokenizer->id("<mask>"));
    CHECK(unigram_ids(*tokenizer, "<s>", special_tokens::parse) == id_list{0});
    // As in Hugging Face, normalization may make one where they are parsed.
    const id_list wide =
        unigram_ids(*tokenizer, "\xef\xbc\x9cs\xef\xbc\x9e", special_tokens::parse);
    CHECK(wide == id_list{4, 0});
}

TEST_CASE("Unknown characters of Unigram are spelled in bytes or are one token a word") {
    const auto bytes = mice::make_tokenizer(fixtures::small_unigram_of_bytes());
    const auto unknown = mice::make_tokenizer(fixtures::small_unigram());
    CHECK(unigram_ids(*unknown, "\xe4\xbd\xa0\xe5\xa5\xbd \xe4\xbd\xa0") == id_list{4, 3, 4, 3});
    const std::int32_t first = *bytes->id("<0x00>");
    CHECK(unigram_ids(*bytes, "\xe2\x82\xac") ==
          id_list{4, first + 0xE2, first + 0x82, first + 0xAC});
    CHECK(bytes->piece(first + 'x').text == "x");
    CHECK(bytes->piece(first + 'x').continues);
    CHECK(bytes->piece(*bytes->id(spaced("_the"))).text == "the");
    CHECK_FALSE(bytes->piece(*bytes->id(spaced("_the"))).continues);
    CHECK(bytes->piece(*bytes->id("er")).continues);
    CHECK_FALSE(bytes->piece(0).continues);
}

TEST_CASE("A Unigram spec survives the model file") {
    for (unigram_spec spec : {fixtures::small_unigram(), fixtures::long_unigram()}) {
        spec.scores[5] = -0.1;
        spec.scores[6] = -std::numeric_limits<double>::denorm_min();
        const auto back =
            mice::unigram_from_model(mice::to_metadata(spec), mice::vocabulary_bytes(spec),
                                     mice::score_bytes(spec), std::nullopt);
        CHECK(back.vocabulary == spec.vocabulary);
        CHECK(back.scores == spec.scores);
        CHECK(back.normalizer.size() == spec.normalizer.size());
        CHECK(mice::to_metadata(back) == mice::to_metadata(spec));
    }
}

TEST_CASE("Every damaged key of Unigram's metadata is refused by name") {
    const unigram_spec spec = fixtures::long_unigram();
    const std::string metadata = mice::to_metadata(spec);
    const auto read = [&](errc code, const std::string& text) {
        return problem(code, [&] {
            (void)mice::unigram_from_model(text, mice::vocabulary_bytes(spec),
                                           mice::score_bytes(spec), std::nullopt);
        });
    };
    const auto object = nlohmann::json::parse(metadata);
    CHECK(object.size() == 12);
    for (const auto& [key, value] : object.items()) {
        INFO(key);
        auto without = object;
        without.erase(key);
        CHECK(contains(read(errc::tokenizer, without.dump()), "lacks '" + key + "'"));
        CHECK(contains(read(errc::tokenizer, with(metadata, key.c_str(), {{"x", 1}})),
                       "'" + key + "' must be"));
    }
    CHECK(contains(read(errc::tokenizer, with(metadata, "extra", 1)), "unknown key 'extra'"));
    for (const char* list : {"normalizer", "splitter"}) {
        auto changed = object;
        changed[list][0]["type"] = "later";
        CHECK(contains(read(errc::unsupported, changed.dump()), "'type' 'later'"));
        changed = object;
        changed[list][0]["more"] = 1;
        CHECK(contains(read(errc::tokenizer, changed.dump()), "unknown key 'more'"));
        changed = object;
        while (changed[list].size() < 33)
            changed[list].push_back(object[list][0]);
        CHECK(contains(read(errc::tokenizer, changed.dump()), "'" + std::string(list)));
    }
    CHECK(contains(read(errc::unsupported, with(metadata, "type", "wordpiece")), "'wordpiece'"));
}

TEST_CASE("Unusable pieces and settings of Unigram are refused by name") {
    const auto refused = [](errc code, const std::function<void(unigram_spec&)>& change) {
        unigram_spec spec = fixtures::small_unigram();
        change(spec);
        const std::string message = problem(code, [&] { spec.validate(); });
        CHECK(problem(code, [&] { (void)mice::make_tokenizer(spec); }) == message);
        return message;
    };
    const auto bad = [&](const std::function<void(unigram_spec&)>& change) {
        return refused(errc::tokenizer, change);
    };
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(contains(bad([](auto& s) { s.scores[7] = nan; }), "piece 7 has a score"));
    CHECK(contains(bad([](auto& s) { s.scores[7] = -1 / 0.0; }), "piece 7 has a score"));
    CHECK(contains(bad([](auto& s) { s.scores.pop_back(); }), "scores"));
    CHECK(contains(bad([](auto& s) { s.vocabulary[7] = "z"; }), "'z' has two ids"));
    CHECK(contains(bad([](auto& s) { s.vocabulary[7] = "\xff"; }), "token 7 is not valid UTF-8"));
    CHECK(contains(bad([](auto& s) { s.unk_token = "?"; }), "the unknown token '?'"));
    CHECK(contains(bad([](auto& s) { s.cls_token = "?"; }), "'?' is not in the vocabulary"));
    CHECK(contains(bad([](auto& s) { s.added_tokens[0].special = false; }), "not special"));
    CHECK(contains(bad([](auto& s) { s.normalizer[1].content = std::string(257, 'a'); }), "256"));
    CHECK(contains(bad([](auto& s) { s.charsmap.resize(9); }), "normalization rules"));
    CHECK(contains(bad([](auto& s) { s.normalizer[0].kind = text_step_kind::precompiled; }),
                   "normalization rules"));
    for (const std::size_t steps : {6U, 7U}) {
        unigram_spec longer = fixtures::small_unigram();
        longer.normalizer.assign(steps, step_of(text_step_kind::replace, "a", "aa"));
        const std::string message = problem(errc::tokenizer, [&] { longer.validate(); });
        CHECK(contains(message, "more than 64 times as long") == (steps == 7));
    }
    CHECK(contains(
        refused(errc::unsupported,
                [](auto& s) { s.normalizer.assign(2, step_of(text_step_kind::precompiled)); }),
        "more than one Precompiled"));

    CHECK(contains(
        refused(errc::unsupported, [](auto& s) { s.splitter.push_back(s.splitter.back()); }),
        "more than one Metaspace"));
    CHECK(contains(refused(errc::unsupported, [](auto& s) { s.normalizer[1].pattern = "a*"; }),
                   "'a*'"));
}
