// SPDX-License-Identifier: Apache-2.0
// The bytes that tokens came from, as Hugging Face's tokenizers 0.23.3 and sentencepiece 0.2.3 say.
// Those of Unigram are in tests/tools/token_offsets_test.cpp.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../support/golden_offsets.hpp"
#include "../support/sentencepiece_file.hpp"
#include "byte_bpe_folder.hpp"
#include "catch.hpp"

#include <mice/text/tokenizer.hpp>

namespace {

std::map<std::string, std::shared_ptr<const mice::tokenizer>> golden_forms() {
    const nlohmann::json more = test::golden_offsets().front().at("added_tokens");
    const auto added = [&more](const std::string& form) {
        std::vector<mice::added_token> tokens;
        for (const auto& token : more.at(form))
            tokens.push_back(test::added_token_of(token));
        return tokens;
    };
    std::map<std::string, std::shared_ptr<const mice::tokenizer>> forms;
    forms["wordpiece_cased"] =
        mice::make_tokenizer(test::wordpiece_folder("tokenizers/wordpiece_cased"));
    mice::wordpiece_spec words = test::wordpiece_folder("tokenizers/wordpiece_uncased");
    forms["wordpiece_uncased"] = mice::make_tokenizer(words);
    words.added_tokens = added("wordpiece_more");
    forms["wordpiece_more"] = mice::make_tokenizer(words);

    const mice::byte_bpe_spec bytes = test::byte_bpe_folder("tokenizers/byte_bpe");
    forms["byte_bpe"] = mice::make_tokenizer(bytes);
    mice::byte_bpe_spec other = bytes;
    other.added_tokens = added("byte_bpe_more");
    forms["byte_bpe_more"] = mice::make_tokenizer(other);
    other = bytes;
    other.trim = mice::offset_trim::spaces;
    forms["byte_bpe_trim"] = mice::make_tokenizer(other);
    other.trim = mice::offset_trim::all_but_prefix;
    other.add_prefix_space = true;
    forms["byte_bpe_trim_prefix"] = mice::tokenizer_from_model(
        mice::to_metadata(other), mice::vocabulary_bytes(other), mice::merge_bytes(other));
    if (MICE_USE_SENTENCEPIECE)
        for (const char* name : {"spm_unigram", "spm_bpe"})
            forms[name] = mice::make_tokenizer(fixtures::sentencepiece_file::spec_of(
                test::golden_text("tokenizers/" + std::string(name) + "/spm.model")));
    return forms;
}

} // namespace

TEST_CASE("Every text gives the reference's offsets") {
    const auto lines = test::golden_offsets();
    for (const auto& [name, tokenizer] : golden_forms()) {
        INFO(name);
        CHECK(test::check_golden_offsets(lines, name, *tokenizer) >= 64);
    }
}

TEST_CASE("Every text of the goldens of ids gives the reference's offsets") {
    const auto lines = test::golden_offsets();
    const auto forms = golden_forms();
    for (const auto& [name, lists] : lines.back().at("shared").items()) {
        INFO(name);
        const auto form = forms.find(name);
        if (form == forms.end()) { // sentencepiece is not linked
            CHECK(!MICE_USE_SENTENCEPIECE);
            continue;
        }
        const auto texts = test::golden_lines("tokenizers/" + name + "/golden.jsonl");
        REQUIRE(lists.size() == texts.size());
        for (std::size_t i = 0; i < texts.size(); ++i)
            if (!lists[i].is_null())
                test::check_golden_offsets(texts[i].at("text").get<std::string>(), lists[i],
                                           *form->second, name.starts_with("spm"));
    }
}
