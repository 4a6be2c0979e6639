// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <mice/model/config_json.hpp>
#include <mice/model/family.hpp>
#include <mice/model/tensors.hpp>

#include "catch.hpp"
#include "random_model.hpp"

using fixtures::catch_error;
using fixtures::caught_error;

namespace {

std::vector<std::string> names_of_layer(const mice::encoder_family& family) {
    mice::detail::requirement_list list;
    const mice::detail::layer_requirements of{list, family, "layers.3", 8};
    of.norm(mice::norm_place::before, family.self.norm);
    of.attention(family.self);
    of.feed_forward(16);
    std::vector<std::string> names;
    for (const mice::tensor_requirement& each : list.tensors) {
        names.push_back(each.name + " " + each.shape.text());
    }
    return names;
}

} // namespace

TEST_CASE("a family is found by its name in files") {
    std::set<std::string> names;
    for (const mice::encoder_family* family : mice::encoder_families) {
        CHECK(mice::find_family(family->model_type) == family);
        CHECK(names.emplace(family->model_type).second);
    }
    CHECK(mice::find_family("") == nullptr);
    CHECK(mice::find_family("bert ") == nullptr);
    CHECK(mice::find_family("ber") == nullptr);
}

TEST_CASE("a configuration of an unknown family is refused by name") {
    mice::model_config config;
    config.model_type = "perceiver";
    const caught_error validated = catch_error([&] { config.validate(); });
    CHECK(validated.code == mice::errc::unsupported);
    CHECK(validated.says("perceiver"));
    const caught_error read = catch_error([] {
        (void)mice::config_from_json(R"({"model_type": "perceiver", "hidden_act": "gelu"})");
    });
    CHECK(read.code == mice::errc::unsupported);
    CHECK(read.says("perceiver"));
}

TEST_CASE("the fields of a family say which tensors a layer has") {
    CHECK(names_of_layer(mice::modernbert_family) ==
          std::vector<std::string>{
              "layers.3.attn_norm.weight [8]", "layers.3.attn.Wqkv.weight [24, 8]",
              "layers.3.attn.Wo.weight [8, 8]", "layers.3.mlp_norm.weight [8]",
              "layers.3.mlp.Wi.weight [32, 8]", "layers.3.mlp.Wo.weight [8, 16]"});

    // unlike any family of this version: norms in front, biases, no gates, separate projections
    mice::encoder_family other = mice::bert_family;
    other.norms = mice::norm_place::before;
    CHECK(names_of_layer(other) ==
          std::vector<std::string>{
              "layers.3.attention.output.LayerNorm.weight [8]",
              "layers.3.attention.output.LayerNorm.bias [8]",
              "layers.3.attention.self.query.weight [8, 8]",
              "layers.3.attention.self.query.bias [8]", "layers.3.attention.self.key.weight [8, 8]",
              "layers.3.attention.self.key.bias [8]", "layers.3.attention.self.value.weight [8, 8]",
              "layers.3.attention.self.value.bias [8]",
              "layers.3.attention.output.dense.weight [8, 8]",
              "layers.3.attention.output.dense.bias [8]", "layers.3.output.LayerNorm.weight [8]",
              "layers.3.output.LayerNorm.bias [8]", "layers.3.intermediate.dense.weight [16, 8]",
              "layers.3.intermediate.dense.bias [16]", "layers.3.output.dense.weight [8, 16]",
              "layers.3.output.dense.bias [8]"});
}

TEST_CASE("a head has its optional layer where the model says so") {
    mice::model_config config;
    config.pooler = true;
    CHECK(config.head().dense == "pooler.dense");
    config.pooler = false;
    CHECK(config.head().dense.empty());
    config.model_type = "electra";
    CHECK(config.head().dense.empty());
    config.kind = mice::model_kind::cross_encoder; // whose layer is not optional
    CHECK(config.head().dense == "classifier.dense");
    CHECK(config.head().classifier == "classifier.out_proj");
}
