// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "golden_model.hpp"

#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>

namespace {

/// The reference's [CLS] query [SEP] document [SEP] as our two sides, each [CLS] .. [SEP].
std::pair<std::vector<std::int32_t>, std::vector<std::int32_t>>
sides_of(const std::vector<std::int32_t>& ids) {
    const auto separator = std::find(ids.begin(), ids.end(), 3) + 1;
    std::vector<std::int32_t> document{ids.front()};
    document.insert(document.end(), separator, ids.end());
    return {{ids.begin(), separator}, std::move(document)};
}

bool states_agree(mice::nn::matrix_view x, const std::vector<float>& expected) {
    for (std::size_t i = 0; i < x.rows * x.columns; ++i) {
        const float actual = x.row(i / x.columns)[i % x.columns];
        if (!(std::fabs(actual - expected[i]) <= 2e-4F + 1e-4F * std::fabs(expected[i]))) {
            UNSCOPED_INFO("value " << i << ": " << actual << ", reference " << expected[i]);
            return false;
        }
    }
    return true;
}

} // namespace

TEST_CASE("every cross-encoder matches PyTorch layer by layer") {
    const auto cases = golden::cases_of("cross_encoder");
    REQUIRE(cases.size() == 3);
    for (const auto& folder : cases) {
        INFO(folder.filename().string());
        const golden::model_parts parts(folder);
        const std::vector<std::byte> file = parts.file();
        const auto engine = std::make_shared<const mice::model>(file, mice::precision::f32);
        const mice::reranker ranker(engine);
        const std::vector<std::byte> bytes = golden::read_bytes(folder / "golden.safetensors");
        const mice::io::safetensors numbers(bytes);
        const std::size_t pairs = std::stoul(numbers.metadata().at("pairs"));
        REQUIRE(pairs > 0);
        for (std::size_t pair = 0; pair < pairs; ++pair) {
            INFO("pair " << pair);
            const std::string name = "pair" + std::to_string(pair) + ".";
            const auto [query_ids, document_ids] =
                sides_of(golden::ids(numbers, name + "input_ids"));
            mice::nn::workspace space;
            const auto query = engine->network().prepare_query(query_ids, space);
            mice::kernels::buffer packed;
            const mice::nn::document_view view{nullptr, document_ids.data(), document_ids.size()};
            mice::nn::document_batch documents({&view, 1}, engine->network().packing(), packed);
            float score = 0;
            std::size_t layers = 0;
            engine->network().score(
                query, documents, &score, space, [&](std::size_t layer, mice::nn::matrix_view x) {
                    ++layers;
                    const std::string state = name + "hidden" + std::to_string(layer + 1);
                    if (numbers.find(state) != nullptr) { // ModernBERT's last is given normalised
                        INFO("after layer " << layer + 1);
                        CHECK(states_agree(x, golden::floats(numbers, state)));
                    }
                });
            CHECK(layers == parts.config.layers);
            const float expected = golden::floats(numbers, name + "score")[0];
            CHECK(std::fabs(score - expected) <= 1e-4F);
            const mice::document document = ranker.encode_ids(document_ids);
            CHECK(document.hidden() == 0);
            const mice::document* const one[] = {&document};
            CHECK(ranker
                      .score(ranker.encode_query_ids(query_ids),
                             std::span<const mice::document* const>(one))[0]
                      .score == score);
        }
    }
}
