// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "byte_bpe_folder.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"
#include "tokenizer_checks.hpp"

#include "common/tokenizer_files.hpp"

#include <mice/text/byte_bpe/byte_alphabet.hpp>
#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/wordpiece/spec.hpp>
#include <nlohmann/json.hpp>

using fixtures::contains;
using fixtures::problem;
using mice::errc;
using mice::tools::read_tokenizer;
using nlohmann::json;
using id_list = std::vector<std::int32_t>;

namespace {

json small() {
    return json::parse(R"({"version":"1.0","truncation":{"max_length":2},"padding":{"x":1},
        "added_tokens":[{"id":2,"content":"[SEP]","single_word":false,"lstrip":false,
                         "rstrip":false,"normalized":false,"special":true}],
        "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":false,
                      "strip_accents":true,"lowercase":false},
        "pre_tokenizer":{"type":"BertPreTokenizer"},
        "post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},
        "decoder":null,
        "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"@@",
                 "max_input_chars_per_word":7,
                 "vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"@@b":4,"[MASK]":5}}})");
}

/// The same for byte-level BPE: specials 0 to 2, the bytes from 3, two merges.
json small_bpe() {
    json root = small();
    json vocabulary = {{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}};
    for (unsigned byte = 0; byte < 256; ++byte) {
        std::string token;
        mice::text::append_utf8(token, mice::text::byte_character(static_cast<std::uint8_t>(byte)));
        vocabulary[token] = 3 + byte;
    }
    vocabulary["ab"] = 259;
    vocabulary["\xC4\xA0"
               "ab"] = 260;
    root["normalizer"] = {{"type", "NFC"}};
    root["pre_tokenizer"] = {{"type", "ByteLevel"},
                             {"add_prefix_space", false},
                             {"trim_offsets", true},
                             {"use_regex", true}};
    root["model"] = {
        {"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", "[UNK]"},
        {"continuing_subword_prefix", ""},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", vocabulary},
        {"merges", json::array({json::array({"a", "b"}), json::array({"\xC4\xA0", "ab"})})}};
    return root;
}

mice::wordpiece_spec read_wordpiece(const std::filesystem::path& path) {
    return std::get<mice::wordpiece_spec>(read_tokenizer(path));
}

mice::byte_bpe_spec read_byte_bpe(const json& root) {
    const temporary_folder folder;
    return std::get<mice::byte_bpe_spec>(
        read_tokenizer(folder.write("tokenizer.json", root.dump())));
}

/// The message of the error that reading this tokenizer.json raises, "" if there is none.
std::string json_problem(errc code, const json& root) {
    const temporary_folder folder;
    const auto path = folder.write("tokenizer.json", root.dump());
    const auto message = problem(code, [&path] { (void)read_tokenizer(path); });
    CHECK((message.empty() || message.find("tokenizer.json") != std::string::npos));
    return message;
}

std::string vocab_problem(errc code, std::string_view vocabulary, std::string_view config = "") {
    const temporary_folder folder;
    (void)folder.write("vocab.txt", vocabulary);
    if (!config.empty())
        (void)folder.write("tokenizer_config.json", config);
    const auto message = problem(code, [&folder] { (void)read_tokenizer(folder.path()); });
    CHECK((message.empty() || message.find(folder.path().string()) != std::string::npos));
    return message;
}

constexpr std::string_view plain = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n";

} // namespace

TEST_CASE("A folder's tokenizer.json and its vocab.txt give the same ids as the reference") {
    for (const std::string name : {"wordpiece_uncased", "wordpiece_cased"}) {
        const std::string folder = std::string(MICE_TEST_DATA) + "/tokenizers/" + name;
        const auto from_folder = mice::tools::make_tokenizer(read_tokenizer(folder));
        const auto from_text = mice::tools::make_tokenizer(read_tokenizer(folder + "/vocab.txt"));
        for (const auto& line : test::golden_lines("tokenizers/" + name + "/golden.jsonl")) {
            INFO(line.dump());
            const auto text = line.at("text").get<std::string>();
            const mice::encode_options parse{.specials = mice::special_tokens::parse};
            CHECK(from_folder->encode(text).ids == line.at("ids_plain").get<id_list>());
            CHECK(from_folder->encode(text, parse).ids == line.at("ids").get<id_list>());
            CHECK(from_text->encode(text).ids == line.at("ids_plain").get<id_list>());
            CHECK(from_text->encode(text, parse).ids == line.at("ids").get<id_list>());
        }
    }
}

TEST_CASE("A byte-level BPE folder gives the same ids as the reference") {
    const std::string name = "tokenizers/byte_bpe";
    const auto spec = read_tokenizer(std::string(MICE_TEST_DATA) + "/" + name);
    REQUIRE(std::holds_alternative<mice::byte_bpe_spec>(spec));
    CHECK(mice::tools::kind_name(spec) == "byte-level BPE");
    const auto& bpe = std::get<mice::byte_bpe_spec>(spec);
    CHECK(bpe.merges == test::byte_bpe_folder(name).merges);
    CHECK(bpe.merges.size() == 1740);
    CHECK(bpe.pad_token == "[PAD]");
    CHECK(bpe.mask_token == "[MASK]");
    const auto stored = mice::tools::to_stored(spec);
    REQUIRE(stored.merges.has_value());
    const auto tokenizer =
        mice::tokenizer_from_model(stored.metadata, *stored.vocabulary, *stored.merges);
    for (const auto& line : test::golden_lines(name + "/golden.jsonl")) {
        INFO(line.dump());
        const auto text = line.at("text").get<std::string>();
        CHECK(tokenizer->encode(text).ids == line.at("ids_plain").get<id_list>());
        CHECK(tokenizer->encode(text, {.specials = mice::special_tokens::parse}).ids ==
              line.at("ids").get<id_list>());
    }
}

TEST_CASE("Every setting of a byte-level BPE tokenizer.json is taken over") {
    auto root = small_bpe();
    auto spec = read_byte_bpe(root);
    CHECK(spec.vocabulary.size() == 261);
    CHECK(spec.merges == std::vector<mice::token_merge>{{3 + 'a', 3 + 'b'}, {3 + ' ', 259}});
    CHECK(spec.normalizer == mice::bpe_normalizer::nfc);
    CHECK(spec.split == mice::bpe_split::gpt2);
    CHECK_FALSE(spec.add_prefix_space);
    CHECK(spec.pairs == mice::pair_form::bert);
    CHECK(spec.unk_token == "[UNK]");
    CHECK(spec.cls_token == "[CLS]");
    CHECK(spec.sep_token == "[SEP]");
    CHECK(spec.added_tokens.size() == 1);
    root["normalizer"] = nullptr;
    root["pre_tokenizer"]["add_prefix_space"] = true;
    root["pre_tokenizer"]["use_regex"] = false;
    root["post_processor"]["type"] = "RobertaProcessing";
    root["model"]["merges"] = {"a b", "\xC4\xA0 ab"}; // as older library versions wrote them
    root["model"].erase("unk_token");
    spec = read_byte_bpe(root);
    CHECK(spec.merges == std::vector<mice::token_merge>{{3 + 'a', 3 + 'b'}, {3 + ' ', 259}});
    CHECK(spec.normalizer == mice::bpe_normalizer::none);
    CHECK(spec.split == mice::bpe_split::none);
    CHECK(spec.add_prefix_space);
    CHECK(spec.pairs == mice::pair_form::roberta);
    CHECK(spec.unk_token.empty());
    root["model"].erase("type"); // older still
    CHECK(read_byte_bpe(root).merges.size() == 2);
    // Sequences of one, and ByteLevel behind the model, which changes offsets alone.
    root = small_bpe();
    root["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array({root["normalizer"]})}};
    root["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers", json::array({root["pre_tokenizer"]})}};
    root["post_processor"] = {
        {"type", "Sequence"},
        {"processors", {{{"type", "ByteLevel"}, {"trim_offsets", true}}, root["post_processor"]}}};
    CHECK(read_byte_bpe(root).normalizer == mice::bpe_normalizer::nfc);
}

TEST_CASE("Parts of a byte-level BPE tokenizer.json that would change ids are refused by name") {
    CHECK(json_problem(errc::unsupported, small_bpe()) == "");
    const auto with = [](const char* part, const json& value) {
        auto root = small_bpe();
        root[part] = value;
        return json_problem(errc::unsupported, root);
    };
    CHECK(contains(with("normalizer", {{"type", "NFKC"}}), "normalizer 'NFKC'"));
    CHECK(contains(with("normalizer", {{"type", "Sequence"},
                                       {"normalizers", json::array({json{{"type", "NFC"}},
                                                                    json{{"type", "NFC"}}})}}),
                   "normalizer 'Sequence'"));
    CHECK(contains(with("normalizer", {{"type", "Sequence"}, {"normalizers", json::array()}}),
                   "normalizer 'Sequence'"));
    CHECK(contains(with("pre_tokenizer", {{"type", "Whitespace"}}), "pre-tokenizer 'Whitespace'"));
    CHECK(contains(with("pre_tokenizer", nullptr), "pre-tokenizer null"));
    CHECK(contains(with("post_processor", {{"type", "ByteLevel"}}), "post-processor 'ByteLevel'"));
    CHECK(contains(with("post_processor", nullptr), "post-processor null"));
    const auto option = [](const char* key, const json& value) {
        auto root = small_bpe();
        root["model"][key] = value;
        const auto message = json_problem(errc::unsupported, root);
        CHECK(contains(message, "'" + std::string(key) + "'"));
        return message;
    };
    CHECK(contains(option("dropout", 0.1), "0.1"));
    CHECK(contains(option("continuing_subword_prefix", "##"), "##"));
    CHECK(contains(option("end_of_word_suffix", "</w>"), "</w>"));
    CHECK(contains(option("byte_fallback", true), "true"));
    CHECK(contains(option("ignore_merges", true), "true"));
    CHECK(contains(option("later", nullptr), "null"));
    auto root = small_bpe();
    root["model"]["dropout"] = 0.0;
    CHECK(json_problem(errc::unsupported, root) == "");
}

TEST_CASE("Damaged byte-level BPE files are refused with the reason") {
    const auto change = [](const std::function<void(json&)>& edit) {
        auto root = small_bpe();
        edit(root);
        return json_problem(errc::tokenizer, root);
    };
    for (const char* key :
         {"model", "normalizer", "pre_tokenizer", "added_tokens", "post_processor"})
        CHECK(contains(change([key](json& root) { root.erase(key); }),
                       "lacks '" + std::string(key) + "'"));
    for (const char* key : {"vocab", "merges"})
        CHECK(contains(change([key](json& root) { root["model"].erase(key); }),
                       "lacks '" + std::string(key) + "'"));
    CHECK(contains(change([](json& root) { root["pre_tokenizer"]["add_prefix_space"] = 1; }),
                   "'add_prefix_space' must be"));
    CHECK(contains(change([](json& root) { root["pre_tokenizer"]["use_regex"] = 1; }),
                   "'use_regex' must be"));
    CHECK(contains(change([](json& root) { root["model"]["merges"] = 5; }), "'merges' must be"));
    for (const json& merge : {json("ab"), json("a b c"), json::array({"a"}), json::array({"a", 5}),
                              json::array({"a", "b", "c"}), json(5)})
        CHECK(contains(change([&](json& root) { root["model"]["merges"][1] = merge; }),
                       "merge 1 must be two tokens"));
    CHECK(contains(change([](json& root) {
                       root["model"]["merges"][1] = {"a", "zz"};
                   }),
                   "merge 1 names 'zz'"));
    CHECK(contains(change([](json& root) {
                       root["model"]["merges"][1] = {"b", "a"};
                   }),
                   "what they make is not in the vocabulary"));
    CHECK(contains(change([](json& root) {
                       root["model"]["merges"][1] = {"a", "b"};
                   }),
                   "appears twice"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"].erase("a"); }), "'a'"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"].erase("z"); }), "the byte 122"));
    CHECK(contains(change([](json& root) { root["model"]["unk_token"] = 5; }), "'unk_token'"));
    CHECK(contains(change([](json& root) { root["model"]["unk_token"] = "<unk>"; }), "'<unk>'"));
}

TEST_CASE("tokenizer_config.json must not contradict a byte-level BPE tokenizer.json") {
    const temporary_folder folder;
    auto root = small_bpe();
    root["model"]["unk_token"] = nullptr;
    (void)folder.write("tokenizer.json", root.dump());
    const auto say = [&folder](std::string_view config, errc code = errc::tokenizer) {
        (void)folder.write("tokenizer_config.json", config);
        return problem(code, [&folder] { (void)read_tokenizer(folder.path()); });
    };
    CHECK(say(R"({"tokenizer_class":"PreTrainedTokenizerFast","add_prefix_space":false,
                  "cls_token":"[CLS]","sep_token":"[SEP]","unk_token":"[UNK]"})") == "");
    CHECK(std::get<mice::byte_bpe_spec>(read_tokenizer(folder.path())).unk_token == "[UNK]");
    CHECK(contains(say(R"({"add_prefix_space":true})"), "another 'add_prefix_space'"));
    CHECK(contains(say(R"({"sep_token":"[CLS]"})"), "another 'sep_token'"));
    CHECK(contains(say(R"({"cls_token":"[SEP]"})"), "another 'cls_token'"));
    CHECK(contains(say(R"({"pad_token":"<pad>"})"), "'<pad>' is not in"));
    CHECK(contains(say(R"({"tokenizer_class":"BertTokenizer"})", errc::unsupported),
                   "'BertTokenizer'"));
}

TEST_CASE("Every setting of a tokenizer.json is taken over") {
    const temporary_folder folder;
    auto root = small();
    root["added_tokens"].push_back({{"id", 9},
                                    {"content", "QQ"},
                                    {"single_word", true},
                                    {"lstrip", true},
                                    {"rstrip", true},
                                    {"normalized", true},
                                    {"special", false}});
    const auto spec = read_wordpiece(folder.write("tokenizer.json", root.dump()));
    CHECK(spec.vocabulary ==
          std::vector<std::string>{"[UNK]", "[CLS]", "[SEP]", "a", "@@b", "[MASK]"});
    CHECK(spec.clean_text);
    CHECK_FALSE(spec.handle_chinese_chars);
    CHECK_FALSE(spec.lowercase);
    CHECK(spec.strip_accents == true);
    CHECK(spec.continuing_subword_prefix == "@@");
    CHECK(spec.max_input_chars_per_word == 7);
    CHECK(spec.mask_token == "[MASK]");
    CHECK(spec.pad_token.empty());
    REQUIRE(spec.added_tokens.size() == 2);
    CHECK(spec.added_tokens[0].special);
    CHECK(spec.added_tokens[1].id == 9);
    CHECK(spec.added_tokens[1].single_word);
    CHECK(spec.added_tokens[1].lstrip);
    CHECK(spec.added_tokens[1].rstrip);
    CHECK(spec.added_tokens[1].normalized);
    root["normalizer"] = nullptr;
    const auto bare = read_wordpiece(folder.write("tokenizer.json", root.dump()));
    CHECK_FALSE(bare.clean_text);
    CHECK(bare.strip_accents == false);
}

TEST_CASE("Tokenizers of another kind are refused by name") {
    const auto with = [](const char* part, const json& value) {
        auto root = small();
        root[part] = value;
        const auto message = json_problem(errc::unsupported, root);
        CHECK(contains(message, "not supported yet"));
        return message;
    };
    CHECK(contains(with("model", {{"type", "WordLevel"}}), "model 'WordLevel'"));
    CHECK(contains(with("normalizer", {{"type", "NFC"}}), "normalizer 'NFC'"));
    CHECK(contains(with("pre_tokenizer", {{"type", "ByteLevel"}}), "pre-tokenizer 'ByteLevel'"));
    CHECK(contains(with("pre_tokenizer", nullptr), "pre-tokenizer null"));
    CHECK(contains(
        with("post_processor",
             {{"type", "RobertaProcessing"}, {"sep", {"[SEP]", 2}}, {"cls", {"[CLS]", 1}}}),
        "RoBERTa's form of pairs"));
    CHECK(contains(with("post_processor", {{"type", "ByteLevel"}}), "post-processor 'ByteLevel'"));
    CHECK(contains(with("post_processor", nullptr), "post-processor null"));
}

TEST_CASE("Only BERT's template is accepted, under any names") {
    const auto text = test::golden_text("tokenizers/wordpiece_cased/tokenizer.json");
    const json good = json::parse(text);
    CHECK(json_problem(errc::unsupported, good) == "");
    auto root = good;
    root["post_processor"]["single"].erase(2);
    CHECK(contains(json_problem(errc::unsupported, root), "a template other than"));
    root = good;
    root["post_processor"]["pair"][3]["Sequence"]["type_id"] = 0;
    CHECK(contains(json_problem(errc::unsupported, root), "a template other than"));
    root = good;
    root["post_processor"]["special_tokens"]["[SEP]"]["ids"][0] = 2;
    CHECK(contains(json_problem(errc::tokenizer, root), "gives '[SEP]' the id 2"));
    root = good;
    root["post_processor"]["single"] = 5;
    CHECK(contains(json_problem(errc::unsupported, root), "a template other than"));
    root = good;
    root["post_processor"].erase("pair");
    CHECK(contains(json_problem(errc::tokenizer, root), "lacks 'pair'"));
}

TEST_CASE("Damaged tokenizer.json files are refused with the reason") {
    const auto change = [](const std::function<void(json&)>& edit) {
        auto root = small();
        edit(root);
        return json_problem(errc::tokenizer, root);
    };
    for (const char* key :
         {"model", "normalizer", "pre_tokenizer", "added_tokens", "post_processor"})
        CHECK(contains(change([key](json& root) { root.erase(key); }),
                       "lacks '" + std::string(key) + "'"));
    for (const char* key : {"clean_text", "handle_chinese_chars", "lowercase"})
        CHECK(contains(change([key](json& root) { root["normalizer"][key] = 1; }),
                       "'" + std::string(key) + "' must be true or false"));
    for (const char* key : {"special", "single_word", "lstrip", "rstrip", "normalized"})
        CHECK(contains(change([key](json& root) { root["added_tokens"][0].erase(key); }),
                       "lacks '" + std::string(key) + "'"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"] = json::array(); }), "'vocab'"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"] = json::object(); }), "'vocab'"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"]["x"] = -1; }), "the id of 'x'"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"]["x"] = 1.5; }), "the id of 'x'"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"]["x"] = 3; }), "same id, 3"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"][""] = 9; }), "empty token"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"]["x"] = 2'000'000; }),
                   "most of them are missing"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"]["x"] = 4'000'000'000U; }),
                   "the id of 'x'"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"].erase("[UNK]"); }), "[UNK]"));
    CHECK(contains(change([](json& root) { root["model"]["vocab"].erase("[CLS]"); }),
                   "'[CLS]' is not in the vocabulary"));
    CHECK(contains(change([](json& root) { root["added_tokens"][0]["id"] = 3; }), "[SEP]"));
    CHECK(contains(change([](json& root) { root["added_tokens"] = 7; }), "'added_tokens'"));
    CHECK(contains(change([](json& root) { root["model"]["max_input_chars_per_word"] = -1; }),
                   "max_input_chars_per_word"));
    CHECK(contains(json_problem(errc::tokenizer, json::array()), "must be a JSON object"));
}

TEST_CASE("Holes in the ids are kept") {
    const temporary_folder folder;
    auto root = small();
    root["model"]["vocab"]["x"] = 10;
    const auto spec = read_wordpiece(folder.write("tokenizer.json", root.dump()));
    CHECK(spec.vocabulary.size() == 11);
    CHECK(spec.vocabulary[9].empty());
    CHECK(spec.vocabulary[10] == "x");
}

TEST_CASE("Text that is not JSON is refused") {
    const temporary_folder folder;
    const std::string whole = small().dump();
    for (std::size_t size = 0; size < whole.size(); size += 7) {
        const auto path = folder.write("tokenizer.json", whole.substr(0, size));
        CHECK(contains(problem(errc::format, [&path] { (void)read_tokenizer(path); }),
                       "not usable JSON"));
    }
    const auto twice = folder.write("tokenizer.json", R"({"model":{"vocab":{"a":1,"a":2}}})");
    CHECK(contains(problem(errc::format, [&twice] { (void)read_tokenizer(twice); }),
                   "'a' appears twice"));
}

TEST_CASE("A huge file is refused before it is read") {
    const temporary_folder folder;
    for (const char* name : {"tokenizer.json", "vocab.txt"}) {
        const auto path = folder.write(name, "x");
        std::filesystem::resize_file(path, std::uintmax_t{1} << 40); // sparse
        CHECK(contains(problem(errc::tokenizer, [&path] { (void)read_tokenizer(path); }),
                       "1099511627776 bytes"));
        std::filesystem::remove(path);
    }
}

TEST_CASE("Missing files are named") {
    const temporary_folder folder;
    CHECK(contains(problem(errc::io, [&] { (void)read_tokenizer(folder.path()); }),
                   "no tokenizer.json, vocab.txt, vocab.json or sentencepiece model"));
    CHECK(contains(problem(errc::io, [&] { (void)read_tokenizer(folder.path() / "none.txt"); }),
                   "none.txt"));
    CHECK_FALSE(mice::tools::find_tokenizer(folder.path()).has_value());
}

TEST_CASE("A folder's tokenizer.json is preferred") {
    const temporary_folder folder;
    (void)folder.write("vocab.txt", plain);
    CHECK(read_wordpiece(folder.path()).vocabulary.size() == 7);
    (void)folder.write("tokenizer.json", small().dump());
    CHECK(read_wordpiece(folder.path()).vocabulary.size() == 6);
    CHECK(mice::tools::find_tokenizer(folder.path())->filename() == "tokenizer.json");
}

TEST_CASE("A vocab.txt alone has BERT's uncased settings") {
    const temporary_folder folder;
    const auto spec = read_wordpiece(folder.write("vocab.txt", plain));
    CHECK(spec.lowercase);
    CHECK(spec.clean_text);
    CHECK(spec.handle_chinese_chars);
    CHECK_FALSE(spec.strip_accents.has_value());
    CHECK(spec.pad_token == "[PAD]");
    CHECK(spec.mask_token == "[MASK]");
    CHECK(spec.added_tokens.size() == 5);
    CHECK(std::all_of(spec.added_tokens.begin(), spec.added_tokens.end(),
                      [](const auto& token) { return token.special && !token.normalized; }));
}

TEST_CASE("Line ends, a byte order mark and blank lines of a vocab.txt are understood") {
    const temporary_folder folder;
    const auto read = [&folder](std::string_view text) {
        return read_wordpiece(folder.write("vocab.txt", text)).vocabulary;
    };
    const std::vector<std::string> tokens = {"[UNK]", "[CLS]", "[SEP]", "a"};
    CHECK(read("[UNK]\n[CLS]\n[SEP]\na\n") == tokens);
    CHECK(read("[UNK]\n[CLS]\n[SEP]\na") == tokens);
    CHECK(read("[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n") == tokens);
    CHECK(read("\xEF\xBB\xBF[UNK]\n[CLS]\n[SEP]\na\n\n\n") == tokens);
    CHECK(read("[UNK]\n\n[CLS]\n[SEP]\na")[2] == "[CLS]"); // a blank line is an id without a token
    CHECK(contains(vocab_problem(errc::tokenizer, "[UNK]\n[CLS]\r[SEP]\n"), "line 2"));
}

TEST_CASE("A vocab.txt that cannot work is refused") {
    CHECK(contains(vocab_problem(errc::tokenizer, ""), "empty"));
    CHECK(contains(vocab_problem(errc::tokenizer, "\n\n"), "empty"));
    CHECK(contains(vocab_problem(errc::tokenizer, "[UNK]\n[CLS]\n[SEP]\na\nb\na\n"),
                   "'a' has two ids, 3 and 5"));
    CHECK(contains(vocab_problem(errc::tokenizer, "[CLS]\n[SEP]\na\n"), "'[UNK]'"));
    CHECK(contains(vocab_problem(errc::tokenizer, "[UNK]\n[SEP]\na\n"), "'[CLS]'"));
    CHECK(contains(vocab_problem(errc::tokenizer, "[UNK]\n[CLS]\na\n"), "'[SEP]'"));
    CHECK(contains(vocab_problem(errc::tokenizer, std::string(plain) + "\xFF\n"), "UTF-8"));
    CHECK(contains(vocab_problem(errc::tokenizer, std::string(plain) + std::string(5000, 'x')),
                   "line 8 has 5000 bytes"));
    CHECK(contains(vocab_problem(errc::tokenizer, std::string(3'000'000, '\n') + "x"),
                   "more than 2097152 lines"));
}

TEST_CASE("tokenizer_config.json changes how a vocab.txt is read") {
    const temporary_folder folder;
    (void)folder.write("vocab.txt", "<p>\n<u>\n<c>\n<s>\n<m>\na\n");
    (void)folder.write("tokenizer_config.json", R"({"tokenizer_class":"BertTokenizer",
        "do_lower_case":false,"strip_accents":true,"tokenize_chinese_chars":false,
        "unk_token":"<u>","cls_token":{"content":"<c>","lstrip":false},"sep_token":"<s>",
        "pad_token":"<p>","mask_token":"<m>","model_max_length":512,
        "added_tokens_decoder":{"4":{"content":"<m>","lstrip":true,"normalized":false,
            "rstrip":false,"single_word":false,"special":true}}})");
    const auto spec = read_wordpiece(folder.path());
    CHECK_FALSE(spec.lowercase);
    CHECK_FALSE(spec.handle_chinese_chars);
    CHECK(spec.strip_accents == true);
    CHECK(spec.unk_token == "<u>");
    CHECK(spec.cls_token == "<c>");
    CHECK(spec.sep_token == "<s>");
    CHECK(spec.pad_token == "<p>");
    CHECK(spec.mask_token == "<m>");
    REQUIRE(spec.added_tokens.size() == 5);
    CHECK(spec.added_tokens[0].content == "<m>");
    CHECK(spec.added_tokens[0].lstrip);
}

TEST_CASE("A tokenizer_config.json that cannot be followed is refused") {
    const auto refuse = [](errc code, std::string_view config) {
        return vocab_problem(code, plain, config);
    };
    CHECK(refuse(errc::tokenizer, R"({"strip_accents":null,"do_lower_case":true})") == "");
    CHECK(contains(refuse(errc::unsupported, R"({"tokenizer_class":"RobertaTokenizer"})"),
                   "'RobertaTokenizer'"));
    CHECK(
        contains(refuse(errc::unsupported, R"({"do_basic_tokenize":false})"), "do_basic_tokenize"));
    CHECK(contains(refuse(errc::unsupported, R"({"never_split":["x"]})"), "never_split"));
    CHECK(contains(refuse(errc::tokenizer, R"({"do_lower_case":"yes"})"), "'do_lower_case'"));
    CHECK(contains(refuse(errc::tokenizer, R"({"sep_token":5})"), "'sep_token'"));
    CHECK(contains(refuse(errc::tokenizer, R"({"added_tokens_decoder":{"x":{}}})"), "the key 'x'"));
    CHECK(contains(refuse(errc::tokenizer, R"({"added_tokens_decoder":{"99999999999":{}}})"),
                   "the key"));
    CHECK(contains(refuse(errc::tokenizer, "[]"), "JSON object"));
    CHECK(contains(refuse(errc::format, "{"), "not usable JSON"));
}

TEST_CASE("tokenizer_config.json must not contradict tokenizer.json") {
    const temporary_folder folder;
    (void)folder.write("tokenizer.json", small().dump());
    const auto say = [&folder](std::string_view config) {
        (void)folder.write("tokenizer_config.json", config);
        return problem(errc::tokenizer, [&folder] { (void)read_tokenizer(folder.path()); });
    };
    CHECK(say(R"({"do_lower_case":false,"strip_accents":true,"tokenize_chinese_chars":false,
                  "cls_token":"[CLS]"})") == "");
    CHECK(contains(say(R"({"do_lower_case":true})"), "another 'do_lower_case'"));
    CHECK(contains(say(R"({"strip_accents":null})"), "another 'strip_accents'"));
    CHECK(contains(say(R"({"tokenize_chinese_chars":true})"), "another 'tokenize_chinese_chars'"));
    CHECK(contains(say(R"({"sep_token":"[CLS]"})"), "another 'sep_token'"));
}
