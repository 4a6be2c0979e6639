// SPDX-License-Identifier: Apache-2.0
#include "../support/allocation_counter.hpp"
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <algorithm>
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
        const auto call = [&] {
            allocations::reset();
            const mice::ranking made = model.ranker.rank("the old river mill", documents, options);
            const allocations::counts counted = allocations::since_reset();
            REQUIRE(made.size() == texts.size());
            return counted;
        };
        model.ranker.release_work_memory();
        const allocations::counts first = call();
        // Two threads need not meet at once: of many calls most find their memory there.
        allocations::counts again = call();
        for (int i = 0; i < 20; ++i) {
            const allocations::counts next = call();
            again.bytes = std::min(again.bytes, next.bytes);
            again.largest = std::min(again.largest, next.largest);
        }
        // hits of the call, of the query and sorted ones; a few small vectors for each piece of
        // work
        CHECK(again.bytes < 40 * 4 * sizeof(mice::hit) + 48 * 1024);
        CHECK(again.largest < 16 * 1024);
        CHECK(first.bytes > 4 * again.bytes);
    }
}

TEST_CASE("work memory may be released while other threads rank") {
    const fixtures::model_in_memory model;
    const std::vector<std::string> texts = long_texts(6);
    const std::vector<mice::document> documents = model.ranker.encode_all(texts);
    const float expected = model.ranker.rank("the old river mill", documents)[0].score;
    std::vector<std::thread> threads;
    std::vector<float> scores(4);
    for (std::size_t t = 0; t < scores.size(); ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) {
                scores[t] = model.ranker.rank("the old river mill", documents)[0].score;
                model.ranker.release_work_memory();
            }
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    CHECK(scores == std::vector<float>(scores.size(), expected));
}
