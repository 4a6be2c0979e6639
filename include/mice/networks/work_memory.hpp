// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <mice/nn/document_batch.hpp>
#include <mice/nn/encoder.hpp>
#include <mice/text/tokenizer.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

/// The scratch memory of one piece of work; the next piece reuses it, on any thread.
struct work_memory {
    nn::workspace space;
    kernels::buffer states;               // of the documents that the call encodes
    kernels::buffer packed;               // of the documents of this piece
    kernels::buffer scratch;              // of decoding
    std::vector<encoding> encodings;      // [documents]
    std::vector<nn::token_ids> sequences; // [documents]
    std::vector<nn::document_view> views; // [documents]
    std::vector<float> scores;            // [documents]
    std::unique_ptr<work_memory> next;    // the next one in the list of unused ones
};

/// Hands out work memory and keeps what is given back: as many as there were pieces at the same
/// time. Safe from many threads.
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

    work_memory_pool() = default;
    work_memory_pool(const work_memory_pool&) = delete;
    work_memory_pool& operator=(const work_memory_pool&) = delete;
    ~work_memory_pool() { clear(); }

    /// Frees what is not in use.
    void clear() noexcept {
        std::unique_ptr<work_memory> dropped;
        {
            const std::lock_guard lock(mutex_);
            dropped = std::move(free_);
        }
        while (dropped != nullptr) { // one after the other: a list would end in a deep recursion
            dropped = std::move(dropped->next);
        }
    }

  private:
    std::unique_ptr<work_memory> take() {
        {
            const std::lock_guard lock(mutex_);
            if (free_ != nullptr) {
                std::unique_ptr<work_memory> memory = std::move(free_);
                free_ = std::move(memory->next);
                return memory;
            }
        }
        return std::make_unique<work_memory>();
    }
    void give_back(std::unique_ptr<work_memory> memory) noexcept {
        const std::lock_guard lock(mutex_);
        memory->next = std::move(free_);
        free_ = std::move(memory);
    }

    std::mutex mutex_;
    std::unique_ptr<work_memory> free_; // a list, so that giving back never allocates
};

} // namespace detail
MICE_NAMESPACE_END
