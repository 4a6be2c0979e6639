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

#include <mice/parallel/executor.hpp>
#include <mice/system/float_mode.hpp>
#include <mice/system/processors.hpp>

#if MICE_USE_OPENMP
#include <omp.h>
#endif

MICE_NAMESPACE_BEGIN

namespace detail {

/// Keeps the first exception of a parallel loop, because none may leave an OpenMP region or a
/// thread.
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
    /// Like work(), on another thread than the one that waits in finish().
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
    /// Lets no more helpers in, waits for those that are in, and rethrows the first exception.
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
            break; // the pool gives no more help: those that came do the work
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
        // no threads or memory for more: those that run do the work
    }
    loop.work();
    for (std::thread& helper : started) {
        helper.join();
    }
}

/// Works with the threads of OpenMP or our own.
inline void work_with_own_threads(shared_loop& loop, std::size_t threads) {
#if MICE_USE_OPENMP
    // OpenMP's threads stay in the parent of a forked process; waiting for them would never end
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

MICE_NAMESPACE_END
