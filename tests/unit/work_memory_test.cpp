// SPDX-License-Identifier: Apache-2.0
#include "../support/allocation_counter.hpp"
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

/// Documents whose scratch memory is a few hundred times what their hits take.
std::vector<std::string> long_texts(std::size_t count) {
    std::vector<std::string> texts(count);
    for (std::size_t i = 0; i < count; ++i) {
        while (texts[i].size() < 600) {
            texts[i] += fixtures::passage(i + texts[i].size());
        }
    }
    return texts;
}

} // namespace

TEST_CASE("a call that is repeated allocates its results, and no scratch memory") {
    mice::model_config config = fixtures::small_config();
    const fixtures::model_in_memory model(config);
    const std::vector<std::string> texts = long_texts(40);
    const std::vector<mice::document> documents = model.ranker.encode_all(texts);
    for (const std::size_t threads : {1, 2}) {
        CAPTURE(threads);
        const mice::rank_options options{.threads = threads};
        const auto call = [&](const auto& query) {
            allocations::reset();
            const mice::ranking made = model.ranker.rank(query, documents, options);
            const allocations::counts counted = allocations::since_reset();
            REQUIRE(made.size() == texts.size());
            return counted;
        };
        // Two threads need not meet at once: of many calls most find their memory there.
        const auto least = [&](const auto& query) {
            allocations::counts found = call(query);
            for (int i = 0; i < 20; ++i) {
                const allocations::counts next = call(query);
                found.bytes = std::min(found.bytes, next.bytes);
                found.largest = std::min(found.largest, next.largest);
            }
            return found;
        };
        const std::string_view text = fixtures::question;
        model.ranker.release_work_memory();
        const allocations::counts first = call(text);
        // hits of the call, of the query and sorted ones; a few small vectors for each piece of
        // work
        const std::size_t most = 40 * 4 * sizeof(mice::hit) + 48 * 1024;
        allocations::reset();
        const mice::query encoded = model.ranker.encode_query(text);
        const allocations::counts of_query = allocations::since_reset();
        const allocations::counts with_query = least(encoded);
        CHECK(with_query.bytes < most);
        CHECK(with_query.largest < 16 * 1024);
        const allocations::counts with_text = least(text);
        CHECK(with_text.bytes < most + of_query.bytes);
        CHECK(with_text.largest <= std::max<std::size_t>(16 * 1024, of_query.largest));
        CHECK(first.bytes > 3 * with_text.bytes);
    }
}

TEST_CASE("work memory may be released while other threads rank") {
    const fixtures::model_in_memory model;
    const std::vector<std::string> texts = long_texts(6);
    const std::vector<mice::document> documents = model.ranker.encode_all(texts);
    const float expected = model.ranker.rank(fixtures::question, documents)[0].score;
    std::vector<std::thread> threads;
    std::vector<float> scores(4);
    for (std::size_t t = 0; t < scores.size(); ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) {
                scores[t] = model.ranker.rank(fixtures::question, documents)[0].score;
                model.ranker.release_work_memory();
            }
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    CHECK(scores == std::vector<float>(scores.size(), expected));
}
