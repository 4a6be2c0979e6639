// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "catch.hpp"
#include "convert_fixture.hpp"
#include "temporary_folder.hpp"
#include "tokenizer_checks.hpp"

#include "common/tokenizer_files.hpp"

#include <mice/text/wordpiece/spec.hpp>
#include <nlohmann/json.hpp>

using fixtures::contains;
using fixtures::problem;
using mice::errc;
using mice::tools::read_tokenizer;
using nlohmann::json;

namespace {

std::string joined(const json& vocabulary) {
    std::string text;
    for (const json& token : vocabulary)
        text += token.get<std::string>() + "\n";
    return text;
}

const json small_vocabulary = {"[PAD]",  "[UNK]", "[CLS]",   "[SEP]",
                               "[MASK]", "covid", "##token", "a"};

/// A folder with a vocab.txt of eight tokens and files beside it.
struct folder_of {
    explicit folder_of(const json& files) {
        (void)folder.write("vocab.txt", joined(small_vocabulary));
        for (const auto& [name, content] : files.items())
            (void)folder.write(name,
                               content.is_string() ? content.get<std::string>() : content.dump());
    }
    [[nodiscard]] std::string problem(errc code) const {
        return fixtures::problem(code, [this] { (void)read_tokenizer(folder.path()); });
    }
    [[nodiscard]] mice::wordpiece_spec read(std::size_t rows = 1000) const {
        return std::get<mice::wordpiece_spec>(read_tokenizer(folder.path(), {.rows = rows}));
    }
    temporary_folder folder;
};

json described(const char* content, bool special = false) {
    return {{"content", content}, {"single_word", false}, {"lstrip", false},
            {"rstrip", false},    {"normalized", false},  {"special", special}};
}

} // namespace

TEST_CASE("fault 09: files beside a vocab.txt add tokens as in Hugging Face") {
    const std::filesystem::path golden =
        std::filesystem::path(MICE_TEST_DATA) / "tokenizers" / "side_files" / "cases.json";
    const json all = json::parse(file_text(golden));
    REQUIRE(all.at("cases").size() == 8);
    for (const json& each : all.at("cases")) {
        INFO(each.at("name"));
        const temporary_folder folder;
        (void)folder.write("vocab.txt", joined(all.at("vocabulary")));
        for (const auto& [name, content] : each.at("files").items())
            (void)folder.write(name, content.dump());
        const auto spec = read_tokenizer(folder.path());
        const auto stored = mice::tools::to_stored(spec);
        const auto tokenizer = mice::tokenizer_from_model(stored.metadata, *stored.vocabulary);
        REQUIRE(each.at("ids").size() == all.at("texts").size());
        for (std::size_t i = 0; i < each.at("ids").size(); ++i) {
            const auto text = all.at("texts")[i].get<std::string>();
            INFO(text);
            CHECK(tokenizer->encode(text, {.specials = mice::special_tokens::parse}).ids ==
                  each.at("ids")[i].get<std::vector<std::int32_t>>());
        }
    }
}

TEST_CASE("fault 09: an added token reaches the model file and its limits") {
    editable_checkpoint checkpoint("bert_vanilla_mean");
    std::string vocabulary = joined(small_vocabulary);
    for (int i = 8; i < 209; ++i)
        vocabulary += "w" + std::to_string(i) + "\n";
    checkpoint.write("vocab.txt", vocabulary);
    checkpoint.write("added_tokens.json", R"({"covidtoken": 209})");
    const convert_result result = checkpoint.save_and_convert();
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const json stored = json::parse(read_model(checkpoint.output()).metadata("mice.tokenizer"));
    const json& added = stored.at("added_tokens");
    CHECK(std::any_of(added.begin(), added.end(), [](const json& token) {
        return token["content"] == "covidtoken" && token["id"] == 209 && token["special"] == false;
    }));
    // One more than the model has embeddings for.
    checkpoint.write("added_tokens.json", R"({"x1":209,"x2":210,"x3":211})");
    CHECK_THAT(checkpoint.convert().err, Catch::Matchers::Contains("212 ids"));
}

TEST_CASE("fault 09: special tokens without an id and without an embedding are left out") {
    const folder_of files(json{{"special_tokens_map.json", {{"bos_token", "<s>"}}}});
    CHECK(files.read(9).added_tokens.back().content == "<s>");
    CHECK(files.read(9).added_tokens.back().id == 8);
    CHECK(files.read(8).added_tokens.size() == 5);
}

TEST_CASE("fault 09: ids of added tokens that the reference would not give are refused") {
    const auto refused = [](const json& files) {
        return folder_of(files).problem(errc::tokenizer);
    };
    const auto decoder = [](const json& tokens) {
        return json{{"tokenizer_config.json", {{"added_tokens_decoder", tokens}}}};
    };
    CHECK(refused({{"added_tokens.json", {{"x", 8}, {"y", 9}}}}) == "");
    CHECK(contains(refused({{"added_tokens.json", {{"x", 30}}}}), "'x' the id 30"));
    CHECK(contains(refused({{"added_tokens.json", {{"x", 5}}}}), "would get 8"));
    CHECK(contains(refused({{"added_tokens.json", {{"covid", 8}}}}), "would get 5"));
    CHECK(contains(refused({{"added_tokens.json", {{"x", 8}, {"y", 8}}}}), "'y' the id 8"));
    CHECK(contains(refused({{"added_tokens.json", {{"x", -1}}}}), "whole number"));
    CHECK(contains(refused({{"added_tokens.json", {{"x", 1e18}}}}), "whole number"));
    CHECK(contains(refused({{"added_tokens.json", {{"x", "8"}}}}), "added_tokens.json"));
    CHECK(contains(refused({{"added_tokens.json", {{"", 8}}}}), "1 to 256 bytes"));
    CHECK(contains(refused({{"added_tokens.json", json::array({"x"})}}), "JSON object"));
    CHECK(contains(refused({{"special_tokens_map.json", {{"cls_token", 5}}}}), "'cls_token'"));
    CHECK(contains(refused({{"special_tokens_map.json", {{"cls_token", "<c>"}}}}), "'<c>'"));
    CHECK(contains(refused({{"special_tokens_map.json", {{"additional_special_tokens", "x"}}}}),
                   "a list of tokens"));
    CHECK(contains(refused(decoder(json::array({described("x")}))), "an object of ids"));
    CHECK(contains(refused(decoder({{"9", described("x")}})), "would get 8"));
    CHECK(contains(folder_of(json{{"added_tokens.json", "{"}}).problem(errc::format),
                   "added_tokens.json"));
}

TEST_CASE("fault 09: hostile lists of added tokens are refused before time is spent on them") {
    json tokens = json::object();
    for (int i = 0; i < 70'000; ++i)
        tokens["t" + std::to_string(i)] = 8 + i;
    CHECK(contains(folder_of(json{{"added_tokens.json", tokens}}).problem(errc::tokenizer),
                   "more than " + std::to_string(mice::text::detail::max_added_tokens) +
                       " added tokens"));
    json names = json::array();
    for (int i = 0; i < 70'000; ++i)
        names.push_back("t" + std::to_string(i));
    CHECK(contains(
        folder_of(json{{"special_tokens_map.json", {{"additional_special_tokens", names}}}})
            .problem(errc::tokenizer),
        "more than 4096 added tokens"));
}

TEST_CASE("fault 09: added tokens beside a tokenizer.json are taken over or must agree") {
    const auto root = [] {
        json vocabulary;
        for (std::size_t id = 0; id < small_vocabulary.size(); ++id)
            vocabulary[small_vocabulary[id].get<std::string>()] = id;
        json added = described("x");
        added["id"] = 8;
        return json{{"added_tokens", json::array({added})},
                    {"normalizer", nullptr},
                    {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                    {"post_processor",
                     {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}}},
                    {"model",
                     {{"type", "WordPiece"},
                      {"unk_token", "[UNK]"},
                      {"continuing_subword_prefix", "##"},
                      {"max_input_chars_per_word", 100},
                      {"vocab", vocabulary}}}};
    }();
    const auto with = [&root](const json& files) {
        json all = files;
        all["tokenizer.json"] = root;
        return all;
    };
    const auto decoder = [&](const json& tokens) {
        return with({{"tokenizer_config.json", {{"added_tokens_decoder", tokens}}}});
    };
    const auto last = [](const mice::wordpiece_spec& spec) { return spec.added_tokens.back(); };
    CHECK(last(folder_of(with({{"added_tokens.json", {{"y", 9}}}})).read()).content == "y");
    CHECK(last(folder_of(decoder({{"8", described("x")}, {"9", described("y")}})).read()).id == 9);
    CHECK(last(folder_of(decoder({{"8", described("x")}})).read()).content == "x");
    CHECK(contains(folder_of(decoder({{"8", described("x", true)}})).problem(errc::tokenizer),
                   "in another way"));
    CHECK(contains(folder_of(decoder({{"8", described("y")}})).problem(errc::tokenizer),
                   "would get 9"));
    CHECK(contains(folder_of(with({{"special_tokens_map.json", {{"sep_token", "[CLS]"}}}}))
                       .problem(errc::tokenizer),
                   "special_tokens_map.json beside it says another 'sep_token'"));
}
