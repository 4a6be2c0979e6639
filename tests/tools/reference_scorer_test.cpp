// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/mice.hpp>

#include "common/reference_scorer.hpp"
#include "random_model.hpp"

// The engine against the independent implementation in double precision.

namespace {

std::vector<std::int32_t> some_ids(std::size_t count, std::uint64_t seed,
                                   const mice::model_config& config) {
    fixtures::random_numbers random(seed);
    std::vector<std::int32_t> ids{2};
    while (ids.size() + 1 < count) { // few different ones, so that query and document share some
        ids.push_back(static_cast<std::int32_t>(5 + random.below(config.vocab_size / 4)));
    }
    ids.push_back(3);
    return ids;
}

/// A random model in the engine and in the reference.
struct scored_twice {
    explicit scored_twice(const mice::model_config& config)
        : file(fixtures::make_model(config, {.with_tokenizer = false}).file()),
          ranker(file, mice::precision::f32), reference(config, ranker.file().tensors()) {}

    std::vector<std::byte> file;
    mice::reranker ranker;
    mice::tools::reference_scorer reference;
};

} // namespace

TEST_CASE("every option and kind of model scores as the reference does") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        CAPTURE(name);
        const scored_twice model(config);
        for (const std::size_t query_tokens : {2, 7, 16}) {
            for (const std::size_t most : {2, 5, 24, 33}) {
                const std::size_t tokens = std::min(most, config.max_document_length);
                CAPTURE(query_tokens, tokens);
                const auto query = some_ids(query_tokens, query_tokens, config);
                const auto document = some_ids(tokens, 100 + tokens, config);
                const mice::document encoded = model.ranker.encode_ids(document);
                const mice::document* const one[] = {&encoded};
                const float score = model.ranker
                                        .score(model.ranker.encode_query_ids(query),
                                               std::span<const mice::document* const>(one))[0]
                                        .score;
                const double expected = model.reference.score(query, document);
                CHECK(std::fabs(score - expected) <= 1e-4 * (1 + std::fabs(expected)));
            }
        }
    }
}

TEST_CASE("the rows of attention that the reference shows sum to one and keep to the masks") {
    for (const auto& kind : fixtures::every_kind()) {
        CAPTURE(kind.name);
        const mice::model_config& config = kind.config;
        const scored_twice model(config);
        const auto query = some_ids(6, 1, config);
        const auto document = some_ids(11, 2, config);
        std::size_t rows = 0;
        (void)model.reference.score(query, document, [&](const mice::tools::attention_row& each) {
            ++rows;
            double sum = 0;
            for (const double weight : each.weights) {
                sum += weight;
            }
            REQUIRE(sum == Approx(1));
            const bool of_pair = config.kind == mice::model_kind::cross_encoder;
            const bool blind = of_pair && !config.visibility.empty() &&
                               config.visibility.front().blinds_document();
            if (blind && each.block == "layers.0" && each.row >= query.size()) {
                for (std::size_t j = 0; j < query.size(); ++j) {
                    REQUIRE(each.weights[j] == 0);
                }
            }
        });
        CHECK(rows > 0);
    }
}

TEST_CASE("a cross-encoder refuses ids without both markers, and to cut what is stored") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        if (config.kind != mice::model_kind::cross_encoder) {
            continue;
        }
        CAPTURE(name);
        const scored_twice model(config);
        const auto refused = [&](std::size_t query_tokens, std::size_t tokens) {
            return fixtures::catch_error([&] {
                const mice::document document =
                    model.ranker.encode_ids(std::vector<std::int32_t>(tokens, 7));
                const mice::document* const one[] = {&document};
                (void)model.ranker.score(
                    model.ranker.encode_query_ids(std::vector<std::int32_t>(query_tokens, 7)),
                    std::span<const mice::document* const>(one));
            });
        };
        CHECK(refused(1, 5).code == mice::errc::invalid_argument);
        CHECK(refused(5, 1).code == mice::errc::invalid_argument);
        CHECK_FALSE(refused(2, 2).thrown);
        CHECK(refused(20, 40).thrown == model.ranker.stores_documents());
    }
}
