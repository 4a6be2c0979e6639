// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/equations.hpp"
#include "../support/golden_model.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>

namespace {

/// How far float32 states may be from the reference.
bool states_agree(const float* actual, const float* expected, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        if (!(std::fabs(actual[i] - expected[i]) <= 2e-4F + 1e-4F * std::fabs(expected[i]))) {
            UNSCOPED_INFO("value " << i << ": " << actual[i] << ", reference " << expected[i]);
            return false;
        }
    }
    return true;
}

std::string pair_name(std::size_t i) {
    return "pair" + std::to_string(i) + ".";
}

struct reference_case {
    explicit reference_case(const std::filesystem::path& folder,
                            mice::precision computed = mice::precision::f32)
        : parts(folder), file(parts.file()),
          engine(std::make_shared<const mice::model>(file, computed)),
          bytes(golden::read_bytes(folder / "golden.safetensors")), numbers(bytes),
          pairs(std::stoul(numbers.metadata().at("pairs"))) {}

    golden::model_parts parts;
    std::vector<std::byte> file;
    std::shared_ptr<const mice::model> engine;
    std::vector<std::byte> bytes;
    mice::io::safetensors numbers;
    std::size_t pairs;
};

/// (x - mean) / deviation of each row, as documents of the ModernBERT family are stored.
std::vector<float> normalised(const std::vector<float>& states, std::size_t hidden,
                              double epsilon) {
    fixtures::matrix x = fixtures::matrix_of(states, states.size() / hidden, hidden);
    const fixtures::row_vector ones = fixtures::row_vector::Ones(x.cols());
    for (auto row : x.rowwise()) {
        row = fixtures::layer_norm_of(row, ones, 0 * ones, epsilon);
    }
    return {x.data(), x.data() + x.size()};
}

/// Compares the states after each interaction layer and the score of one pair.
void check_interaction(const reference_case& given, std::size_t pair) {
    const mice::model_config& config = given.parts.config;
    const std::string name = pair_name(pair);
    const auto query_ids = golden::ids(given.numbers, name + "query_ids");
    const auto document_ids = golden::ids(given.numbers, name + "document_ids");
    const std::size_t hidden = config.interaction_hidden();
    mice::nn::workspace space;
    std::vector<float> states(document_ids.size() * hidden);
    const mice::nn::token_ids document{document_ids};
    given.engine->network().encode_documents({&document, 1}, states.data(), space);

    const std::string adapted = config.has_adapter() ? "_adapted" : "";
    std::vector<float> expected_states = golden::floats(given.numbers, name + "D" + adapted);
    if (config.normalises_states()) {
        expected_states = normalised(expected_states, hidden, config.layer_norm_eps);
    }
    CHECK(states_agree(states.data(), expected_states.data(), states.size()));

    const mice::nn::prepared_query query = given.engine->network().prepare_query(query_ids, space);
    const auto first = golden::floats(given.numbers, name + "Q0" + adapted);
    const std::size_t offset = config.global_cls_token ? hidden : 0;
    REQUIRE(query.states.size() == first.size() + offset);
    CHECK(states_agree(query.states.data() + offset, first.data(), first.size()));

    mice::kernels::buffer packed;
    const mice::nn::document_view view{states.data(), document_ids.data(), document_ids.size()};
    mice::nn::document_batch documents({&view, 1}, given.engine->network().packing(), packed);
    std::size_t layers = 0;
    float score = 0;
    given.engine->network().score(
        query, documents, &score, space, [&](std::size_t layer, mice::nn::matrix_view x) {
            const auto expected =
                golden::floats(given.numbers, name + "Q" + std::to_string(layer + 1));
            INFO("after interaction layer " << layer + 1);
            REQUIRE(x.columns == hidden);
            REQUIRE(x.rows * hidden <= expected.size());
            REQUIRE((x.rows == 1 || x.rows * hidden == expected.size()));
            for (std::size_t row = 0; row < x.rows; ++row) {
                CHECK(states_agree(x.row(row), expected.data() + row * hidden, hidden));
            }
            ++layers;
        });
    CHECK(layers == config.interaction_layers);
    CHECK(std::fabs(score - golden::floats(given.numbers, name + "score")[0]) <= 1e-4F);
}

} // namespace

TEST_CASE("every MICE reference model matches PyTorch layer by layer") {
    const auto cases = golden::cases_of("mice");
    REQUIRE(cases.size() >= 30);
    for (const auto& folder : cases) {
        INFO(folder.filename().string());
        const reference_case given(folder);
        REQUIRE(given.pairs > 0);
        for (std::size_t pair = 0; pair < given.pairs; ++pair) {
            INFO("pair " << pair);
            check_interaction(given, pair);
        }
    }
}

TEST_CASE("a score keeps its bits in every batch, order and number of threads") {
    const mice::precision computed =
        GENERATE(mice::precision::f32, mice::precision::bf16, mice::precision::int8);
    INFO(mice::name_of(computed));
    for (const auto& folder : golden::cases_of("mice")) {
        INFO(folder.filename().string());
        const reference_case given(folder, computed);
        const mice::reranker ranker(given.engine);
        std::vector<mice::document> documents;
        std::vector<mice::query> queries;
        for (std::size_t pair = 0; pair < given.pairs; ++pair) {
            documents.push_back(
                ranker.encode_ids(golden::ids(given.numbers, pair_name(pair) + "document_ids")));
            queries.push_back(
                ranker.encode_query_ids(golden::ids(given.numbers, pair_name(pair) + "query_ids")));
        }
        // many copies, so that pieces of work of every size and mixture occur
        std::vector<const mice::document*> many;
        for (std::size_t i = 0; i < 61; ++i) {
            many.push_back(&documents[(i * 5) % documents.size()]);
        }
        const std::span<const mice::document* const> span(many);
        for (std::size_t each = 0; each < queries.size(); ++each) {
            const mice::query& query = queries[each];
            std::vector<float> alone;
            for (const mice::document& document : documents) {
                const mice::document* one = &document;
                alone.push_back(ranker
                                    .score(query, std::span<const mice::document* const>(&one, 1),
                                           {.threads = 1})[0]
                                    .score);
            }
            // The first query meets every number of threads, the others one each.
            for (std::size_t threads = 1; threads <= 3; ++threads) {
                if (each != 0 && each % 3 != threads - 1) {
                    continue;
                }
                const mice::ranking together = ranker.score(query, span, {.threads = threads});
                for (std::size_t i = 0; i < many.size(); ++i) {
                    REQUIRE(together[i].scored);
                    REQUIRE(together[i].score == alone[(i * 5) % documents.size()]);
                }
            }
        }
    }
}

TEST_CASE("scores in bf16 and int8 stay near the reference, and are other scores") {
    struct limits {
        mice::precision computed;
        float largest, mean; // of the deviations; the scores' standard deviation is 5.8
    };
    const limits allowed = GENERATE(limits{mice::precision::bf16, 0.3F, 0.04F},
                                    limits{mice::precision::int8, 0.6F, 0.11F});
    INFO(mice::name_of(allowed.computed));
    float largest = 0;
    float sum = 0;
    std::size_t count = 0;
    for (const auto& folder : golden::cases_of("mice")) {
        const reference_case given(folder, allowed.computed);
        REQUIRE(given.engine->computed_in() == allowed.computed);
        const mice::reranker ranker(given.engine);
        float of_model = 0;
        for (std::size_t pair = 0; pair < given.pairs; ++pair) {
            const std::string name = pair_name(pair);
            const mice::query query =
                ranker.encode_query_ids(golden::ids(given.numbers, name + "query_ids"));
            const mice::document document =
                ranker.encode_ids(golden::ids(given.numbers, name + "document_ids"));
            const mice::document* const one[] = {&document};
            const float score =
                ranker.score(query, std::span<const mice::document* const>(one))[0].score;
            const float off = std::fabs(score - golden::floats(given.numbers, name + "score")[0]);
            of_model = std::max(of_model, off);
            sum += off;
            ++count;
        }
        INFO(folder.filename().string() << ": " << of_model);
        // one family's random layers, without a norm behind them, spread further
        CHECK(of_model <= allowed.largest * (given.parts.config.is_modernbert() ? 2 : 1));
        CHECK(of_model > 0); // otherwise the option was ignored
        largest = std::max(largest, of_model);
    }
    INFO("largest " << largest << ", mean " << sum / static_cast<float>(count));
    CHECK(sum / static_cast<float>(count) <= allowed.mean);
}
