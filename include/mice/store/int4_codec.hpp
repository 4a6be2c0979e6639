// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include <mice/store/row_codec.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

namespace detail {

/// x = the Walsh-Hadamard transform of x[Size], not normalised: twice applied it is Size * x.
template <std::size_t Size> void hadamard(float* x) {
    if constexpr (Size > 1) {
        constexpr std::size_t half = Size / 2;
        hadamard<half>(x);
        hadamard<half>(x + half);
        for (std::size_t i = 0; i < half; ++i) {
            const float sum = x[i] + x[half + i];
            x[half + i] = x[i] - x[half + i];
            x[i] = sum;
        }
    }
}

/// The orthonormal transform of x[n], cut into powers of two from the left, largest first; n is at
/// most 2 * Size - 1. It is its own inverse.
template <std::size_t Size> void rotate(float* x, std::size_t n) {
    if (n >= Size) {
        hadamard<Size>(x);
        const float norm = 1.0F / std::sqrt(static_cast<float>(Size));
        for (std::size_t i = 0; i < Size; ++i) {
            x[i] *= norm;
        }
        x += Size;
        n -= Size;
    }
    if constexpr (Size > 1) {
        rotate<Size / 2>(x, n);
    }
}

} // namespace detail

/// Four bits a value, with one F16 scale for each 128 columns. A fixed rotation of those columns
/// comes first: it spreads the few large columns that encoders have over all of them, which would
/// otherwise set the step for the small ones.
class int4_codec final : public row_codec {
  public:
    explicit int4_codec(std::size_t width) : row_codec("int4", width) {}
    [[nodiscard]] std::size_t row_bytes() const noexcept override {
        return (width() + 1) / 2 + groups() * sizeof(std::uint16_t);
    }
    void encode(const float* rows, const std::int32_t*, std::size_t count,
                std::byte* out) const override {
        std::byte* scales = out + count * ((width() + 1) / 2);
        for (std::size_t row = 0; row < count; ++row, rows += width()) {
            for (std::size_t first = 0; first < width(); first += group) {
                const std::size_t n = std::min(group, width() - first);
                float values[group] = {};
                std::copy_n(rows + first, n, values);
                detail::rotate<group>(values, n);
                const std::uint16_t half = best_scale(values, n);
                write(values, n, kernels::half_to_float(half), out);
                out += (n + 1) / 2;
                std::memcpy(scales, &half, sizeof half);
                scales += sizeof half;
            }
        }
    }
    void decode(const std::byte* codes, std::size_t count, float* out,
                kernels::buffer&) const override {
        const std::byte* scales = codes + count * ((width() + 1) / 2);
        for (std::size_t row = 0; row < count; ++row) {
            for (std::size_t first = 0; first < width(); first += group, out += group) {
                const std::size_t n = std::min(group, width() - first);
                std::uint16_t half = 0;
                std::memcpy(&half, scales, sizeof half);
                scales += sizeof half;
                if (half >= 0x7c00U) {
                    throw errors::bad_codes(name(), "the scale of a row is not a positive number");
                }
                float values[group];
                read(codes, n, kernels::half_to_float(half), values);
                codes += (n + 1) / 2;
                detail::rotate<group>(values, n);
                std::copy_n(values, n, out);
                if (n < group) {
                    out -= group - n;
                }
            }
        }
    }

  private:
    static constexpr std::size_t group = 128; // columns; a power of two

    [[nodiscard]] std::size_t groups() const noexcept { return (width() + group - 1) / group; }

    static float code_of(float value, float inverse) {
        return std::clamp(std::nearbyint(value * inverse), -8.0F, 7.0F);
    }

    /// Of a few scales the one with the smallest squared error: it pays to cut off the largest.
    [[nodiscard]] std::uint16_t best_scale(const float* values, std::size_t n) const {
        const float largest = detail::largest_magnitude(values, n);
        if (kernels::float_to_half(largest / 7) >= 0x7c00U) {
            throw errors::state_beyond_codec(name(), "458528");
        }
        std::uint16_t best = 0;
        float least = std::numeric_limits<float>::infinity();
        for (int step = 0; step < 9; ++step) {
            const std::uint16_t half =
                kernels::float_to_half(largest / (7.0F + 0.5F * static_cast<float>(step)));
            const float scale = kernels::half_to_float(half);
            const float inverse = scale > 0 ? 1 / scale : 0;
            float error = 0;
            for (std::size_t i = 0; i < n; ++i) {
                const float off = values[i] - scale * code_of(values[i], inverse);
                error += off * off;
            }
            if (error < least) {
                least = error;
                best = half;
            }
        }
        return best;
    }

    /// Byte i holds column i in its low four bits and column i + (n + 1) / 2 in the others.
    static void write(const float* values, std::size_t n, float scale, std::byte* out) {
        const float inverse = scale > 0 ? 1 / scale : 0;
        const std::size_t bytes = (n + 1) / 2;
        for (std::size_t i = 0; i < bytes; ++i) {
            const auto low = static_cast<unsigned>(code_of(values[i], inverse) + 8);
            const auto high =
                i + bytes < n ? static_cast<unsigned>(code_of(values[i + bytes], inverse) + 8) : 8U;
            out[i] = static_cast<std::byte>(low | high << 4);
        }
    }
    static void read(const std::byte* codes, std::size_t n, float scale, float* values) {
        constexpr std::size_t most = group / 2;
        const std::size_t bytes = (n + 1) / 2;
        std::uint8_t both[most] = {};
        std::memcpy(both, codes, bytes);
        if (n == group) { // constant lengths are what compilers turn into vector code
            for (std::size_t i = 0; i < most; ++i) {
                values[i] = static_cast<float>((both[i] & 15) - 8) * scale;
                values[most + i] = static_cast<float>((both[i] >> 4) - 8) * scale;
            }
            return;
        }
        for (std::size_t i = 0; i < n; ++i) {
            const int code = i < bytes ? both[i] & 15 : both[i - bytes] >> 4;
            values[i] = static_cast<float>(code - 8) * scale;
        }
    }
};

} // namespace store
MICE_NAMESPACE_END
