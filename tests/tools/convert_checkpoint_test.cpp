// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "convert_fixture.hpp"

#include <mice/io/tensor.hpp>
#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const char* const index_name = "model.safetensors.index.json";

std::string failure_of(const editable_checkpoint& checkpoint,
                       const std::vector<std::string>& flags = {}) {
    const convert_result result = checkpoint.convert(flags);
    INFO(result.err);
    CHECK(result.exit_code == 1);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(!std::filesystem::exists(checkpoint.output()));
    return result.err;
}

/// Splits the checkpoint into two shards; returns the index.
json save_shards(const editable_checkpoint& checkpoint) {
    owned_tensors first;
    owned_tensors second;
    json map = json::object();
    for (const auto& [name, tensor] : checkpoint.tensors) {
        const bool even = map.size() % 2 == 0;
        (even ? first : second)[name] = tensor;
        map[name] = even ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors";
    }
    checkpoint.write("config.json", checkpoint.config.dump());
    write_tensors(checkpoint.directory() / "model-00001-of-00002.safetensors", first);
    write_tensors(checkpoint.directory() / "model-00002-of-00002.safetensors", second);
    json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", map}};
    checkpoint.write(index_name, index.dump());
    return index;
}

} // namespace

TEST_CASE("a sharded checkpoint gives the same file as a single one") {
    const editable_checkpoint whole("bert_vanilla_full");
    REQUIRE(whole.save_and_convert().exit_code == 0);
    const editable_checkpoint parts("bert_vanilla_full");
    (void)save_shards(parts);
    const convert_result result = parts.convert();
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK(file_text(parts.output()) == file_text(whole.output()));
}

TEST_CASE("a shard index may not lead out of the folder or contradict its shards") {
    const editable_checkpoint checkpoint("bert_vanilla_mean");
    const json good = save_shards(checkpoint);
    const std::string name = "classifier.bias";
    for (const char* file : {"../model-00001-of-00002.safetensors", "/etc/passwd", "..", "",
                             "a/b.safetensors", "..\\x", "C:x"}) {
        json index = good;
        index["weight_map"][name] = file;
        checkpoint.write(index_name, index.dump());
        CHECK_THAT(failure_of(checkpoint), Contains("not a plain file name"));
    }
    json index = good;
    index["weight_map"]["no.such.tensor"] = good["weight_map"][name];
    checkpoint.write(index_name, index.dump());
    CHECK_THAT(failure_of(checkpoint), Contains("'no.such.tensor' is not in"));
    index = good;
    index["weight_map"].erase(name);
    checkpoint.write(index_name, index.dump());
    CHECK_THAT(failure_of(checkpoint), Contains("'classifier.bias' is not listed"));
    index = good;
    index["weight_map"][name] = 7;
    checkpoint.write(index_name, index.dump());
    CHECK_THAT(failure_of(checkpoint), Contains("not a plain file name"));
    checkpoint.write(index_name, "{}");
    CHECK_THAT(failure_of(checkpoint), Contains("no 'weight_map'"));
    index = good;
    index["weight_map"][name] = "model-00003-of-00002.safetensors";
    checkpoint.write(index_name, index.dump());
    CHECK_THAT(failure_of(checkpoint), Contains("model-00003-of-00002.safetensors"));
}

TEST_CASE("a tensor that two shards hold is refused") {
    const editable_checkpoint checkpoint("bert_vanilla_mean");
    (void)save_shards(checkpoint);
    write_tensors(checkpoint.directory() / "model-00002-of-00002.safetensors", checkpoint.tensors);
    CHECK_THAT(failure_of(checkpoint), Contains("is in two files"));
}

TEST_CASE("a pickle is never read") {
    const editable_checkpoint checkpoint("bert_vanilla_mean");
    checkpoint.write("config.json", checkpoint.config.dump());
    CHECK_THAT(failure_of(checkpoint), Contains("no model.safetensors in"));
    checkpoint.write("pytorch_model.bin", "cos\nsystem\n(S'true'\ntR.");
    CHECK_THAT(failure_of(checkpoint),
               Contains("never read") && Contains("safe_serialization=True"));
}

TEST_CASE("unknown tensors are refused with the nearest right name") {
    editable_checkpoint checkpoint("bert_vanilla_mean");
    auto node = checkpoint.tensors.extract("top_layers.1.intermediate.dense.weight");
    node.key() = "top_layers.1.intermediate.dens.weight";
    checkpoint.tensors.insert(std::move(node));
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint),
               Contains("'top_layers.1.intermediate.dens.weight' does not belong") &&
                   Contains("'top_layers.1.intermediate.dense.weight'"));
    checkpoint.tensors["zzz"] = float_tensor({1}, {0});
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint), Contains("1 more are unknown"));
}

TEST_CASE("a tensor of a layer that the configuration does not count is refused") {
    editable_checkpoint checkpoint("bert_vanilla_mean");
    checkpoint.config["n_interaction_layers"] = 1;
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint), Contains("'top_layers.1.") && Contains("25 more"));
    checkpoint.config["n_interaction_layers"] = 3;
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint),
               Contains("'top_layers.2.attention.self.query.weight' is missing") &&
                   Contains("nearest name in it is 'top_layers.0.attention.self.query.weight'") &&
                   Contains("25 more are missing"));
}

TEST_CASE("each missing tensor is named") {
    const editable_checkpoint complete("bert_eps_large");
    for (const auto& [name, tensor] : complete.tensors) {
        if (name.find("LayerNorm") == std::string::npos && name.find("top_layers.1") != 0) {
            continue; // a sample is enough: one name of every kind
        }
        editable_checkpoint checkpoint("bert_eps_large");
        checkpoint.tensors.erase(name);
        checkpoint.save();
        CHECK_THAT(failure_of(checkpoint), Contains("'" + name + "' is missing"));
    }
}

TEST_CASE("a pooler without its bias is refused and not taken for none") {
    editable_checkpoint checkpoint("bert_vanilla_mean");
    checkpoint.tensors.erase("pooler.dense.bias");
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint), Contains("'pooler.dense.bias' is missing"));
    checkpoint.tensors.erase("pooler.dense.weight");
    checkpoint.save();
    CHECK(checkpoint.convert().exit_code == 0);
    CHECK(read_model(checkpoint.output()).config()["pooler"] == false);
}

TEST_CASE("wrong shapes and types are refused by name") {
    editable_checkpoint checkpoint("bert_vanilla_mean");
    const owned_tensor good = checkpoint.tensors["pooler.dense.weight"];
    owned_tensor& pooler = checkpoint.tensors["pooler.dense.weight"];
    pooler.shape = {12, 48};
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint), Contains("'pooler.dense.weight'") &&
                                           Contains("shape [24, 24]") && Contains("[12, 48]"));
    pooler.shape = {24, 24, 1};
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint), Contains("[24, 24, 1]"));
    for (const auto type : {mice::io::dtype::i32, mice::io::dtype::u32}) {
        pooler = good;
        pooler.type = type;
        checkpoint.save();
        CHECK_THAT(failure_of(checkpoint),
                   Contains("'pooler.dense.weight': expected F32, F16, BF16 or F64") &&
                       Contains(std::string(mice::io::name_of(type))));
    }
    pooler = good;
    checkpoint.config["vocab_size"] = 212;
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint), Contains("'embeddings.word_embeddings.weight'") &&
                                           Contains("[212, 24]") && Contains("[211, 24]"));
}

TEST_CASE("prefixes are removed only when they stand before all names") {
    const editable_checkpoint plain("bert_vanilla_mean_skip_last");
    REQUIRE(plain.save_and_convert().exit_code == 0);
    const std::string expected = file_text(plain.output());
    for (const char* prefix : {"model.", "bert.", "module.model.", "electra."}) {
        editable_checkpoint checkpoint("bert_vanilla_mean_skip_last");
        owned_tensors renamed;
        for (const auto& [name, tensor] : checkpoint.tensors) {
            const bool head = name.starts_with("classifier.");
            renamed[head ? name : prefix + name] = tensor;
        }
        checkpoint.tensors = renamed;
        INFO(prefix);
        const convert_result result = checkpoint.save_and_convert();
        INFO(result.err);
        REQUIRE(result.exit_code == 0);
        CHECK(file_text(checkpoint.output()) == expected);
    }
    editable_checkpoint mixed("bert_vanilla_mean_skip_last");
    auto node = mixed.tensors.extract("pooler.dense.bias");
    node.key() = "model.pooler.dense.bias";
    mixed.tensors.insert(std::move(node));
    mixed.save();
    CHECK_THAT(failure_of(mixed), Contains("'model.pooler.dense.bias' does not belong") &&
                                      Contains("'pooler.dense.bias'"));
}

TEST_CASE("two tensors that get the same name are refused") {
    editable_checkpoint checkpoint("bert_vanilla_full"); // every name begins with model.
    checkpoint.tensors["classifier.bias"] = float_tensor({1}, {0});
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint), Contains("both called 'classifier.bias'"));
}

TEST_CASE("a truncated weight file is refused at every kind of cut") {
    const editable_checkpoint checkpoint("bert_vanilla_mean");
    checkpoint.save();
    const auto path = checkpoint.directory() / "model.safetensors";
    const std::string whole = file_text(path);
    for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100},
                                   whole.size() / 2, whole.size() - 1}) {
        checkpoint.write("model.safetensors", whole.substr(0, size));
        CHECK_THAT(failure_of(checkpoint), Contains("model.safetensors"));
    }
}

TEST_CASE("a hostile tensor name cannot break the one-line error") {
    editable_checkpoint checkpoint("bert_vanilla_mean");
    checkpoint.tensors["evil\n\x1b[2Jname"] = float_tensor({1}, {0});
    checkpoint.save();
    const std::string message = failure_of(checkpoint);
    CHECK(message.find('\x1b') == std::string::npos);
}

TEST_CASE("a plain backbone is refused with the way out") {
    editable_checkpoint checkpoint("cross_encoder_bert");
    checkpoint.tensors.erase("classifier.weight");
    checkpoint.tensors.erase("classifier.bias");
    checkpoint.save();
    CHECK_THAT(failure_of(checkpoint), Contains("plain backbone") && Contains("--derive l2+1"));
}
