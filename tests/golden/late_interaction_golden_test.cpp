// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/golden_model.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <memory>

#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>

namespace {

struct late_interaction_case {
    explicit late_interaction_case(const std::filesystem::path& folder,
                                   mice::precision computed = mice::precision::f32,
                                   const std::function<void(mice::model_config&)>& change = {})
        : parts(folder), bytes(golden::read_bytes(folder / "golden.safetensors")), numbers(bytes),
          pairs(std::stoul(numbers.metadata().at("pairs"))), filler(parts.config.filler) {
        if (change) {
            change(parts.config);
        }
        file = parts.file();
        engine = std::make_shared<const mice::model>(file, computed);
    }

    golden::model_parts parts;
    std::vector<std::byte> file;
    std::shared_ptr<const mice::model> engine;
    std::vector<std::byte> bytes;
    mice::io::safetensors numbers;
    std::size_t pairs;
    std::int32_t filler; ///< of the reference, whatever `change` did

    [[nodiscard]] std::vector<std::int32_t> ids(std::size_t pair, const std::string& name) const {
        return golden::ids(numbers, "pair" + std::to_string(pair) + "." + name);
    }
    [[nodiscard]] std::vector<float> floats(std::size_t pair, const std::string& name) const {
        return golden::floats(numbers, "pair" + std::to_string(pair) + "." + name);
    }
    /// The query as callers give it: [CLS] tokens [SEP], without marker and fillers.
    [[nodiscard]] std::vector<std::int32_t> query_ids(std::size_t pair) const {
        std::vector<std::int32_t> given = ids(pair, "query_ids");
        given.erase(given.begin() + 1);
        while (given.back() == filler) {
            given.pop_back();
        }
        return given;
    }
    [[nodiscard]] std::vector<std::int32_t> document_ids(std::size_t pair) const {
        std::vector<std::int32_t> given = ids(pair, "document_ids");
        given.erase(given.begin() + 1);
        return given;
    }
    [[nodiscard]] float score(std::size_t pair) const {
        const mice::reranker ranker(engine);
        const mice::document document = ranker.encode_ids(document_ids(pair));
        const mice::document* const one[] = {&document};
        return ranker
            .score(ranker.encode_query_ids(query_ids(pair)),
                   std::span<const mice::document* const>(one))[0]
            .score;
    }
    /// How far the scores are from the reference.
    [[nodiscard]] float largest_deviation() const {
        float largest = 0;
        for (std::size_t pair = 0; pair < pairs; ++pair) {
            largest = std::max(largest, std::fabs(score(pair) - floats(pair, "score")[0]));
        }
        return largest;
    }
};

bool vectors_agree(std::span<const float> actual, const std::vector<float>& expected) {
    REQUIRE(actual.size() == expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
        if (!(std::fabs(actual[i] - expected[i]) <= 2e-5F)) {
            UNSCOPED_INFO("value " << i << ": " << actual[i] << ", reference " << expected[i]);
            return false;
        }
    }
    return true;
}

} // namespace

TEST_CASE("late interaction matches PyTorch vector by vector") {
    const auto cases = golden::cases_of("colbert");
    REQUIRE(cases.size() == 2);
    for (const auto& folder : cases) {
        INFO(folder.filename().string());
        const late_interaction_case given(folder);
        const mice::reranker ranker(given.engine);
        REQUIRE(given.pairs == 6);
        bool fewer = false;
        for (std::size_t pair = 0; pair < given.pairs; ++pair) {
            INFO("pair " << pair);
            const std::vector<std::int32_t> query_ids = given.query_ids(pair);
            mice::nn::workspace space;
            const mice::nn::prepared_query query =
                given.engine->network().prepare_query(given.engine->query_ids(query_ids), space);
            CHECK(query.rows == given.parts.config.max_query_length);
            CHECK(query.ids.size() == query_ids.size() + 1);
            CHECK(vectors_agree(query.states, given.floats(pair, "query_vectors")));

            const std::vector<std::int32_t> all = given.ids(pair, "document_ids");
            const mice::document document = ranker.encode_ids(given.document_ids(pair));
            std::vector<std::int32_t> kept;
            for (const std::int32_t place : given.ids(pair, "document_kept")) {
                kept.push_back(all[static_cast<std::size_t>(place)]);
            }
            CHECK(document.tokens() == all.size());
            CHECK(document.rows() == kept.size());
            CHECK(
                std::equal(kept.begin(), kept.end(), document.ids().begin(), document.ids().end()));
            CHECK(vectors_agree(document.states(), given.floats(pair, "document_vectors")));
            CHECK(std::fabs(given.score(pair) - given.floats(pair, "score")[0]) <= 1e-4F);
            fewer = fewer || kept.size() < all.size();
        }
        CHECK(fewer); // otherwise nothing was skipped
    }
}

TEST_CASE("every option of late interaction changes the scores") {
    using config = mice::model_config;
    for (const auto& folder : golden::cases_of("colbert")) {
        INFO(folder.filename().string());
        const auto deviation = [&](const std::function<void(config&)>& change) {
            return late_interaction_case(folder, mice::precision::f32, change).largest_deviation();
        };
        CHECK(deviation({}) <= 1e-4F);
        CHECK(deviation([](config& c) { c.attend_to_filler = !c.attend_to_filler; }) > 1e-2F);
        CHECK(deviation([](config& c) { c.skipped.clear(); }) > 1e-2F);
        CHECK(deviation([](config& c) { c.query_marker = 7; }) > 1e-2F);
        CHECK(deviation([](config& c) { c.document_marker = 7; }) > 1e-2F);
        CHECK(deviation([](config& c) { c.filler = 0; }) > 1e-2F);
        CHECK(deviation([](config& c) { c.max_query_length = 31; }) > 1e-2F);
    }
}

TEST_CASE("a late-interaction score keeps its bits in every batch, order and number of threads") {
    const mice::precision computed =
        GENERATE(mice::precision::f32, mice::precision::bf16, mice::precision::int8);
    INFO(mice::name_of(computed));
    for (const auto& folder : golden::cases_of("colbert")) {
        const late_interaction_case given(folder, computed);
        const mice::reranker ranker(given.engine);
        std::vector<mice::document> documents;
        for (std::size_t pair = 0; pair < given.pairs; ++pair) {
            documents.push_back(ranker.encode_ids(given.document_ids(pair)));
        }
        std::vector<const mice::document*> many;
        for (std::size_t i = 0; i < 61; ++i) {
            many.push_back(&documents[(i * 5) % documents.size()]);
        }
        for (std::size_t pair = 0; pair < given.pairs; ++pair) {
            const mice::query query = ranker.encode_query_ids(given.query_ids(pair));
            std::vector<float> alone;
            for (const mice::document& document : documents) {
                const mice::document* const one[] = {&document};
                alone.push_back(ranker
                                    .score(query, std::span<const mice::document* const>(one),
                                           {.threads = 1})[0]
                                    .score);
            }
            for (const std::size_t threads : std::initializer_list<std::size_t>{1, 2, 3}) {
                const mice::ranking together = ranker.score(
                    query, std::span<const mice::document* const>(many), {.threads = threads});
                for (std::size_t i = 0; i < many.size(); ++i) {
                    REQUIRE(together[i].scored);
                    REQUIRE(together[i].score == alone[(i * 5) % documents.size()]);
                }
            }
        }
    }
}

TEST_CASE("late interaction in bf16 and int8 stays near the reference, and is another score") {
    // Scores are near 31, the largest possible 32.
    struct limits {
        mice::precision computed;
        float largest;
    };
    const limits allowed =
        GENERATE(limits{mice::precision::bf16, 0.1F}, limits{mice::precision::int8, 0.2F});
    for (const auto& folder : golden::cases_of("colbert")) {
        const float off = late_interaction_case(folder, allowed.computed).largest_deviation();
        INFO(mice::name_of(allowed.computed) << " " << folder.filename().string() << ": " << off);
        CHECK(off <= allowed.largest);
        CHECK(off > 0);
    }
}
