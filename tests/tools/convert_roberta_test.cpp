// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <mice/mice.hpp>
#include <mice/model.hpp>
#include <mice/model/config_json.hpp>
#include <mice/networks/network.hpp>

#include "common/reference_scorer.hpp"
#include "convert_fixture.hpp"
#include "golden_model.hpp"

// RoBERTa and XLM-RoBERTa, from a checkpoint as people publish it to scores. What transformers
// computes is in tests/golden/data/roberta, see tests/golden/make_roberta.py.
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

using token_list = std::vector<std::int32_t>;

std::filesystem::path roberta_folder(const std::string& name) {
    return golden::data_folder() / "roberta" / name;
}

json roberta_pairs(const std::string& name) {
    json pairs = json::parse(file_text(roberta_folder(name) / "golden.json"))["pairs"];
    REQUIRE(pairs.size() == 6);
    return pairs;
}

/// A golden checkpoint that a test may change.
class roberta_checkpoint {
  public:
    explicit roberta_checkpoint(const std::string& name)
        : config(json::parse(file_text(roberta_folder(name) / "config.json"))),
          tensors(read_tensors(roberta_folder(name) / "model.safetensors")) {
        std::filesystem::copy(roberta_folder(name), directory());
    }

    json config;
    owned_tensors tensors;

    [[nodiscard]] std::filesystem::path directory() const { return folder_.path() / "checkpoint"; }
    [[nodiscard]] std::filesystem::path output() const { return folder_.path() / "out.mice"; }
    void write(const std::string& name, const std::string& content) const {
        std::ofstream(directory() / name, std::ios::binary) << content;
    }
    void remove(const std::string& name) const { std::filesystem::remove(directory() / name); }
    [[nodiscard]] convert_result convert(const std::vector<std::string>& more = {}) const {
        write("config.json", config.dump());
        write_tensors(directory() / "model.safetensors", tensors);
        std::vector<std::string> arguments{directory().string(), "-o", output().string()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run_convert(arguments);
    }
    /// The error of a checkpoint that is refused, one line.
    [[nodiscard]] std::string refused(const std::vector<std::string>& more = {}) const {
        const convert_result result = convert(more);
        INFO(result.err);
        CHECK(result.exit_code == 1);
        CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
        CHECK(!std::filesystem::exists(output()));
        return result.err;
    }

  private:
    temporary_folder folder_;
};

/// A converted checkpoint, in the engine and in the reference.
class converted {
  public:
    explicit converted(const roberta_checkpoint& checkpoint,
                       const std::vector<std::string>& flags = {})
        : result_(checkpoint.convert(flags)), file_(opened(checkpoint)),
          engine(std::make_shared<const mice::model>(file_.file.bytes(), mice::precision::f32)),
          ranker(engine), reference(mice::config_from_json(file_.metadata("mice.config")),
                                    file_.contents.tensors()) {}

  private:
    [[nodiscard]] read_model opened(const roberta_checkpoint& checkpoint) const {
        INFO(result_.err);
        REQUIRE(result_.exit_code == 0);
        return read_model(checkpoint.output());
    }
    convert_result result_;
    read_model file_;

  public:
    std::shared_ptr<const mice::model> engine;
    mice::reranker ranker;
    mice::tools::reference_scorer reference;

    [[nodiscard]] const std::string& said() const { return result_.out; }
    [[nodiscard]] const mice::model_config& config() const { return engine->config(); }
    [[nodiscard]] float score(const token_list& query, const token_list& document) const {
        const mice::document encoded = ranker.encode_ids(document);
        const mice::document* const one[] = {&encoded};
        return ranker
            .score(ranker.encode_query_ids(query), std::span<const mice::document* const>(one))[0]
            .score;
    }
    /// Both give the golden score of the pair.
    void check(const json& pair, const std::string& key = "score") const {
        const auto query = pair["query_ids"].get<token_list>();
        const auto document = pair["document_ids"].get<token_list>();
        const double expected = pair[key].get<double>();
        INFO(key);
        CHECK(reference.score(query, document) == Approx(expected).margin(1e-7));
        CHECK(std::fabs(static_cast<double>(score(query, document)) - expected) <= 1e-4);
    }
};

/// `made` with transformers' name for the tensor before it.
owned_tensor& named(roberta_checkpoint& checkpoint, const std::string& name) {
    const auto found = checkpoint.tensors.find(name);
    REQUIRE(found != checkpoint.tensors.end());
    return found->second;
}

} // namespace

TEST_CASE("RoBERTa cross-encoders score as transformers does") {
    for (const char* name : {"roberta", "xlmr", "xlmr_other"}) {
        INFO(name);
        const converted model{roberta_checkpoint(name)};
        CHECK(model.config().model_type == "roberta");
        CHECK(model.config().kind == mice::model_kind::cross_encoder);
        for (const json& pair : roberta_pairs(name)) {
            INFO(pair["query"]);
            model.check(pair);
        }
    }
}

TEST_CASE("RoBERTa cross-encoders match transformers layer by layer") {
    for (const char* name : {"roberta", "xlmr", "xlmr_other"}) {
        INFO(name);
        const converted model{roberta_checkpoint(name)};
        const std::vector<std::byte> bytes =
            golden::read_bytes(roberta_folder(name) / "golden.safetensors");
        const mice::io::safetensors numbers(bytes);
        const json pairs = roberta_pairs(name);
        const std::size_t hidden = model.config().hidden_size;
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            INFO("pair " << i);
            const auto query_ids = pairs[i]["query_ids"].get<token_list>();
            const auto document_ids = pairs[i]["document_ids"].get<token_list>();
            const auto& network = model.engine->network();
            mice::nn::workspace space;
            const auto query = network.prepare_query(query_ids, space);
            mice::kernels::buffer packed;
            const mice::nn::document_view view{nullptr, document_ids.data(), document_ids.size()};
            mice::nn::document_batch documents({&view, 1}, network.packing(), packed);
            std::size_t compared = 0;
            float score = 0;
            network.score(query, documents, &score, space,
                          [&](std::size_t layer, mice::nn::matrix_view x) {
                              const auto expected =
                                  golden::floats(numbers, "pair" + std::to_string(i) + ".hidden" +
                                                              std::to_string(layer + 1));
                              const bool last = layer + 1 == model.config().layers;
                              CHECK(x.rows == (last ? 1 : pairs[i]["input_ids"].size()));
                              float largest = 0;
                              for (std::size_t at = 0; at < x.rows * hidden; ++at) {
                                  const float actual = x.row(at / hidden)[at % hidden];
                                  largest = std::max(largest, std::fabs(actual - expected[at]));
                              }
                              CHECK(largest <= 2e-4F);
                              ++compared;
                          });
            CHECK(compared == 3);
        }
    }
}

TEST_CASE("RoBERTa tokenizers of all forms give the ids of transformers") {
    for (const std::string form : {"vocab.json", "sentencepiece.bpe.model", "tokenizer.json"}) {
        INFO(form);
        const std::string name = form == "vocab.json" ? "roberta" : "xlmr";
        const roberta_checkpoint checkpoint(name);
        if (form == "tokenizer.json") { // alone, as newer checkpoints have it
            checkpoint.remove("sentencepiece.bpe.model");
            for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
                checkpoint.write(file, file_text(roberta_folder("xlmr_tokenizer_json") / file));
            }
        }
        const converted model(checkpoint);
        CHECK_THAT(model.said(), Contains("/" + form));
        for (const json& pair : roberta_pairs(name)) {
            const auto query = pair["query"].get<std::string>();
            const auto document = pair["document"].get<std::string>();
            INFO(query);
            const mice::query encoded = model.ranker.encode_query(query);
            const mice::document passage = model.ranker.encode(document);
            const token_list query_ids(encoded.ids().begin(), encoded.ids().end());
            const token_list document_ids(passage.ids().begin(), passage.ids().end());
            CHECK(query_ids == pair["query_ids"].get<token_list>());
            CHECK(document_ids == pair["document_ids"].get<token_list>());
            const auto score = model.ranker.score(query, {document})[0].score;
            CHECK(std::fabs(static_cast<double>(score) - pair["score"].get<double>()) <= 1e-4);
            // <s> query </s> and then </s> document </s>
            token_list joined = query_ids;
            joined.push_back(query_ids.back());
            joined.insert(joined.end(), document_ids.begin() + 1, document_ids.end());
            CHECK(joined == pair["input_ids"].get<token_list>());
        }
    }
}

TEST_CASE("add_prefix_space beside a vocab.json is read") {
    const roberta_checkpoint checkpoint("roberta");
    checkpoint.write("tokenizer_config.json",
                     R"({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true})");
    const converted model(checkpoint);
    for (const json& pair : roberta_pairs("roberta")) {
        const mice::query query = model.ranker.encode_query(pair["query"].get<std::string>());
        token_list ids(query.ids().begin(), query.ids().end());
        const auto expected = pair["input_ids_with_prefix_space"].get<token_list>();
        REQUIRE(ids.size() <= expected.size());
        CHECK(std::equal(ids.begin(), ids.end(), expected.begin()));
    }
}

TEST_CASE("a vocab.json needs merges and a tokenizer that is RoBERTa's") {
    {
        const roberta_checkpoint checkpoint("roberta");
        checkpoint.remove("tokenizer_config.json"); // config.json says enough
        CHECK(checkpoint.convert().exit_code == 0);
        checkpoint.remove("merges.txt");
        std::filesystem::remove(checkpoint.output());
        CHECK_THAT(checkpoint.refused(), Contains("merges.txt"));
        checkpoint.write("merges.txt", "#version: 0.2\nl l l\n");
        CHECK_THAT(checkpoint.refused(), Contains("merges.txt") || Contains("merge 0"));
        checkpoint.write("merges.txt", "#version: 0.2\nqq zz\n");
        CHECK_THAT(checkpoint.refused(), Contains("'qq'"));
    }
    {
        const roberta_checkpoint checkpoint("roberta");
        checkpoint.write("tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer"})");
        CHECK_THAT(checkpoint.refused(), Contains("GPT2Tokenizer"));
        checkpoint.write("vocab.json", R"(["not", "an", "object"])");
        checkpoint.write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
        CHECK_THAT(checkpoint.refused(), Contains("vocab.json"));
        checkpoint.write("vocab.json", R"({"a": 0})");
        CHECK_THAT(checkpoint.refused(), Contains("'<s>'"));
    }
}

TEST_CASE("masked RoBERTa cross-encoders score as transformers does under those masks") {
    for (const char* masks : {"masked:document-alone", "masked:document-alone,restart",
                              "masked:split=2,restart", "masked:query-not-cls,cls-not-document"}) {
        INFO(masks);
        const converted model(roberta_checkpoint("xlmr"), {"--derive", masks});
        const bool stores = model.config().states_per_token() > 0;
        CHECK(stores == std::string(masks).ends_with("restart"));
        for (const json& pair : roberta_pairs("xlmr")) {
            INFO(pair["query"]);
            model.check(pair, masks);
        }
    }
}

TEST_CASE("a MICE model derived of RoBERTa keeps its head and scores as its layers say") {
    const converted model(roberta_checkpoint("xlmr"), {"--derive", "l2+1"});
    CHECK(model.config().kind == mice::model_kind::mice);
    CHECK(model.config().pooler);
    const std::vector<std::byte> bytes =
        golden::read_bytes(roberta_folder("xlmr") / "golden.safetensors");
    const mice::io::safetensors numbers(bytes);
    const json pairs = roberta_pairs("xlmr");
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        INFO(pairs[i]["query"]);
        model.check(pairs[i], "mice");
        const mice::document document =
            model.ranker.encode_ids(pairs[i]["document_ids"].get<token_list>());
        const auto expected = golden::floats(numbers, "pair" + std::to_string(i) + ".document");
        REQUIRE(document.states().size() == expected.size());
        float largest = 0;
        for (std::size_t at = 0; at < expected.size(); ++at) {
            largest = std::max(largest, std::fabs(document.states()[at] - expected[at]));
        }
        CHECK(largest <= 2e-4F);
    }
}

TEST_CASE("late interaction on XLM-RoBERTa scores as transformers' layers say") {
    const converted model{roberta_checkpoint("xlmr_colbert")};
    CHECK(model.config().kind == mice::model_kind::late_interaction);
    for (const json& pair : roberta_pairs("xlmr_colbert")) {
        model.check(pair);
    }
}

TEST_CASE("a plain RoBERTa backbone becomes a MICE model with its pooler") {
    roberta_checkpoint checkpoint("xlmr"); // as XLMRobertaForMaskedLM and XLMRobertaModel save it
    const auto width = checkpoint.config["hidden_size"].get<std::size_t>();
    std::erase_if(checkpoint.tensors,
                  [](const auto& each) { return each.first.starts_with("classifier."); });
    checkpoint.tensors["lm_head.bias"] = float_tensor({7}, std::vector<float>(7));
    CHECK_THAT(checkpoint.refused(), Contains("plain backbone") && Contains("--derive l2+1"));
    {
        const converted model(checkpoint, {"--derive", "l2+1"});
        CHECK_THAT(model.said(), Contains("dropped the head 'lm_head.*'"));
        CHECK(!model.config().pooler);
    }
    checkpoint.tensors["roberta.pooler.dense.weight"] =
        float_tensor({width, width}, std::vector<float>(width * width, 0.125F));
    checkpoint.tensors["roberta.pooler.dense.bias"] =
        float_tensor({width}, std::vector<float>(width, 0.5F));
    const converted model(checkpoint, {"--derive", "l1+2"});
    CHECK(model.config().pooler);
    for (const json& pair : roberta_pairs("xlmr")) {
        const auto query = pair["query_ids"].get<token_list>();
        const auto document = pair["document_ids"].get<token_list>();
        CHECK(std::fabs(static_cast<double>(model.score(query, document)) -
                        model.reference.score(query, document)) <= 1e-4);
    }
}

TEST_CASE("positions of RoBERTa begin behind its padding") {
    const converted model{roberta_checkpoint("xlmr")};
    CHECK(model.config().max_position_embeddings == 64); // of 66
    CHECK(model.config().max_pair_length == 64);
    CHECK(model.config().max_query_length == 61); // <s> .. </s> and </s> d </s>
    CHECK_THAT(model.said(), Contains("dropped the first 2 of 66 positions"));

    roberta_checkpoint checkpoint("xlmr");
    for (const json& wrong : {json(-1), json("1"), json(63.5)}) {
        checkpoint.config["pad_token_id"] = wrong;
        CHECK_THAT(checkpoint.refused(), Contains("pad_token_id"));
    }
    for (const json& wrong : {json(64), json(66), json(18446744073709551615U)}) {
        checkpoint.config["pad_token_id"] = wrong;
        CHECK_THAT(checkpoint.refused(), Contains("max_position_embeddings"));
    }
    checkpoint.config.erase("pad_token_id"); // 1 in transformers
    CHECK(checkpoint.convert().exit_code == 0);
    std::filesystem::remove(checkpoint.output());
    checkpoint.config["max_position_embeddings"] = 64; // the mistake of those who mean the usable
    CHECK_THAT(checkpoint.refused(),
               Contains("position_embeddings") && Contains("[64,") && Contains("[66, 24]"));
    checkpoint.config["max_position_embeddings"] = 66;
    checkpoint.config["position_embedding_type"] = "relative_key";
    CHECK_THAT(checkpoint.refused(), Contains("relative_key"));
}

TEST_CASE("RoBERTa may have one type of tokens or none") {
    roberta_checkpoint checkpoint("xlmr");
    named(checkpoint, "roberta.embeddings.token_type_embeddings.weight") =
        float_tensor({1, 24}, std::vector<float>(24));
    const converted zeros(checkpoint);
    checkpoint.tensors.erase("roberta.embeddings.token_type_embeddings.weight");
    CHECK_THAT(checkpoint.convert().err, Contains("token_type_embeddings.weight' is missing"));
    checkpoint.config["type_vocab_size"] = 0;
    const converted none(checkpoint);
    CHECK(none.config().type_vocab_size == 0);
    for (const json& pair : roberta_pairs("xlmr")) {
        const auto query = pair["query_ids"].get<token_list>();
        const auto document = pair["document_ids"].get<token_list>();
        CHECK(none.score(query, document) == zeros.score(query, document));
        CHECK(none.reference.score(query, document) == zeros.reference.score(query, document));
    }
}

TEST_CASE("a head of RoBERTa that is not whole is refused by its tensor") {
    const auto without = [](const std::string& name) {
        roberta_checkpoint checkpoint("xlmr");
        named(checkpoint, name);
        checkpoint.tensors.erase(name);
        return checkpoint.refused();
    };
    for (const char* name : {"classifier.dense.weight", "classifier.dense.bias",
                             "classifier.out_proj.weight", "classifier.out_proj.bias"}) {
        CHECK_THAT(without(name), Contains("'" + std::string(name) + "' is missing"));
    }
    CHECK_THAT(without("roberta.encoder.layer.1.attention.self.key.bias"),
               Contains("'layers.1.attention.self.key.bias' is missing"));
    {
        roberta_checkpoint labels("xlmr");
        labels.tensors["classifier.out_proj.weight"] =
            float_tensor({3, 24}, std::vector<float>(72, 0.5F));
        CHECK_THAT(labels.refused(), Contains("3 labels"));
        CHECK_THAT(labels.refused({"--derive", "l2+1"}), Contains("3 labels"));
    }
    {
        roberta_checkpoint shape("xlmr");
        shape.tensors["classifier.dense.weight"] =
            float_tensor({12, 24}, std::vector<float>(288, 0.5F));
        CHECK_THAT(shape.refused(), Contains("classifier.dense.weight") && Contains("[12, 24]"));
        CHECK_THAT(shape.refused({"--derive", "l2+1"}), Contains("[12, 24]"));
    }
    {
        roberta_checkpoint other("xlmr");
        other.config["architectures"] = {"XLMRobertaForTokenClassification"};
        CHECK_THAT(other.refused(), Contains("XLMRobertaForTokenClassification"));
    }
    {
        roberta_checkpoint decoder("xlmr");
        decoder.config["is_decoder"] = true;
        CHECK_THAT(decoder.refused(), Contains("is_decoder"));
        decoder.config["is_decoder"] = false;
        decoder.config["hidden_act"] = "relu";
        CHECK_THAT(decoder.refused(), Contains("relu"));
        decoder.config["model_type"] = "xlm-roberta-xl"; // norms stand before the blocks
        CHECK_THAT(decoder.refused(), Contains("xlm-roberta-xl") && Contains("RoBERTa"));
    }
}

TEST_CASE("a tokenizer that joins pairs in another way than the model is refused") {
    const roberta_checkpoint checkpoint("roberta");
    const std::string bert =
        (golden::data_folder() / "tokenizers/wordpiece_uncased/vocab.txt").string();
    roberta_checkpoint large("roberta");
    large.config["vocab_size"] = 40000;
    named(large, "roberta.embeddings.word_embeddings.weight") =
        float_tensor({40000, 24}, std::vector<float>(40000 * 24, 0.25F));
    CHECK_THAT(large.refused({"--tokenizer", bert}),
               Contains("[CLS] query [SEP] [SEP] document [SEP]") && Contains("--tokenizer"));
    CHECK(large.convert({"--ids-only"}).exit_code == 0);
}

TEST_CASE("int8 and f16 RoBERTa files and their self-tests agree with the reference") {
    for (const char* format : {"f16", "int8"}) {
        const roberta_checkpoint checkpoint("xlmr");
        const converted model(checkpoint, {"--weights", format, "--self-test", "4"});
        const read_model file(checkpoint.output());
        const auto scores = file.tensor("selftest.scores");
        REQUIRE(scores.elements() == 4);
        for (const json& pair : roberta_pairs("xlmr")) {
            const auto query = pair["query_ids"].get<token_list>();
            const auto document = pair["document_ids"].get<token_list>();
            CHECK(std::fabs(static_cast<double>(model.score(query, document)) -
                            model.reference.score(query, document)) <= 1e-4);
        }
    }
}
