// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/golden_model.hpp"
#include "../support/random_model.hpp"
#include "hostile_file.hpp"

#include <functional>

#include <nlohmann/json.hpp>

#include <mice/io/safetensors.hpp>
#include <mice/io/tensor.hpp>
#include <mice/model/config_json.hpp>
#include <mice/networks/network.hpp>
#include <mice/text/wordpiece/spec.hpp>

namespace {

using fixtures::model_file_parts;
using format_tests::frugal;
using format_tests::outcome;
using format_tests::read_model;
using mice::errc;
using mice::io::dtype;

model_file_parts whole_model(fixtures::storage kind = fixtures::storage::f32) {
    return fixtures::make_model(fixtures::tiny_config(), {.weights = kind});
}

/// The outcome for a small valid model after a change to its parts.
outcome after(const std::function<void(model_file_parts&)>& change,
              fixtures::storage kind = fixtures::storage::f32) {
    model_file_parts parts = whole_model(kind);
    change(parts);
    return read_model(parts.file());
}

/// ... after a change to the JSON of its configuration.
outcome after_config(const std::function<void(nlohmann::json&)>& change) {
    const model_file_parts parts = whole_model();
    nlohmann::json config = nlohmann::json::parse(mice::config_to_json(parts.config));
    change(config);
    return read_model(parts.file(config.dump()));
}

void refused(const outcome& result, errc code, std::initializer_list<std::string_view> parts) {
    INFO(result.text);
    CHECK(!result.accepted);
    CHECK(result.code == code);
    for (const std::string_view part : parts) {
        CHECK(result.says(part));
    }
    CHECK(result.text.size() < 1000);
}

} // namespace

TEST_CASE("small models of every option and storage are accepted") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        for (const auto kind : {fixtures::storage::f32, fixtures::storage::f16,
                                fixtures::storage::bf16, fixtures::storage::i8}) {
            for (const bool text : {false, true}) {
                INFO(name);
                const outcome result = read_model(
                    fixtures::make_model(config, {.weights = kind, .with_tokenizer = text}).file());
                INFO(result.text);
                CHECK(result.accepted);
            }
        }
    }
}

TEST_CASE("a model file cut anywhere is refused") {
    const std::vector<std::byte> whole = whole_model(fixtures::storage::i8).file();
    REQUIRE(read_model(whole).accepted);
    for (std::size_t size = 0; size < whole.size(); size += size < 512 ? 1 : 61) {
        const outcome result = read_model(std::span(whole).first(size));
        INFO("cut to " << size << " of " << whole.size());
        REQUIRE(!result.accepted);
        REQUIRE(result.code == errc::format);
        REQUIRE(frugal(result, size));
    }
    CHECK(!read_model(std::span(whole).first(whole.size() - 1)).accepted);
}

TEST_CASE("a model file with any byte of its header changed is refused or a whole model") {
    const std::vector<std::byte> whole = whole_model().file();
    std::uint64_t length = 0;
    std::memcpy(&length, whole.data(), sizeof length);
    std::size_t accepted = 0;
    for (std::size_t at = 0; at < 8 + length; ++at) {
        for (const unsigned change : {1U << (at % 8), 0x80U}) {
            std::vector<std::byte> damaged = whole;
            damaged[at] ^= static_cast<std::byte>(change);
            const outcome result = read_model(damaged);
            INFO("byte " << at << " changed by " << change);
            if (result.accepted) {
                ++accepted;
            } else {
                REQUIRE(!result.text.empty());
            }
        }
    }
    // options without tensors of their own, texts of the tokenizer, blanks
    CHECK(accepted < length / 5);
}

TEST_CASE("files that are no mice model say what to do") {
    refused(read_model(format_tests::file_of("{}")), errc::format, {"mice-convert"});
    refused(after([](model_file_parts& p) { p.metadata.erase("format"); }), errc::format,
            {"mice-convert"});
    refused(after([](model_file_parts& p) { p.metadata["format"] = "pt"; }), errc::format,
            {"mice-convert"});
    const std::filesystem::path checkpoint = golden::cases_of("mice").front() / "model.safetensors";
    refused(read_model(golden::read_bytes(checkpoint)), errc::format, {"mice-convert"});
    for (const std::string key : {"mice.format_version", "mice.document_fingerprint"}) {
        refused(after([&](model_file_parts& p) { p.metadata.erase(key); }), errc::format, {key});
    }
}

TEST_CASE("a newer format version is refused by its number before anything else is judged") {
    for (const std::string version : {"2", "1.1", "", "01", "999999999999999999999999"}) {
        refused(after([&](model_file_parts& p) {
                    p.metadata["mice.format_version"] = version;
                    p.remove("classifier.weight");
                }),
                errc::unsupported, {"'" + version + "'", "not supported yet"});
    }
}

TEST_CASE("another model family is not supported yet and is named") {
    refused(after_config([](nlohmann::json& c) {
                c = {{"model_type", "deberta"}};
            }),
            errc::unsupported, {"'deberta'", "not supported yet"});
    refused(after_config([](nlohmann::json& c) { c["model_type"] = "t5"; }), errc::unsupported,
            {"'t5'"});
    refused(after_config([](nlohmann::json& c) { c["hidden_act"] = "relu"; }), errc::unsupported,
            {"'relu'"});
    refused(after_config([](nlohmann::json& c) { c["lexical_bias"] = true; }), errc::unsupported,
            {"'lexical_bias'"});
    const std::string name(5000, 'x');
    refused(after_config([&](nlohmann::json& c) { c["model_type"] = name; }), errc::unsupported,
            {"xxx...'"});
}

TEST_CASE("a configuration that contradicts itself or the tensors is refused with the names") {
    refused(after_config([](nlohmann::json& c) { c["n_docs_ctx_layers"] = 0; }), errc::config,
            {"bound_bottom_layers", "n_docs_ctx_layers"});
    refused(after_config([](nlohmann::json& c) { c["num_attention_heads"] = 3; }), errc::config,
            {"hidden_size 8", "num_attention_heads 3"});
    refused(after_config([](nlohmann::json& c) { c["hidden_size"] = 16; }), errc::tensor,
            {"embeddings_project"});
    refused(after_config([](nlohmann::json& c) { c["intermediate_size"] = 9; }), errc::tensor,
            {"intermediate", "[9, 8]", "[8, 8]"});
    refused(after_config([](nlohmann::json& c) { c["vocab_size"] = 121; }), errc::tensor,
            {"word_embeddings", "[121, 8]", "[120, 8]"});
    refused(after_config([](nlohmann::json& c) { c["max_document_length"] = 13; }), errc::config,
            {"max_document_length"});
    refused(after_config([](nlohmann::json& c) { c["max_position_embeddings"] = 13; }),
            errc::tensor, {"position_embeddings"});
    refused(after_config([](nlohmann::json& c) { c["pooler"] = false; }), errc::tensor,
            {"'pooler.dense.bias'", "does not belong"});
    refused(after_config([](nlohmann::json& c) { c["global_cls_token"] = true; }), errc::tensor,
            {"'global_cls'", "missing"});
    refused(after_config([](nlohmann::json& c) { c["extra_attn_bias"] = true; }), errc::tensor,
            {"exact_match_heads.0.v_proj.weight"});
    refused(after_config([](nlohmann::json& c) { c["compress_dim"] = 2.0; }), errc::tensor,
            {"adapter"});
    refused(after_config([](nlohmann::json& c) { c["bound_bottom_layers"] = false; }), errc::tensor,
            {"query_bottom_layers.0"});
    refused(after_config([](nlohmann::json& c) { c["n_interaction_layers"] = 2; }), errc::tensor,
            {"top_layers.1"});
    refused(after_config([](nlohmann::json& c) { c["n_interaction_layers"] = 999; }), errc::tensor,
            {"1000 layers"});
    refused(after_config([](nlohmann::json& c) { c.erase("pooler"); }), errc::config, {"'pooler'"});
}

TEST_CASE("tensors of a model that are missing, unknown or of another form are named") {
    refused(after([](model_file_parts& p) { p.remove("classifier.bias"); }), errc::tensor,
            {"'classifier.bias'", "missing"});
    refused(after([](model_file_parts& p) {
                p.tensors.push_back({"backdoor", dtype::u8, {1}, std::vector<std::byte>(1)});
            }),
            errc::tensor, {"'backdoor'", "does not belong"});
    refused(after([](model_file_parts& p) { p.tensor("pooler.dense.weight").shape = {64}; }),
            errc::tensor, {"'pooler.dense.weight'", "[8, 8]", "[64]"});
    refused(after([](model_file_parts& p) { p.tensor("pooler.dense.weight").type = dtype::i32; }),
            errc::tensor, {"'pooler.dense.weight'", "I32"});
    refused(after([](model_file_parts& p) { p.remove("pooler.dense.weight.scale"); },
                  fixtures::storage::i8),
            errc::tensor, {"'pooler.dense.weight.scale'", "missing"});
    const std::uint32_t nan = 0x7fc00000U;
    refused(after([&](model_file_parts& p) {
                std::memcpy(p.tensor("top_layers.0.output.dense.weight").bytes.data() + 40, &nan,
                            4);
            }),
            errc::tensor, {"'top_layers.0.output.dense.weight'", "NaN"});
    refused(after([&](model_file_parts& p) {
                std::memcpy(p.tensor("embeddings.word_embeddings.weight").bytes.data() + 40, &nan,
                            4);
            }),
            errc::tensor, {"'embeddings.word_embeddings.weight'", "NaN"});
}

TEST_CASE("a vocabulary must fit the embeddings and its metadata") {
    refused(after([](model_file_parts& p) {
                mice::wordpiece_spec spec = fixtures::small_tokenizer();
                spec.vocabulary.insert(spec.vocabulary.end(),
                                       {"one", "two", "three", "four", "five", "six"});
                p.remove("tokenizer.vocabulary");
                add_tokenizer(p, spec);
            }),
            errc::tokenizer, {"121", "120"});
    refused(after([](model_file_parts& p) {
                mice::wordpiece_spec spec = fixtures::small_tokenizer();
                spec.added_tokens.push_back({.id = 120, .content = "beyond"});
                p.metadata["mice.tokenizer"] = mice::to_metadata(spec);
            }),
            errc::tokenizer, {"121", "120"});
    refused(after([](model_file_parts& p) { p.remove("tokenizer.vocabulary"); }), errc::tokenizer,
            {"mice.tokenizer", "tokenizer.vocabulary"});
    refused(after([](model_file_parts& p) { p.metadata.erase("mice.tokenizer"); }), errc::tokenizer,
            {"mice.tokenizer", "tokenizer.vocabulary"});
    refused(after([](model_file_parts& p) { p.tensor("tokenizer.vocabulary").type = dtype::i8; }),
            errc::tokenizer, {"tokenizer.vocabulary"});
    refused(after([](model_file_parts& p) {
                auto& tensor = p.tensor("tokenizer.vocabulary");
                tensor.bytes.back() = std::byte{'x'};
            }),
            errc::tokenizer, {"tokens"});
    refused(after([](model_file_parts& p) { p.metadata["mice.tokenizer"] = "{\"type\":\"bpe\"}"; }),
            errc::unsupported, {"'bpe'", "not supported yet"});
    refused(after([](model_file_parts& p) { p.metadata["mice.tokenizer"] = "{"; }), errc::format,
            {"mice.tokenizer"});
    refused(after([](model_file_parts& p) {
                mice::wordpiece_spec spec = fixtures::small_tokenizer();
                spec.sep_token = "[END]";
                p.metadata["mice.tokenizer"] = mice::to_metadata(spec);
            }),
            errc::tokenizer, {"[END]"});
}

namespace {

/// As after(), of a model whose tokenizer is byte-level BPE.
outcome after_bpe(const std::function<void(model_file_parts&)>& change) {
    mice::model_config config = fixtures::tiny_config();
    config.vocab_size = 300;
    model_file_parts parts = fixtures::make_model(config, {.byte_bpe = true});
    change(parts);
    return read_model(parts.file());
}

} // namespace

TEST_CASE("merges must fit the vocabulary and belong to a byte-level BPE tokenizer") {
    const std::string merges = "tokenizer.merges";
    CHECK(after_bpe([](model_file_parts&) {}).accepted);
    refused(after_bpe([&](model_file_parts& p) { p.remove(merges); }), errc::tokenizer, {merges});
    refused(after_bpe([&](model_file_parts& p) { p.tensor(merges).type = dtype::f32; }),
            errc::tokenizer, {merges, "I32"});
    refused(after_bpe([&](model_file_parts& p) {
                auto& tensor = p.tensor(merges);
                tensor.shape = {tensor.bytes.size() / 4};
            }),
            errc::tokenizer, {merges, "I32"});
    refused(after_bpe([&](model_file_parts& p) {
                auto& tensor = p.tensor(merges);
                tensor.shape = {2, tensor.bytes.size() / 8};
            }),
            errc::tokenizer, {merges, "I32"});
    refused(after_bpe([&](model_file_parts& p) {
                auto& tensor = p.tensor(merges);
                tensor.bytes.resize(tensor.bytes.size() - 8);
                tensor.shape = {tensor.bytes.size() / 8, 2};
            }),
            errc::tokenizer, {"merges"});
    refused(after_bpe([&](model_file_parts& p) { p.tensor(merges).bytes[3] = std::byte{0x7F}; }),
            errc::tokenizer, {"not in the vocabulary"});
    refused(after_bpe([&](model_file_parts& p) {
                p.remove("tokenizer.vocabulary");
                p.metadata.erase("mice.tokenizer");
            }),
            errc::tokenizer, {"mice.tokenizer"});
    refused(after([&](model_file_parts& p) {
                p.tensors.push_back({merges, dtype::i32, {0, 2}, {}});
            }),
            errc::tokenizer, {merges, "wordpiece"});
    refused(after([&](model_file_parts& p) {
                p.remove("tokenizer.vocabulary");
                add_tokenizer(p, fixtures::small_byte_bpe());
            }),
            errc::tokenizer, {"272", "120"});
}

TEST_CASE("a sentencepiece model stands alone in its own tensor") {
    const std::string pieces = "tokenizer.sentencepiece";
    const auto after_pieces = [](const std::function<void(model_file_parts&)>& change) {
        model_file_parts parts =
            fixtures::make_model(fixtures::tiny_config(), {.sentencepiece = true});
        change(parts);
        return read_model(parts.file());
    };
    const outcome whole = after_pieces([](model_file_parts&) {});
    CHECK(whole.accepted == (MICE_USE_SENTENCEPIECE == 1));
    if (!whole.accepted)
        refused(whole, errc::unsupported, {"mice::sentencepiece"});
    refused(after_pieces([&](model_file_parts& p) { p.remove(pieces); }), errc::tokenizer,
            {"mice.tokenizer", pieces});
    refused(after_pieces([&](model_file_parts& p) { p.metadata.erase("mice.tokenizer"); }),
            errc::tokenizer, {"mice.tokenizer", pieces});
    refused(after_pieces([&](model_file_parts& p) { p.tensor(pieces).type = dtype::i8; }),
            errc::tokenizer, {pieces, "U8"});
    refused(after_pieces([&](model_file_parts& p) {
                auto& tensor = p.tensor(pieces);
                tensor.bytes.resize(tensor.bytes.size() - 1);
                tensor.shape = {tensor.bytes.size()};
            }),
            errc::tokenizer, {"sentencepiece model", "damaged"});
    refused(after_pieces([&](model_file_parts& p) {
                p.tensors.push_back({"tokenizer.vocabulary", dtype::u8, {0}, {}});
            }),
            errc::tokenizer, {"'tokenizer.vocabulary' is there", "sentencepiece"});
    refused(after_pieces([&](model_file_parts& p) {
                p.tensors.push_back({"tokenizer.merges", dtype::i32, {0, 2}, {}});
            }),
            errc::tokenizer, {"'tokenizer.merges' is there", "sentencepiece"});
    refused(after([&](model_file_parts& p) {
                p.tensors.push_back({pieces, dtype::u8, {0}, {}});
            }),
            errc::tokenizer, {pieces, "wordpiece"});
}

TEST_CASE("a unigram tokenizer has pieces and scores of its own, and perhaps rules") {
    const std::string scores = "tokenizer.scores", rules = "tokenizer.charsmap";
    const auto after_unigram = [](const std::function<void(model_file_parts&)>& change) {
        model_file_parts parts = fixtures::make_model(fixtures::tiny_config(), {.unigram = true});
        change(parts);
        return read_model(parts.file());
    };
    CHECK(after_unigram([](model_file_parts&) {}).accepted);
    refused(after_unigram([&](model_file_parts& p) { p.remove(scores); }), errc::tokenizer,
            {"F64", scores});
    refused(after_unigram([&](model_file_parts& p) { p.remove("tokenizer.vocabulary"); }),
            errc::tokenizer, {"tokenizer.vocabulary"});
    refused(after_unigram([&](model_file_parts& p) { p.metadata.erase("mice.tokenizer"); }),
            errc::tokenizer, {"mice.tokenizer"});
    refused(after_unigram([&](model_file_parts& p) { p.tensor(scores).type = dtype::i64; }),
            errc::tokenizer, {scores, "F64"});
    refused(after_unigram([&](model_file_parts& p) {
                auto& tensor = p.tensor(scores);
                tensor.bytes.resize(tensor.bytes.size() - 8);
                tensor.shape = {tensor.bytes.size() / 8};
            }),
            errc::tokenizer, {"scores tensor"});
    refused(after_unigram([&](model_file_parts& p) {
                auto& bytes = p.tensor(scores).bytes; // a NaN
                bytes[14] = bytes[15] = std::byte{0xFF};
            }),
            errc::tokenizer, {"piece 1", "not finite"});
    refused(after_unigram([&](model_file_parts& p) {
                p.tensors.push_back({rules, dtype::u8, {4}, std::vector<std::byte>(4)});
            }),
            errc::tokenizer, {"normalization rules"});
    for (const std::string& name : {scores, rules})
        refused(after([&](model_file_parts& p) {
                    p.tensors.push_back({name, name == rules ? dtype::u8 : dtype::f64, {0}, {}});
                }),
                errc::tokenizer, {"'" + name + "' is there", "wordpiece"});
}

TEST_CASE("a sentencepiece tokenizer must fit the embeddings") {
    if (!MICE_USE_SENTENCEPIECE)
        return;
    mice::model_config config = fixtures::tiny_config();
    config.vocab_size = 40;
    refused(read_model(fixtures::make_model(config, {.sentencepiece = true}).file()),
            errc::tokenizer, {"41", "40"});
}

TEST_CASE("a hostile model file is refused with little memory") {
    const model_file_parts whole = whole_model();
    const std::size_t size = whole.file().size();
    const auto check = [&](const outcome& result, const std::string& what) {
        INFO(what << " -> " << result.text.substr(0, 200) << "\nallocated " << result.memory.bytes
                  << " for a file of " << size);
        CHECK(!result.accepted);
        CHECK(frugal(result, size));
    };
    const auto option = [&](const char* key, auto value) {
        check(after_config([&](nlohmann::json& c) { c[key] = value; }), key);
    };
    option("vocab_size", 16777216);
    option("max_position_embeddings", 16777216);
    option("intermediate_size", 65536);
    option("type_vocab_size", 65536);
    option("n_interaction_layers", 1024);
    option("n_interaction_layers", ~std::uint64_t{0});
    check(after_config([](nlohmann::json& c) {
              c["hidden_size"] = c["embedding_size"] = c["num_attention_heads"] = 65536;
          }),
          "hidden_size");
    check(after_config([](nlohmann::json& c) {
              c["bound_bottom_layers"] = false;
              c["n_contextualization_layers"] = c["n_docs_ctx_layers"] = 1024;
          }),
          "n_contextualization_layers");
    check(after_config([](nlohmann::json& c) {
              c["n_contextualization_layers"] = c["n_docs_ctx_layers"] = c["n_interaction_layers"] =
                  1024;
          }),
          "every layer count");
    check(read_model(whole.file(std::string(60000, '['))), "brackets in the configuration");
    check(after([](model_file_parts& p) {
              auto& tensor = p.tensor("tokenizer.vocabulary");
              std::fill(tensor.bytes.begin(), tensor.bytes.end(), std::byte{0});
          }),
          "a vocabulary of nothing");
    check(after([](model_file_parts& p) {
              auto& metadata = p.metadata["mice.tokenizer"];
              const std::string key = "\"vocabulary_size\":";
              const std::size_t at = metadata.find(key) + key.size();
              metadata.replace(at, metadata.find(',', at) - at, "2097152");
          }),
          "a vocabulary of two million");
    check(after_bpe([](model_file_parts& p) {
              auto& metadata = p.metadata["mice.tokenizer"];
              const std::string key = "\"merges\":";
              const std::size_t at = metadata.find(key) + key.size();
              metadata.replace(at, metadata.find(',', at) - at, "2097152");
          }),
          "merges of two million");
}

TEST_CASE("megabytes of brackets in a model's texts are refused with little memory") {
    for (const std::string key : {"mice.config", "mice.tokenizer"}) {
        for (const std::string part : {"[", "{\"a\":", "\"", "[0,", "[{},"}) {
            model_file_parts parts = whole_model();
            std::string text;
            while (text.size() < (1 << 20)) {
                text += part;
            }
            if (key == "mice.tokenizer") {
                parts.metadata[key] = text;
                text.clear();
            }
            const std::vector<std::byte> file = parts.file(text);
            const outcome result = read_model(file);
            INFO(key << " full of " << part << " -> " << result.text.substr(0, 200)
                     << "\nallocated " << result.memory.bytes << " for a file of " << file.size());
            CHECK(!result.accepted);
            CHECK(frugal(result, file.size()));
            CHECK(result.text.size() < 1000);
        }
    }
}

TEST_CASE("what a model allocates is in proportion to its file") {
    for (const auto kind : {fixtures::storage::f32, fixtures::storage::i8}) {
        mice::model_config config = fixtures::small_config();
        config.hidden_size = config.embedding_size = 128;
        config.intermediate_size = 256;
        const std::vector<std::byte> file = fixtures::make_model(config, {.weights = kind}).file();
        const outcome result = read_model(file);
        CHECK(result.accepted);
        CHECK(result.memory.bytes <
              (kind == fixtures::storage::f32 ? 8 : 32) * file.size() + 65536);
    }
}

TEST_CASE("fault 34: a tokenizer with many added tokens is refused where it goes too far") {
    const auto read = [](std::size_t count) {
        mice::wordpiece_spec spec = fixtures::small_tokenizer();
        for (std::size_t i = spec.added_tokens.size(); i < count; ++i) {
            spec.added_tokens.push_back(
                {.id = static_cast<std::int32_t>(i + 200), .content = "token" + std::to_string(i)});
        }
        const std::string metadata = mice::to_metadata(spec);
        const std::vector<std::byte> vocabulary = mice::vocabulary_bytes(spec);
        return format_tests::read_with(vocabulary, [&](std::span<const std::byte> bytes) {
            (void)mice::tokenizer_from_model(metadata, bytes);
        });
    };
    const std::size_t most = mice::text::detail::max_added_tokens;
    REQUIRE(read(most).accepted);
    REQUIRE(read(most + 1).says("added_tokens"));
    const outcome some = read(2 * most);
    const outcome many = read(6 * most);
    REQUIRE_FALSE(some.accepted);
    REQUIRE(some.says("at most 16384 added tokens"));
    REQUIRE(many.text == some.text);
    REQUIRE(many.memory.bytes <= some.memory.bytes + 4096);
}
