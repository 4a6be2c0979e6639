// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include <mice/parallel/executor.hpp>

namespace mice::serve {

/// What became of a piece of work.
enum class outcome {
    done,
    full,      ///< too many wait already: it was not taken
    timed_out, ///< its deadline passed before its turn
    deserted,  ///< nobody waits for it any more
    stopped    ///< the queue was stopped
};

/// One thread that does one piece of work after the other, and a bounded number of callers that
/// wait for it. The work shares a thread, and with it the threads that a call of the library keeps
/// ready, however many callers there are. Any thread may call it.
class work_queue {
  public:
    using clock = std::chrono::steady_clock;
    using work = std::function<void(const cancellation&)>;

    /// At most so many callers wait while another one's work is done.
    explicit work_queue(std::size_t waiting);
    /// Stops, and waits for what is being done. Nobody may be in run().
    ~work_queue();
    work_queue(const work_queue&) = delete;
    work_queue& operator=(const work_queue&) = delete;

    /// Has the work done and returns when it is, or when there is no reason to wait any longer.
    /// `gone`, where given, is asked now and then whether its result still matters; work that is
    /// being done is then cancelled. What the work throws is thrown here.
    [[nodiscard]] outcome run(const work& task, std::optional<clock::time_point> deadline,
                              const std::function<bool()>& gone = {});

    /// Cancels what is being done, and takes nothing more.
    void stop();

    /// Callers that wait for their turn.
    [[nodiscard]] std::size_t waiting() const;
    [[nodiscard]] bool busy() const;

  private:
    struct ticket {
        const work* task = nullptr;
        cancellation cancel{};
        bool begun = false, finished = false;
        std::exception_ptr problem{};
    };

    void serve();
    /// Takes a ticket out whose turn has not come. The lock is held.
    void withdraw(const ticket& mine);

    const std::size_t limit_;
    mutable std::mutex mutex_;
    std::condition_variable arrived_;  // for the thread
    std::condition_variable finished_; // for the callers
    std::deque<ticket*> queue_;
    ticket* running_ = nullptr;
    bool stopped_ = false;
    std::thread thread_;
};

} // namespace mice::serve
