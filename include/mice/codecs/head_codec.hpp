// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include <mice/codecs/row_codec.hpp>
#include <mice/kernels/convert.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Keys and values as 8-bit integers, with one scale for each attention head: the form of
/// nn::document_view::key_value_codes, which attention multiplies as they are. First the integers
/// of all rows, then the scales of all rows, F16.
class head_codec final : public row_codec {
  public:
    /// `width` is a multiple of `head_dim`.
    head_codec(std::string name, std::size_t width, std::size_t head_dim)
        : row_codec(std::move(name), width), head_dim_(head_dim) {}

    [[nodiscard]] const head_codec* as_head_codec() const noexcept override { return this; }
    [[nodiscard]] std::size_t row_bytes() const noexcept override {
        return width() + heads() * sizeof(std::uint16_t);
    }
    void encode(const float* rows, const std::int32_t*, std::size_t count,
                std::byte* out) const override {
        std::byte* scales = out + count * width();
        for (std::size_t i = 0; i < count * heads(); ++i, scales += sizeof(std::uint16_t)) {
            const std::uint16_t half = scale_for(rows);
            const float scale = kernels::half_to_float(half);
            const float inverse = scale > 0 ? 1 / scale : 0;
            for (std::size_t j = 0; j < head_dim_; ++j, ++rows, ++out) {
                const float nearest = std::clamp(std::nearbyint(*rows * inverse), -most, most);
                *out = static_cast<std::byte>(static_cast<std::int8_t>(nearest));
            }
            std::memcpy(scales, &half, sizeof half);
        }
    }
    void decode(const std::byte* codes, std::size_t count, float* out,
                kernels::buffer&) const override {
        check(codes, count);
        const std::byte* scales = codes + count * width();
        for (std::size_t i = 0; i < count * heads(); ++i, scales += sizeof(std::uint16_t)) {
            std::uint16_t half = 0;
            std::memcpy(&half, scales, sizeof half);
            const float scale = kernels::half_to_float(half);
            for (std::size_t j = 0; j < head_dim_; ++j, ++codes, ++out) {
                *out = static_cast<float>(static_cast<std::int8_t>(*codes)) * scale;
            }
        }
    }

    /// Throws errc::format unless the scales of `count` rows' codes are finite and not negative.
    void check(const std::byte* codes, std::size_t count) const {
        constexpr std::uint16_t infinity = 0x7c00; // a sign is the highest bit
        const std::byte* scales = codes + count * width();
        if (kernels::largest_half_bits(scales, count * heads()) >= infinity) {
            throw errors::bad_codes(name(), "the scale of a head is not a positive number");
        }
    }

  private:
    static constexpr float most = 127;

    [[nodiscard]] std::size_t heads() const noexcept { return width() / head_dim_; }
    /// The smallest half that cuts nothing off.
    [[nodiscard]] std::uint16_t scale_for(const float* values) const {
        float largest = 0;
        for (std::size_t i = 0; i < head_dim_; ++i) {
            largest = std::max(largest, std::fabs(values[i]));
        }
        if (!(largest <= most * 65504.0F)) {
            throw errors::state_beyond_codec(name(), std::to_string(127 * 65504));
        }
        return kernels::half_not_below(largest / most);
    }

    std::size_t head_dim_;
};

} // namespace store
MICE_NAMESPACE_END
