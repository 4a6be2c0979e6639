// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <mice/mice.hpp>
#include <mice/model/config_json.hpp>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"
#include "common/reference_scorer.hpp"
#include "convert_fixture.hpp"
#include "golden_model.hpp"

using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

/// As callers give ids: without marker and fillers.
std::vector<std::int32_t> given_ids(std::vector<std::int32_t> ids) {
    ids.erase(ids.begin() + 1);
    while (ids.back() == 4) {
        ids.pop_back();
    }
    return ids;
}

/// A vocabulary of 211 tokens that puts ColBERT's tokens where BERT has them; the marks of
/// punctuation follow from 20 on, [MASK] is 4.
std::string vocabulary() {
    std::string text = "[PAD]\n[unused0]\n[CLS]\n[SEP]\n[MASK]\n[UNK]\n[unused1]\n";
    for (int i = 7; i < 20; ++i) {
        text += "w" + std::to_string(i) + "\n";
    }
    for (const char mark : std::string("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")) {
        text += std::string(1, mark) + "\n";
    }
    for (int i = 52; i < 211; ++i) {
        text += "w" + std::to_string(i) + "\n";
    }
    return text;
}

/// The golden checkpoint in the form of ColBERTv2's own: no `colbert`, but artifact.metadata.
struct colbert_v2 : editable_checkpoint {
    colbert_v2() : editable_checkpoint("colbert") {
        config.erase("colbert");
        write("vocab.txt", vocabulary());
    }
    json metadata{{"query_maxlen", 32},
                  {"doc_maxlen", 150},
                  {"dim", 16},
                  {"similarity", "cosine"},
                  {"interaction", "colbert"},
                  {"mask_punctuation", true},
                  {"attend_to_mask_tokens", false},
                  {"query_token_id", "[unused0]"},
                  {"doc_token_id", "[unused1]"},
                  {"nbits", 2},
                  {"checkpoint", nullptr}};
    [[nodiscard]] convert_result save_and_convert(const std::vector<std::string>& more = {}) const {
        write("artifact.metadata", metadata.dump());
        return editable_checkpoint::save_and_convert(more);
    }
};

} // namespace

TEST_CASE("golden ColBERT checkpoints convert, and engine and reference agree with PyTorch") {
    for (const std::string name : {"colbert", "colbert_attend_to_mask"}) {
        INFO(name);
        const temporary_folder folder;
        const auto path = folder.path() / "model.mice";
        const convert_result result = run_convert(
            {golden_model(name).string(), "-o", path.string(), "--ids-only", "--self-test", "4"});
        INFO(result.err);
        REQUIRE(result.exit_code == 0);
        CHECK_THAT(result.out, Contains("late interaction (ColBERT)") &&
                                   Contains("vectors of 16") && Contains("20 ids without"));
        const read_model model(path);
        const mice::tools::reference_scorer scorer(
            mice::config_from_json(model.metadata("mice.config")), model.contents.tensors());
        const mice::reranker ranker(path, mice::precision::f32);
        const read_model golden(golden_model(name) / "golden.safetensors");
        const json index = json::parse(file_text(golden_model("index.json")));
        const auto entry = std::find_if(index.begin(), index.end(),
                                        [&](const json& each) { return each["case"] == name; });
        const json scores = (*entry)["scores"];
        REQUIRE(scores.size() == 6);
        for (std::size_t i = 0; i < scores.size(); ++i) {
            INFO("pair " << i);
            const std::string pair = "pair" + std::to_string(i) + ".";
            const auto query = given_ids(golden::ids(golden.contents, pair + "query_ids"));
            const auto document = given_ids(golden::ids(golden.contents, pair + "document_ids"));
            CHECK(std::abs(scorer.score(query, document) - scores[i].get<double>()) < 1e-9);
            const mice::document encoded = ranker.encode_ids(document);
            const float score =
                ranker.score(ranker.encode_query_ids(query), std::span(&encoded, 1))[0].score;
            CHECK(std::abs(score - scores[i].get<double>()) < 1e-4);
        }
    }
}

TEST_CASE("a ColBERTv2 checkpoint is read with its metadata and the tokenizer's ids") {
    const colbert_v2 checkpoint;
    const convert_result result = checkpoint.save_and_convert({"--self-test", "6"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const json config = read_model(checkpoint.output()).config();
    CHECK(config["kind"] == "late_interaction");
    CHECK(config["query_marker"] == 1);
    CHECK(config["document_marker"] == 6);
    CHECK(config["filler"] == 4);
    CHECK(config["attend_to_filler"] == false);
    CHECK(config["vector_size"] == 16);
    CHECK(config["max_query_length"] == 32);
    CHECK(config["max_document_length"] == 150);
    REQUIRE(config["skipped"].size() == 32);
    CHECK(config["skipped"][0] == 20);
    CHECK(config["skipped"][31] == 51);
    CHECK_THAT(result.out, Contains("the vectors of 32 tokens are left out"));
    const mice::reranker ranker(checkpoint.output());
    const mice::document document = ranker.encode("w60, w61!");
    CHECK(document.tokens() == 7);
    CHECK(document.rows() == 5);
}

TEST_CASE("what ColBERT leaves to its defaults is taken from there and said") {
    colbert_v2 checkpoint;
    checkpoint.metadata = {{"query_maxlen", 32}};
    const convert_result result = checkpoint.save_and_convert({"--max-document-length", "100"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("mask_punctuation = true: ColBERT's default") &&
                               Contains("attend_to_mask_tokens = false: ColBERT's default"));
    const json config = read_model(checkpoint.output()).config();
    CHECK(config["max_document_length"] == 100);
    CHECK(config["vector_size"] == 16); // the tensor's
    checkpoint.metadata = json::object();
    CHECK_THAT(checkpoint.save_and_convert().err,
               Contains("lacks 'query_maxlen'") && Contains("--max-query-length"));
    checkpoint.metadata = {{"query_maxlen", 32}};
    CHECK_THAT(checkpoint.save_and_convert({"--max-query-length", "16"}).err,
               Contains("--override-config"));
    CHECK_THAT(checkpoint.save_and_convert().err, Contains("max_document_length")); // 220 > 160
    CHECK_THAT(checkpoint.save_and_convert({"--cross-attn-first", "true"}).err,
               Contains("option of MICE models"));
    CHECK_THAT(checkpoint.save_and_convert({"--derive", "l1+1"}).err, Contains("--derive"));
}

TEST_CASE("settings of late interaction that are wrong are refused by name") {
    const auto with = [](const char* key, const json& value) {
        editable_checkpoint checkpoint("colbert");
        value.is_null() ? static_cast<void>(checkpoint.config["colbert"].erase(key))
                        : static_cast<void>(checkpoint.config["colbert"][key] = value);
        const convert_result result = checkpoint.save_and_convert({"--ids-only"});
        CHECK(result.exit_code == 1);
        CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
        CHECK_FALSE(std::filesystem::exists(checkpoint.output()));
        return result.err;
    };
    CHECK_THAT(with("similarity", "l2"), Contains("similarity = \"l2\"") && Contains("cosine"));
    CHECK_THAT(with("query_maxlen", nullptr), Contains("lacks 'query_maxlen'"));
    CHECK_THAT(with("query_maxlen", "32"), Contains("'max_query_length'"));
    CHECK_THAT(with("query_maxlen", 161), Contains("'max_query_length'"));
    CHECK_THAT(with("dim", 24), Contains("'dim' is 24 in colbert") && Contains("has 16 rows"));
    CHECK_THAT(with("query_marker_id", 211), Contains("query_marker_id") && Contains("below 211"));
    CHECK_THAT(with("document_marker_id", -1), Contains("document_marker_id"));
    CHECK_THAT(with("document_marker_id", 20), Contains("document_marker"));
    CHECK_THAT(with("cls_token_id", 20), Contains("'cls_token_id' is 20"));
    CHECK_THAT(with("mask_token_id", nullptr), Contains("mask_token_id") && Contains("tokenizer"));
    CHECK_THAT(with("mask_token_id", 1.5), Contains("mask_token_id"));
    CHECK_THAT(with("mask_punctuation", "yes"), Contains("mask_punctuation"));
    CHECK_THAT(with("punctuation_token_ids", nullptr),
               Contains("punctuation_token_ids") && Contains("tokenizer"));
    CHECK_THAT(with("punctuation_token_ids", {20, 999}), Contains("punctuation_token_ids"));
    CHECK_THAT(with("punctuation_token_ids", "."), Contains("a list"));
    CHECK_THAT(with("attend_to_mask_token", true),
               Contains("'attend_to_mask_token'") && Contains("'attend_to_mask_tokens'"));
}

TEST_CASE("checkpoints of late interaction in another form are refused") {
    editable_checkpoint checkpoint("colbert");
    const auto error_of = [&] { return checkpoint.save_and_convert({"--ids-only"}).err; };
    const json whole = checkpoint.config;
    checkpoint.config["colbert"] = 7;
    CHECK_THAT(error_of(), Contains("'colbert'") && Contains("an object"));
    checkpoint.config = whole;
    checkpoint.config.erase("num_hidden_layers");
    CHECK_THAT(error_of(), Contains("num_hidden_layers"));
    checkpoint.config = whole;
    checkpoint.config["hidden_size"] = 16;
    CHECK(!error_of().empty());
    checkpoint.config = whole;
    checkpoint.config.erase("colbert");
    checkpoint.config.erase("architectures");
    CHECK_THAT(error_of(), Contains("linear.weight") && Contains("HF_ColBERT"));
    checkpoint.config = whole;
    checkpoint.tensors["linear.bias"] = float_tensor({16}, std::vector<float>(16));
    CHECK_THAT(error_of(), Contains("'linear.bias' does not belong"));
    checkpoint.tensors.erase("linear.bias");
    checkpoint.tensors.erase("linear.weight");
    CHECK_THAT(error_of(), Contains("'linear.weight' is missing"));

    colbert_v2 other;
    other.metadata["query_token_id"] = "[Q]";
    CHECK_THAT(other.save_and_convert().err, Contains("no '[Q]'"));
    other.metadata["query_token_id"] = "[unused0]";
    other.config["colbert"] = {{"query_maxlen", 32}, {"doc_maxlen", 100}, {"cls_token_id", 9}};
    CHECK_THAT(other.save_and_convert().err,
               Contains("'cls_token_id' is 9 in colbert") && Contains("2 in the tokenizer"));
}

TEST_CASE("the fingerprint of late interaction covers what a vector depends on") {
    editable_checkpoint checkpoint("colbert");
    const auto fingerprint = [&](const std::vector<std::string>& more = {}) {
        std::vector<std::string> options{"--ids-only"};
        options.insert(options.end(), more.begin(), more.end());
        const convert_result result = checkpoint.save_and_convert(options);
        INFO(result.err);
        REQUIRE(result.exit_code == 0);
        return read_model(checkpoint.output()).metadata("mice.document_fingerprint");
    };
    const std::string before = fingerprint();
    CHECK(fingerprint() == before);
    const json whole = checkpoint.config;
    // What shapes queries alone leaves stored documents valid.
    checkpoint.config["colbert"]["query_marker_id"] = 7;
    checkpoint.config["colbert"]["attend_to_mask_tokens"] = true;
    checkpoint.config["colbert"]["query_maxlen"] = 16;
    CHECK(fingerprint() == before);
    for (const auto& [key, value] : {std::pair<const char*, json>{"document_marker_id", 7},
                                     {"doc_maxlen", 149},
                                     {"punctuation_token_ids", {20}},
                                     {"mask_punctuation", false}}) {
        checkpoint.config = whole;
        checkpoint.config["colbert"][key] = value;
        INFO(key);
        CHECK(fingerprint() != before);
    }
    checkpoint.config = whole;
    for (const char* name : {"linear.weight", "bert.encoder.layer.2.output.dense.weight"}) {
        owned_tensor& tensor = checkpoint.tensors.at(name);
        const auto bytes = tensor.bytes;
        std::vector<float> values = floats_of(tensor);
        values[0] += 1;
        tensor = float_tensor(tensor.shape, values);
        INFO(name);
        CHECK(fingerprint() != before);
        tensor.bytes = bytes;
    }
    CHECK(fingerprint() == before);
}

TEST_CASE("every command takes a late-interaction model") {
    using namespace fixtures;
    const workplace place;
    place.convert(golden_model("colbert"), "colbert.safetensors",
                  "--self-test 5 --tokenizer " + place.tokenizer());
    for (const char* weights : {"f16", "int8"}) {
        place.convert(golden_model("colbert"), std::string(weights) + ".safetensors",
                      "--self-test 5 --weights " + std::string(weights) + " --tokenizer " +
                          place.tokenizer());
        const result replayed = place.mice("selftest " + std::string(weights) + ".safetensors");
        INFO(replayed.out << replayed.err);
        CHECK(replayed.code == 0);
    }
    const auto run = [&](const std::string& command) {
        const result got =
            place.shell("export MICE_MODEL=colbert.safetensors; \"$mice\" " + command);
        INFO(command << "\n" << got.err);
        REQUIRE(got.code == 0);
        return got.out;
    };
    CHECK_THAT(run("selftest --tolerance 1e-4"), Contains("passed"));
    CHECK_THAT(run("inspect"), Contains("late interaction (ColBERT)") && Contains("vector_size"));
    CHECK(json::parse(run("inspect --json"))["kind"] == "late_interaction");
    CHECK_FALSE(run("rerank 'w5 w6' corpus.jsonl").empty());
    CHECK_THAT(run("eval ."), Contains("nDCG"));

    // Ids are given without markers, as to every other model.
    place.write("pairs.jsonl", "{\"query\":\"w8 w9\",\"document\":\"w10 w25 w11\"}\n"
                               "{\"query_ids\":[2,8,9,3],\"document_ids\":[2,10,25,11,3]}\n");
    const auto scored = lines_of(run("score pairs.jsonl"));
    REQUIRE(scored.size() == 2);
    CHECK(json::parse(scored[0])["score"] == json::parse(scored[1])["score"]);

    run("index create i --codec f32");
    run("index add i corpus.jsonl");
    const json stats = json::parse(run("index stats --json i"));
    CHECK(stats["documents"] == 4);
    run("index verify i");
    const std::string found = run("search i 'w5 w6' --json");
    CHECK_THAT(found, Contains("d1"));
    const result refused =
        place.shell("export MICE_MODEL=colbert.safetensors; \"$mice\" index create k "
                    "--codec kv-int8");
    check_failure(refused, 1, "only MICE models");
    // An index of one model is no index of another.
    CHECK(place.mice("search i w5").code != 0);
}
