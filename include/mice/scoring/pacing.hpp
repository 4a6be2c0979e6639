// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <mutex>

#include <mice/ranking.hpp>

// How a call with a deadline cuts its documents into pieces of work: small enough that little is
// lost when the time runs out, on a machine of any speed.
MICE_NAMESPACE_BEGIN
namespace detail {

[[nodiscard]] inline bool should_stop(const rank_options& options) {
    return (options.cancel != nullptr && options.cancel->requested()) ||
           (options.deadline && std::chrono::steady_clock::now() >= *options.deadline);
}

/// Hands out pieces of work: first one document, then twice as many as before while a piece takes
/// less than a twentieth of the call's time. No score depends on it. Safe from many threads.
class paced_pieces {
  public:
    using clock = std::chrono::steady_clock;

    struct piece {
        std::size_t first = 0;
        std::size_t last = 0; ///< equal to first: none is left
    };

    /// Pieces have at most `largest` documents, and near the end so few that every thread gets one.
    paced_pieces(std::size_t documents, std::size_t largest, std::size_t threads,
                 clock::time_point deadline)
        : documents_(documents), largest_(largest), threads_(threads), deadline_(deadline),
          longest_(time_left() / 20) {}

    [[nodiscard]] piece take() {
        const std::lock_guard lock(mutex_);
        const std::size_t left = documents_ - next_;
        const std::size_t fair = std::max<std::size_t>(1, left / (2 * threads_));
        const std::size_t first = next_;
        next_ += std::min({left, fair, affordable()});
        return {first, next_};
    }
    /// Tells how long a piece took, from its start to its last score.
    void finished(std::size_t documents, clock::duration spent) {
        const std::lock_guard lock(mutex_);
        cost_ = std::max(spent / static_cast<clock::rep>(documents), clock::duration(1));
        size_ = std::min(2 * documents, largest_);
    }
    /// Ends the work of the other threads: one of them has failed.
    void drop_rest() {
        const std::lock_guard lock(mutex_);
        next_ = documents_;
    }

  private:
    [[nodiscard]] clock::duration time_left() const {
        const clock::time_point now = clock::now();
        return now < deadline_ ? deadline_ - now : clock::duration::zero();
    }
    [[nodiscard]] std::size_t affordable() const {
        if (cost_ == clock::duration::zero()) {
            return 1; // nothing is known yet
        }
        const clock::duration time = std::min(longest_, time_left());
        return static_cast<std::size_t>(
            std::clamp<clock::rep>(time / cost_, 1, static_cast<clock::rep>(size_)));
    }

    std::size_t documents_;
    std::size_t largest_;
    std::size_t threads_;
    clock::time_point deadline_;
    clock::duration longest_;                        ///< that a piece should take
    clock::duration cost_ = clock::duration::zero(); ///< of a document, as measured last
    std::size_t size_ = 1;
    std::size_t next_ = 0;
    std::mutex mutex_;
};

} // namespace detail
MICE_NAMESPACE_END
