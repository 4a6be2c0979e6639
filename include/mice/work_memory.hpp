// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <mice/nn/document_batch.hpp>
#include <mice/nn/encoder.hpp>
#include <mice/tokenizer.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

/// Everything that one piece of work needs; reused by the next piece on any thread.
struct work_memory {
    nn::workspace space;
    kernels::buffer states;               // of the documents that the call encodes
    kernels::buffer packed;               // of the documents of this piece
    kernels::buffer scratch;              // of decoding
    std::vector<encoding> encodings;      // [documents]
    std::vector<nn::token_ids> sequences; // [documents]
    std::vector<nn::document_view> views; // [documents]
    std::vector<float> scores;            // [documents]
};

/// Hands out work memory and keeps what is given back: as much as pieces ran at the same time. Safe
/// from many threads.
class work_memory_pool {
  public:
    class lease {
      public:
        explicit lease(work_memory_pool& pool) : pool_(pool), memory_(pool.take()) {}
        lease(const lease&) = delete;
        lease& operator=(const lease&) = delete;
        ~lease() { pool_.give_back(std::move(memory_)); }
        work_memory& operator*() const { return *memory_; }

      private:
        work_memory_pool& pool_;
        std::unique_ptr<work_memory> memory_;
    };

    /// Frees what is not lent.
    void clear() {
        std::vector<std::unique_ptr<work_memory>> dropped;
        const std::lock_guard lock(mutex_);
        dropped.swap(free_);
    }

  private:
    std::unique_ptr<work_memory> take() {
        const std::lock_guard lock(mutex_);
        ++lent_;
        free_.reserve(lent_ + free_.size()); // so that giving back never allocates
        if (free_.empty()) {
            return std::make_unique<work_memory>();
        }
        std::unique_ptr<work_memory> memory = std::move(free_.back());
        free_.pop_back();
        return memory;
    }
    void give_back(std::unique_ptr<work_memory> memory) {
        const std::lock_guard lock(mutex_);
        --lent_;
        free_.push_back(std::move(memory));
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<work_memory>> free_;
    std::size_t lent_ = 0;
};

} // namespace detail
MICE_NAMESPACE_END
