// SPDX-License-Identifier: Apache-2.0
#include "http/workers.hpp"

#include <system_error>
#include <utility>

namespace mice::serve {

workers::~workers() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        arrived_.notify_all();
    }
    for (std::thread& each : threads_) {
        each.join();
    }
}

void workers::run(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(task));
    if (idle_ < waiting_.size() && threads_.size() < most_) {
        try {
            threads_.emplace_back([this] { serve(); });
        } catch (const std::system_error&) {
            if (threads_.empty()) {
                waiting_.pop_back();
                throw;
            }
        }
    }
    arrived_.notify_one();
}

void workers::serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        --idle_;
        if (waiting_.empty()) {
            return;
        }
        const std::function<void()> task = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        task();
        lock.lock();
    }
}

} // namespace mice::serve
