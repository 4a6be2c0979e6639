// SPDX-License-Identifier: Apache-2.0
// The offsets of tokenizer.json files, and `mice tokenize --offsets`.
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../support/golden_offsets.hpp"
#include "../support/golden_unigram.hpp"
#include "catch.hpp"
#include "cli_fixture.hpp"
#include "temporary_folder.hpp"

#include "common/tokenizer_files.hpp"

#include <nlohmann/json.hpp>

using fixtures::lines_of;
using fixtures::result;
using fixtures::workplace;
using mice::offset_trim;
using mice::tools::read_tokenizer;
using nlohmann::json;

namespace {

json roberta_processing(json cls, json sep) {
    return {{"type", "RobertaProcessing"},
            {"cls", std::move(cls)},
            {"sep", std::move(sep)},
            {"trim_offsets", true},
            {"add_prefix_space", true}};
}

/// The tokenizer of a file that says so.
std::shared_ptr<const mice::tokenizer> tokenizer_of(const json& root) {
    const temporary_folder folder;
    return mice::tools::make_tokenizer(read_tokenizer(folder.write("tokenizer.json", root.dump())));
}

offset_trim trim_of(const json& post) {
    json root = json::parse(test::golden_text("tokenizers/byte_bpe/tokenizer.json"));
    if (post.contains("type") && post["type"] != "RobertaProcessing")
        root["post_processor"] = {{"type", "Sequence"},
                                  {"processors", {post, root["post_processor"]}}};
    else if (post.contains("type"))
        root["post_processor"] = post;
    const temporary_folder folder;
    return std::get<mice::byte_bpe_spec>(
               read_tokenizer(folder.write("tokenizer.json", root.dump())))
        .trim;
}

} // namespace

TEST_CASE("Every text gives the offsets of Hugging Face's Unigram, and its trimmed ones") {
    const auto lines = test::golden_offsets();
    json roots = test::golden_tokenizers();
    json trimmed = roots.at("first");
    trimmed["post_processor"] = roberta_processing({"<s>", 0}, {"</s>", 2});
    roots["first_trim"] = std::move(trimmed);
    REQUIRE(roots.size() == 15);
    for (const auto& [name, root] : roots.items()) {
        INFO(name);
        CHECK(test::check_golden_offsets(lines, name, *tokenizer_of(root)) == 65);
    }
}

TEST_CASE("A post-processor says what is trimmed off offsets") {
    json roberta = roberta_processing({"[CLS]", 1}, {"[SEP]", 2});
    CHECK(trim_of(json::object()) == offset_trim::none);
    CHECK(trim_of(roberta) == offset_trim::all_but_prefix);
    roberta["add_prefix_space"] = false;
    CHECK(trim_of(roberta) == offset_trim::spaces);
    roberta["trim_offsets"] = false;
    CHECK(trim_of(roberta) == offset_trim::none);
    json bytes = {{"type", "ByteLevel"}, {"trim_offsets", true}, {"add_prefix_space", true}};
    CHECK(trim_of(bytes) == offset_trim::all_but_prefix);
    bytes["add_prefix_space"] = false;
    CHECK(trim_of(bytes) == offset_trim::spaces);
    bytes["trim_offsets"] = false;
    CHECK(trim_of(bytes) == offset_trim::none);
    bytes["trim_offsets"] = "yes";
    CHECK_THROWS_AS(trim_of(bytes), mice::error);
}

TEST_CASE("tokenize --offsets prints the bytes that each token came from") {
    const workplace place;
    place.write("texts.jsonl", R"({"text": " W5  w\u00ad6,  w7 [SEP]"})"
                               "\n"
                               R"({"text": ""})"
                               "\n"
                               "{\"text\": \"w5 \xff w6\"}\n");
    const result plain = place.mice("tokenize --tokens texts.jsonl");
    const result got = place.mice("tokenize --tokens --offsets texts.jsonl");
    CHECK(got.code == 0);
    REQUIRE(lines_of(got.out).size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        json line = json::parse(lines_of(got.out)[i]);
        const json offsets = line.at("offsets");
        CHECK(offsets.size() == line.at("ids").size());
        line.erase("offsets");
        CHECK(line == json::parse(lines_of(plain.out).at(i)));
    }
    const std::string text = " W5  w\xc2\xad"
                             "6,  w7 [SEP]";
    const json first = json::parse(lines_of(got.out)[0]);
    std::vector<std::string> parts;
    for (const json& each : first.at("offsets")) {
        const auto begin = each.at(0).get<std::size_t>();
        parts.push_back(text.substr(begin, each.at(1).get<std::size_t>() - begin));
    }
    CHECK(parts == std::vector<std::string>{"", "W5",
                                            "w\xc2\xad"
                                            "6",
                                            ",", "w7", "[", "SEP", "]", ""});
    CHECK(json::parse(lines_of(got.out)[1]).at("offsets") == json({{0, 0}, {0, 0}}));
    // What was replaced takes the three bytes of U+FFFD.
    CHECK(json::parse(lines_of(got.out)[2]).at("offsets").at(2) == json({7, 9}));

    const result bare = place.mice("tokenize --offsets --no-special --max-tokens 1 texts.jsonl");
    CHECK(json::parse(lines_of(bare.out).at(0)).at("offsets") == json({{1, 3}}));
    CHECK(json::parse(lines_of(bare.out).at(1)).at("offsets") == json::array());
    CHECK(!json::parse(lines_of(plain.out).at(0)).contains("offsets"));
}
