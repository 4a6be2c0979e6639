// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include <mice/config.hpp>
#include <mice/system/memory.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels {

/// Floats at a cache-line boundary. The memory only grows, so a loop that asks for the same size
/// again allocates once. Large blocks come from the system and go back to it. The values are not
/// initialised. Movable; not thread-safe.
class buffer {
  public:
    buffer() = default;
    explicit buffer(std::size_t count) { (void)reserve(count); }

    /// At least `count` floats. Earlier contents are lost when the memory grows. Throws
    /// std::bad_alloc.
    [[nodiscard]] float* reserve(std::size_t count) {
        if (count > capacity()) {
            if (count > static_cast<std::size_t>(-1) / sizeof(float) / 2) {
                throw std::bad_array_new_length();
            }
            data_.reset();
            data_ = allocate(count);
        }
        return data_.get();
    }

    [[nodiscard]] float* data() noexcept { return data_.get(); }
    [[nodiscard]] const float* data() const noexcept { return data_.get(); }
    [[nodiscard]] std::size_t capacity() const noexcept {
        return data_ == nullptr ? 0 : data_.get_deleter().count;
    }

  private:
    static constexpr std::size_t alignment = 64;

    struct release {
        std::size_t count; ///< floats
        bool pages;        ///< from the system
        void operator()(float* data) const noexcept {
            if (pages) {
                return_pages(data, count * sizeof(float));
            } else {
                ::operator delete (data, std::align_val_t{alignment});
            }
        }
    };

    static std::unique_ptr<float, release> allocate(std::size_t count) {
        const std::size_t bytes = count * sizeof(float);
        const bool pages = bytes >= system_block;
        void* memory =
            pages ? take_pages(bytes) : ::operator new (bytes, std::align_val_t{alignment});
        if (memory == nullptr) {
            throw std::bad_alloc();
        }
        return {static_cast<float*>(memory), {count, pages}};
    }

    std::unique_ptr<float, release> data_;
};

} // namespace kernels
MICE_NAMESPACE_END
