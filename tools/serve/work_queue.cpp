// SPDX-License-Identifier: Apache-2.0
#include "serve/work_queue.hpp"

#include <algorithm>

namespace mice::serve {
namespace {

/// How often a waiting caller looks whether its client is still there.
constexpr std::chrono::milliseconds look_again{100};

} // namespace

work_queue::work_queue(std::size_t waiting) : limit_(waiting), thread_([this] { serve(); }) {}

work_queue::~work_queue() {
    stop();
    thread_.join();
}

void work_queue::serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
        arrived_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
        if (stopped_) {
            return;
        }
        ticket& next = *queue_.front();
        queue_.pop_front();
        next.begun = true;
        running_ = &next;
        lock.unlock();
        std::exception_ptr problem;
        try {
            (*next.task)(next.cancel);
        } catch (...) {
            problem = std::current_exception();
        }
        lock.lock();
        next.problem = problem;
        next.finished = true;
        running_ = nullptr;
        finished_.notify_all(); // `next` may be gone when the lock is open
    }
}

void work_queue::withdraw(const ticket& mine) {
    std::erase(queue_, &mine);
}

outcome work_queue::run(const work& task, std::optional<clock::time_point> deadline,
                        const std::function<bool()>& gone) {
    ticket mine;
    mine.task = &task;
    std::unique_lock lock(mutex_);
    if (stopped_) {
        return outcome::stopped;
    }
    // the first in the queue of an idle thread is as good as begun
    const std::size_t ahead = queue_.size() + (running_ != nullptr ? 1 : 0);
    if (ahead > limit_) {
        return outcome::full;
    }
    queue_.push_back(&mine);
    arrived_.notify_one();
    bool deserted = false;
    while (!mine.finished) {
        if (!mine.begun && stopped_) {
            withdraw(mine);
            return outcome::stopped;
        }
        const clock::time_point now = clock::now();
        if (!mine.begun && deadline && now >= *deadline) {
            withdraw(mine);
            return outcome::timed_out;
        }
        if (gone && !deserted) {
            lock.unlock();
            const bool left = gone();
            lock.lock();
            if (left && !mine.finished) {
                deserted = true;
                if (!mine.begun) {
                    withdraw(mine);
                    return outcome::deserted;
                }
                mine.cancel.request();
                continue;
            }
        }
        const auto ready = [&mine] { return mine.finished; };
        if (gone && !deserted) {
            clock::time_point until = clock::now() + look_again;
            if (!mine.begun && deadline) {
                until = std::min(until, *deadline);
            }
            finished_.wait_until(lock, until, ready);
        } else if (!mine.begun && deadline) {
            finished_.wait_until(lock, *deadline);
        } else {
            finished_.wait(lock);
        }
    }
    if (mine.problem) {
        std::rethrow_exception(mine.problem);
    }
    return deserted ? outcome::deserted : outcome::done;
}

void work_queue::stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (running_ != nullptr) {
        running_->cancel.request();
    }
    arrived_.notify_all();
    finished_.notify_all();
}

std::size_t work_queue::waiting() const {
    const std::lock_guard lock(mutex_);
    return queue_.size();
}

bool work_queue::busy() const {
    const std::lock_guard lock(mutex_);
    return running_ != nullptr;
}

} // namespace mice::serve
