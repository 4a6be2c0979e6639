// SPDX-License-Identifier: Apache-2.0
// What is read, checked and stored without the sentencepiece library.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/sentencepiece_file.hpp"
#include "catch.hpp"
#include "tokenizer_checks.hpp"
#include "wordpiece_folder.hpp"

#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/wordpiece/spec.hpp>
#include <nlohmann/json.hpp>

using fixtures::contains;
using fixtures::message;
using fixtures::problem;
using fixtures::sentencepiece_file;
using fixtures::with;
using mice::errc;
using mice::piece_ids;
using mice::sentencepiece_spec;
using mice::text::piece_kind;

namespace {

std::string spec_problem(errc code, const sentencepiece_spec& spec) {
    return problem(code, [&spec] { spec.validate(); });
}

std::string file_problem(const sentencepiece_file& file) {
    return spec_problem(errc::tokenizer, file.spec());
}

/// Of a whole model file, byte by byte.
std::string file_problem(errc code, std::string_view bytes) {
    return spec_problem(code, sentencepiece_file::spec_of(bytes));
}

sentencepiece_file letters() {
    sentencepiece_file file;
    return file.add("a").add("b");
}

/// Normalization rules unit by unit.
class charsmap {
  public:
    explicit charsmap(std::size_t units = 256) : units_(units) {
        for (std::size_t i = 0; i < units; ++i)
            units_[i] = static_cast<std::uint32_t>(i ^ 0xFF) & 0xFF; // of a base nobody leads to
        units_[0] = to(0, 1);
    }
    /// A step from `base` over `letter` to `next`; `rule` is where its replacement begins.
    charsmap& step(std::size_t base, char letter, std::size_t next,
                   std::optional<std::uint32_t> rule = std::nullopt) {
        const std::size_t unit = base ^ static_cast<unsigned char>(letter);
        units_.at(unit) = to(unit, next) | static_cast<unsigned char>(letter);
        if (rule) {
            units_[unit] |= 1U << 8;
            units_.at(next) = *rule | 1U << 31;
        }
        return *this;
    }
    charsmap& unit(std::size_t at, std::uint32_t value) {
        units_.at(at) = value;
        return *this;
    }
    [[nodiscard]] std::string bytes(std::string_view replacements) const {
        std::string out;
        put(out, static_cast<std::uint32_t>(4 * units_.size()));
        for (const std::uint32_t unit : units_)
            put(out, unit);
        return out += replacements;
    }

  private:
    static std::uint32_t to(std::size_t unit, std::size_t base) {
        return static_cast<std::uint32_t>(unit ^ base) << 10;
    }
    static void put(std::string& out, std::uint32_t value) {
        for (unsigned i = 0; i < 4; ++i)
            out += static_cast<char>(value >> 8 * i);
    }
    std::vector<std::uint32_t> units_;
};

std::string charsmap_problem(const std::string& bytes) {
    sentencepiece_file file = letters();
    file.charsmap = bytes;
    return file_problem(file);
}

constexpr std::string_view one_replacement("b\0", 2);

} // namespace

TEST_CASE("A sentencepiece model is read with its settings") {
    sentencepiece_file file = letters();
    file.type = 2;
    file.whitespace_suffix = true;
    file.remove_extra_whitespaces = false;
    file.add("c", 1.5F, sentencepiece_file::unused)
        .add("<x>", 0, sentencepiece_file::user_defined)
        .add_bytes();
    const std::string bytes = file.text();
    const sentencepiece_spec spec = sentencepiece_file::spec_of(bytes);
    const auto model = mice::text::read_sentencepiece_model(spec.model);
    REQUIRE(model.pieces.size() == 7 + 256);
    CHECK(model.pieces[0].text == "<unk>");
    CHECK(model.pieces[0].kind == piece_kind::unknown);
    CHECK(model.pieces[1].kind == piece_kind::control);
    CHECK(model.pieces[3].kind == piece_kind::normal);
    CHECK(model.pieces[5].kind == piece_kind::unused);
    CHECK(model.pieces[5].score == 1.5F);
    CHECK(model.pieces[6].kind == piece_kind::user_defined);
    CHECK(model.pieces[7 + 0xE4].text == "<0xE4>");
    CHECK(model.pieces[7].kind == piece_kind::byte);
    CHECK(model.bpe);
    CHECK(model.byte_fallback);
    CHECK(model.whitespace_suffix);
    CHECK(model.add_dummy_prefix);
    CHECK_FALSE(model.remove_extra_whitespaces);
    // Without settings, the library's own.
    const std::string few = message()
                                .text(1, message().text(1, "<unk>").number(3, 2).bytes())
                                .text(1, message().text(1, "a").bytes())
                                .bytes();
    const sentencepiece_spec fewest = sentencepiece_file::spec_of(few);
    const auto bare = mice::text::read_sentencepiece_model(fewest.model);
    CHECK(bare.pieces[1].kind == piece_kind::normal);
    CHECK_FALSE(bare.bpe);
    CHECK_FALSE(bare.byte_fallback);
    CHECK(bare.add_dummy_prefix);
    CHECK(bare.remove_extra_whitespaces);
    CHECK(bare.escape_whitespaces);
}

TEST_CASE("The sentencepiece library gets what was checked and nothing else") {
    sentencepiece_file file = letters();
    file.more = message()
                    .text(4, message().text(1, "a self-test").bytes())
                    .text(5, message().text(2, "rules back").bytes())
                    .bytes();
    const std::string bytes = file.text();
    const auto spec = sentencepiece_file::spec_of(bytes);
    const auto given =
        mice::text::detail::to_library(mice::text::read_sentencepiece_model(spec.model));
    CHECK(contains(bytes, "a self-test"));
    CHECK_FALSE(contains(given, "a self-test"));
    CHECK_FALSE(contains(given, "rules back"));
    CHECK_FALSE(contains(given, "a trainer's file"));
    const sentencepiece_spec rest = sentencepiece_file::spec_of(given);
    const auto again = mice::text::read_sentencepiece_model(rest.model);
    CHECK(again.pieces.size() == 5 + 256);
    CHECK(again.byte_fallback);
    CHECK(again.pieces[4].text == "b");
}

TEST_CASE("A sentencepiece model cut anywhere is refused or ends between two fields") {
    const std::string whole = letters().text();
    std::size_t accepted = 0;
    for (std::size_t size = 0; size < whole.size(); ++size)
        accepted += file_problem(errc::tokenizer, whole.substr(0, size)).empty() ? 1 : 0;
    CHECK(accepted == 4); // after "</s>", "a", "b" and the trainer's settings
}

TEST_CASE("Bytes that are no sentencepiece model are refused") {
    const std::string start = letters().text();
    for (const std::string& tail :
         {std::string(2, '\0'), std::string("\x07"), std::string("\x0B"), std::string("\x0C"),
          std::string("\x0E"), std::string("\x0A\x05z"), "\x0A" + std::string(9, '\xFF') + "\x7F",
          std::string(10, '\x80'), "\x0A" + std::string(10, '\x80'), std::string("\x08\x01"),
          std::string("\x10\x01"), std::string("\x0D\x01\x01\x01\x01"),
          "\xF8\xFF\xFF\xFF\xFF\x01" + std::string("\x01")}) {
        INFO(nlohmann::json(std::vector<int>(tail.begin(), tail.end())).dump());
        CHECK(contains(file_problem(errc::tokenizer, start + tail), "damaged"));
    }
    CHECK(contains(file_problem(errc::tokenizer, ""), "0 unknown pieces"));
    CHECK(contains(file_problem(errc::tokenizer, "{\"version\": \"1.0\"}"), "damaged"));
    CHECK(
        contains(file_problem(errc::tokenizer, start + message().text(2, "").bytes()), "damaged"));
    CHECK(
        contains(file_problem(errc::tokenizer, start + message().text(3, "").bytes()), "damaged"));
    // A field of another form than its own.
    for (const std::string& piece : {message().number(1, 5).bytes(), message().number(2, 5).bytes(),
                                     message().text(3, "x").bytes()})
        CHECK(contains(file_problem(errc::tokenizer, start + message().text(1, piece).bytes()),
                       "damaged"));
    const std::string huge(mice::text::detail::max_sentencepiece_bytes + 1, '\0');
    CHECK(contains(file_problem(errc::tokenizer, huge), "at most 67108864"));
    std::string many;
    for (std::size_t i = 0; i < mice::text::token_table::max_tokens + 2; ++i)
        many += std::string_view("\x0A\x00", 2);
    CHECK(contains(file_problem(errc::tokenizer, many), "more than 2097152 pieces"));
}

TEST_CASE("What a sentencepiece model has and mice has not is named") {
    const std::string start = sentencepiece_file().text();
    CHECK(contains(file_problem(errc::unsupported, start + message().text(6, "").bytes()),
                   "field 6 in the message"));
    CHECK(contains(
        file_problem(errc::unsupported,
                     start +
                         message().text(1, message().text(1, "a").number(4, 1).bytes()).bytes()),
        "field 4 in a piece"));
    const std::string piece =
        message().text(1, message().text(1, "<unk>").number(3, 2).bytes()).bytes();
    CHECK(contains(file_problem(errc::unsupported,
                                piece + message().text(3, message().number(7, 1).bytes()).bytes()),
                   "field 7 in the normalizer"));
    const std::array<std::pair<unsigned, const char*>, 4> types = {
        {{0, "type 0"}, {3, "type word"}, {4, "type char"}, {9, "type 9"}}};
    for (const auto& [type, name] : types) {
        sentencepiece_file file = letters();
        file.type = type;
        CHECK(contains(spec_problem(errc::unsupported, file.spec()), name));
    }
    for (const int type : {0, 7})
        CHECK(contains(spec_problem(errc::unsupported, letters().add("c", 0, type).spec()),
                       "a piece of type " + std::to_string(type)));
}

TEST_CASE("Unusable pieces are refused by name") {
    using file = sentencepiece_file;
    const float infinity = std::numeric_limits<float>::infinity();
    CHECK(file_problem(letters()) == "");
    CHECK(contains(file_problem(letters().add("")), "piece 5 has 0 bytes"));
    CHECK(file_problem(letters().add(std::string(256, 'x'))) == "");
    CHECK(contains(file_problem(letters().add(std::string(257, 'x'))), "piece 5 has 257 bytes"));
    CHECK(contains(file_problem(letters().add("\xff")), "piece 5 is not valid UTF-8"));
    CHECK(contains(file_problem(letters().add(std::string("x\0y", 3))), "piece 5 contains a NUL"));
    for (const float score : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()})
        CHECK(contains(file_problem(letters().add("c", score)), "piece 5 has a score"));
    CHECK(contains(file_problem(letters().add("a")), "'a' has two ids, 3 and 5"));
    CHECK(contains(file_problem(letters().add("<s>")), "'<s>' is an ordinary piece"));
    CHECK(contains(file_problem(letters().add("<u>", 0, file::unknown)), "2 unknown pieces"));
    file without = letters();
    without.pieces[0].type = file::control;
    CHECK(contains(file_problem(without), "0 unknown pieces"));
    CHECK(contains(file_problem(letters().add("<0x41>", 0, file::byte)), "bytes are switched off"));
    file bytes = letters().add_bytes();
    CHECK(file_problem(bytes) == "");
    bytes.pieces.back().text = "<0xff>";
    CHECK(contains(file_problem(bytes), "'<0xff>' names no byte"));
    bytes.pieces.back().text = "<0x00>";
    CHECK(contains(file_problem(bytes), "pieces for 255 of the 256 bytes"));
    bytes.pieces.pop_back();
    CHECK(contains(file_problem(bytes), "pieces for 255 of the 256 bytes"));
}

TEST_CASE("Up to 64 user-defined pieces may begin with each other") {
    sentencepiece_file file = letters();
    for (std::size_t length = 1; length <= 64; ++length)
        file.add(std::string(length, 'x'), 0, sentencepiece_file::user_defined)
            .add(std::string(length, 'y') + '!', 0, sentencepiece_file::user_defined);
    CHECK(file_problem(file) == "");
    file.add(std::string(65, 'x'), 0, sentencepiece_file::user_defined);
    CHECK(contains(file_problem(file), "more than 64 user-defined pieces"));
}

TEST_CASE("Normalization rules are checked wherever a text could lead") {
    const std::string rules = charsmap().step(1, 'a', 4, 0).bytes(one_replacement);
    CHECK(charsmap_problem(rules) == "");
    for (std::size_t size = 1; size < rules.size(); ++size) { // cut anywhere
        INFO(size);
        CHECK(contains(charsmap_problem(rules.substr(0, size)), "normalization rules"));
    }
    const auto reason = [](const charsmap& map, std::string_view replacements = one_replacement) {
        return charsmap_problem(map.bytes(replacements));
    };
    const std::string text(129, 'x');
    CHECK(contains(reason(charsmap(64).unit(0, 0)), "the size of their table"));
    CHECK(contains(reason(charsmap().unit(0, 256U << 10)), "leads out"));
    CHECK(contains(reason(charsmap().unit(0, 1U << 10 | 1U << 9)), "leads out"));
    CHECK(contains(reason(charsmap().step(1, 'a', 300)), "leads out"));
    CHECK(contains(reason(charsmap().step(1, 'a', 4).step(4, 'b', 1U << 20)), "leads out"));
    CHECK(contains(reason(charsmap().step(1, 'a', 4, 2)), "not there"));
    CHECK(contains(reason(charsmap().step(1, 'a', 4, 0x7FFFFFFF)), "not there"));
    CHECK(contains(reason(charsmap().step(1, 'a', 4, 0), std::string_view("\xE2\x96\0", 3)),
                   "not UTF-8"));
    CHECK(contains(reason(charsmap().step(1, 'a', 4, 0), text + '\0'), "129 bytes"));
    CHECK(reason(charsmap().step(1, 'a', 4, 1), text + '\0') == "");
    CHECK(contains(reason(charsmap().step(1, 'a', 4, 0), "b"), "the end of their replacements"));
    CHECK(contains(reason(charsmap().step(1, 'a', 1)), "circles"));
    CHECK(contains(reason(charsmap().step(1, 'a', 4).step(4, 'b', 1)), "circles"));
    CHECK(contains(reason(charsmap().step(1, 'a', 4).step(4, 'b', 4)), "circles"));
    // The first unit is reached like any other.
    CHECK(contains(reason(charsmap().unit(0, 1U << 10 | 1)), "circles"));
    // What no text reaches does not matter.
    CHECK(reason(charsmap().step(1, 'a', 4, 0).step(8, 'b', 8)) == "");
}

TEST_CASE("Up to 32 rules may end along one text") {
    const auto nested = [](std::size_t rules) {
        charsmap map(65536);
        for (std::size_t i = 0; i < rules; ++i)
            map.step(i == 0 ? 1 : 512 * i, 'a', 512 * (i + 1), 0);
        return charsmap_problem(map.bytes(one_replacement));
    };
    CHECK(nested(32) == "");
    CHECK(contains(nested(33), "more than 32 rules"));
}

TEST_CASE("The rules of a real sentencepiece model pass the check") {
    const auto spec =
        sentencepiece_file::spec_of(test::golden_text("tokenizers/spm_unigram/spm.model"));
    const auto model = mice::text::read_sentencepiece_model(spec.model);
    CHECK(model.charsmap.size() == 240007);
    CHECK(model.pieces.size() == 1500);
}

TEST_CASE("No text may make a special token of a sentencepiece tokenizer") {
    sentencepiece_spec spec = letters().add("[SEP]").spec();
    spec.sep_token = "[SEP]";
    CHECK(contains(spec_problem(errc::tokenizer, spec), "'[SEP]' is an ordinary piece"));
    for (const int type : {sentencepiece_file::user_defined, sentencepiece_file::control}) {
        spec = letters().add("[SEP]", 0, type).spec();
        spec.sep_token = "[SEP]";
        CHECK(spec_problem(errc::tokenizer, spec) == "");
    }
    spec = letters().add("[X]").spec();
    spec.added_tokens = {{.id = 5, .content = "[X]", .special = true}};
    CHECK(contains(spec_problem(errc::tokenizer, spec), "'[X]' is an ordinary piece"));
    spec.added_tokens[0].special = false;
    CHECK(spec_problem(errc::tokenizer, spec) == "");
    spec.added_tokens = {{.id = 1, .content = "<s>"}};
    CHECK(contains(spec_problem(errc::tokenizer, spec),
                   "'<s>' is an added token that is not special"));
    spec.added_tokens.clear();
    spec.sep_token = "<unk>";
    CHECK(contains(spec_problem(errc::tokenizer, spec), "'<unk>' is another special token"));
    // BPE takes a piece of one character from the text as it stands.
    sentencepiece_file file = letters().add("\xe4\xb8\xad", 0, sentencepiece_file::control);
    CHECK(file_problem(file) == "");
    file.type = 2;
    CHECK(contains(file_problem(file), "is a single character"));
    file.pieces.back().type = sentencepiece_file::user_defined;
    CHECK(file_problem(file) == "");
    spec = file.spec();
    spec.sep_token = "\xe4\xb8\xad";
    CHECK(contains(spec_problem(errc::tokenizer, spec), "is a single character"));
}

TEST_CASE("Special and added tokens must fit the sentencepiece model") {
    const auto changed = [](const std::function<void(sentencepiece_spec&)>& change,
                            errc code = errc::tokenizer) {
        sentencepiece_spec spec = letters().spec();
        change(spec);
        return spec_problem(code, spec);
    };
    CHECK(
        contains(changed([](auto& s) { s.unk_token = "[UNK]"; }), "the unknown token is '[UNK]'"));
    CHECK(contains(changed([](auto& s) { s.cls_token = "[CLS]"; }), "'[CLS]' is not in"));
    CHECK(contains(changed([](auto& s) { s.sep_token = ""; }), "'' is not in"));
    CHECK(contains(changed([](auto& s) { s.mask_token = "<mask>"; }), "'<mask>' is not in"));
    CHECK(changed([](auto& s) {
              s.mask_token = "<mask>";
              s.added_tokens = {{.id = 9, .content = "<mask>", .special = true}};
          }) == "");
    CHECK(contains(changed([](auto& s) { s.added_tokens = {{.id = 3, .content = "x"}}; }),
                   "which is 'a' in the vocabulary"));
    CHECK(contains(
        changed([](auto& s) { s.added_tokens = {{.id = 9, .content = "x", .normalized = true}}; },
                errc::unsupported),
        "'normalized' of the added token 'x'"));
}

TEST_CASE("XLM-R's ids need the pieces of XLM-R") {
    const auto changed = [](const std::function<void(sentencepiece_spec&)>& change) {
        sentencepiece_spec spec = fixtures::small_xlmr();
        change(spec);
        return spec_problem(errc::tokenizer, spec);
    };
    CHECK(changed([](auto&) {}) == "");
    CHECK(contains(changed([](auto& s) { s.pad_token.clear(); }), "padding token"));
    CHECK(contains(changed([](auto& s) { --s.added_tokens[2].id; }), "behind the last piece"));
    CHECK(contains(changed([](auto& s) { ++s.added_tokens[2].id; }), "behind the last piece"));
    CHECK(contains(changed([](auto& s) { s.added_tokens.pop_back(); }), "behind the last piece"));
    CHECK(changed([](auto& s) {
              s.added_tokens.pop_back();
              s.mask_token.clear();
          }) == "");
    CHECK(contains(changed([](auto& s) { s.cls_token = "</s>"; }), "piece 1 is '</s>'"));
    for (std::size_t id = 0; id < 3; ++id) {
        sentencepiece_file file = letters();
        std::swap(file.pieces[id], file.pieces[3]);
        sentencepiece_spec spec = file.spec();
        spec.ids = piece_ids::xlmr;
        spec.pad_token = "<pad>";
        CHECK(contains(spec_problem(errc::tokenizer, spec), "piece " + std::to_string(id) + " is"));
        file.pieces.resize(id);
        spec.model = sentencepiece_file(file).spec().model;
        CHECK_FALSE(spec_problem(errc::tokenizer, spec).empty());
    }
    sentencepiece_spec spec = letters().add("<pad>", 0, sentencepiece_file::control).spec();
    spec.ids = piece_ids::xlmr;
    spec.pad_token = "<pad>";
    CHECK(contains(spec_problem(errc::tokenizer, spec), "'<pad>' has two ids"));
}

TEST_CASE("A sentencepiece spec survives the model file") {
    for (const auto& spec : {fixtures::small_xlmr(), fixtures::small_sentencepiece()}) {
        const auto back = mice::sentencepiece_from_model(mice::to_metadata(spec), spec.model);
        CHECK(back.model == spec.model);
        CHECK(back.ids == spec.ids);
        CHECK(back.pairs == spec.pairs);
        CHECK(back.unk_token == spec.unk_token);
        CHECK(back.cls_token == spec.cls_token);
        CHECK(back.sep_token == spec.sep_token);
        CHECK(back.pad_token == spec.pad_token);
        CHECK(back.mask_token == spec.mask_token);
        CHECK(back.added_tokens.size() == spec.added_tokens.size());
        CHECK(mice::to_metadata(back) == mice::to_metadata(spec));
    }
}

TEST_CASE("Every damaged key of sentencepiece's metadata is refused by name") {
    const auto spec = fixtures::small_xlmr();
    const auto metadata = mice::to_metadata(spec);
    const auto read = [&](errc code, const std::string& text) {
        return problem(code, [&] { (void)mice::sentencepiece_from_model(text, spec.model); });
    };
    const auto object = nlohmann::json::parse(metadata);
    CHECK(object.size() == 10);
    for (const auto& [key, value] : object.items()) {
        INFO(key);
        auto without = object;
        without.erase(key);
        CHECK(contains(read(errc::tokenizer, without.dump()), "lacks '" + key + "'"));
        CHECK(contains(read(errc::tokenizer, with(metadata, key.c_str(), {{"x", 1}})),
                       "'" + key + "' must be"));
    }
    CHECK(contains(read(errc::tokenizer, with(metadata, "extra", 1)), "unknown key 'extra'"));
    for (const char* key : {"ids", "pairs"})
        CHECK(contains(read(errc::unsupported, with(metadata, key, "later")),
                       "'" + std::string(key) + "' 'later'"));
    CHECK(contains(read(errc::unsupported, with(metadata, "type", "wordpiece")), "'wordpiece'"));
    const auto pieces = object.at("vocabulary_size").get<std::size_t>();
    CHECK(contains(read(errc::tokenizer, with(metadata, "vocabulary_size", pieces + 1)),
                   "'mice.tokenizer' says " + std::to_string(pieces + 1)));
}

TEST_CASE("A model file's tokenizer has the tensors of its kind") {
    const auto spec = fixtures::small_sentencepiece();
    const std::string metadata = mice::to_metadata(spec);
    const auto made = [](const std::string& text, const mice::tokenizer_tensors& tensors) {
        return problem(errc::tokenizer, [&] { (void)mice::tokenizer_from_model(text, tensors); });
    };
    CHECK(contains(made(metadata, {}), "needs the U8 tensor 'tokenizer.sentencepiece'"));
    CHECK(contains(
        made(metadata, {.vocabulary = spec.model, .merges = {}, .sentencepiece = spec.model}),
        "'tokenizer.vocabulary' is there"));
    CHECK(contains(
        made(metadata, {.vocabulary = {}, .merges = spec.model, .sentencepiece = spec.model}),
        "'tokenizer.merges' is there"));
    mice::wordpiece_spec other;
    other.vocabulary = {"[UNK]", "[CLS]", "[SEP]"};
    const auto words = mice::vocabulary_bytes(other);
    CHECK(
        contains(made(mice::to_metadata(other), {}), "needs the U8 tensor 'tokenizer.vocabulary'"));
    CHECK(contains(made(mice::to_metadata(other),
                        {.vocabulary = words, .merges = {}, .sentencepiece = spec.model}),
                   "'tokenizer.sentencepiece' is there"));
    mice::byte_bpe_spec bytes;
    CHECK(contains(made(mice::to_metadata(bytes),
                        {.vocabulary = words, .merges = words, .sentencepiece = spec.model}),
                   "'tokenizer.sentencepiece' is there"));
    CHECK(contains(
        made(mice::to_metadata(bytes), {.vocabulary = {}, .merges = words, .sentencepiece = {}}),
        "needs the U8 tensor 'tokenizer.vocabulary'"));
}
