// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <mice/io/tensor.hpp>
#include <mice/kernels/convert.hpp>

#include "convert_fixture.hpp"

using Catch::Matchers::Contains;
using mice::io::dtype;

namespace {

const char* const word_table = "embeddings.word_embeddings.weight";
const char* const query_matrix = "bottom_layers.0.attention.self.query.weight";

owned_tensor half_tensor(const owned_tensor& tensor) {
    owned_tensor half{dtype::f16, tensor.shape, {}};
    for (const float value : floats_of(tensor)) {
        const std::uint16_t bits = mice::kernels::float_to_half(value);
        const auto* bytes = reinterpret_cast<const std::byte*>(&bits);
        half.bytes.insert(half.bytes.end(), bytes, bytes + sizeof bits);
    }
    return half;
}

owned_tensor double_tensor(const owned_tensor& tensor) {
    const std::vector<float> values = floats_of(tensor);
    const std::vector<double> doubles(values.begin(), values.end());
    const auto bytes = std::as_bytes(std::span(doubles));
    return {dtype::f64, tensor.shape, {bytes.begin(), bytes.end()}};
}

void set_value(owned_tensor& tensor, std::size_t index, float value) {
    std::memcpy(tensor.bytes.data() + index * sizeof value, &value, sizeof value);
}

bool same_bytes(const mice::io::tensor_view& view, const owned_tensor& tensor) {
    return std::equal(view.bytes.begin(), view.bytes.end(), tensor.bytes.begin(),
                      tensor.bytes.end());
}

} // namespace

TEST_CASE("f32 weights are stored bit by bit as given") {
    editable_checkpoint checkpoint("bert_untied");
    REQUIRE(checkpoint.save_and_convert().exit_code == 0);
    const read_model model(checkpoint.output());
    for (const auto& [name, tensor] : checkpoint.tensors) {
        INFO(name);
        CHECK(model.tensor(name).type == dtype::f32);
        CHECK(same_bytes(model.tensor(name), tensor));
    }
}

TEST_CASE("an f16 checkpoint stays f16 and its vectors become f32 exactly") {
    editable_checkpoint checkpoint("bert_vanilla_mean_skip_last");
    for (auto& [name, tensor] : checkpoint.tensors) {
        tensor = half_tensor(tensor);
    }
    const convert_result result = checkpoint.save_and_convert();
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, !Contains("rounding"));
    const read_model model(checkpoint.output());
    CHECK(model.metadata("mice.weights") == "f16");
    CHECK(same_bytes(model.tensor(word_table), checkpoint.tensors[word_table]));
    const auto& bias = model.tensor("bottom_layers.0.attention.self.query.bias");
    const owned_tensor& given = checkpoint.tensors["bottom_layers.0.attention.self.query.bias"];
    REQUIRE(bias.type == dtype::f32);
    for (std::size_t i = 0; i < bias.elements(); ++i) {
        CHECK(bias.at<float>(i) == mice::kernels::half_to_float(given.view().at<std::uint16_t>(i)));
    }
}

TEST_CASE("one f32 matrix among f16 ones makes the file f32") {
    editable_checkpoint checkpoint("bert_vanilla_mean_skip_last");
    checkpoint.tensors[word_table] = half_tensor(checkpoint.tensors[word_table]);
    REQUIRE(checkpoint.save_and_convert().exit_code == 0);
    const read_model model(checkpoint.output());
    CHECK(model.metadata("mice.weights") == "f32");
    CHECK(model.tensor(word_table).type == dtype::f32);
}

TEST_CASE("bf16 weights become f32 exactly and f64 weights are rounded with a note") {
    editable_checkpoint checkpoint("bert_vanilla_mean_skip_last");
    owned_tensor& matrix = checkpoint.tensors[query_matrix];
    const std::vector<float> values = floats_of(matrix);
    owned_tensor brain{dtype::bf16, matrix.shape, {}};
    for (const float value : values) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        const auto upper = static_cast<std::uint16_t>(bits >> 16);
        const auto* bytes = reinterpret_cast<const std::byte*>(&upper);
        brain.bytes.insert(brain.bytes.end(), bytes, bytes + sizeof upper);
    }
    matrix = brain;
    const owned_tensor table = checkpoint.tensors[word_table];
    checkpoint.tensors[word_table] = double_tensor(table);
    const convert_result result = checkpoint.save_and_convert();
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("F64 tensors were rounded"));
    const read_model model(checkpoint.output());
    CHECK(same_bytes(model.tensor(word_table), table));
    const auto& stored = model.tensor(query_matrix);
    REQUIRE(stored.type == dtype::f32);
    for (std::size_t i = 0; i < values.size(); ++i) {
        CHECK(stored.at<float>(i) ==
              mice::kernels::bf16_to_float(brain.view().at<std::uint16_t>(i)));
    }
}

TEST_CASE("int8 weights are off by half a step at most and zero rows stay zero") {
    editable_checkpoint checkpoint("bert_extra_attn_bias");
    owned_tensor& table = checkpoint.tensors[word_table];
    const std::size_t width = table.shape[1];
    for (std::size_t i = 0; i < width; ++i) {
        set_value(table, i, 0.0F); // row 0: zeros
        set_value(table, width + i,
                  std::numeric_limits<float>::denorm_min()); // row 1: next to zero
    }
    const convert_result result = checkpoint.save_and_convert({"--weights", "int8"});
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("rounding") && Contains("RMS"));
    const read_model model(checkpoint.output());
    CHECK(model.metadata("mice.weights") == "int8");
    std::size_t quantised = 0;
    for (const auto& [name, tensor] : checkpoint.tensors) {
        INFO(name);
        const auto& stored = model.tensor(name);
        CHECK(stored.shape == tensor.shape);
        if (stored.type == dtype::f32) {
            CHECK(same_bytes(stored, tensor));
            CHECK(model.contents.find(name + ".scale") == nullptr);
            continue;
        }
        ++quantised;
        REQUIRE(stored.type == dtype::i8);
        const auto& scales = model.tensor(name + ".scale");
        REQUIRE(scales.type == dtype::f32);
        REQUIRE(scales.shape == mice::io::tensor_shape{stored.shape[0]});
        const std::vector<float> values = floats_of(tensor);
        double worst = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const float scale = scales.at<float>(i / stored.shape[1]);
            const std::int8_t step = stored.at<std::int8_t>(i);
            const double error = std::abs(static_cast<double>(step) * scale - values[i]);
            worst = std::max(worst, error / scale);
            CHECK(step >= -127);
        }
        CHECK(worst <= 0.5 + 1e-5);
    }
    // Two stacks of two layers with 6 and 10 matrices, 2 x 2 exact-match matrices, pooler, words.
    CHECK(quantised == 2 * 6 + 2 * 10 + 4 + 1 + 1);
    for (std::size_t i = 0; i < 2 * width; ++i) {
        CHECK(model.tensor(word_table).at<std::int8_t>(i) == 0);
    }
    CHECK(model.tensor("embeddings.position_embeddings.weight").type == dtype::f32);
    CHECK(model.tensor("embeddings.token_type_embeddings.weight").type == dtype::f32);
    CHECK(model.tensor("classifier.weight").type == dtype::f32);
}

TEST_CASE("the largest weight of a row takes the whole int8 range") {
    editable_checkpoint checkpoint("bert_untied");
    const char* name = "query_bottom_layers.0.attention.self.query.weight";
    owned_tensor& matrix = checkpoint.tensors[name];
    set_value(matrix, 3, -1000.0F);
    REQUIRE(checkpoint.save_and_convert({"--weights", "int8"}).exit_code == 0);
    const read_model model(checkpoint.output());
    CHECK(model.tensor(name).at<std::int8_t>(3) == -127);
    CHECK(model.tensor(std::string(name) + ".scale").at<float>(0) == Approx(1000.0 / 127));
}

TEST_CASE("named matrices stay f16 in an int8 file") {
    editable_checkpoint checkpoint("bert_untied");
    REQUIRE(checkpoint
                .save_and_convert({"--weights", "int8", "--keep-f16", "top_layers.0.output.dense",
                                   "--keep-f16", "pooler"})
                .exit_code == 0);
    const read_model model(checkpoint.output());
    CHECK(model.tensor("top_layers.0.output.dense.weight").type == dtype::f16);
    CHECK(model.contents.find("top_layers.0.output.dense.weight.scale") == nullptr);
    CHECK(model.tensor("top_layers.1.output.dense.weight").type == dtype::i8);
    CHECK(model.tensor("pooler.dense.weight").type == dtype::f16);
    CHECK(model.tensor("pooler.dense.bias").type == dtype::f32);

    // The flag takes one text, so it may stand before the folder.
    CHECK(run_convert({"--weights", "int8", "--keep-f16", "pooler", checkpoint.directory().string(),
                       "-o", checkpoint.output().string()})
              .exit_code == 0);
    const convert_result unknown =
        checkpoint.convert({"--weights", "int8", "--keep-f16", "no_such_name"});
    CHECK(unknown.exit_code == 1);
    CHECK_THAT(unknown.err, Contains("'no_such_name' fits the name of no matrix"));
    const convert_result useless = checkpoint.convert({"--keep-f16", "pooler"});
    CHECK(useless.exit_code == 1);
    CHECK_THAT(useless.err, Contains("--keep-f16 belongs to --weights int8"));
}

TEST_CASE("a weight beyond f16 is refused by name") {
    editable_checkpoint checkpoint("bert_untied");
    set_value(checkpoint.tensors["pooler.dense.weight"], 5, 65519.0F); // rounds to 65504
    CHECK(checkpoint.save_and_convert({"--weights", "f16"}).exit_code == 0);
    set_value(checkpoint.tensors["pooler.dense.weight"], 5, -65520.0F);
    const convert_result result = checkpoint.save_and_convert({"--weights", "f16"});
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains("'pooler.dense.weight'") && Contains("too large for f16"));
    CHECK(checkpoint.save_and_convert({"--weights", "int8"}).exit_code == 0);
}

TEST_CASE("NaN and infinite weights are refused by name") {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        for (const char* name : {word_table, query_matrix, "classifier.bias"}) {
            editable_checkpoint checkpoint("bert_eps_large");
            set_value(checkpoint.tensors[name], 0, value);
            const convert_result result = checkpoint.save_and_convert();
            CHECK(result.exit_code == 1);
            CHECK_THAT(result.err, Contains(name) && Contains("element 0 is NaN or infinite"));
            CHECK(!std::filesystem::exists(checkpoint.output()));
        }
    }
}

TEST_CASE("an f64 weight beyond float is refused by name") {
    editable_checkpoint checkpoint("bert_eps_large");
    owned_tensor wide = double_tensor(checkpoint.tensors[query_matrix]);
    const double huge = 1e300;
    std::memcpy(wide.bytes.data() + 7 * sizeof huge, &huge, sizeof huge);
    checkpoint.tensors[query_matrix] = wide;
    const convert_result result = checkpoint.save_and_convert();
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains(query_matrix) && Contains("element 7"));
}
