// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mice::serve {

/// Threads for requests, each made when it is needed. Any thread may call any function.
class workers {
  public:
    explicit workers(std::size_t most) : most_(most) {}
    /// Waits for all that was given.
    ~workers();
    workers(const workers&) = delete;
    workers& operator=(const workers&) = delete;

    /// Runs a task, which must not throw. Throws std::system_error where the system gives not even
    /// one thread.
    void run(std::function<void()> task);

  private:
    void serve();

    const std::size_t most_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> waiting_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    bool stopping_ = false;
};

} // namespace mice::serve
