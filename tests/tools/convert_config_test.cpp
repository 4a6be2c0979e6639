// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "convert_fixture.hpp"

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

std::string error_of(const editable_checkpoint& checkpoint,
                     const std::vector<std::string>& flags = {}) {
    const convert_result result = checkpoint.save_and_convert(flags);
    INFO(result.err);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(!std::filesystem::exists(checkpoint.output()));
    return result.err;
}

json config_after(const editable_checkpoint& checkpoint,
                  const std::vector<std::string>& flags = {}) {
    const convert_result result = checkpoint.save_and_convert(flags);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return read_model(checkpoint.output()).config();
}

} // namespace

TEST_CASE("options that the configuration lacks are asked for by flag and taken from it") {
    editable_checkpoint checkpoint("bert_untied"); // Lq 1, Ld 3, Lx 2
    for (const char* key : {"n_contextualization_layers", "n_docs_ctx_layers", "cross_attn_first",
                            "n_interaction_layers", "bound_bottom_layers", "mask_query_to_cls",
                            "cls_cross_attention", "max_query_length", "max_document_length"}) {
        checkpoint.config.erase(key);
    }
    std::vector<std::string> flags;
    const auto asked_then = [&](const char* hint, const char* flag, const char* value) {
        CHECK_THAT(error_of(checkpoint, flags), Contains(hint));
        flags.emplace_back(flag);
        flags.emplace_back(value);
    };
    asked_then("--n-contextualization-layers 1 ", "--query-layers", "1");
    asked_then("--n-interaction-layers 2 ", "--n-interaction-layers", "2");
    asked_then("--cross-attn-first", "--cross-attn-first", "false");
    asked_then("--cls-cross-attention", "--cls-cross-attention", "mean");
    flags.insert(flags.end(), {"--document-layers", "3", "--max-document-length", "99"});
    const json config = config_after(checkpoint, flags);
    CHECK(config["n_docs_ctx_layers"] == 3);
    CHECK(config["bound_bottom_layers"] == false); // from the tensors
    CHECK(config["mask_query_to_cls"] == true);    // the reference's default
    CHECK(config["max_query_length"] == 160);      // positions, fewer than 512
    CHECK(config["max_document_length"] == 99);
}

TEST_CASE("a flag that contradicts the configuration needs --override-config") {
    const editable_checkpoint checkpoint("bert_vanilla_mean");
    CHECK(config_after(checkpoint, {"--cross-attn-first", "false"})["cross_attn_first"] == false);
    std::filesystem::remove(checkpoint.output());
    CHECK_THAT(error_of(checkpoint, {"--cross-attn-first", "true"}),
               Contains("'cross_attn_first' is false") && Contains("true on the command line") &&
                   Contains("--override-config"));
    const json config =
        config_after(checkpoint, {"--cross-attn-first", "true", "--override-config"});
    CHECK(config["cross_attn_first"] == true);
}

TEST_CASE("mask_cls_to_doc of the public runs is translated with a note") {
    editable_checkpoint checkpoint("bert_vanilla_mean");
    checkpoint.config.erase("cls_cross_attention");
    checkpoint.config["mask_cls_to_doc"] = true;
    convert_result result = checkpoint.save_and_convert();
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out,
               Contains("mask_cls_to_doc = true is read as cls_cross_attention = mean"));
    CHECK(read_model(checkpoint.output()).config()["cls_cross_attention"] == "mean");

    checkpoint.config["mask_cls_to_doc"] = false;
    CHECK(config_after(checkpoint)["cls_cross_attention"] == "full");

    checkpoint.config["mask_cls_to_doc"] = true;
    checkpoint.config["cls_cross_attention"] = "mean_skip_last";
    CHECK(config_after(checkpoint)["cls_cross_attention"] == "mean_skip_last");

    std::filesystem::remove(checkpoint.output());
    checkpoint.config["cls_cross_attention"] = "full";
    CHECK_THAT(error_of(checkpoint), Contains("'full'") && Contains("mask_cls_to_doc is true"));
    checkpoint.config["mask_cls_to_doc"] = "yes";
    CHECK_THAT(error_of(checkpoint), Contains("'mask_cls_to_doc' must be true or false"));
}

TEST_CASE("a misspelt option is refused and not ignored") {
    editable_checkpoint checkpoint("bert_untied");
    checkpoint.config["cross_atn_first"] = true;
    CHECK_THAT(error_of(checkpoint),
               Contains("'cross_atn_first'") && Contains("did you mean 'cross_attn_first'"));
    checkpoint.config.erase("cross_atn_first");
    checkpoint.config["torch_dtype"] = "float32"; // other software's keys pass
    CHECK(checkpoint.save_and_convert().exit_code == 0);
}

TEST_CASE("the three configurations of a compressed model must fit together") {
    editable_checkpoint checkpoint("bert_compress2");
    const auto golden = [](const char* name) {
        return json::parse(file_text(golden_model("bert_compress2") / name / "config.json"));
    };
    const json backbone = golden("contextualization_layers");
    const json narrow = golden("interaction_layers");
    const auto put = [&checkpoint](const json& wide, const json& head, const char* head_folder) {
        checkpoint.write("contextualization_layers/config.json", wide.dump());
        checkpoint.write(std::string(head_folder) + "/config.json", head.dump());
    };
    put(backbone, narrow, "interaction_layers");
    CHECK(config_after(checkpoint)["compress_dim"] == 2);
    std::filesystem::remove(checkpoint.output());

    for (const char* key : {"hidden_size", "num_attention_heads", "intermediate_size"}) {
        json wrong = narrow;
        wrong[key] = backbone[key];
        put(backbone, wrong, "interaction_layers");
        CHECK_THAT(error_of(checkpoint), Contains("'" + std::string(key) + "'") &&
                                             Contains("interaction_layers/config.json"));
    }
    json causal = backbone;
    causal["is_decoder"] = true;
    put(causal, narrow, "interaction_layers");
    CHECK_THAT(error_of(checkpoint), Contains("is_decoder"));

    put(backbone, narrow, "interaction_layers");
    checkpoint.config["hidden_size"] = 24;
    CHECK_THAT(error_of(checkpoint),
               Contains("'hidden_size'") && Contains("48 in") && Contains("24 in config.json"));
    checkpoint.config.erase("hidden_size");
    put(backbone, narrow, "interaction_layers");
    json other = narrow;
    other["compress_dim"] = 3;
    put(backbone, other, "interaction_layers");
    CHECK_THAT(error_of(checkpoint), Contains("'compress_dim'"));
}

TEST_CASE("a head folder and a missing root configuration are read as well") {
    editable_checkpoint checkpoint("bert_compress2");
    const auto golden = [](const char* name) {
        return file_text(golden_model("bert_compress2") / name / "config.json");
    };
    json root = json::parse(golden("contextualization_layers"));
    json head = json::parse(golden("interaction_layers"));
    root.update(checkpoint.config);
    checkpoint.config = root;
    checkpoint.write("head/config.json", head.dump());
    CHECK(config_after(checkpoint)["compress_dim"] == 2);
    std::filesystem::remove(checkpoint.output());
    head["intermediate_size"] = 29;
    checkpoint.write("head/config.json", head.dump());
    CHECK_THAT(error_of(checkpoint), Contains("29 in head/config.json"));

    // Options in the head's file, the backbone in its own folder, no config.json.
    head["intermediate_size"] = 28;
    head.update(json::parse(golden("")));
    std::filesystem::remove(checkpoint.directory() / "config.json");
    checkpoint.write("contextualization_layers/config.json", golden("contextualization_layers"));
    checkpoint.write("head/config.json", head.dump());
    CHECK(checkpoint.convert().exit_code == 0);
    CHECK(read_model(checkpoint.output()).config()["intermediate_size"] == 56);
}

TEST_CASE("configurations that cannot be run are refused with the key") {
    const auto with = [](const char* key, const json& value) {
        editable_checkpoint checkpoint("bert_vanilla_mean");
        checkpoint.config[key] = value;
        return error_of(checkpoint);
    };
    CHECK_THAT(with("model_type", "deberta"),
               Contains("model_type 'deberta' is not supported yet"));
    CHECK_THAT(with("model_type", nullptr), Contains("lacks 'model_type'"));
    CHECK_THAT(with("hidden_act", "gelu_new"), Contains("hidden_act 'gelu_new'"));
    CHECK_THAT(with("position_embedding_type", "relative_key"), Contains("'relative_key'"));
    CHECK_THAT(with("pruned_heads", json{{"1", {0}}}), Contains("pruned_heads"));
    CHECK_THAT(with("is_decoder", true), Contains("'is_decoder'"));
    CHECK_THAT(with("lexical_bias", true), Contains("lexical_bias") && Contains("ModernBERT"));
    CHECK_THAT(with("classifier_pooling", "mean"), Contains("classifier_pooling"));
    CHECK_THAT(with("ctx_sliding_window", 8), Contains("ctx_sliding_window"));
    CHECK_THAT(with("colbert", json::object()), Contains("linear.weight"));
    CHECK_THAT(with("hidden_size", nullptr), Contains("lacks 'hidden_size'"));
    CHECK_THAT(with("hidden_size", -24), Contains("'hidden_size' must be a whole number"));
    CHECK_THAT(with("hidden_size", 25), Contains("is not a multiple of num_attention_heads"));
    CHECK_THAT(with("hidden_size", 1e18), Contains("'hidden_size'"));
    CHECK_THAT(with("n_interaction_layers", 0), Contains("'n_interaction_layers'"));
    CHECK_THAT(with("n_interaction_layers", 4000000000U), Contains("'n_interaction_layers'"));
    CHECK_THAT(with("cls_cross_attention", "some"), Contains("full, mean or mean_skip_last"));
    CHECK_THAT(with("cross_attn_first", 1), Contains("'cross_attn_first' must be true or false"));
    CHECK_THAT(with("max_document_length", 161), Contains("'max_document_length'"));
    CHECK_THAT(with("layer_norm_eps", 0), Contains("'layer_norm_eps'"));
    CHECK_THAT(with("n_docs_ctx_layers", 1), Contains("bound_bottom_layers"));
    CHECK_THAT(with("global_cls_token", true), Contains("'global_cls' is missing"));
    CHECK_THAT(with("extra_attn_bias", true), Contains("'exact_match_heads.0.v_proj.weight'"));
    editable_checkpoint both("bert_global_cls");
    both.config["extra_attn_bias"] = true;
    CHECK_THAT(error_of(both), Contains("global_cls_token and extra_attn_bias contradict"));
}

TEST_CASE("a broken config.json is refused") {
    const editable_checkpoint checkpoint("bert_vanilla_mean");
    checkpoint.save();
    for (const char* text : {"", "{", "[1]", "{\"model_type\":\"bert\",\"model_type\":\"bert\"}",
                             "\xFF\xFE{}", "null"}) {
        checkpoint.write("config.json", text);
        const convert_result result = checkpoint.convert();
        INFO(text << ": " << result.err);
        CHECK(result.exit_code == 1);
        CHECK_THAT(result.err, Contains("config.json"));
        CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    }
    std::filesystem::remove(checkpoint.directory() / "config.json");
    CHECK_THAT(checkpoint.convert().err, Contains("no config.json in"));
}

TEST_CASE("usage errors are told apart from failures") {
    CHECK(run_convert({}).exit_code > 1);
    CHECK(run_convert({"DIR"}).exit_code > 1);
    CHECK(run_convert({"DIR", "-o", "x", "--weights", "int4"}).exit_code > 1);
    CHECK(run_convert({"DIR", "-o", "x", "--self-test", "-1"}).exit_code > 1);
    CHECK(run_convert({"DIR", "-o", "x", "--self-test", "1001"}).exit_code > 1);
    CHECK(run_convert({"DIR", "-o", "x", "--cross-attn-first", "maybe"}).exit_code > 1);
    CHECK(run_convert({"DIR", "-o", "x", "--query-layers", "three"}).exit_code > 1);
    CHECK(run_convert({"DIR", "-o", "x", "--from-layer", "1"}).exit_code > 1);
    CHECK(run_convert({"DIR", "-o", "x", "--ids-only", "--tokenizer", "y"}).exit_code > 1);
    CHECK(run_convert({"/no/such/folder", "-o", "x"}).exit_code == 1);
    const convert_result version = run_convert({"--version"});
    CHECK(version.exit_code == 0);
    CHECK_THAT(version.out, Contains("mice-convert "));
    CHECK(run_convert({"--help"}).exit_code == 0);
}
