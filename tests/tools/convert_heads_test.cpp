// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "convert_fixture.hpp"

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;

// Which heads a checkpoint must have, and which keys of its configuration matter.
namespace {

std::string refused(const editable_checkpoint& checkpoint,
                    const std::vector<std::string>& flags = {}) {
    const convert_result result = checkpoint.save_and_convert(flags);
    INFO(result.err);
    CHECK(result.exit_code == 1);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(!std::filesystem::exists(checkpoint.output()));
    return result.err;
}

convert_result convert_head(const editable_checkpoint& checkpoint,
                            const std::vector<std::string>& flags = {}) {
    convert_result result = checkpoint.save_and_convert(flags);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return result;
}

struct without_pooler : editable_checkpoint {
    without_pooler() : editable_checkpoint("cross_encoder_bert") {
        tensors.erase("bert.pooler.dense.weight");
        tensors.erase("bert.pooler.dense.bias");
    }
};

/// ElectraForSequenceClassification with the layers of a golden MICE model.
struct electra_cross_encoder : editable_checkpoint {
    electra_cross_encoder() : editable_checkpoint("electra_small") {
        owned_tensors kept;
        for (const auto& [name, tensor] : tensors) {
            if (name.starts_with("embeddings")) {
                kept["electra." + name] = tensor;
            } else if (name.starts_with("bottom_layers.")) {
                kept["electra.encoder.layer." + name.substr(14)] = tensor;
            }
        }
        const auto width = config["hidden_size"].get<std::size_t>();
        kept["classifier.dense.weight"] =
            float_tensor({width, width}, std::vector<float>(width * width, 0.25F));
        kept["classifier.dense.bias"] = float_tensor({width}, std::vector<float>(width, 0.5F));
        kept["classifier.out_proj.weight"] = float_tensor({1, width}, std::vector<float>(width, 1));
        kept["classifier.out_proj.bias"] = float_tensor({1}, {0});
        tensors = std::move(kept);
        json backbone{{"num_hidden_layers", 2}};
        for (const char* key : {"model_type", "vocab_size", "hidden_size", "num_attention_heads",
                                "intermediate_size", "max_position_embeddings", "embedding_size"}) {
            backbone[key] = config[key];
        }
        config = backbone;
    }
};

} // namespace

TEST_CASE("fault 10: a BERT cross-encoder without its pooler is refused by name") {
    const without_pooler checkpoint;
    CHECK_THAT(refused(checkpoint), Contains("'pooler.dense.weight' is missing") &&
                                        Contains("always has a pooler") &&
                                        Contains("--pooler false"));
    CHECK_THAT(refused(checkpoint, {"--weights", "int8"}), Contains("--pooler false"));
    CHECK_THAT(refused(checkpoint, {"--derive", "l2+1"}), Contains("--pooler false"));
    CHECK_THAT(refused(checkpoint, {"--derive", "masked:document-alone"}),
               Contains("--pooler false"));
    CHECK_THAT(refused(checkpoint, {"--pooler", "true"}),
               Contains("'pooler.dense.weight' is missing"));
    CHECK_THAT(convert_head(checkpoint, {"--pooler", "false"}).out, Contains("pooler: no"));
    CHECK(read_model(checkpoint.output()).config()["pooler"] == false);
    std::filesystem::remove(checkpoint.output());
    without_pooler said;
    said.config["pooler"] = false;
    convert_head(said);
    CHECK(read_model(said.output()).config()["pooler"] == false);
}

TEST_CASE("fault 10: half a pooler is no pooler and a pooler that is switched off goes") {
    editable_checkpoint half("cross_encoder_bert");
    half.tensors.erase("bert.pooler.dense.weight");
    CHECK_THAT(refused(half), Contains("'pooler.dense.weight' is missing"));
    const editable_checkpoint whole("cross_encoder_bert");
    CHECK_THAT(convert_head(whole, {"--pooler", "false"}).out, Contains("dropped the pooler"));
    CHECK(read_model(whole.output()).contents.find("pooler.dense.weight") == nullptr);
}

TEST_CASE("fault 10: backbones and MICE models may have none and the summary says so") {
    const editable_checkpoint mice_model("bert_no_pooler");
    CHECK_THAT(convert_head(mice_model).out,
               Contains("pooler = false: the checkpoint has no 'pooler.dense'"));
    without_pooler backbone;
    backbone.tensors.erase("classifier.weight");
    backbone.tensors.erase("classifier.bias");
    CHECK_THAT(convert_head(backbone, {"--derive", "l2+1"}).out, Contains("pooler: no"));
}

TEST_CASE("fault 10: no part of any head may be missing or be of another family") {
    const auto check_each = [](const auto& make, const std::vector<std::string>& names) {
        for (const std::string& name : names) {
            auto checkpoint = make();
            INFO(name);
            REQUIRE(checkpoint.tensors.erase(name) == 1);
            const std::string bare = name.starts_with("model.") ? name.substr(6) : name;
            CHECK_THAT(refused(checkpoint), Contains("'" + bare + "' is missing"));
        }
    };
    convert_head(electra_cross_encoder());
    check_each([] { return electra_cross_encoder(); },
               {"classifier.dense.weight", "classifier.dense.bias", "classifier.out_proj.weight",
                "classifier.out_proj.bias"});
    check_each([] { return editable_checkpoint("cross_encoder_modernbert_cls"); },
               {"head.dense.weight", "head.norm.weight", "model.final_norm.weight",
                "classifier.weight", "classifier.bias"});
    check_each([] { return editable_checkpoint("cross_encoder_bert"); },
               {"classifier.weight", "classifier.bias"});
    electra_cross_encoder pooled;
    pooled.tensors["electra.pooler.dense.bias"] = pooled.tensors["classifier.dense.bias"];
    CHECK_THAT(refused(pooled), Contains("'pooler.dense.bias' does not belong"));
    editable_checkpoint tokens("cross_encoder_bert");
    tokens.config["architectures"] = {"BertForTokenClassification"};
    CHECK_THAT(refused(tokens), Contains("'BertForTokenClassification'"));
}

TEST_CASE("fault 12: keys that a family does not read change nothing") {
    const auto check_same = [](const char* golden,
                               const std::vector<std::pair<const char*, json>>& keys) {
        const editable_checkpoint plain(golden);
        convert_head(plain, {"--ids-only"});
        for (const auto& [key, value] : keys) {
            editable_checkpoint checkpoint(golden);
            checkpoint.config[key] = value;
            INFO(golden << " " << key << " " << value);
            convert_head(checkpoint, {"--ids-only"});
            CHECK(file_text(checkpoint.output()) == file_text(plain.output()));
        }
    };
    check_same("cross_encoder_modernbert_mean", {{"position_embedding_type", "sans_pos"},
                                                 {"position_embedding_type", "relative_key"},
                                                 {"is_decoder", true},
                                                 {"pruned_heads", {{"1", {0}}}},
                                                 {"rope_scaling", nullptr},
                                                 {"rope_scaling", {{"rope_type", "default"}}},
                                                 {"rope_scaling", {{"type", "default"}}},
                                                 {"partial_rotary_factor", 1.0},
                                                 {"hidden_activation", "gelu_python"},
                                                 {"classifier_activation", "gelu_python"},
                                                 {"hidden_act", "silu"},
                                                 {"layer_norm_eps", 0.5},
                                                 {"decoder_bias", true}});
    check_same("cross_encoder_bert", {{"position_embedding_type", "absolute"},
                                      {"position_embedding_type", nullptr},
                                      {"norm_bias", true},
                                      {"attention_bias", true},
                                      {"mlp_bias", true},
                                      {"classifier_bias", true},
                                      {"rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}}},
                                      {"classifier_activation", "relu"},
                                      {"hidden_act", "gelu_python"},
                                      {"embedding_size", 128},
                                      {"pruned_heads", json::object()},
                                      {"layer_types", {"full_attention"}},
                                      {"local_attention", 3},
                                      {"add_cross_attention", true}});
    check_same("modernbert_window", {{"position_embedding_type", "sans_pos"}});
}

TEST_CASE("fault 12: keys that change a result are refused by name") {
    const auto with = [](const char* golden, const char* key, const json& value) {
        editable_checkpoint checkpoint(golden);
        checkpoint.config[key] = value;
        return refused(checkpoint, {"--ids-only"});
    };
    const char* const modern = "cross_encoder_modernbert_cls";
    CHECK_THAT(with(modern, "rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}}),
               Contains("'rope_scaling'"));
    CHECK_THAT(with(modern, "rope_scaling", {{"factor", 2.0}}), Contains("'rope_scaling'"));
    CHECK_THAT(with(modern, "partial_rotary_factor", 0.5), Contains("'partial_rotary_factor'"));
    for (const char* key : {"norm_bias", "attention_bias", "mlp_bias", "classifier_bias"}) {
        CHECK_THAT(with(modern, key, true), Contains("'" + std::string(key) + "' = true"));
    }
    CHECK_THAT(with(modern, "classifier_activation", "silu"), Contains("'silu'"));
    CHECK_THAT(with(modern, "hidden_activation", "gelu_new"), Contains("gelu_new"));
    const char* const bert = "cross_encoder_bert";
    for (const char* positions : {"relative_key", "relative_key_query", "sans_pos", "alibi"}) {
        CHECK_THAT(with(bert, "position_embedding_type", positions), Contains(positions));
    }
    CHECK_THAT(with(bert, "is_decoder", true), Contains("'is_decoder'"));
    CHECK_THAT(with(bert, "hidden_act", "relu"), Contains("relu"));

    // Also in the configuration of the interaction layers, which is a file of its own.
    editable_checkpoint narrow("bert_compress2");
    const auto golden = [](const char* name) {
        return json::parse(file_text(golden_model("bert_compress2") / name / "config.json"));
    };
    json interaction = golden("interaction_layers");
    interaction["position_embedding_type"] = "relative_key";
    narrow.write("contextualization_layers/config.json", golden("contextualization_layers").dump());
    narrow.write("interaction_layers/config.json", interaction.dump());
    CHECK_THAT(refused(narrow), Contains("'relative_key'"));
}

TEST_CASE("fault 12: a flag that means nothing to the model is refused and not ignored") {
    const editable_checkpoint bert("cross_encoder_bert");
    const editable_checkpoint modern("cross_encoder_modernbert_cls");
    const editable_checkpoint mice_model("bert_vanilla_mean");
    for (const auto& [checkpoint, flag, value] : {std::tuple(&bert, "--cross-attn-first", "true"),
                                                  {&bert, "--lexical-bias", "true"},
                                                  {&bert, "--compress-dim", "2"},
                                                  {&bert, "--n-interaction-layers", "2"},
                                                  {&bert, "--classifier-pooling", "mean"},
                                                  {&modern, "--pooler", "false"},
                                                  {&modern, "--compress-dim", "2"},
                                                  {&mice_model, "--max-pair-length", "100"},
                                                  {&mice_model, "--positions-restart", "true"},
                                                  {&mice_model, "--lexical-bias", "true"}}) {
        INFO(flag);
        CHECK_THAT(refused(*checkpoint, {"--ids-only", flag, value}),
                   Contains(std::string(flag) + " means nothing to this model"));
    }
}

TEST_CASE("fault 12: code that a checkpoint brings along is said not to be read") {
    editable_checkpoint checkpoint("cross_encoder_bert");
    checkpoint.config["auto_map"] = {{"AutoModelForSequenceClassification", "modeling.Other"}};
    CHECK_THAT(convert_head(checkpoint, {"--ids-only"}).err, Contains("'auto_map'"));
}
