// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// A caller's thread pool. mice then starts no thread of its own.
class executor {
  public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    virtual ~executor() = default;

    /// How many tasks run at the same time; at least 1.
    [[nodiscard]] virtual std::size_t concurrency() const noexcept = 0;
    /// Runs task(0) .. task(tasks - 1), in any order and on any threads, and returns when all have
    /// returned. The tasks throw nothing.
    virtual void run(std::size_t tasks, const std::function<void(std::size_t)>& task) = 0;
};

/// A flag by which another thread asks a running call to stop early. Thread-safe.
class cancellation {
  public:
    /// Asks for the stop; calls that look at this object return what they have.
    void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool requested() const noexcept {
        return requested_.load(std::memory_order_relaxed);
    }

  private:
    std::atomic<bool> requested_{false};
};

/// Where a call's work runs.
struct parallel_options {
    std::size_t threads = 0;  ///< at most this many threads; 0: one for each core
    executor* pool = nullptr; ///< where set, the work runs there and `threads` is a limit only
};

namespace detail {

/// Keeps the first exception of a parallel loop: none may leave an OpenMP region or a thread.
class first_exception {
  public:
    template <class Function> void guard(Function&& function) noexcept {
        try {
            function();
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!first_) {
                first_ = std::current_exception();
            }
            failed_.store(true, std::memory_order_relaxed);
        }
    }
    [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_relaxed); }
    void rethrow() const {
        if (first_) {
            std::rethrow_exception(first_);
        }
    }

  private:
    std::mutex mutex_;
    std::exception_ptr first_;
    std::atomic<bool> failed_{false};
};

inline void run_on_threads(std::size_t tasks, std::size_t threads,
                           const std::function<void(std::size_t)>& task) {
#if MICE_USE_OPENMP
    const auto count = static_cast<std::ptrdiff_t>(tasks);
    const auto team = static_cast<int>(threads);
#pragma omp parallel for schedule(dynamic, 1) num_threads(team)
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        task(static_cast<std::size_t>(i));
    }
#else
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t i = next.fetch_add(1); i < tasks; i = next.fetch_add(1)) {
            task(i);
        }
    };
    std::vector<std::thread> helpers;
    helpers.reserve(threads - 1);
    for (std::size_t i = 1; i < threads; ++i) {
        try {
            helpers.emplace_back(work);
        } catch (const std::system_error&) {
            break; // the system gives no more threads: those that run do the work
        }
    }
    work();
    for (std::thread& helper : helpers) {
        helper.join();
    }
#endif
}

} // namespace detail

/// How many threads `options` stands for with `tasks` tasks; at least 1.
[[nodiscard]] inline std::size_t threads_for(const parallel_options& options, std::size_t tasks) {
    const std::size_t available = options.pool != nullptr
                                      ? options.pool->concurrency()
                                      : std::size_t{std::thread::hardware_concurrency()};
    const std::size_t wanted = options.threads != 0 ? options.threads : available;
    constexpr std::size_t most = 1024;
    return std::clamp<std::size_t>(wanted, 1, std::clamp<std::size_t>(tasks, 1, most));
}

/// Runs task(0) .. task(tasks - 1) on the caller's pool, on threads of our own, or, for one thread,
/// in the calling thread. After an exception no further task starts; the first one is rethrown.
inline void parallel_for(std::size_t tasks, const parallel_options& options,
                         const std::function<void(std::size_t)>& task) {
    detail::first_exception first;
    const std::function<void(std::size_t)> guarded = [&](std::size_t i) {
        if (!first.failed()) {
            first.guard([&] { task(i); });
        }
    };
    const std::size_t threads = threads_for(options, tasks);
    if (threads == 1) {
        for (std::size_t i = 0; i < tasks; ++i) {
            guarded(i);
        }
    } else if (options.pool != nullptr) {
        // one pool task a thread, so that `threads` stays the limit on a larger pool
        std::atomic<std::size_t> next{0};
        options.pool->run(threads, [&](std::size_t) {
            for (std::size_t i = next.fetch_add(1); i < tasks; i = next.fetch_add(1)) {
                guarded(i);
            }
        });
    } else {
        detail::run_on_threads(tasks, threads, guarded);
    }
    first.rethrow();
}

MICE_NAMESPACE_END
