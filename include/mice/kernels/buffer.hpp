// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace kernels {

/// Floats at a cache-line boundary whose memory only grows: a loop that asks for the same size
/// again allocates once. The values are not initialised. Movable; not thread-safe.
class buffer {
  public:
    buffer() = default;
    explicit buffer(std::size_t count) { (void)reserve(count); }

    /// At least `count` floats; what was there before is lost when the memory grows. Throws
    /// std::bad_alloc.
    [[nodiscard]] float* reserve(std::size_t count) {
        if (count > capacity_) {
            if (count > static_cast<std::size_t>(-1) / sizeof(float) / 2) {
                throw std::bad_array_new_length();
            }
            data_.reset();
            capacity_ = 0;
            data_.reset(static_cast<float*>(
                ::operator new (count * sizeof(float), std::align_val_t{alignment})));
            capacity_ = count;
        }
        return data_.get();
    }

    [[nodiscard]] float* data() noexcept { return data_.get(); }
    [[nodiscard]] const float* data() const noexcept { return data_.get(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  private:
    static constexpr std::size_t alignment = 64;
    struct release {
        void operator()(float* data) const noexcept {
            ::operator delete (data, std::align_val_t{alignment});
        }
    };
    std::unique_ptr<float, release> data_;
    std::size_t capacity_ = 0;
};

} // namespace kernels
MICE_NAMESPACE_END
