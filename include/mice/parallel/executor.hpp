// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// A caller's thread pool. With it mice starts no thread of its own. The calling thread does the
/// work, and the pool helps where it has threads to spare. A call never waits for help, so it may
/// be made from a task of the very pool that it is given.
class executor {
  public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    virtual ~executor() = default;

    /// How many tasks can run at the same time; at least 1. A call asks for one helper less.
    [[nodiscard]] virtual std::size_t concurrency() const noexcept = 0;
    /// Asks the pool to call help() once, on any thread, when one is free. It must return without
    /// waiting. Help that comes after the call has returned does nothing, and help that never comes
    /// is not missed. Exceptions of this function are ignored: the call goes on without that help.
    /// help() throws nothing. Called from many threads at once where calls share the pool.
    virtual void submit(std::function<void()> help) = 0;
};

/// A flag by which another thread asks a running call to stop early. Thread-safe.
class cancellation {
  public:
    /// Asks for the stop; calls that watch this object return what they have.
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

MICE_NAMESPACE_END
