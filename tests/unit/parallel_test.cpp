// SPDX-License-Identifier: Apache-2.0
#include "../support/allocation_counter.hpp"
#include "../support/catch.hpp"
#include "../support/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <mice/parallel/parallel_for.hpp>
#include <mice/parallel/shared_loop.hpp>

namespace {

/// A list of numbers to loop over.
using sizes = std::initializer_list<std::size_t>;

/// Runs `tasks` tasks and returns how often each ran.
std::vector<int> runs(std::size_t tasks, const mice::parallel_options& options) {
    std::vector<std::atomic<int>> counts(tasks);
    mice::parallel::parallel_for(tasks, options, [&](std::size_t i) { counts.at(i).fetch_add(1); });
    return {counts.begin(), counts.end()};
}

/// Whether `tasks` tasks of a loop run at the same time: each waits until all have begun. A loop
/// that runs one after the other ends when their patience does.
bool all_begin_together(std::size_t tasks, const mice::parallel_options& options) {
    constexpr std::chrono::seconds patience{20};
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t begun = 0;
    bool together = true;
    mice::parallel::parallel_for(tasks, options, [&](std::size_t) {
        std::unique_lock lock(mutex);
        ++begun;
        changed.notify_all();
        together = together && changed.wait_for(lock, patience, [&] { return begun == tasks; });
    });
    return together && begun == tasks;
}

/// The threads that a loop ran on.
std::set<std::thread::id> threads_used(const mice::parallel_options& options) {
    std::mutex mutex;
    std::set<std::thread::id> seen;
    mice::parallel::parallel_for(64, options, [&](std::size_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        const std::lock_guard lock(mutex);
        seen.insert(std::this_thread::get_id());
    });
    return seen;
}

} // namespace

TEST_CASE("a parallel loop runs every task exactly once") {
    fixtures::thread_pool pool(3);
    for (const std::size_t tasks : sizes{0, 1, 2, 3, 7, 64, 1000}) {
        const std::vector<int> once(tasks, 1);
        for (const std::size_t threads : sizes{0, 1, 2, 5, 5000}) {
            CHECK(runs(tasks, {.threads = threads}) == once);
            CHECK(runs(tasks, {.threads = threads, .pool = &pool}) == once);
        }
    }
}

TEST_CASE("a parallel loop of one thread stays in the calling thread") {
    fixtures::thread_pool pool(2);
    const std::set<std::thread::id> only{std::this_thread::get_id()};
    CHECK(threads_used({.threads = 1}) == only);
    CHECK(threads_used({.threads = 1, .pool = &pool}) == only);
    CHECK(pool.submitted() == 0);
    fixtures::thread_pool narrow(1);
    CHECK(threads_used({.pool = &narrow}) == only);
}

TEST_CASE("tasks of a parallel loop run at the same time on a caller's pool") {
    for (const std::size_t threads : sizes{2, 3, 5}) {
        fixtures::thread_pool pool(threads);
        CHECK(all_begin_together(threads, {.pool = &pool}));
        CHECK(all_begin_together(2, {.threads = 2, .pool = &pool}));
    }
}

TEST_CASE("tasks of a parallel loop run at the same time on threads of its own") {
    const std::size_t threads = mice::parallel::threads_for({.threads = 4}, 4);
    if (threads < 2) {
        WARN("skipped: this process may use one processor only");
        return;
    }
    CHECK(all_begin_together(threads, {.threads = 4}));
    // also where there is no OpenMP
    std::atomic<std::size_t> begun{0};
    std::atomic<std::size_t> met{0}; // Catch asserts on one thread only
    const std::function<void(std::size_t)> meet = [&](std::size_t) {
        ++begun;
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (begun < 2 && std::chrono::steady_clock::now() < end) {
            std::this_thread::yield();
        }
        met += begun == 2 ? 1 : 0;
    };
    mice::detail::shared_loop loop(2, meet);
    mice::detail::work_with_threads(loop, 1);
    loop.finish();
    CHECK(met == 2);
}

TEST_CASE("a parallel loop without memory for its threads does the work with those that run") {
    // every request for memory fails in its turn: of the list, of a thread, of the next thread
    for (std::size_t granted = 0; granted < 8; ++granted) {
        CAPTURE(granted);
        std::vector<std::atomic<int>> counts(50);
        const std::function<void(std::size_t)> task = [&](std::size_t i) { ++counts[i]; };
        mice::detail::shared_loop loop(counts.size(), task);
        {
            const allocations::failing no_memory(granted);
            mice::detail::work_with_threads(loop, 3);
        }
        loop.finish();
        CHECK(
            std::all_of(counts.begin(), counts.end(), [](const auto& each) { return each == 1; }));
    }
}

TEST_CASE("a parallel loop uses at most the threads it was given") {
    CHECK(threads_used({.threads = 2}).size() <= 2);
    CHECK(threads_used({.threads = 3}).size() <= 3);
    fixtures::thread_pool pool(4);
    CHECK(threads_used({.threads = 2, .pool = &pool}).size() <= 2);
}

TEST_CASE("the caller and its executor do all the work of a parallel loop, no thread starts") {
    fixtures::thread_pool pool(3);
    const std::set<std::thread::id> used = threads_used({.pool = &pool});
    CHECK(pool.submitted() == 2); // the caller is the third
    CHECK(used.contains(std::this_thread::get_id()));
    for (const std::thread::id& id : used) {
        CHECK((pool.owns(id) || id == std::this_thread::get_id()));
    }
}

TEST_CASE("the first exception of a parallel loop is rethrown with its type and text") {
    fixtures::thread_pool pool(3);
    for (const mice::parallel_options& options :
         {mice::parallel_options{.threads = 1}, mice::parallel_options{.threads = 4},
          mice::parallel_options{.pool = &pool}}) {
        try {
            mice::parallel::parallel_for(40, options, [](std::size_t i) {
                if (i == 5) {
                    throw std::out_of_range("task five");
                }
            });
            FAIL("no exception arrived");
        } catch (const std::out_of_range& e) {
            CHECK(std::string(e.what()) == "task five");
        }
        // the loop and the pool are usable afterwards
        CHECK(runs(10, options) == std::vector<int>(10, 1));
    }
}

TEST_CASE("no task of a parallel loop starts after an exception") {
    std::size_t in_order = 0;
    CHECK_THROWS_AS(mice::parallel::parallel_for(100, {.threads = 1},
                                                 [&](std::size_t i) {
                                                     ++in_order;
                                                     if (i == 3) {
                                                         throw std::runtime_error("stop");
                                                     }
                                                 }),
                    std::runtime_error);
    CHECK(in_order == 4);

    fixtures::thread_pool pool(4);
    for (const mice::parallel_options& options :
         {mice::parallel_options{.threads = 4}, mice::parallel_options{.pool = &pool}}) {
        std::atomic<std::size_t> started{0};
        CHECK_THROWS_AS(mice::parallel::parallel_for(2000, options,
                                                     [&](std::size_t i) {
                                                         ++started;
                                                         if (i == 0) {
                                                             throw std::runtime_error("stop");
                                                         }
                                                         std::this_thread::sleep_for(
                                                             std::chrono::milliseconds(1));
                                                     }),
                        std::runtime_error);
        CHECK(started < 1000);
    }
}

TEST_CASE("a parallel loop inside a parallel loop runs every task exactly once") {
    for (const std::size_t threads : sizes{1, 2, 4}) {
        std::vector<std::atomic<int>> counts(64);
        mice::parallel::parallel_for(8, {.threads = threads}, [&](std::size_t i) {
            mice::parallel::parallel_for(8, {.threads = threads},
                                         [&](std::size_t j) { counts[i * 8 + j].fetch_add(1); });
        });
        for (const std::atomic<int>& count : counts) {
            REQUIRE(count == 1);
        }
    }
    std::atomic<int> outer{0};
    CHECK_THROWS_AS(mice::parallel::parallel_for(4, {.threads = 2},
                                                 [&](std::size_t) {
                                                     ++outer;
                                                     mice::parallel::parallel_for(
                                                         4, {.threads = 2}, [](std::size_t) {
                                                             throw std::runtime_error("inner");
                                                         });
                                                 }),
                    std::runtime_error);
    CHECK(outer >= 1);
}

TEST_CASE("a number of threads is at least one and at most the tasks") {
    fixtures::thread_pool pool(5);
    CHECK(mice::parallel::threads_for({.threads = 3, .pool = &pool}, 10) == 3);
    CHECK(mice::parallel::threads_for({.threads = 30, .pool = &pool}, 10) == 5);
    CHECK(mice::parallel::threads_for({.threads = 30, .pool = &pool}, 4) == 4);
    CHECK(mice::parallel::threads_for({.threads = 3, .pool = &pool}, 0) == 1);
    CHECK(mice::parallel::threads_for({.threads = 3}, 0) == 1);
    CHECK(mice::parallel::threads_for({}, 1'000'000) >= 1);
    CHECK(mice::parallel::threads_for({.pool = &pool}, 100) == 5);
    CHECK(mice::parallel::threads_for({.threads = 2, .pool = &pool}, 100) == 2);
    struct odd_pool : mice::executor {
        explicit odd_pool(std::size_t said) : said_(said) {}
        std::size_t concurrency() const noexcept override { return said_; }
        void submit(std::function<void()>) override {}
        std::size_t said_;
    };
    odd_pool none(0);
    CHECK(mice::parallel::threads_for({.pool = &none}, 100) == 1);
    odd_pool countless(1'000'000);
    CHECK(mice::parallel::threads_for({.threads = 1'000'000, .pool = &countless}, 1'000'000) ==
          1024);
}
