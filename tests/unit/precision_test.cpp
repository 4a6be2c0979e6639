// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"
#include "../support/temporary_file.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/io/tensor.hpp>
#include <mice/model.hpp>
#include <mice/model/tensors.hpp>
#include <mice/model/weights.hpp>
#include <mice/precision.hpp>
#include <mice/reranker.hpp>

using mice::precision;
using mice::kernels::product_kind;

TEST_CASE("precisions have names, and automatic stands for one that this build has") {
    for (const precision each :
         {precision::f32, precision::bf16, precision::int8, precision::automatic}) {
        CHECK(mice::precision_named(mice::name_of(each)) == each);
        CHECK(mice::resolved(each) != precision::automatic);
        CHECK((each == precision::automatic || mice::resolved(each) == each));
    }
    CHECK_FALSE(mice::precision_named("f16"));
    CHECK_FALSE(mice::precision_named(""));
}

TEST_CASE("models and rerankers compute in automatic where nothing else is asked for") {
    const std::vector<std::byte> bytes = fixtures::make_model(fixtures::tiny_config()).file();
    const fixtures::temporary_file file("mice-precision-test.mice", bytes);
    const std::span<const std::byte> memory(bytes);
    const precision fastest = mice::resolved(precision::automatic);
    CHECK(mice::model(memory).computed_in() == fastest);
    CHECK(mice::model(file.path()).computed_in() == fastest);
    CHECK(mice::reranker(memory).shared_model()->computed_in() == fastest);
    CHECK(mice::reranker(file.path()).shared_model()->computed_in() == fastest);
    for (const precision each : {precision::f32, precision::bf16, precision::int8}) {
        CHECK(mice::model(memory, each).computed_in() == each);
        CHECK(mice::reranker(memory, each).shared_model()->computed_in() == each);
    }
    const auto score = [](const mice::reranker& ranker) {
        return ranker.score("old mill", {"the river"})[0].score;
    };
    CHECK(score(mice::reranker(memory)) == score(mice::reranker(memory, fastest)));
}

TEST_CASE("weights that a file keeps as floats beside 8-bit ones are not made 8-bit") {
    const std::string kept = "bottom_layers.0.output.dense.weight";
    const std::string other = "bottom_layers.0.intermediate.dense.weight";
    const auto products = [&](fixtures::storage stored, bool keep, precision computed) {
        fixtures::model_file_parts parts =
            fixtures::make_model(fixtures::tiny_config(), {.seed = 3, .weights = stored});
        if (keep) {
            fixtures::stored_tensor& tensor = parts.tensor(kept);
            tensor.type = mice::io::dtype::f32;
            tensor.bytes.assign(tensor.bytes.size() * sizeof(float), std::byte{});
            parts.remove(mice::scale_name(kept));
        }
        const std::vector<std::byte> bytes = parts.file();
        const mice::io::safetensors file(bytes);
        const mice::nn::weights all(file, parts.config, computed);
        return std::pair(all.product_of(all[kept]), all.product_of(all[other]));
    };
    using pair = std::pair<product_kind, product_kind>;
    const pair f32{product_kind::f32, product_kind::f32};
    const pair bf16{product_kind::bf16, product_kind::bf16};
    const pair int8{product_kind::int8, product_kind::int8};
    CHECK(products(fixtures::storage::i8, true, precision::f32) == f32);
    CHECK(products(fixtures::storage::i8, true, precision::bf16) == bf16);
    CHECK(products(fixtures::storage::i8, true, precision::int8) ==
          pair{product_kind::bf16, product_kind::int8});
    CHECK(products(fixtures::storage::i8, false, precision::int8) == int8);
    CHECK(products(fixtures::storage::f32, false, precision::int8) == int8);
}
