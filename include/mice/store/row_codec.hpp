// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include <mice/error.hpp>
#include <mice/kernels/buffer.hpp>
#include <mice/kernels/convert.hpp>

// How rows of floats become bytes. docs/format.md describes every codec's bytes.
MICE_NAMESPACE_BEGIN
namespace store {

/// Turns rows of `width` floats into bytes and back. Immutable, safe from many threads. The codes
/// of a document are one piece of memory at any alignment.
class row_codec {
  public:
    row_codec(std::string name, std::size_t width) : name_(std::move(name)), width_(width) {}
    row_codec(const row_codec&) = delete;
    row_codec& operator=(const row_codec&) = delete;
    virtual ~row_codec() = default;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::size_t width() const noexcept { return width_; }
    /// Bytes that each row adds to a document's codes.
    [[nodiscard]] virtual std::size_t row_bytes() const noexcept = 0;
    /// rows [count, width], finite, to out [count * row_bytes()]. `ids` [count] are the tokens of
    /// states, null for keys and values. Throws errc::unsupported for values that the codec cannot
    /// hold.
    virtual void encode(const float* rows, const std::int32_t* ids, std::size_t count,
                        std::byte* out) const = 0;
    /// The codes of `count` rows to out [count, width]. `scratch` is free to use. Throws
    /// errc::format for codes that do not stand for finite numbers.
    virtual void decode(const std::byte* codes, std::size_t count, float* out,
                        kernels::buffer& scratch) const = 0;

  private:
    std::string name_;
    std::size_t width_;
};

/// Floats as they are.
class f32_codec final : public row_codec {
  public:
    explicit f32_codec(std::size_t width) : row_codec("f32", width) {}
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

/// IEEE binary16, rounded to nearest.
class f16_codec final : public row_codec {
  public:
    explicit f16_codec(std::size_t width) : row_codec("f16", width) {}
    [[nodiscard]] std::size_t row_bytes() const noexcept override {
        return width() * sizeof(std::uint16_t);
    }
    void encode(const float* rows, const std::int32_t*, std::size_t count,
                std::byte* out) const override {
        for (std::size_t i = 0; i < count * width(); ++i, out += sizeof(std::uint16_t)) {
            const std::uint16_t half = kernels::float_to_half(rows[i]);
            if ((half & 0x7fffU) >= 0x7c00U) {
                throw errors::state_beyond_codec(name(), "65504");
            }
            std::memcpy(out, &half, sizeof half);
        }
    }
    void decode(const std::byte* codes, std::size_t count, float* out,
                kernels::buffer&) const override {
        if (!kernels::halves_to_floats(codes, count * width(), out)) {
            throw errors::bad_codes(name(), "a value is NaN or infinite");
        }
    }
};

namespace detail {

/// Scales are bounded so that no product of one with a code overflows.
inline constexpr float largest_scale = 0x1p100F;

/// The float at `at`, which is the scale of a row. Throws errc::format unless it is finite, not
/// negative and at most largest_scale.
[[nodiscard]] inline float checked_scale(const std::byte* at, const row_codec& codec) {
    float scale = 0;
    std::memcpy(&scale, at, sizeof scale);
    if (!(scale >= 0 && scale <= largest_scale)) {
        throw errors::bad_codes(codec.name(), "the scale of a row is not a positive number");
    }
    return scale;
}

[[nodiscard]] inline float largest_magnitude(const float* row, std::size_t n) {
    float largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
        largest = std::max(largest, std::fabs(row[i]));
    }
    return largest;
}

} // namespace detail

/// Signed bytes times one scale a row: all rows' bytes, then all rows' F32 scales.
class int8_codec final : public row_codec {
  public:
    explicit int8_codec(std::size_t width) : row_codec("int8", width) {}
    [[nodiscard]] std::size_t row_bytes() const noexcept override {
        return width() + sizeof(float);
    }
    void encode(const float* rows, const std::int32_t*, std::size_t count,
                std::byte* out) const override {
        std::byte* scales = out + count * width();
        for (std::size_t row = 0; row < count; ++row, rows += width()) {
            const float scale = detail::largest_magnitude(rows, width()) / 127.0F;
            if (scale > detail::largest_scale) {
                throw errors::state_beyond_codec(name(), "2^100");
            }
            const float inverse = scale > 0 ? 1.0F / scale : 0.0F;
            for (std::size_t i = 0; i < width(); ++i) {
                const float units = std::clamp(std::nearbyint(rows[i] * inverse), -127.0F, 127.0F);
                *out++ = static_cast<std::byte>(static_cast<std::int8_t>(units));
            }
            std::memcpy(scales + row * sizeof scale, &scale, sizeof scale);
        }
    }
    void decode(const std::byte* codes, std::size_t count, float* out,
                kernels::buffer&) const override {
        const std::byte* scales = codes + count * width();
        for (std::size_t row = 0; row < count; ++row) {
            kernels::bytes_to_floats(codes + row * width(), width(),
                                     detail::checked_scale(scales + row * sizeof(float), *this),
                                     out + row * width());
        }
    }
};

} // namespace store
MICE_NAMESPACE_END
