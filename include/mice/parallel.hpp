// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <mice/config.hpp>
#include <mice/float_mode.hpp>
#include <mice/processors.hpp>

#if MICE_USE_OPENMP
#include <omp.h>
#endif

MICE_NAMESPACE_BEGIN

/// A caller's thread pool. mice then starts no thread of its own. The thread that makes a call does
/// its work, and the pool helps where it has threads to spare: a call never waits for one, so it
/// may be made from a task of the very pool that it is given.
class executor {
  public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    virtual ~executor() = default;

    /// How many tasks run at the same time; at least 1. A call asks for one helper less.
    [[nodiscard]] virtual std::size_t concurrency() const noexcept = 0;
    /// Asks for help: to call help() once, on any thread, when one is free, and not to wait for it.
    /// Help that comes when the call has returned does nothing, and help that never comes is not
    /// missed. What this throws is ignored: the call goes on without that help. help() throws
    /// nothing. Called from many threads at once where calls share the pool.
    virtual void submit(std::function<void()> help) = 0;
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
    /// At most this many threads, the calling one counted; 0: as many as `usable_processors()` says
    /// (with OpenMP, what OMP_NUM_THREADS says). Never more than the processors or the pool.
    std::size_t threads = 0;
    executor* pool = nullptr; ///< where set, it helps, and mice starts no thread
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
    void rethrow() {
        if (first_) {
            std::rethrow_exception(std::exchange(first_, nullptr));
        }
    }

  private:
    std::mutex mutex_;
    std::exception_ptr first_;
    std::atomic<bool> failed_{false};
};

/// The tasks of one loop, for all threads that take part. A helper may come at any time, also when
/// the loop is over.
class shared_loop {
  public:
    /// `task` must live until finish() returns.
    shared_loop(std::size_t tasks, const std::function<void(std::size_t)>& task)
        : tasks_(tasks), task_(&task) {}

    /// Runs tasks until none is left. After an exception none starts.
    void work() {
        in_default_float_mode([this] {
            for (std::size_t i = next_.fetch_add(1); i < tasks_ && !first_.failed();
                 i = next_.fetch_add(1)) {
                first_.guard([&] { (*task_)(i); });
            }
        });
    }
    /// As work(), on another thread than the one that waits in finish().
    void help() {
        {
            const std::lock_guard lock(mutex_);
            if (over_) {
                return;
            }
            ++helpers_;
        }
        work();
        const std::lock_guard lock(mutex_);
        if (--helpers_ == 0) {
            changed_.notify_all();
        }
    }
    /// Lets no helper in any more, waits for those that are, and rethrows the first exception.
    void finish() {
        std::unique_lock lock(mutex_);
        over_ = true;
        changed_.wait(lock, [this] { return helpers_ == 0; });
        first_.rethrow();
    }

  private:
    std::size_t tasks_;
    const std::function<void(std::size_t)>* task_;
    std::atomic<std::size_t> next_{0};
    first_exception first_;
    std::mutex mutex_; // of the two below
    bool over_ = false;
    std::size_t helpers_ = 0;
    std::condition_variable changed_;
};

/// Works with helpers from the caller's pool, where there is one to spare.
inline void work_with_pool(const std::shared_ptr<shared_loop>& loop, std::size_t helpers,
                           executor& pool) {
    for (std::size_t i = 0; i < helpers; ++i) {
        try {
            pool.submit([loop] { loop->help(); });
        } catch (...) {
            break; // no more help to be had: those that came do the work
        }
    }
    loop->work();
}

/// Works with threads of its own.
inline void work_with_threads(shared_loop& loop, std::size_t helpers) {
    std::vector<std::thread> started;
    try {
        started.reserve(helpers);
        for (std::size_t i = 0; i < helpers; ++i) {
            started.emplace_back([&loop] { loop.help(); });
        }
    } catch (const std::exception&) {
        // neither threads nor memory for more: those that run do the work
    }
    loop.work();
    for (std::thread& helper : started) {
        helper.join();
    }
}

/// Works with the threads of OpenMP or our own.
inline void work_with_own_threads(shared_loop& loop, std::size_t threads) {
#if MICE_USE_OPENMP
    // OpenMP's threads stay in the parent of a process that fork made; waiting for them never ends
    if (!is_forked()) {
        const auto team = static_cast<int>(threads);
#pragma omp parallel num_threads(team)
        loop.work();
        return;
    }
#endif
    work_with_threads(loop, threads - 1);
}

} // namespace detail

/// How many threads `options` stands for with `tasks` tasks, the calling one counted; at least 1.
[[nodiscard]] inline std::size_t threads_for(const parallel_options& options, std::size_t tasks) {
    constexpr std::size_t most = 1024;
    const std::size_t useful = std::min(tasks, most);
    if (useful <= 1 || options.threads == 1) {
        return 1;
    }
    std::size_t there = options.pool != nullptr ? options.pool->concurrency() : usable_processors();
#if MICE_USE_OPENMP
    if (options.pool == nullptr && options.threads == 0) {
        there = std::min(there, static_cast<std::size_t>(std::max(1, omp_get_max_threads())));
    }
#endif
    const std::size_t wanted = options.threads == 0 ? there : std::min(options.threads, there);
    return std::clamp<std::size_t>(wanted, 1, useful);
}

/// Runs task(0) .. task(tasks - 1), each once: on the calling thread, and beside it on the caller's
/// pool or on threads of our own. After an exception no further task starts; the first one is
/// rethrown.
inline void parallel_for(std::size_t tasks, const parallel_options& options,
                         const std::function<void(std::size_t)>& task) {
    const std::size_t threads = threads_for(options, tasks);
    if (threads > 1 && options.pool != nullptr) {
        // shared with helpers that come when this has returned
        const auto loop = std::make_shared<detail::shared_loop>(tasks, task);
        detail::work_with_pool(loop, threads - 1, *options.pool);
        loop->finish();
        return;
    }
    detail::shared_loop loop(tasks, task);
    if (threads > 1) {
        detail::work_with_own_threads(loop, threads);
    } else {
        loop.work();
    }
    loop.finish();
}

MICE_NAMESPACE_END
