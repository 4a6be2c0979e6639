// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include <mice/codecs/rotation.hpp>
#include <mice/codecs/row_codec.hpp>
#include <mice/kernels/convert.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Integers of 4, 8 or 16 bits, with one scale for 128 columns, which are rotated first. First the
/// integers of all rows, then the scales of all rows: F16, with 16 bits F32. In this form 16 bits a
/// value move scores less than IEEE halves, whose steps grow with the outlying columns.
template <unsigned Bits> class block_codec final : public row_codec {
    static_assert(Bits == 4 || Bits == 8 || Bits == 16);

  public:
    block_codec(std::string name, std::size_t width) : row_codec(std::move(name), width) {}
    [[nodiscard]] std::size_t row_bytes() const noexcept override {
        return code_bytes(width()) + (width() + block - 1) / block * sizeof(scale_type);
    }
    void encode(const float* rows, const std::int32_t*, std::size_t count,
                std::byte* out) const override {
        std::byte* scales = out + count * code_bytes(width());
        for_blocks(count, [&](std::size_t n) {
            float values[block] = {};
            std::copy_n(rows, n, values);
            for_rotated_parts<block>(n, [&](auto size, std::size_t first) {
                hadamard<size>(values + first);
                for (std::size_t i = 0; i < size; ++i) {
                    values[first + i] *= rotation_norm(size);
                }
            });
            const scale_type scale = scale_for(values, n);
            code codes[block] = {};
            for (std::size_t i = 0; i < n; ++i) {
                codes[i] = static_cast<code>(nearest(values[i], inverse_of(scale)));
            }
            pack(codes, n, out);
            std::memcpy(scales, &scale, sizeof scale);
            rows += n;
            out += code_bytes(n);
            scales += sizeof scale;
        });
    }
    void decode(const std::byte* codes, std::size_t count, float* out,
                kernels::buffer&) const override {
        const std::byte* scales = codes + count * code_bytes(width());
        for_blocks(count, [&](std::size_t n) {
            scale_type stored{};
            std::memcpy(&stored, scales, sizeof stored);
            const float scale = as_float(stored);
            if (!(scale >= 0 && scale <= largest_scale)) {
                throw errors::bad_codes(name(), "the scale of a row is not a positive number");
            }
            if (n == block) { // compilers vectorise loops of constant length
                decode_block(codes, std::integral_constant<std::size_t, block>{}, scale, out);
            } else {
                decode_block(codes, n, scale, out);
            }
            codes += code_bytes(n);
            scales += sizeof stored;
            out += n;
        });
    }

  private:
    static constexpr std::size_t block = 128; // columns; a power of two
    static constexpr int most = (1 << (Bits - 1)) - 1;
    using scale_type = std::conditional_t<Bits == 16, float, std::uint16_t>;
    // The type of a stored number, and one with room for the sum of a block of them. A float holds
    // every such sum exactly, so decoding rounds once, the same way everywhere.
    using code = std::conditional_t<Bits == 16, std::int16_t, std::int8_t>;
    using sum = std::conditional_t<Bits == 16, std::int32_t, std::int16_t>;
    // So no number times a scale overflows.
    static constexpr float largest_scale = Bits == 16 ? 0x1p100F : 65504.0F;

    static constexpr std::size_t code_bytes(std::size_t n) {
        return Bits == 4 ? (n + 1) / 2 : n * sizeof(code);
    }

    /// Calls step(columns) for every block of every row, in the order in which they are stored.
    template <class Step> void for_blocks(std::size_t count, const Step& step) const {
        for (std::size_t row = 0; row < count; ++row) {
            for (std::size_t first = 0; first < width(); first += block) {
                step(std::min(block, width() - first));
            }
        }
    }

    static float as_float(scale_type scale) {
        if constexpr (Bits == 16) {
            return scale;
        } else {
            return kernels::half_to_float(scale);
        }
    }
    static float inverse_of(scale_type scale) {
        return as_float(scale) > 0 ? 1 / as_float(scale) : 0.0F;
    }
    static float nearest(float value, float inverse) {
        constexpr auto bound = static_cast<float>(most);
        return std::clamp(std::nearbyint(value * inverse), Bits == 4 ? -bound - 1 : -bound, bound);
    }

    /// The scale of values[n], rotated.
    [[nodiscard]] scale_type scale_for(const float* values, std::size_t n) const {
        float largest = 0;
        for (std::size_t i = 0; i < n; ++i) {
            largest = std::max(largest, std::fabs(values[i]));
        }
        if (!(largest <= static_cast<float>(most) * largest_scale)) {
            throw errors::state_beyond_codec(name(),
                                             Bits == 16 ? "2^115" : std::to_string(most * 65504));
        }
        const float scale = largest / static_cast<float>(most);
        if constexpr (Bits == 16) {
            return scale;
        } else if constexpr (Bits == 8) {
            return kernels::half_not_below(scale);
        } else {
            return best_scale(values, n, largest);
        }
    }
    /// With few bits it pays to cut off the largest values: tries a few scales and takes the one
    /// with the least squared error.
    static scale_type best_scale(const float* values, std::size_t n, float largest) {
        std::uint16_t best = 0;
        float least = std::numeric_limits<float>::infinity();
        for (int step = 0; step < 9; ++step) {
            const std::uint16_t half = kernels::float_to_half(
                largest / (static_cast<float>(most) + 0.5F * static_cast<float>(step)));
            const float scale = kernels::half_to_float(half);
            const float inverse = scale > 0 ? 1 / scale : 0;
            float error = 0;
            for (std::size_t i = 0; i < n; ++i) {
                const float off = values[i] - scale * nearest(values[i], inverse);
                error += off * off;
            }
            if (error < least) {
                least = error;
                best = half;
            }
        }
        return best;
    }

    static void pack(const code* codes, std::size_t n, std::byte* out) {
        if constexpr (Bits ==
                      4) { // byte i: column i in the low bits, column i + bytes in the others
            const std::size_t bytes = code_bytes(n);
            for (std::size_t i = 0; i < bytes; ++i) {
                const auto low = static_cast<unsigned>(codes[i] + 8);
                const auto high = i + bytes < n ? static_cast<unsigned>(codes[i + bytes] + 8) : 8U;
                out[i] = static_cast<std::byte>(low | high << 4);
            }
        } else {
            std::memcpy(out, codes, n * sizeof(code));
        }
    }
    /// n is a std::size_t or a constant of its own type.
    template <class Length> static void unpack(const std::byte* from, Length n, sum* numbers) {
        if constexpr (Bits == 4) {
            std::uint8_t both[block / 2] = {};
            const std::size_t bytes = code_bytes(n);
            std::memcpy(both, from, bytes);
            for (std::size_t i = 0; i < bytes; ++i) {
                numbers[i] = static_cast<sum>((both[i] & 15) - 8);
                numbers[bytes + i] = static_cast<sum>((both[i] >> 4) - 8);
            }
        } else {
            code codes[block] = {};
            std::memcpy(codes, from, n * sizeof(code));
            for (std::size_t i = 0; i < n; ++i) {
                numbers[i] = codes[i]; // NOLINT(bugprone-signed-char-misuse): codes have a sign
            }
        }
    }
    template <class Length>
    static void decode_block(const std::byte* from, Length n, float scale, float* out) {
        sum numbers[block];
        unpack(from, n, numbers);
        for_rotated_parts<block>(n, [&](auto size, std::size_t first) {
            hadamard<size>(numbers + first);
            const float factor = scale * rotation_norm(size);
            for (std::size_t i = 0; i < size; ++i) {
                out[first + i] = static_cast<float>(numbers[first + i]) * factor;
            }
        });
    }
};

} // namespace store
MICE_NAMESPACE_END
