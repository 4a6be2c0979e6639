// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <mice/parallel/parallel_for.hpp>

namespace fixtures {

/// A thread pool as an app might have one: its threads live as long as the pool.
class thread_pool final : public mice::executor {
  public:
    explicit thread_pool(std::size_t threads) {
        for (std::size_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this] { serve(); });
            ids_.push_back(threads_.back().get_id());
        }
    }
    /// Runs what is waiting before it ends.
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

    void submit(std::function<void()> help) override {
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(help));
            ++submitted_;
        }
        changed_.notify_one();
    }

    /// How many times submit() was called.
    [[nodiscard]] std::size_t submitted() const {
        const std::lock_guard lock(mutex_);
        return submitted_;
    }
    [[nodiscard]] bool owns(std::thread::id id) const {
        return std::find(ids_.begin(), ids_.end(), id) != ids_.end();
    }

  private:
    void serve() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
            if (waiting_.empty()) {
                return;
            }
            const std::function<void()> next = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            next();
            lock.lock();
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> waiting_;
    std::size_t submitted_ = 0;
    bool closing_ = false;
    std::vector<std::thread> threads_;
    std::vector<std::thread::id> ids_;
};

} // namespace fixtures
