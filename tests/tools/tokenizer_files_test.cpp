// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "temporary_folder.hpp"
#include "wordpiece_folder.hpp"

#include "common/tokenizer_files.hpp"

using mice::errc;
using mice::io::json;
using mice::tools::read_tokenizer;
using ids = std::vector<std::int32_t>;

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

/// The message of the error that reading this tokenizer.json raises, "" if there is none.
std::string problem(errc code, const std::function<void()>& step) {
    try {
        step();
    } catch (const mice::error& raised) {
        INFO(raised.what());
        CHECK(raised.code() == code);
        return raised.what();
    }
    return "";
}

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

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

constexpr std::string_view plain = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n";

} // namespace

TEST_CASE("A folder's tokenizer.json and its vocab.txt give the same ids as the reference") {
    for (const std::string name : {"wordpiece_uncased", "wordpiece_cased"}) {
        const std::string folder = std::string(MICE_TEST_DATA) + "/tokenizers/" + name;
        const auto from_folder = mice::make_tokenizer(read_tokenizer(folder));
        const auto from_text = mice::make_tokenizer(read_tokenizer(folder + "/vocab.txt"));
        for (const auto& line : test::golden_lines("tokenizers/" + name + "/golden.jsonl")) {
            INFO(line.dump());
            const auto text = line.at("text").get<std::string>();
            const mice::encode_options parse{.specials = mice::special_tokens::parse};
            CHECK(from_folder->encode(text).ids == line.at("ids_plain").get<ids>());
            CHECK(from_folder->encode(text, parse).ids == line.at("ids").get<ids>());
            CHECK(from_text->encode(text).ids == line.at("ids_plain").get<ids>());
            CHECK(from_text->encode(text, parse).ids == line.at("ids").get<ids>());
        }
    }
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
    const auto spec = read_tokenizer(folder.write("tokenizer.json", root.dump()));
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
    const auto bare = read_tokenizer(folder.write("tokenizer.json", root.dump()));
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
    CHECK(contains(with("model", {{"type", "BPE"}}), "model 'BPE'"));
    CHECK(contains(with("model", {{"type", "Unigram"}}), "model 'Unigram'"));
    CHECK(contains(with("normalizer", {{"type", "NFC"}}), "normalizer 'NFC'"));
    CHECK(contains(with("pre_tokenizer", {{"type", "ByteLevel"}}), "pre-tokenizer 'ByteLevel'"));
    CHECK(contains(with("pre_tokenizer", nullptr), "pre-tokenizer null"));
    CHECK(contains(with("post_processor", {{"type", "RobertaProcessing"}}),
                   "post-processor 'RobertaProcessing'"));
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
    const auto spec = read_tokenizer(folder.write("tokenizer.json", root.dump()));
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
                   "no tokenizer.json or vocab.txt"));
    CHECK(contains(problem(errc::io, [&] { (void)read_tokenizer(folder.path() / "none.txt"); }),
                   "none.txt"));
    CHECK_FALSE(mice::tools::find_tokenizer(folder.path()).has_value());
}

TEST_CASE("A folder's tokenizer.json is preferred") {
    const temporary_folder folder;
    (void)folder.write("vocab.txt", plain);
    CHECK(read_tokenizer(folder.path()).vocabulary.size() == 7);
    (void)folder.write("tokenizer.json", small().dump());
    CHECK(read_tokenizer(folder.path()).vocabulary.size() == 6);
    CHECK(mice::tools::find_tokenizer(folder.path())->filename() == "tokenizer.json");
}

TEST_CASE("A vocab.txt alone has BERT's uncased settings") {
    const temporary_folder folder;
    const auto spec = read_tokenizer(folder.write("vocab.txt", plain));
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
        return read_tokenizer(folder.write("vocab.txt", text)).vocabulary;
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
    const auto spec = read_tokenizer(folder.path());
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
