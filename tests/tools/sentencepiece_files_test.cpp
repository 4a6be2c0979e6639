// SPDX-License-Identifier: Apache-2.0
// sentencepiece models in checkpoint folders, and what lies beside them.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "../support/sentencepiece_file.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"
#include "tokenizer_checks.hpp"
#include "wordpiece_folder.hpp"

#include "common/tokenizer_files.hpp"

#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/unigram/spec.hpp>
#include <nlohmann/json.hpp>

using fixtures::contains;
using fixtures::sentencepiece_file;
using mice::errc;
using mice::pair_form;
using mice::piece_ids;
using mice::sentencepiece_spec;
using mice::tools::read_tokenizer;
using nlohmann::json;
using id_list = std::vector<std::int32_t>;

namespace {

sentencepiece_file letters() {
    sentencepiece_file file;
    return file.add(fixtures::spaced("_"), -1).add("a", -2).add("b", -2);
}

/// As DeBERTa has them.
sentencepiece_file brackets() {
    sentencepiece_file file;
    file.pieces = {{"[PAD]", 0, sentencepiece_file::control},
                   {"[CLS]", 0, sentencepiece_file::control},
                   {"[SEP]", 0, sentencepiece_file::control},
                   {"[UNK]", 0, sentencepiece_file::unknown}};
    return file.add("a");
}

/// Folders of one sentencepiece model and files beside it.
class model_folder {
  public:
    explicit model_folder(const sentencepiece_file& file,
                          const std::string& name = "sentencepiece.bpe.model") {
        (void)folder_.write(name, file.text());
    }
    model_folder& write(const std::string& name, const json& content) {
        (void)folder_.write(name, content.dump());
        return *this;
    }
    [[nodiscard]] sentencepiece_spec read() const {
        return std::get<sentencepiece_spec>(read_tokenizer(folder_.path()));
    }
    /// The message of the error that reading raises, "" if there is none.
    [[nodiscard]] std::string problem(errc code) const {
        const std::string message = fixtures::problem(code, [this] { (void)read(); });
        CHECK((message.empty() || contains(message, folder_.path().string())));
        return message;
    }
    [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }

  private:
    temporary_folder folder_;
};

json added(int id, const char* content, bool lstrip = false) {
    return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", lstrip},
            {"rstrip", false}, {"normalized", false}, {"special", true}};
}

/// What transformers makes of letters() for XLM-R.
json converted() {
    json vocabulary = json::array();
    for (const char* token : {"<s>", "<pad>", "</s>", "<unk>", "_", "a", "b", "<mask>"})
        vocabulary.push_back({fixtures::spaced(token), 0.0});
    const auto special = [](const char* name) {
        return json{{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
    };
    const auto text = [](const char* name) {
        return json{{"Sequence", {{"id", name}, {"type_id", 0}}}};
    };
    return {{"added_tokens", {added(0, "<s>"), added(2, "</s>"), added(7, "<mask>", true)}},
            {"normalizer",
             {{"type", "Sequence"},
              {"normalizers",
               {{{"type", "Precompiled"}, {"precompiled_charsmap", ""}},
                {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}}}}}},
            {"pre_tokenizer",
             {{"type", "Sequence"},
              {"pretokenizers", {{{"type", "WhitespaceSplit"}}, {{"type", "Metaspace"}}}}}},
            {"post_processor",
             {{"type", "TemplateProcessing"},
              {"single", {special("<s>"), text("A"), special("</s>")}},
              {"pair",
               {special("<s>"), text("A"), special("</s>"), special("</s>"), text("B"),
                special("</s>")}},
              {"special_tokens",
               {{"<s>", {{"id", "<s>"}, {"ids", {0}}, {"tokens", {"<s>"}}}},
                {"</s>", {{"id", "</s>"}, {"ids", {2}}, {"tokens", {"</s>"}}}}}}}},
            {"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", vocabulary}}}};
}

void check_is_xlmr(const sentencepiece_spec& spec, std::int32_t mask) {
    CHECK(spec.ids == piece_ids::xlmr);
    CHECK(spec.pairs == pair_form::roberta);
    CHECK(spec.unk_token == "<unk>");
    CHECK(spec.cls_token == "<s>");
    CHECK(spec.sep_token == "</s>");
    CHECK(spec.pad_token == "<pad>");
    CHECK(spec.mask_token == "<mask>");
    REQUIRE(!spec.added_tokens.empty());
    CHECK(spec.added_tokens.back().id == mask);
    CHECK(spec.added_tokens.back().lstrip);
    CHECK(spec.added_tokens.back().special);
}

} // namespace

TEST_CASE("A folder with a sentencepiece model is XLM-R's where something says so") {
    for (const json& beside : {json{{"tokenizer_class", "XLMRobertaTokenizer"}},
                               json{{"tokenizer_class", "XLMRobertaTokenizerFast"}}})
        check_is_xlmr(model_folder(letters()).write("tokenizer_config.json", beside).read(), 7);
    for (const char* type : {"xlm-roberta", "xlm-roberta-xl"})
        check_is_xlmr(model_folder(letters()).write("config.json", {{"model_type", type}}).read(),
                      7);
    const auto other =
        model_folder(letters()).write("config.json", {{"model_type", "bert"}}).read();
    CHECK(other.ids == piece_ids::plain);
    CHECK(model_folder(letters())
              .write("config.json", {{"model_type", "xlm-roberta"}})
              .write("tokenizer_config.json", {{"tokenizer_class", "DebertaV2Tokenizer"}})
              .read()
              .ids == piece_ids::plain);
}

#if MICE_USE_SENTENCEPIECE
TEST_CASE("A folder with a sentencepiece model gives the same ids as the reference") {
    const temporary_folder folder;
    (void)folder.write("config.json", R"({"model_type":"xlm-roberta"})");
    const std::string name = "tokenizers/spm_unigram";
    (void)folder.write("sentencepiece.bpe.model", test::golden_text(name + "/spm.model"));
    const auto spec = read_tokenizer(folder.path());
    CHECK(mice::tools::kind_name(spec) == "sentencepiece");
    const auto tokenizer = mice::tools::make_tokenizer(spec);
    for (const auto& line : test::golden_lines(name + "/golden.jsonl")) {
        INFO(line.dump());
        CHECK(tokenizer->encode(line.at("text").get<std::string>()).ids ==
              line.at("ids_xlmr").get<id_list>());
    }
    CHECK(tokenizer->encode("<mask>", {.specials = mice::special_tokens::parse}).ids ==
          id_list{0, 1501, 2});
}
#endif

TEST_CASE("A sentencepiece model alone has the library's ids and the usual names") {
    for (const char* name :
         {"sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model"}) {
        const auto spec = model_folder(letters(), name).read();
        CHECK(spec.ids == piece_ids::plain);
        CHECK(spec.pairs == pair_form::bert);
        CHECK(spec.cls_token == "<s>");
        CHECK(spec.sep_token == "</s>");
        CHECK(spec.pad_token.empty());
        CHECK(spec.mask_token.empty());
        CHECK(spec.added_tokens.size() == 3);
    }
    const temporary_folder folder; // under any name, if it is named
    const auto named =
        std::get<sentencepiece_spec>(read_tokenizer(folder.write("x.model", brackets().text())));
    CHECK(named.unk_token == "[UNK]");
    CHECK(named.cls_token == "[CLS]");
    CHECK(named.sep_token == "[SEP]");
    CHECK(named.pad_token == "[PAD]");
    CHECK(named.added_tokens.size() == 4);
    const auto said =
        model_folder(brackets())
            .write("tokenizer_config.json", {{"cls_token", "[SEP]"},
                                             {"sep_token", "[CLS]"},
                                             {"mask_token", {{"content", "[MASK]"}}},
                                             {"added_tokens_decoder", {{"5", added(5, "[MASK]")}}}})
            .read();
    CHECK(said.cls_token == "[SEP]");
    CHECK(said.sep_token == "[CLS]");
    CHECK(said.mask_token == "[MASK]");
}

TEST_CASE("A tokenizer.json beside a sentencepiece model says which ids it has") {
    auto spec = model_folder(letters()).write("tokenizer.json", converted()).read();
    check_is_xlmr(spec, 7);
    json root = converted();
    json vocabulary = json::array();
    for (const auto& piece : letters().pieces)
        vocabulary.push_back({piece.text, 0.0});
    root["model"]["vocab"] = vocabulary;
    root["added_tokens"] = {added(1, "<s>"), added(2, "</s>"), added(6, "[MASK]")};
    root["post_processor"] = {
        {"type", "BertProcessing"}, {"cls", {"<s>", 1}}, {"sep", {"</s>", 2}}};
    spec = model_folder(letters()).write("tokenizer.json", root).read();
    CHECK(spec.ids == piece_ids::plain);
    CHECK(spec.pairs == pair_form::bert);
    CHECK(spec.mask_token == "[MASK]");
    CHECK(spec.pad_token.empty());
    json bpe = json::object();
    for (std::size_t id = 0; id < letters().pieces.size(); ++id)
        bpe[letters().pieces[id].text] = id;
    root["model"] = {{"type", "BPE"}, {"vocab", bpe}, {"merges", json::array()}};
    CHECK(model_folder(letters()).write("tokenizer.json", root).read().ids == piece_ids::plain);
}

TEST_CASE("A tokenizer.json that is not of the sentencepiece model beside it is refused") {
    const auto changed = [](errc code, const std::function<void(json&)>& change) {
        json root = converted();
        change(root);
        return model_folder(letters()).write("tokenizer.json", root).problem(code);
    };
    CHECK(changed(errc::tokenizer, [](json&) {}) == "");
    for (const std::size_t at : {0U, 2U, 3U, 4U, 6U})
        CHECK(contains(changed(errc::tokenizer, [&](json& r) { r["model"]["vocab"][at][0] = "x"; }),
                       "not those of the sentencepiece model"));
    CHECK(contains(changed(errc::tokenizer,
                           [](json& r) {
                               auto& vocabulary = r["model"]["vocab"];
                               vocabulary.erase(vocabulary.end() - 2, vocabulary.end());
                           }),
                   "not those of the sentencepiece model"));
    CHECK(contains(changed(errc::tokenizer, [](json& r) { r["model"]["type"] = "WordPiece"; }),
                   "'WordPiece', but a sentencepiece model is beside it"));
    for (const json& value : {json(1), json::array({1}), json::array({json::array({1, 2})})})
        CHECK(contains(changed(errc::tokenizer, [&](json& r) { r["model"]["vocab"] = value; }),
                       "'vocab'"));
    for (const char* type : {"Lowercase", "NFKD", "StripAccents", "BertNormalizer"})
        CHECK(contains(changed(errc::unsupported,
                               [&](json& r) {
                                   r["normalizer"]["normalizers"].push_back({{"type", type}});
                               }),
                       "the normalizer '" + std::string(type) + "'"));
    CHECK(contains(changed(errc::unsupported,
                           [](json& r) {
                               r["normalizer"]["normalizers"][1]["pattern"] = {{"String", "``"}};
                           }),
                   "the normalizer 'Replace'"));
    CHECK(contains(changed(errc::tokenizer,
                           [](json& r) { r["normalizer"]["normalizers"][1].erase("pattern"); }),
                   "'pattern'"));
    CHECK(contains(changed(errc::unsupported,
                           [](json& r) {
                               r["pre_tokenizer"] = {{"type", "Digits"}};
                           }),
                   "the pre-tokenizer 'Digits'"));
    CHECK(contains(changed(errc::unsupported, [](json& r) { r["post_processor"] = nullptr; }),
                   "the post-processor null"));
    CHECK(contains(changed(errc::tokenizer, [](json& r) { r["added_tokens"][2]["id"] = 9; }),
                   "behind the last piece"));
    CHECK(contains(model_folder(letters())
                       .write("tokenizer.json", converted())
                       .write("tokenizer_config.json", {{"cls_token", "</s>"}})
                       .problem(errc::tokenizer),
                   "another 'cls_token'"));
}

TEST_CASE("fault 15: a sentencepiece model that is named is read without another tokenizer") {
    json other = converted();
    other["model"] = {{"type", "WordPiece"}, {"vocab", {{"a", 0}}}};
    model_folder folder(letters());
    folder.write("tokenizer.json", other);
    CHECK(contains(folder.problem(errc::tokenizer), "name the one to use with --tokenizer"));
    const auto path = folder.path() / "sentencepiece.bpe.model";
    const auto spec = std::get<sentencepiece_spec>(
        mice::tools::read_tokenizer(path, {.rows = 100, .chosen = true}));
    CHECK(spec.ids == piece_ids::plain);
}

TEST_CASE("Steps that a sentencepiece model does not take are refused by name") {
    const auto say = [](errc code, const json& config) {
        return model_folder(letters()).write("tokenizer_config.json", config).problem(code);
    };
    CHECK(say(errc::unsupported, {{"do_lower_case", false}, {"sp_model_kwargs", json::object()}}) ==
          "");
    for (const char* name : {"AlbertTokenizer", "T5Tokenizer", "LlamaTokenizer"})
        CHECK(contains(say(errc::unsupported, {{"tokenizer_class", name}}), name));
    CHECK(contains(say(errc::unsupported, {{"do_lower_case", true}}), "do_lower_case"));
    CHECK(contains(say(errc::unsupported, {{"split_by_punct", true}}), "split_by_punct"));
    CHECK(contains(say(errc::unsupported, {{"sp_model_kwargs", {{"alpha", 0.1}}}}),
                   "sp_model_kwargs"));
    CHECK(contains(say(errc::tokenizer, {{"unk_token", "[UNK]"}}), "another 'unk_token'"));
    CHECK(contains(say(errc::tokenizer, {{"mask_token", "[MASK]"}}), "'[MASK]' is not in"));
    CHECK(contains(say(errc::tokenizer, {{"sep_token", "a"}}), "a text could make it"));
}

TEST_CASE("A damaged sentencepiece model file is refused by name") {
    const temporary_folder folder;
    for (const std::string_view bytes : {"", "version https://git-lfs.github.com/spec/v1\n"}) {
        const auto path = folder.write("spiece.model", bytes);
        try {
            (void)read_tokenizer(folder.path());
            FAIL("read it");
        } catch (const mice::error& raised) {
            CHECK(raised.code() == errc::tokenizer);
            CHECK(contains(raised.what(), path.string()));
            CHECK(contains(raised.what(), "sentencepiece model"));
        }
    }
}

TEST_CASE("A tokenizer.json of sentencepiece alone is read as Unigram") {
    const temporary_folder folder;
    json root = converted();
    root["normalizer"] = root["normalizer"]["normalizers"][1];
    root["pre_tokenizer"]["pretokenizers"][1]["replacement"] = fixtures::spaced("_");
    (void)folder.write("tokenizer.json", root.dump());
    const auto spec = std::get<mice::unigram_spec>(read_tokenizer(folder.path()));
    CHECK(spec.unk_token == "<unk>");
    CHECK(spec.cls_token == "<s>");
    CHECK(spec.sep_token == "</s>");
    CHECK(spec.pad_token == "<pad>");
    CHECK(spec.pairs == pair_form::roberta);
}
