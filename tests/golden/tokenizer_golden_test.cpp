// SPDX-License-Identifier: Apache-2.0
// Token ids of Hugging Face's tokenizers 0.23.3 and of sentencepiece 0.2.3, line by line.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../support/sentencepiece_file.hpp"
#include "byte_bpe_folder.hpp"
#include "catch.hpp"

#include <mice/text/byte_bpe/gpt2_splitter.hpp>
#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/unicode/utf8.hpp>
#include <nlohmann/json.hpp>

using ids = std::vector<std::int32_t>;

namespace {

const std::string byte_bpe = "tokenizers/byte_bpe";

const std::vector<std::string>& wordpiece_folders() {
    static const std::vector<std::string> names = {"tokenizers/wordpiece_uncased",
                                                   "tokenizers/wordpiece_cased"};
    return names;
}

std::vector<std::string> folders() {
    std::vector<std::string> names = wordpiece_folders();
    names.push_back(byte_bpe);
    return names;
}

std::shared_ptr<const mice::tokenizer> tokenizer_of(const std::string& folder) {
    return folder == byte_bpe ? mice::make_tokenizer(test::byte_bpe_folder(folder))
                              : mice::make_tokenizer(test::wordpiece_folder(folder));
}

std::vector<std::string> sentencepiece_folders() {
    std::vector<std::string> names;
    if (MICE_USE_SENTENCEPIECE)
        names = {"tokenizers/spm_unigram", "tokenizers/spm_bpe"};
    return names;
}

mice::sentencepiece_spec sentencepiece_of(const std::string& folder) {
    return fixtures::sentencepiece_file::spec_of(test::golden_text(folder + "/spm.model"));
}

std::string text_of(const nlohmann::json& line, const char* key = "text") {
    return line.at(key).get<std::string>();
}

} // namespace

TEST_CASE("Every text gives the reference's ids, with and without special tokens") {
    for (const std::string& folder : folders()) {
        INFO(folder);
        const auto tokenizer = tokenizer_of(folder);
        const auto lines = test::golden_lines(folder + "/golden.jsonl");
        REQUIRE(lines.size() == 324);
        std::size_t different = 0;
        for (const auto& line : lines) {
            INFO(line.dump());
            const std::string text = text_of(line);
            const auto parsed = line.at("ids").get<ids>();
            const auto plain = line.at("ids_plain").get<ids>();
            CHECK(tokenizer->encode(text, {.specials = mice::special_tokens::parse}).ids == parsed);
            CHECK(tokenizer->encode(text).ids == plain);
            different += parsed != plain ? 1U : 0U;
        }
        CHECK(different == 14);
    }
}

TEST_CASE("Every truncated text gives the reference's ids") {
    for (const std::string& folder : folders()) {
        INFO(folder);
        const auto tokenizer = tokenizer_of(folder);
        const auto lines = test::golden_lines(folder + "/truncation.jsonl");
        REQUIRE(lines.size() == 92);
        std::size_t shortened = 0;
        for (const auto& line : lines) {
            INFO(line.dump());
            const auto limit = line.at("max_length").get<std::size_t>();
            const std::string text = text_of(line);
            const auto encoding = tokenizer->encode(text, {.max_tokens = limit});
            CHECK(encoding.ids == line.at("ids").get<ids>());
            CHECK(encoding.ids.size() + encoding.cut == tokenizer->encode(text).ids.size());
            shortened += encoding.cut > 0 ? 1U : 0U;
        }
        CHECK(shortened > 20);
    }
}

TEST_CASE("Every pair gives the reference's ids and type ids") {
    for (const std::string& folder : folders()) {
        INFO(folder);
        const auto tokenizer = tokenizer_of(folder);
        const auto lines = test::golden_lines(folder + "/pairs.jsonl");
        REQUIRE(lines.size() == 43);
        for (const auto& line : lines) {
            INFO(line.dump());
            const auto strategy = text_of(line, "strategy");
            REQUIRE((strategy == "longest_first" || strategy == "only_second"));
            const auto pair = tokenizer->encode_pair(
                text_of(line), text_of(line, "pair"),
                {.max_tokens = line.at("max_length").get<std::size_t>(),
                 .strategy = strategy == "only_second" ? mice::truncation::only_second
                                                       : mice::truncation::longest_first});
            CHECK(pair.ids == line.at("ids").get<ids>());
            CHECK(pair.type_ids == line.at("type_ids").get<ids>());
        }
    }
}

TEST_CASE("Every code point between two letters gives the reference's ids") {
    for (const std::string& folder : wordpiece_folders()) {
        INFO(folder);
        const auto tokenizer = tokenizer_of(folder);
        std::size_t seen = 0, wrong = 0;
        std::string examples;
        for (const auto& line : test::golden_lines(folder + "/codepoints.jsonl")) {
            const auto expected = line.at("ids").get<ids>();
            const auto last = line.at("to").get<char32_t>();
            for (auto code = line.at("from").get<char32_t>(); code <= last; ++code) {
                if (code >= 0xD800 && code <= 0xDFFF)
                    continue;
                std::string text = "a";
                mice::text::append_utf8(text, code);
                text += 'b';
                ++seen;
                const auto got = tokenizer->encode(text, {.add_markers = mice::markers::omit}).ids;
                if (got != expected && ++wrong <= 20)
                    examples += std::to_string(static_cast<std::uint32_t>(code)) + " ";
            }
        }
        CHECK(seen == 1'112'064);
        CHECK(wrong == 0);
        CHECK(examples == "");
    }
}

TEST_CASE("Every code point between two letters is split from them as in the reference") {
    std::size_t seen = 0, wrong = 0;
    std::string examples;
    for (const auto& line : test::golden_lines(byte_bpe + "/pretokens.jsonl")) {
        const auto expected = line.at("bytes").get<std::vector<std::size_t>>();
        const auto last = line.at("to").get<char32_t>();
        for (auto code = line.at("from").get<char32_t>(); code <= last; ++code) {
            if (code >= 0xD800 && code <= 0xDFFF)
                continue;
            std::string text = "a";
            mice::text::append_utf8(text, code);
            text += 'b';
            ++seen;
            std::vector<std::size_t> got;
            mice::text::split_gpt2(text,
                                   [&got](std::string_view word) { got.push_back(word.size()); });
            if (got != expected && ++wrong <= 20)
                examples += std::to_string(static_cast<std::uint32_t>(code)) + " ";
        }
    }
    CHECK(seen == 1'112'064);
    CHECK(wrong == 0);
    CHECK(examples == "");
}

TEST_CASE("The reference's tokens come back from a model file") {
    const mice::byte_bpe_spec spec = test::byte_bpe_folder(byte_bpe);
    const auto tokenizer = mice::tokenizer_from_model(
        mice::to_metadata(spec), mice::vocabulary_bytes(spec), mice::merge_bytes(spec));
    for (const auto& line : test::golden_lines(byte_bpe + "/golden.jsonl"))
        CHECK(tokenizer->encode(text_of(line)).ids == line.at("ids_plain").get<ids>());
}

TEST_CASE("Every text gives sentencepiece's ids, and XLM-R's") {
    for (const std::string& folder : sentencepiece_folders()) {
        INFO(folder);
        const mice::sentencepiece_spec plain = sentencepiece_of(folder);
        mice::sentencepiece_spec xlmr = plain;
        xlmr.ids = mice::piece_ids::xlmr;
        xlmr.pairs = mice::pair_form::roberta;
        xlmr.pad_token = "<pad>";
        const auto stored = [](const mice::sentencepiece_spec& spec) {
            return mice::tokenizer_from_model(mice::to_metadata(spec),
                                              mice::tokenizer_tensors{.vocabulary = {},
                                                                      .merges = {},
                                                                      .sentencepiece = spec.model});
        };
        const auto one = stored(plain), other = stored(xlmr);
        const auto lines = test::golden_lines(folder + "/golden.jsonl");
        REQUIRE(lines.size() == 301);
        std::size_t with_xlmr = 0;
        for (const auto& line : lines) {
            INFO(line.dump());
            const std::string text = text_of(line);
            const auto expected = line.at("ids").get<ids>();
            CHECK(one->encode(text, {.add_markers = mice::markers::omit}).ids == expected);
            if (line.contains("ids_xlmr")) {
                CHECK(other->encode(text).ids == line.at("ids_xlmr").get<ids>());
                ++with_xlmr;
            }
            const auto cut = other->encode(text, {.max_tokens = 7});
            CHECK(cut.ids.size() + cut.cut == expected.size() + 2);
        }
        CHECK(with_xlmr == (folder.ends_with("unigram") ? 301 : 0));
    }
}

TEST_CASE("Every invalid byte string is replaced or refused") {
    const auto lines = test::golden_lines("tokenizers/invalid_utf8.jsonl");
    REQUIRE(lines.size() == 24);
    std::vector<std::shared_ptr<const mice::tokenizer>> tokenizers;
    for (const std::string& folder : folders())
        tokenizers.push_back(tokenizer_of(folder));
    for (const std::string& folder : sentencepiece_folders())
        tokenizers.push_back(mice::make_tokenizer(sentencepiece_of(folder)));
    for (const auto& tokenizer : tokenizers) {
        for (const auto& line : lines) {
            INFO(line.dump());
            const std::string hex = text_of(line, "hex");
            std::string bytes;
            for (std::size_t i = 0; i < hex.size(); i += 2)
                bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
            const auto encoding = tokenizer->encode(bytes);
            CHECK(encoding.replaced > 0);
            CHECK(encoding.ids == tokenizer->encode(mice::text::repair_utf8(bytes).text).ids);
            CHECK_THROWS_AS(tokenizer->encode(bytes, {.on_invalid = mice::invalid_utf8::refuse}),
                            mice::error);
        }
    }
}
