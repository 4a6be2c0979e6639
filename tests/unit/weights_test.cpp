// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"

#include <functional>
#include <initializer_list>
#include <limits>

#include <mice/io/safetensors.hpp>
#include <mice/io/tensor.hpp>
#include <mice/kernels/convert.hpp>
#include <mice/model/tensors.hpp>
#include <mice/model/weights.hpp>

namespace {

/// A list of numbers to loop over.
using sizes = std::initializer_list<std::size_t>;

using fixtures::catch_error;
using fixtures::caught_error;
using fixtures::model_file_parts;
using fixtures::storage;

constexpr const char* matrix = "top_layers.1.crossattention.self.query.weight";
constexpr const char* vector_name = "bottom_layers.0.output.LayerNorm.bias";

caught_error error_of(const model_file_parts& parts) {
    const std::vector<std::byte> bytes = parts.file();
    const mice::io::safetensors file(bytes);
    return catch_error([&] { const mice::nn::weights made(file, parts.config); });
}

/// The error of a model in that storage once `change` has been made to it.
caught_error error_after(storage kind, const std::function<void(model_file_parts&)>& change) {
    model_file_parts parts = fixtures::make_model(fixtures::small_config(), {.weights = kind});
    REQUIRE(!error_of(parts).thrown);
    change(parts);
    return error_of(parts);
}

void check_tensor_error(const caught_error& wrong, std::string_view name) {
    INFO(wrong.text);
    CHECK(wrong.thrown);
    CHECK(wrong.code == mice::errc::tensor);
    CHECK(wrong.says("'" + std::string(name) + "'"));
}

template <class Bits>
void overwrite(fixtures::stored_tensor& tensor, std::size_t index, Bits bits) {
    REQUIRE((index + 1) * sizeof bits <= tensor.bytes.size());
    std::memcpy(tensor.bytes.data() + index * sizeof bits, &bits, sizeof bits);
}

} // namespace

TEST_CASE("weights read the same values whatever they are stored as") {
    const mice::model_config config = fixtures::small_config();
    const std::vector<std::byte> plain_bytes = fixtures::make_model(config).file();
    const mice::io::safetensors plain_file(plain_bytes);
    const mice::nn::weights plain(plain_file, config);
    for (const storage kind : {storage::f16, storage::bf16, storage::i8}) {
        const std::vector<std::byte> bytes = fixtures::make_model(config, {.weights = kind}).file();
        const mice::io::safetensors file(bytes);
        const mice::nn::weights stored(file, config);
        for (const mice::tensor_requirement& one : mice::required_tensors(config)) {
            INFO(one.name);
            const std::vector<float> values = plain[one.name].floats();
            REQUIRE(values.size() == *one.shape.elements());
            REQUIRE(stored[one.name].floats() == values);
            std::vector<float> row(plain[one.name].columns());
            const std::size_t last = plain[one.name].rows() - 1;
            stored[one.name].read_row(last, row.data());
            REQUIRE(std::equal(row.begin(), row.end(),
                               values.begin() + static_cast<std::ptrdiff_t>(last * row.size())));
        }
    }
}

TEST_CASE("int8 weights are their numbers times the scale of their row") {
    const std::vector<std::int8_t> numbers{-128, -1, 0, 1, 127, 5};
    const std::vector<float> scales{0.5F, -0.3F};
    const mice::io::tensor_view values{
        mice::io::dtype::i8, {2, 3}, std::as_bytes(std::span(numbers))};
    const mice::io::tensor_view row_scales{
        mice::io::dtype::f32, {2}, std::as_bytes(std::span(scales))};
    const mice::nn::weight_view view(values, &row_scales, 2, 3);
    CHECK(view.floats() == std::vector<float>{-64, -0.5F, 0, -0.3F, 127 * -0.3F, 5 * -0.3F});
}

TEST_CASE("every missing tensor is named") {
    for (const storage kind : {storage::f32, storage::i8}) {
        const model_file_parts whole =
            fixtures::make_model(fixtures::small_config(), {.weights = kind});
        for (const fixtures::stored_tensor& one : whole.tensors) {
            if (one.name == "tokenizer.vocabulary") {
                continue;
            }
            model_file_parts part = whole;
            part.remove(one.name);
            check_tensor_error(error_of(part), one.name);
        }
    }
}

TEST_CASE("an unknown tensor is named, those of tokenizer and self-test are known") {
    const auto add = [](const char* name) {
        return [name](model_file_parts& parts) {
            parts.tensors.push_back({name, mice::io::dtype::f32, {1}, std::vector<std::byte>(4)});
        };
    };
    for (const char* name : {"embeddings.position_ids", "top_layers.2.output.dense.bias", "",
                             "classifier.weight.scale", "model.classifier.weight", "selftest"}) {
        check_tensor_error(error_after(storage::f32, add(name)), name);
    }
    CHECK(!error_after(storage::f32, add("selftest.scores")).thrown);
    // scales belong to I8 tensors only
    check_tensor_error(error_after(storage::f32, add("pooler.dense.weight.scale")),
                       "pooler.dense.weight.scale");
}

TEST_CASE("a tensor of another shape is named with both shapes") {
    for (const char* name : {matrix, vector_name, "embeddings.word_embeddings.weight"}) {
        const caught_error wrong = error_after(storage::f32, [name](model_file_parts& parts) {
            fixtures::stored_tensor& tensor = parts.tensor(name);
            tensor.shape = mice::io::tensor_shape{tensor.bytes.size() / 4};
            tensor.shape.push_back(1);
        });
        check_tensor_error(wrong, name);
        CHECK(wrong.says("expected shape ["));
        CHECK(wrong.says(", 1]"));
    }
    const caught_error scale = error_after(storage::i8, [](model_file_parts& parts) {
        parts.tensor(mice::scale_name(matrix)).shape = {32, 1};
    });
    check_tensor_error(scale, mice::scale_name(matrix));
}

TEST_CASE("a tensor of another type is named with both types") {
    for (const mice::io::dtype_name& type : mice::io::dtype_names) {
        const bool is_float = type.type == mice::io::dtype::f32 ||
                              type.type == mice::io::dtype::f16 ||
                              type.type == mice::io::dtype::bf16;
        if (is_float || type.type == mice::io::dtype::i8) {
            continue;
        }
        const auto retype = [&type](const char* name) {
            return [&type, name](model_file_parts& parts) {
                fixtures::stored_tensor& tensor = parts.tensor(name);
                tensor.type = type.type;
                tensor.bytes.assign(*tensor.shape.elements() * type.bytes, std::byte{0});
            };
        };
        for (const char* name : {matrix, vector_name}) {
            const caught_error wrong = error_after(storage::f32, retype(name));
            check_tensor_error(wrong, name);
            CHECK(wrong.says("got " + std::string(type.name)));
        }
    }
    // a bias may not be I8, and a scale may be F32 only
    check_tensor_error(error_after(storage::f32,
                                   [](model_file_parts& parts) {
                                       fixtures::stored_tensor& tensor = parts.tensor(vector_name);
                                       tensor.type = mice::io::dtype::i8;
                                       tensor.bytes.resize(32);
                                   }),
                       vector_name);
    check_tensor_error(error_after(storage::i8,
                                   [](model_file_parts& parts) {
                                       auto& tensor = parts.tensor(mice::scale_name(matrix));
                                       tensor.type = mice::io::dtype::f16;
                                       tensor.bytes.resize(64);
                                   }),
                       mice::scale_name(matrix));
}

TEST_CASE("NaN and infinity are refused wherever they stand, with the tensor's name") {
    using limits = std::numeric_limits<float>;
    for (const float value : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()}) {
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (const char* name : {matrix, vector_name, "embeddings.word_embeddings.weight"}) {
            for (const std::size_t index : sizes{0, 31}) {
                check_tensor_error(error_after(storage::f32,
                                               [&](model_file_parts& parts) {
                                                   overwrite(parts.tensor(name), index, bits);
                                               }),
                                   name);
                check_tensor_error(error_after(storage::bf16,
                                               [&](model_file_parts& parts) {
                                                   overwrite(
                                                       parts.tensor(name), index,
                                                       static_cast<std::uint16_t>(bits >> 16));
                                               }),
                                   name);
                check_tensor_error(error_after(storage::f16,
                                               [&](model_file_parts& parts) {
                                                   overwrite(parts.tensor(name), index,
                                                             mice::kernels::float_to_half(value));
                                               }),
                                   name);
            }
        }
        const std::string scale = mice::scale_name(matrix);
        check_tensor_error(
            error_after(storage::i8,
                        [&](model_file_parts& parts) { overwrite(parts.tensor(scale), 31, bits); }),
            scale);
    }
    // the largest finite value of each format is allowed
    CHECK(!error_after(storage::f16, [](model_file_parts& parts) {
               overwrite(parts.tensor(matrix), 0, std::uint16_t{0x7bff});
           }).thrown);
}

TEST_CASE("a weight that the configuration does not ask for is not there") {
    const model_file_parts parts = fixtures::make_model(fixtures::small_config());
    const std::vector<std::byte> bytes = parts.file();
    const mice::io::safetensors file(bytes);
    const mice::nn::weights made(file, parts.config);
    check_tensor_error(catch_error([&] { static_cast<void>(made["adapter.weight"]); }),
                       "adapter.weight");
}
