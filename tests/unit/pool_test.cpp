// SPDX-License-Identifier: Apache-2.0
#include "../support/allocation_counter.hpp"
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"
#include "../support/thread_pool.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <mice/parallel/parallel_for.hpp>
#include <mice/parallel/shared_loop.hpp>

namespace {

/// A pool whose owner decides what happens to help.
class odd_pool final : public mice::executor {
  public:
    explicit odd_pool(std::function<void(std::function<void()>)> take) : take_(std::move(take)) {}
    [[nodiscard]] std::size_t concurrency() const noexcept override { return 4; }
    void submit(std::function<void()> help) override { take_(std::move(help)); }

  private:
    std::function<void(std::function<void()>)> take_;
};

std::vector<std::string> pooled_texts(std::size_t count) {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < count; ++i) {
        made.push_back(fixtures::passage(i));
    }
    return made;
}

std::vector<float> scores(const mice::ranking& of) {
    std::vector<float> all;
    for (const mice::hit& each : of) {
        all.push_back(each.scored ? each.score : -1e30F);
    }
    return all;
}

} // namespace

TEST_CASE("fault 35: calls from the tasks of a pool may be given that very pool") {
    const fixtures::model_in_memory model;
    const std::vector<std::string> texts = pooled_texts(40);
    const std::vector<float> expected =
        scores(model.ranker.score(fixtures::question, texts, {.threads = 1}));
    for (const std::size_t threads : {std::size_t{1}, std::size_t{2}, std::size_t{4}}) {
        fixtures::thread_pool pool(threads);
        // as many calls as threads, so that no thread is left to help; and more, which wait
        std::vector<std::promise<std::vector<float>>> made(3 * threads);
        for (std::promise<std::vector<float>>& each : made) {
            pool.submit([&] {
                each.set_value(
                    scores(model.ranker.score(fixtures::question, texts, {.pool = &pool})));
            });
        }
        for (std::promise<std::vector<float>>& each : made) {
            CHECK(each.get_future().get() == expected);
        }
        // a loop in a loop in a task
        std::promise<std::vector<int>> counted;
        pool.submit([&] {
            std::vector<std::atomic<int>> counts(64);
            mice::parallel::parallel_for(8, {.pool = &pool}, [&](std::size_t i) {
                mice::parallel::parallel_for(
                    8, {.pool = &pool}, [&](std::size_t j) { counts[i * 8 + j].fetch_add(1); });
            });
            counted.set_value({counts.begin(), counts.end()});
        });
        CHECK(counted.get_future().get() == std::vector<int>(64, 1));
    }
}

TEST_CASE("fault 35: an index is written and read in the tasks of its pool of one thread") {
    const fixtures::model_in_memory model;
    const temporary_folder folder;
    fixtures::thread_pool pool(1);
    // says that it runs more at once than it does
    odd_pool boastful([&pool](std::function<void()> help) { pool.submit(std::move(help)); });
    std::promise<std::size_t> found;
    pool.submit([&] {
        mice::index made = mice::index::create(folder.path() / "index", model.ranker,
                                               {.codec = {.name = "pq8"}}, {.pool = &boastful});
        fixtures::put_passages(made, 0, 400);
        made.commit();
        found.set_value(made.rank(fixtures::question, {.pool = &boastful}).size());
    });
    CHECK(found.get_future().get() == 400);
}

TEST_CASE("fault 35: a pool that never helps is not missed") {
    const fixtures::model_in_memory model;
    const std::vector<std::string> texts = pooled_texts(60);
    const std::vector<float> expected =
        scores(model.ranker.score(fixtures::question, texts, {.threads = 1}));
    const auto check = [&](mice::executor& pool) {
        CHECK(scores(model.ranker.score(fixtures::question, texts, {.pool = &pool})) == expected);
        CHECK(model.ranker.encode_all(texts, {.pool = &pool}).size() == texts.size());
    };
    odd_pool drops([](const std::function<void()>&) {});
    check(drops);
    odd_pool throws([](const std::function<void()>&) { throw std::runtime_error("closed"); });
    check(throws);
    odd_pool throws_no_exception([](const std::function<void()>&) { throw 1; });
    check(throws_no_exception);
    odd_pool at_once([](const std::function<void()>& help) { help(); });
    check(at_once);
    odd_pool again_and_again([](const std::function<void()>& help) {
        help();
        std::thread(help).join();
        help();
    });
    check(again_and_again);
    // also while a model is loaded
    const mice::reranker loaded(std::span<const std::byte>(model.bytes), mice::precision::f32,
                                {.pool = &drops});
    CHECK(scores(loaded.score(fixtures::question, texts)) == expected);
}

TEST_CASE("fault 35: help that comes when the call has returned does nothing") {
    std::vector<std::function<void()>> late;
    odd_pool keeps([&late](std::function<void()> help) { late.push_back(std::move(help)); });
    {
        auto model = std::make_unique<fixtures::model_in_memory>();
        const std::vector<std::string> texts = pooled_texts(60);
        std::size_t told = 0;
        const mice::rank_options options{.pool = &keeps,
                                         .progress = [&told](std::size_t, std::size_t) { ++told; }};
        CHECK(model->ranker.rank(fixtures::question, texts, options).size() == 60);
        const std::size_t of_the_call = told;
        CHECK(of_the_call > 0);
        REQUIRE(late.size() == 3);
        late[0]();
        CHECK(told == of_the_call);
        CHECK_THROWS_AS(
            mice::parallel::parallel_for(10, {.pool = &keeps},
                                         [](std::size_t) { throw std::out_of_range("task"); }),
            std::out_of_range);
    }
    // nothing of the call is left: not the model, not the texts
    std::vector<std::thread> threads;
    for (const std::function<void()>& each : late) {
        threads.emplace_back(each);
        each();
    }
    for (std::thread& each : threads) {
        each.join();
    }
}

TEST_CASE("fault 35: help that comes in the middle takes part and is waited for") {
    std::vector<std::thread> threads;
    odd_pool starts([&threads](std::function<void()> help) { threads.emplace_back(help); });
    for (int round = 0; round < 200; ++round) {
        auto counts = std::make_unique<std::vector<std::atomic<int>>>(32);
        mice::parallel::parallel_for(counts->size(), {.pool = &starts},
                                     [&](std::size_t i) { (*counts)[i].fetch_add(1); });
        CHECK(std::vector<int>(counts->begin(), counts->end()) == std::vector<int>(32, 1));
        counts.reset(); // whoever comes now must not touch it
        for (std::thread& each : threads) {
            each.join();
        }
        threads.clear();
    }
}

TEST_CASE("a loop goes on with fewer threads where there is no memory to start them") {
    for (std::size_t granted = 0; granted < 24; ++granted) {
        std::vector<std::atomic<int>> counts(16);
        const std::function<void(std::size_t)> task = [&](std::size_t i) {
            counts[i].fetch_add(1);
        };
        mice::detail::shared_loop loop(counts.size(), task);
        {
            const allocations::failing no_memory(granted);
            mice::detail::work_with_threads(loop, 8);
        }
        loop.finish();
        CHECK(std::vector<int>(counts.begin(), counts.end()) == std::vector<int>(16, 1));
    }
    fixtures::thread_pool pool(3);
    for (std::size_t granted = 0; granted < 8; ++granted) {
        std::vector<std::atomic<int>> counts(16);
        const std::function<void(std::size_t)> task = [&](std::size_t i) {
            counts[i].fetch_add(1);
        };
        const auto loop = std::make_shared<mice::detail::shared_loop>(counts.size(), task);
        {
            const allocations::failing no_memory(granted);
            mice::detail::work_with_pool(loop, 2, pool);
        }
        loop->finish();
        CHECK(std::vector<int>(counts.begin(), counts.end()) == std::vector<int>(16, 1));
    }
}
