// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "convert_fixture.hpp"

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;

namespace {

using name_map = std::map<std::string, std::string>; // model file -> backbone

void expect_layer(name_map& names, const owned_tensors& source, const std::string& from,
                  const std::string& to) {
    for (const auto& [name, tensor] : source) {
        if (name.starts_with(from)) {
            names[to + name.substr(from.size())] = name;
        }
    }
}

std::string encoder_layer(const std::string& prefix, int layer) {
    return prefix + "encoder.layer." + std::to_string(layer) + ".";
}

void expect_interaction(name_map& names, const owned_tensors& source, const std::string& prefix,
                        int layer, int backbone_layer) {
    const std::string from = encoder_layer(prefix, backbone_layer);
    const std::string to = "top_layers." + std::to_string(layer) + ".";
    expect_layer(names, source, from, to);
    expect_layer(names, source, from + "attention.", to + "crossattention.");
}

void expect_rest(name_map& names, const owned_tensors& source, const std::string& prefix) {
    for (const char* part : {"embeddings.", "embeddings_project.", "pooler."}) {
        expect_layer(names, source, prefix + part, part);
    }
    expect_layer(names, source, "classifier.", "classifier.");
}

/// Every tensor of the model file is the expected one, and none is missing.
void check_mapping(const std::filesystem::path& path, const name_map& names,
                   const owned_tensors& source) {
    const read_model model(path);
    for (const auto& [name, origin] : names) {
        INFO(name << " from " << origin);
        const auto& view = model.tensor(name);
        const owned_tensor& expected = source.at(origin);
        CHECK(view.shape == expected.shape);
        CHECK(std::equal(view.bytes.begin(), view.bytes.end(), expected.bytes.begin(),
                         expected.bytes.end()));
    }
    for (const auto& [name, view] : model.contents.tensors()) {
        INFO(name);
        CHECK((names.contains(name) || name.starts_with("classifier.")));
    }
}

/// The same tensors under names without `prefix`.
owned_tensors without_prefix(const owned_tensors& tensors, const std::string& prefix) {
    owned_tensors result;
    for (const auto& [name, tensor] : tensors) {
        result[name.starts_with(prefix) ? name.substr(prefix.size()) : name] = tensor;
    }
    return result;
}

} // namespace

TEST_CASE("a cross-encoder becomes MICE layer by layer") {
    editable_checkpoint checkpoint("cross_encoder_bert"); // three layers
    const convert_result result = checkpoint.save_and_convert({"--derive", "l1+2"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.err, Contains("untrained cross-attention"));
    name_map names;
    expect_rest(names, checkpoint.tensors, "bert.");
    expect_layer(names, checkpoint.tensors, encoder_layer("bert.", 0), "bottom_layers.0.");
    expect_interaction(names, checkpoint.tensors, "bert.", 0, 1);
    expect_interaction(names, checkpoint.tensors, "bert.", 1, 2);
    REQUIRE(names.size() == 5 + 16 + 2 * 26 + 2 + 2);
    check_mapping(checkpoint.output(), names, checkpoint.tensors);
    const auto config = read_model(checkpoint.output()).config();
    CHECK(config["n_contextualization_layers"] == 1);
    CHECK(config["n_docs_ctx_layers"] == 1);
    CHECK(config["n_interaction_layers"] == 2);
    CHECK(config["cross_attn_first"] == true);
    CHECK(config["cls_cross_attention"] == "full");
    CHECK(config["mask_query_to_cls"] == true);
    CHECK(config["pooler"] == true);
    CHECK_THAT(read_model(checkpoint.output()).metadata("mice.provenance.derived"),
               Contains("l1+2"));
}

TEST_CASE("all takes every layer above the cut and layers beyond it are dropped") {
    editable_checkpoint checkpoint("cross_encoder_bert");
    REQUIRE(checkpoint.save_and_convert({"--derive", "l1+all"}).exit_code == 0);
    CHECK(read_model(checkpoint.output()).config()["n_interaction_layers"] == 2);
    REQUIRE(checkpoint.convert({"--derive", "l1+1"}).exit_code == 0);
    name_map names;
    expect_rest(names, checkpoint.tensors, "bert.");
    expect_layer(names, checkpoint.tensors, encoder_layer("bert.", 0), "bottom_layers.0.");
    expect_interaction(names, checkpoint.tensors, "bert.", 0, 1);
    check_mapping(checkpoint.output(), names, checkpoint.tensors);
}

TEST_CASE("the interaction layers may be taken from elsewhere") {
    editable_checkpoint checkpoint("cross_encoder_bert");
    REQUIRE(checkpoint.save_and_convert({"--derive", "l2+1", "--from-layer", "0"}).exit_code == 0);
    name_map names;
    expect_rest(names, checkpoint.tensors, "bert.");
    expect_layer(names, checkpoint.tensors, encoder_layer("bert.", 0), "bottom_layers.0.");
    expect_layer(names, checkpoint.tensors, encoder_layer("bert.", 1), "bottom_layers.1.");
    expect_interaction(names, checkpoint.tensors, "bert.", 0, 0);
    check_mapping(checkpoint.output(), names, checkpoint.tensors);
}

TEST_CASE("a derived model may have untied sides of different depth") {
    editable_checkpoint checkpoint("cross_encoder_bert");
    REQUIRE(checkpoint
                .save_and_convert({"--derive", "l1+1", "--bound-bottom-layers", "false",
                                   "--n-docs-ctx-layers", "2", "--cross-attn-first", "false",
                                   "--cls-cross-attention", "mean_skip_last"})
                .exit_code == 0);
    name_map names;
    expect_rest(names, checkpoint.tensors, "bert.");
    const auto& source = checkpoint.tensors;
    expect_layer(names, source, encoder_layer("bert.", 0), "query_bottom_layers.0.");
    expect_layer(names, source, encoder_layer("bert.", 0), "document_bottom_layers.0.");
    expect_layer(names, source, encoder_layer("bert.", 1), "document_bottom_layers.1.");
    expect_interaction(names, source, "bert.", 0, 1);
    check_mapping(checkpoint.output(), names, source);
    const auto config = read_model(checkpoint.output()).config();
    CHECK(config["n_docs_ctx_layers"] == 2);
    CHECK(config["cross_attn_first"] == false);
    CHECK(config["cls_cross_attention"] == "mean_skip_last");
}

TEST_CASE("a backbone without a classifier gets a small random one, the same every time") {
    editable_checkpoint checkpoint("cross_encoder_bert");
    checkpoint.tensors.erase("classifier.weight");
    checkpoint.tensors.erase("classifier.bias");
    checkpoint.tensors = without_prefix(checkpoint.tensors, "bert.");
    checkpoint.tensors["cls.predictions.bias"] = float_tensor({3}, {1, 2, 3}); // a pretraining head
    checkpoint.config["initializer_range"] = 0.5;
    const convert_result result = checkpoint.save_and_convert({"--derive", "l1+2"});
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.err, Contains("fine-tuned"));
    CHECK_THAT(result.out, Contains("dropped the head 'cls.*'"));
    name_map names;
    expect_rest(names, checkpoint.tensors, "");
    expect_layer(names, checkpoint.tensors, encoder_layer("", 0), "bottom_layers.0.");
    expect_interaction(names, checkpoint.tensors, "", 0, 1);
    expect_interaction(names, checkpoint.tensors, "", 1, 2);
    check_mapping(checkpoint.output(), names, checkpoint.tensors);
    const std::string first = file_text(checkpoint.output());
    const read_model model(checkpoint.output());
    const auto& weight = model.tensor("classifier.weight");
    REQUIRE(weight.elements() == 24);
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < weight.elements(); ++i) {
        sum += weight.at<float>(i);
        squares += weight.at<float>(i) * weight.at<float>(i);
    }
    CHECK(std::abs(sum / 24) < 0.4); // four standard errors of a deviation of 0.5
    CHECK(std::sqrt(squares / 24) > 0.25);
    CHECK(std::sqrt(squares / 24) < 0.8);
    CHECK(model.tensor("classifier.bias").at<float>(0) == 0.0F);
    REQUIRE(checkpoint.convert({"--derive", "l1+2"}).exit_code == 0);
    CHECK(file_text(checkpoint.output()) == first);
}

TEST_CASE("an ELECTRA discriminator becomes MICE without a pooler") {
    editable_checkpoint checkpoint("electra_small");
    // The discriminator as Hugging Face saves it, made of the MICE model's own layers.
    owned_tensors tensors;
    for (const auto& [name, tensor] : checkpoint.tensors) {
        if (name.starts_with("embeddings")) {
            tensors["electra." + name] = tensor;
        } else if (name.starts_with("bottom_layers.")) {
            tensors["electra.encoder.layer." + name.substr(14)] = tensor;
        }
    }
    tensors["discriminator_predictions.dense.weight"] = float_tensor({2, 2}, {1, 2, 3, 4});
    nlohmann::json config;
    for (const char* key : {"model_type", "vocab_size", "hidden_size", "num_attention_heads",
                            "intermediate_size", "max_position_embeddings", "embedding_size"}) {
        config[key] = checkpoint.config[key];
    }
    config["num_hidden_layers"] = 2;
    checkpoint.config = config;
    checkpoint.tensors = tensors;
    const convert_result result = checkpoint.save_and_convert({"--derive", "l1+all"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    name_map names;
    expect_rest(names, tensors, "electra.");
    expect_layer(names, tensors, encoder_layer("electra.", 0), "bottom_layers.0.");
    expect_interaction(names, tensors, "electra.", 0, 1);
    check_mapping(checkpoint.output(), names, tensors);
    const auto written = read_model(checkpoint.output()).config();
    CHECK(written["pooler"] == false);
    CHECK(written["embedding_size"] == 20);
    CHECK_THAT(result.out, Contains("discriminator_predictions"));
}

TEST_CASE("names from TensorFlow checkpoints are understood") {
    editable_checkpoint checkpoint("cross_encoder_bert");
    owned_tensors renamed;
    for (const auto& [name, tensor] : checkpoint.tensors) {
        std::string old = name;
        if (const auto place = old.find("LayerNorm.weight"); place != std::string::npos) {
            old.replace(place, std::string::npos, "LayerNorm.gamma");
        } else if (const auto bias = old.find("LayerNorm.bias"); bias != std::string::npos) {
            old.replace(bias, std::string::npos, "LayerNorm.beta");
        }
        renamed[old] = tensor;
    }
    checkpoint.tensors = renamed;
    const convert_result result = checkpoint.save_and_convert({"--derive", "l1+1"});
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("renamed LayerNorm.gamma"));
    const read_model model(checkpoint.output());
    const auto& view = model.tensor("top_layers.0.crossattention.output.LayerNorm.weight");
    const auto& expected =
        renamed.at("bert.encoder.layer.1.attention.output.LayerNorm.gamma").bytes;
    CHECK(std::equal(view.bytes.begin(), view.bytes.end(), expected.begin(), expected.end()));
}

TEST_CASE("what cannot be derived is refused with the reason") {
    const auto error_of = [](editable_checkpoint& checkpoint, std::vector<std::string> flags) {
        const convert_result result = checkpoint.save_and_convert(flags);
        CHECK(result.exit_code == 1);
        CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
        CHECK(!std::filesystem::exists(checkpoint.output()));
        return result.err;
    };
    editable_checkpoint checkpoint("cross_encoder_bert");
    for (const char* cut :
         {"l4", "4+3", "l+3", "l1+", "l1+0", "l-1+2", "l1+2x", "l1 +2", "+", ""}) {
        if (*cut != '\0') {
            CHECK_THAT(error_of(checkpoint, {"--derive", cut}), Contains("such as --derive l2+1"));
        }
    }
    CHECK_THAT(error_of(checkpoint, {"--derive", "l1+3"}), Contains("2 are left for interaction"));
    CHECK_THAT(error_of(checkpoint, {"--derive", "l3+all"}), Contains("only 3 layers"));
    CHECK_THAT(error_of(checkpoint, {"--derive", "l1+1", "--from-layer", "3"}), Contains("only 3"));
    CHECK_THAT(error_of(checkpoint, {"--derive", "l99999999999+1"}), Contains("only 3 layers"));
    CHECK_THAT(error_of(checkpoint, {"--derive", "l1+1", "--global-cls-token", "true"}),
               Contains("global_cls_token needs trained tensors"));
    CHECK_THAT(error_of(checkpoint, {"--derive", "l1+1", "--compress-dim", "2"}),
               Contains("compress_dim needs trained tensors"));
    CHECK_THAT(error_of(checkpoint, {"--derive", "l1+1", "--interaction-layers", "2"}),
               Contains("n_interaction_layers is given as well"));

    editable_checkpoint labels("cross_encoder_bert");
    labels.tensors["classifier.weight"] = float_tensor({2, 24}, std::vector<float>(48, 0.5F));
    labels.tensors["classifier.bias"] = float_tensor({2}, {0, 0});
    CHECK_THAT(error_of(labels, {"--derive", "l1+1"}), Contains("2 labels"));

    editable_checkpoint mice_model("bert_untied");
    CHECK_THAT(error_of(mice_model, {"--derive", "l1+1"}), Contains("a MICE model already"));

    editable_checkpoint extra("cross_encoder_bert");
    extra.tensors["bert.encoder.layer.0.attention.self.querry.weight"] = float_tensor({1}, {0});
    CHECK_THAT(error_of(extra, {"--derive", "l1+1"}),
               Contains("querry") && Contains("'layers.0.attention.self.query.weight'"));

    editable_checkpoint missing("cross_encoder_bert");
    missing.tensors.erase("bert.encoder.layer.2.output.dense.bias");
    CHECK_THAT(error_of(missing, {"--derive", "l1+1"}),
               Contains("'layers.2.output.dense.bias' is missing"));
}

TEST_CASE("a ModernBERT cross-encoder becomes MICE, its fused projections cut in three") {
    editable_checkpoint checkpoint("cross_encoder_modernbert_mean");
    const convert_result result = checkpoint.save_and_convert({"--derive", "l1+2", "--ids-only"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const read_model model(checkpoint.output());
    CHECK(model.config()["layer_types"].size() == 3);
    CHECK(model.config()["sliding_window"] == 0);
    CHECK(model.config()["classifier_pooling"] == "mean");
    const owned_tensor& fused = checkpoint.tensors.at("model.layers.2.attn.Wqkv.weight");
    const auto& query = model.tensor("top_layers.1.crossattention.q_proj.weight");
    REQUIRE(query.bytes.size() * 3 == fused.bytes.size());
    CHECK(std::equal(query.bytes.begin(), query.bytes.end(), fused.bytes.begin()));
    // keys and values of documents hold the weight of the norm before them
    const owned_tensor& norm = checkpoint.tensors.at("model.layers.2.attn_norm.weight");
    const auto& value = model.tensor("top_layers.1.crossattention.v_proj.weight");
    const auto number = [](const owned_tensor& tensor, std::size_t i) {
        float result = 0;
        std::memcpy(&result, tensor.bytes.data() + i * sizeof result, sizeof result);
        return result;
    };
    const std::size_t width = value.shape[1];
    for (std::size_t i = 0; i < value.elements(); ++i) {
        REQUIRE(value.at<float>(i) ==
                number(fused, 2 * value.elements() + i) * number(norm, i % width));
    }
    CHECK_THAT(checkpoint.save_and_convert({"--derive", "l1+1", "--from-layer", "2"}).err,
               Contains("--from-layer"));
}

TEST_CASE("a cross-encoder becomes each masked step on the way to MICE") {
    editable_checkpoint checkpoint("cross_encoder_bert");
    const auto visibility = [&](const char* masks) {
        const convert_result result =
            checkpoint.save_and_convert({"--derive", masks, "--ids-only"});
        INFO(masks << ": " << result.err);
        REQUIRE(result.exit_code == 0);
        CHECK_THAT(result.err, Contains("fine-tune"));
        return read_model(checkpoint.output()).config();
    };
    const auto range = [](int layers, const char* cls, const char* query, const char* document,
                          int window) {
        return nlohmann::json{{"layers", layers},
                              {"cls", cls},
                              {"query", query},
                              {"document", document},
                              {"document_window", window}};
    };
    using nlohmann::json;
    CHECK(visibility("masked:document-alone")["visibility"] ==
          json::array({range(3, "cqd", "cqd", "d", 0)}));
    CHECK(visibility("masked:document-alone,query-not-cls,cls-not-document")["visibility"] ==
          json::array({range(3, "cq", "qd", "d", 0)}));
    const json split = visibility("masked:split=2,window=4");
    CHECK(split["visibility"] ==
          json::array({range(2, "cq", "cq", "d", 4), range(1, "cqd", "cqd", "cqd", 4)}));
    CHECK(split["positions_restart"] == false);
    const json stored = visibility("masked:split=3,restart");
    CHECK(stored["visibility"] == json::array({range(3, "cq", "cq", "d", 0)}));
    CHECK(stored["positions_restart"] == true);
    CHECK(stored["max_query_length"].get<int>() + stored["max_document_length"].get<int>() - 1 ==
          stored["max_pair_length"].get<int>());
    for (const char* wrong : {"masked", "masked:", "masked:nothing", "masked:split=0",
                              "masked:split=x", "masked:split=4", "masked:window=", "masked:,"}) {
        const convert_result result =
            checkpoint.save_and_convert({"--derive", wrong, "--ids-only"});
        CHECK(result.exit_code == 1);
        CHECK_THAT(result.err, Contains("masked") || Contains("layers"));
    }
    editable_checkpoint other("bert_untied");
    CHECK_THAT(other.save_and_convert({"--derive", "masked:document-alone"}).err,
               Contains("cross-encoder"));
}
