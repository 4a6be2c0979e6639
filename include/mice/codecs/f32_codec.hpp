// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include <mice/codecs/row_codec.hpp>
#include <mice/kernels/convert.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Floats as they are.
class f32_codec final : public row_codec {
  public:
    f32_codec(std::string name, std::size_t width) : row_codec(std::move(name), width) {}
    [[nodiscard]] std::size_t row_bytes() const noexcept override {
        return width() * sizeof(float);
    }
    void encode(const float* rows, const std::int32_t*, std::size_t count,
                std::byte* out) const override {
        std::memcpy(out, rows, count * row_bytes());
    }
    void decode(const std::byte* codes, std::size_t count, float* out,
                kernels::buffer&) const override {
        std::memcpy(out, codes, count * row_bytes());
        if (!kernels::all_finite(out, count * width())) {
            throw errors::bad_codes(name(), "a value is NaN or infinite");
        }
    }
};

} // namespace store
MICE_NAMESPACE_END
