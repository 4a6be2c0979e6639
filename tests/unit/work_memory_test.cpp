// SPDX-License-Identifier: Apache-2.0
#include "../support/allocation_counter.hpp"
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <unistd.h>

#include <mice/networks/work_memory.hpp>
#endif

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

#if defined(__linux__) && !MICE_ADDRESS_SANITIZER
/// Memory of this process that is really there, in bytes.
std::size_t resident() {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}
#endif

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

TEST_CASE("fault 39: giving work memory back needs none, also behind a release") {
    mice::detail::work_memory_pool pool;
    using lease = mice::detail::work_memory_pool::lease;
    for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{300}}) {
        std::vector<std::unique_ptr<lease>> leases;
        for (std::size_t i = 0; i < count; ++i) {
            leases.push_back(std::make_unique<lease>(pool));
        }
        pool.clear();
        {
            const allocations::failing no_memory(0);
            for (std::unique_ptr<lease>& each : leases) {
                each.reset();
            }
            const lease again(pool); // one of those
            pool.clear();
        }
        pool.clear();
    }
}

#if defined(__linux__) && !MICE_ADDRESS_SANITIZER
TEST_CASE("fault 39: released work memory goes back to the system") {
    constexpr std::size_t million = std::size_t{1} << 20;
    {
        // an allocator that has seen such blocks keeps what it gets back
        std::vector<char> large(30 * million);
        CHECK(large.back() == 0);
    }
    mice::detail::work_memory_pool pool;
    std::vector<std::unique_ptr<int>> behind; // and cannot return what lies below these
    {
        using lease = mice::detail::work_memory_pool::lease;
        std::vector<std::unique_ptr<lease>> leases;
        for (int i = 0; i < 8; ++i) {
            leases.push_back(std::make_unique<lease>(pool));
            mice::detail::work_memory& memory = **leases.back();
            for (mice::kernels::buffer* each :
                 {&memory.states, &memory.packed, &memory.space.inner, &memory.space.gemm}) {
                float* values = each->reserve(million / sizeof(float));
                std::fill_n(values, million / sizeof(float), 1.0F);
                behind.push_back(std::make_unique<int>(i));
            }
        }
    }
    const std::size_t kept = resident();
    pool.clear();
    CHECK(resident() + 30 * million < kept);
}

TEST_CASE("fault 39: a reranker gives the system back what its calls took") {
    mice::model_config config = fixtures::small_config();
    config.hidden_size = config.embedding_size = 256;
    config.intermediate_size = 1024;
    const fixtures::model_in_memory model(config);
    const std::vector<std::string> texts = long_texts(40);
    (void)model.ranker.rank(fixtures::question, texts, {.threads = 1});
    model.ranker.release_work_memory();
    const std::size_t before = resident();
    const mice::ranking kept = model.ranker.rank(fixtures::question, texts, {.threads = 1});
    const std::size_t during = resident();
    model.ranker.release_work_memory();
    const std::size_t after = resident();
    CAPTURE(before, during, after);
    CHECK(kept.size() == texts.size());
    REQUIRE(during > before + (std::size_t{1} << 20));
    CHECK(after - std::min(after, before) < (during - before) / 2);
}
#endif
