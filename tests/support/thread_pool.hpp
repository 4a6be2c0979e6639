// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <mice/parallel.hpp>

namespace fixtures {

/// A caller's thread pool as an app would bring it: its threads run from its first to its last day.
class thread_pool final : public mice::executor {
  public:
    explicit thread_pool(std::size_t threads) {
        for (std::size_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this] { serve(); });
            ids_.push_back(threads_.back().get_id());
        }
    }
    ~thread_pool() override {
        {
            const std::lock_guard lock(mutex_);
            closing_ = true;
        }
        changed_.notify_all();
        for (std::thread& thread : threads_) {
            thread.join();
        }
    }

    [[nodiscard]] std::size_t concurrency() const noexcept override { return threads_.size(); }

    void run(std::size_t tasks, const std::function<void(std::size_t)>& task) override {
        const std::lock_guard one_run_at_a_time(running_);
        std::unique_lock lock(mutex_);
        ++runs_;
        task_ = &task;
        next_ = 0;
        tasks_ = tasks;
        unfinished_ = tasks;
        changed_.notify_all();
        finished_.wait(lock, [this] { return unfinished_ == 0; });
    }

    /// How many times run() was called.
    [[nodiscard]] std::size_t runs() const { return runs_; }
    [[nodiscard]] bool owns(std::thread::id id) const {
        return std::find(ids_.begin(), ids_.end(), id) != ids_.end();
    }

  private:
    void serve() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return closing_ || next_ < tasks_; });
            if (closing_) {
                return;
            }
            const std::size_t mine = next_++;
            const std::function<void(std::size_t)>& task = *task_;
            lock.unlock();
            task(mine);
            lock.lock();
            if (--unfinished_ == 0) {
                finished_.notify_all();
            }
        }
    }

    std::mutex running_;
    std::mutex mutex_;
    std::condition_variable changed_, finished_;
    const std::function<void(std::size_t)>* task_ = nullptr;
    std::size_t next_ = 0, tasks_ = 0, unfinished_ = 0;
    std::atomic<std::size_t> runs_{0};
    bool closing_ = false;
    std::vector<std::thread> threads_;
    std::vector<std::thread::id> ids_;
};

} // namespace fixtures
