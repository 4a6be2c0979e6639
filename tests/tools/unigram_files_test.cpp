// SPDX-License-Identifier: Apache-2.0
// tokenizer.json files whose model is Unigram: the ids of Hugging Face's tokenizers 0.23.3, and
// what is refused.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../support/sentencepiece_file.hpp"
#include "catch.hpp"
#include "golden_unigram.hpp"
#include "temporary_folder.hpp"
#include "tokenizer_checks.hpp"
#include "wordpiece_folder.hpp"

#include "common/tokenizer_files.hpp"

#include <mice/text/unigram/spec.hpp>
#include <nlohmann/json.hpp>

using fixtures::contains;
using mice::errc;
using mice::special_tokens;
using mice::unigram_spec;
using mice::tools::read_tokenizer;
using nlohmann::json;
using test::base64;
using test::golden_rules;
using test::golden_tokenizers;
using id_list = std::vector<std::int32_t>;

namespace {

const std::string golden_folder = "tokenizers/unigram/";

unigram_spec read_unigram(const json& root) {
    const temporary_folder folder;
    return std::get<unigram_spec>(read_tokenizer(folder.write("tokenizer.json", root.dump())));
}

/// Made of what a model file would hold, not of the spec.
std::shared_ptr<const mice::tokenizer> through_model_file(const unigram_spec& spec) {
    const auto stored = mice::tools::to_stored(spec);
    mice::tokenizer_tensors tensors{
        .vocabulary = *stored.vocabulary, .merges = {}, .sentencepiece = {}};
    tensors.scores = *stored.scores;
    if (stored.charsmap)
        tensors.charsmap = *stored.charsmap;
    return mice::tokenizer_from_model(stored.metadata, tensors);
}

/// A tokenizer.json as XLM-R's, of few pieces.
json little_unigram() {
    const std::string space = fixtures::spaced("_");
    json pieces = json::array(); // pairs alone would be an object
    for (const auto& [piece, score] :
         std::vector<std::pair<std::string, double>>{{"<s>", 0},
                                                     {"<pad>", 0},
                                                     {"</s>", 0},
                                                     {"<unk>", 0},
                                                     {space, -2},
                                                     {"a", -2},
                                                     {space + "a", -2.5},
                                                     {"b", -3}})
        pieces.push_back({piece, score});
    const auto special = [](int id, const char* content) {
        return json{{"id", id},        {"content", content}, {"single_word", false},
                    {"lstrip", false}, {"rstrip", false},    {"normalized", false},
                    {"special", true}};
    };
    return {{"added_tokens", {special(0, "<s>"), special(2, "</s>"), special(3, "<unk>")}},
            {"normalizer", nullptr},
            {"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", space}}},
            {"post_processor",
             {{"type", "RobertaProcessing"}, {"cls", {"<s>", 0}}, {"sep", {"</s>", 2}}}},
            {"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", pieces}}}};
}

/// The message that a changed file is refused with.
std::string refused_because(errc code, const std::function<void(json&)>& change) {
    json root = little_unigram();
    change(root);
    try {
        (void)read_unigram(root);
    } catch (const mice::error& raised) {
        CHECK(raised.code() == code);
        return raised.what();
    }
    FAIL("read it: " << root.dump());
    return {};
}

id_list ids_of(const json& root, std::string_view text,
               special_tokens specials = special_tokens::plain) {
    return mice::make_tokenizer(read_unigram(root))
        ->encode(text, {.specials = specials, .add_markers = mice::markers::omit})
        .ids;
}

} // namespace

TEST_CASE("Every text gives the ids of Hugging Face's Unigram in each of its forms") {
    const json roots = golden_tokenizers();
    const auto lines = test::golden_lines(golden_folder + "golden.jsonl");
    REQUIRE(roots.size() == 14);
    REQUIRE(lines.size() > 500);
    for (const auto& [name, root] : roots.items()) {
        INFO(name);
        const auto tokenizer = through_model_file(read_unigram(root));
        std::size_t wrong = 0, forgeries = 0;
        for (const json& line : lines) {
            const auto text = line.at("text").get<std::string>();
            const auto parsed = line.at("ids").at(name).get<id_list>();
            const json& otherwise = line.at("ids_plain");
            const auto plain = otherwise.contains(name) ? otherwise[name].get<id_list>() : parsed;
            const auto same = [&](special_tokens specials, const id_list& expected) {
                const auto got = tokenizer->encode(
                    text, {.specials = specials, .add_markers = mice::markers::omit});
                return got.ids == expected && got.cut == 0 && got.replaced == 0;
            };
            if (!same(special_tokens::parse, parsed) || !same(special_tokens::plain, plain)) {
                UNSCOPED_INFO(line.at("text").dump());
                ++wrong;
            }
            forgeries += parsed != plain ? 1U : 0U;
        }
        CHECK(wrong == 0);
        CHECK(forgeries > 25);
    }
}

TEST_CASE("Pairs of a Unigram tokenizer have Hugging Face's ids and types") {
    const json roots = golden_tokenizers();
    const auto lines = test::golden_lines(golden_folder + "pairs.jsonl");
    REQUIRE(lines.size() == 20);
    for (const json& line : lines) {
        INFO(line.dump());
        const auto tokenizer =
            mice::make_tokenizer(read_unigram(roots.at(line.at("form").get<std::string>())));
        const auto pair = tokenizer->encode_pair(line.at("text").get<std::string>(),
                                                 line.at("pair").get<std::string>(),
                                                 {.specials = special_tokens::parse});
        CHECK(pair.ids == line.at("ids").get<id_list>());
        CHECK(pair.type_ids == line.at("type_ids").get<id_list>());
    }
}

TEST_CASE("What a Unigram tokenizer.json says becomes the spec") {
    json root = little_unigram();
    const unigram_spec spec = read_unigram(root);
    CHECK(spec.vocabulary.size() == 8);
    CHECK(spec.scores[6] == -2.5);
    CHECK(spec.unk_token == "<unk>");
    CHECK(spec.pad_token == "<pad>");
    CHECK(spec.mask_token.empty());
    CHECK(spec.pairs == mice::pair_form::roberta);
    CHECK_FALSE(spec.byte_fallback);
    REQUIRE(spec.splitter.size() == 1);
    CHECK(spec.splitter[0].prefix == mice::metaspace_prefix::always);
    CHECK(ids_of(root, "a b") == id_list{6, 4, 7});
    CHECK(ids_of(root, "a<s>") == id_list{6, 3});
    CHECK(ids_of(root, "a<s>b", special_tokens::parse) == id_list{6, 0, 4, 7});
    // Older and newer forms of Metaspace.
    json& space = root["pre_tokenizer"];
    space["add_prefix_space"] = false;
    CHECK(ids_of(root, "a b") == id_list{5, 4, 7});
    space["add_prefix_space"] = true;
    space["prepend_scheme"] = "first";
    CHECK(ids_of(root, "a<s>a", special_tokens::parse) == id_list{6, 0, 5});
    space["split"] = false;
    CHECK_FALSE(read_unigram(root).splitter[0].split);
    // Files of the first versions name no type.
    root["model"].erase("type");
    CHECK(read_unigram(root).vocabulary.size() == 8);
}

TEST_CASE("Scores are read as Hugging Face's JSON reader reads them") {
    json root = little_unigram();
    // Some are a unit in the last place off there.
    for (const auto& [text, expected] :
         std::vector<std::pair<const char*, double>>{{"-3.4635426998138428", -3.4635426998138428},
                                                     {"-14.898619485211565", -14.898619485211563},
                                                     {"-15.424755574590947", -15.424755574590948},
                                                     {"-2249156551899325.0", -2249156551899324.8},
                                                     {"-2.5", -2.5},
                                                     {"-1e-7", -1e-7},
                                                     {"-5", -5.0},
                                                     {"-1e-310", -1e-310}}) {
        std::string file = root.dump();
        const std::size_t at = file.find("-2.5");
        REQUIRE(at != std::string::npos);
        file.replace(at, 4, text);
        const temporary_folder folder;
        const auto spec =
            std::get<unigram_spec>(read_tokenizer(folder.write("tokenizer.json", file)));
        INFO(text);
        CHECK(spec.scores[6] == expected);
    }
}

TEST_CASE("Parts of a Unigram tokenizer.json that mice does not have are refused by name") {
    const auto refused = [](const char* part, const json& value) {
        return refused_because(errc::unsupported, [&](json& root) { root[part] = value; });
    };
    CHECK(contains(refused("normalizer", {{"type", "BertNormalizer"}}), "'BertNormalizer'"));
    CHECK(contains(refused("pre_tokenizer", {{"type", "Digits"}}), "pre-tokenizer 'Digits'"));
    CHECK(contains(refused("pre_tokenizer", {{"type", "Punctuation"}, {"behavior", "Removed"}}),
                   "Removed"));
    CHECK(contains(refused("post_processor", nullptr), "post-processor null"));
    const auto pattern = [&](const char* regex) {
        return refused("normalizer",
                       {{"type", "Replace"}, {"pattern", {{"Regex", regex}}}, {"content", ""}});
    };
    for (const char* regex :
         {"(a)", "a*",  "a?",  ".",     "[^a]", "[a-z]", "\\d",     "a+?",     "a++",
          "a|",  "|a",  "[",   "[]",    "a{",   "a{0}",  "a{2,3}",  "a{1000}", "\\",
          "^",   "a$b", "a+a", "\\s+ ", "\\n$", "(?i)a", "[\\s&&a]"}) {
        INFO(regex);
        CHECK(contains(pattern(regex), "the regular expression '" + std::string(regex) + "'"));
    }
    const json space = little_unigram()["pre_tokenizer"];
    CHECK(contains(
        refused("pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {space, space}}}),
        "more than one Metaspace"));
    const auto changed = [](const char* part, const char* key, const json& value,
                            errc code = errc::unsupported) {
        return refused_because(code, [&](json& root) { root[part][key] = value; });
    };
    CHECK(contains(changed("pre_tokenizer", "prepend_scheme", "last"), "prepend_scheme 'last'"));
    CHECK(contains(changed("pre_tokenizer", "later", true), "'later' of Metaspace"));
    CHECK(contains(changed("model", "alpha", 0.1), "'alpha'"));
    CHECK(contains(changed("model", "unk_id", nullptr), "without 'unk_id'"));
    CHECK(
        contains(changed("pre_tokenizer", "replacement", "__", errc::tokenizer), "one character"));
}

TEST_CASE("Damaged Unigram tokenizer.json files are refused with the reason") {
    const auto pieces = [](const std::function<void(json&)>& change) {
        return refused_because(errc::tokenizer,
                               [&](json& root) { change(root["model"]["vocab"]); });
    };
    CHECK(contains(pieces([](json& list) { list[5][0] = "b"; }), "'b' has two ids, 5 and 7"));
    CHECK(contains(pieces([](json& list) { list[5][1] = "-1"; }),
                   "the score of piece 5 must be a number"));
    CHECK(contains(pieces([](json& list) { list[5][1] = nullptr; }), "score of piece 5"));
    CHECK(contains(pieces([](json& list) { list[5].push_back(1); }),
                   "piece 5 must be [text, score]"));
    CHECK(contains(pieces([](json& list) { list[5] = "a"; }), "piece 5 must be [text, score]"));
    CHECK(contains(pieces([](json& list) { list = json::object(); }), "'vocab' must be"));
    CHECK(contains(pieces([](json& list) { list = json::array(); }), "'vocab' must be"));
    CHECK(contains(pieces([](json& list) { list[5][0] = std::string("a\0b", 3); }), "NUL"));
    CHECK(contains(pieces([](json& list) { list[5][0] = std::string(2000, 'x'); }), "2000 bytes"));
    CHECK(contains(pieces([](json& list) { list[0][0] = "<t>"; }), "'<s>'"));
    for (const json& unknown : {json(8), json(-1), json("3"), json(1e300)})
        CHECK(contains(refused_because(errc::tokenizer,
                                       [&](json& root) { root["model"]["unk_id"] = unknown; }),
                       "'unk_id' of 'model' must be the place of a piece, below 8"));
    CHECK(contains(
        refused_because(errc::tokenizer, [](json& root) { root["added_tokens"][1]["id"] = 5; }),
        "'</s>' has the id 5, but the vocabulary has it as 2"));
    CHECK(contains(refused_because(errc::tokenizer,
                                   [](json& root) { root["added_tokens"][1]["special"] = false; }),
                   "not special"));
    const auto rules = [](const json& value) {
        return refused_because(errc::tokenizer, [&](json& root) {
            root["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", value}};
        });
    };
    for (const char* text : {"abc", "ab=c", "a===", "AB\n=", "ab!=", "AAAB=AAA", "AB=="})
        CHECK(contains(rules(text), "is no base64"));
    CHECK(contains(rules(""), "is empty"));
    CHECK(contains(rules(nullptr), "must be a string"));
    CHECK(contains(rules("AAAA"), "normalization rules are damaged"));
    CHECK(contains(rules(base64(std::string("\0\4\0\0", 4) + std::string(1024, '\xff') + '\0')),
                   "normalization rules are damaged"));
}

TEST_CASE("Numbers and depths that no Unigram tokenizer.json has are refused") {
    const auto problem = [](const std::string& file) {
        const temporary_folder folder;
        try {
            (void)read_tokenizer(folder.write("tokenizer.json", file));
        } catch (const mice::error& raised) {
            CHECK(raised.code() == errc::format);
            return std::string(raised.what());
        }
        FAIL("read it");
        return std::string();
    };
    std::string file = little_unigram().dump();
    const std::size_t at = file.find("-2.5");
    for (const char* number : {"NaN", "-Infinity", "-1e999", "1e400", "--1"}) {
        INFO(number);
        CHECK(contains(problem(std::string(file).replace(at, 4, number)), "tokenizer.json"));
    }
    std::string deep = file;
    deep.replace(at, 4, std::string(100000, '[') + std::string(100000, ']'));
    CHECK(contains(problem(deep), "nested"));
}

TEST_CASE("Files beside a Unigram tokenizer.json must not contradict it") {
    const auto with = [](const char* name, const json& content) {
        const temporary_folder folder;
        (void)folder.write("tokenizer.json", little_unigram().dump());
        (void)folder.write(name, content.dump());
        return std::get<unigram_spec>(read_tokenizer(folder.path()));
    };
    const auto problem = [&](const json& content) {
        try {
            (void)with("tokenizer_config.json", content);
        } catch (const mice::error& raised) {
            return std::string(raised.what());
        }
        return std::string();
    };
    for (const char* name :
         {"XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "DebertaV2TokenizerFast",
          "PreTrainedTokenizerFast", "AlbertTokenizer", "CamembertTokenizer"})
        CHECK(problem({{"tokenizer_class", name}, {"sp_model_kwargs", {{"alpha", 1}}}}).empty());
    CHECK(contains(problem({{"tokenizer_class", "BertTokenizer"}}), "'BertTokenizer'"));
    CHECK(contains(problem({{"do_lower_case", true}}), "'do_lower_case'"));
    CHECK(contains(problem({{"split_by_punct", true}}), "'split_by_punct'"));
    CHECK(contains(problem({{"cls_token", "[CLS]"}}), "'cls_token'"));
    CHECK(contains(problem({{"unk_token", "?"}}), "'unk_token'"));
    const auto more = with("special_tokens_map.json",
                           {{"mask_token", "<mask>"}, {"additional_special_tokens", {"<mask>"}}});
    CHECK(more.mask_token == "<mask>");
    REQUIRE(more.added_tokens.size() == 4);
    CHECK(more.added_tokens.back().id == 8);
}

TEST_CASE("A changed Unigram tokenizer.json is refused or makes a tokenizer") {
    json root = golden_tokenizers().at("deberta_5");
    json& pieces = root["model"]["vocab"];
    pieces.erase(pieces.begin() + 40, pieces.end() - 1); // few, so that changes hit the rest
    root["model"]["byte_fallback"] = false;
    root["added_tokens"].erase(4);
    root["normalizer"]["normalizers"].push_back(
        {{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}});
    const std::string whole = root.dump();
    const temporary_folder folder;
    const auto read = [&folder](const std::string& file) {
        return mice::tools::make_tokenizer(read_tokenizer(folder.write("tokenizer.json", file)));
    };
    CHECK(read(whole)->encode("a  b").ids.size() > 2);
    std::mt19937 random(11);
    std::size_t refused = 0, accepted = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string file = whole;
        for (std::size_t changes = 1 + random() % 2; changes-- > 0;) {
            const std::size_t at = random() % file.size();
            const std::size_t from = random() % file.size(), count = random() % 12;
            if (i % 3 == 0)
                file[at] = static_cast<char>(0x20 + random() % 0x5F);
            else if (i % 3 == 1)
                file.insert(at, file.substr(from, count));
            else
                file.erase(at, count);
        }
        try {
            const auto made = read(file);
            const auto ids = made->encode("The  old \n \xe4\xb8\xad [SEP] caf\xc3\xa9, <0x41>").ids;
            for (const std::int32_t id : ids)
                REQUIRE(static_cast<std::size_t>(id) < made->vocabulary_size());
            ++accepted;
        } catch (const mice::error& raised) {
            REQUIRE(contains(raised.what(), "tokenizer.json"));
            ++refused;
        }
    }
    CHECK(refused > 500);
    CHECK(accepted > 100);
}
