// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <mice/config.hpp>

static_assert(std::endian::native == std::endian::little,
              "mice reads little-endian tensors in place");

MICE_NAMESPACE_BEGIN
namespace io {

/// Element types of the safetensors format that mice reads or passes by.
enum class dtype : std::uint8_t {
    boolean,
    u8,
    i8,
    u16,
    i16,
    f16,
    bf16,
    u32,
    i32,
    f32,
    u64,
    i64,
    f64
};

struct dtype_name {
    dtype type;
    std::string_view name;
    std::size_t bytes;
};

/// Every element type with its name in the file and its size in bytes.
inline constexpr std::array<dtype_name, 13> dtype_names{{{dtype::boolean, "BOOL", 1},
                                                         {dtype::u8, "U8", 1},
                                                         {dtype::i8, "I8", 1},
                                                         {dtype::u16, "U16", 2},
                                                         {dtype::i16, "I16", 2},
                                                         {dtype::f16, "F16", 2},
                                                         {dtype::bf16, "BF16", 2},
                                                         {dtype::u32, "U32", 4},
                                                         {dtype::i32, "I32", 4},
                                                         {dtype::f32, "F32", 4},
                                                         {dtype::u64, "U64", 8},
                                                         {dtype::i64, "I64", 8},
                                                         {dtype::f64, "F64", 8}}};

[[nodiscard]] constexpr std::string_view name_of(dtype type) {
    return dtype_names[static_cast<std::size_t>(type)].name;
}

[[nodiscard]] constexpr std::size_t bytes_of(dtype type) {
    return dtype_names[static_cast<std::size_t>(type)].bytes;
}

[[nodiscard]] constexpr std::optional<dtype> dtype_from(std::string_view name) {
    for (const dtype_name& entry : dtype_names) {
        if (entry.name == name) {
            return entry.type;
        }
    }
    return std::nullopt;
}

/// Up to eight dimensions, outermost first; no dimensions is a scalar.
class tensor_shape {
  public:
    static constexpr std::size_t max_rank = 8;

    constexpr tensor_shape() = default;
    constexpr tensor_shape(std::initializer_list<std::size_t> sizes) {
        for (const std::size_t size : sizes) {
            if (rank_ < max_rank) {
                sizes_[rank_++] = size;
            }
        }
    }

    /// Appends a dimension; false when there are eight already.
    constexpr bool push_back(std::size_t size) {
        if (rank_ == max_rank) {
            return false;
        }
        sizes_[rank_++] = size;
        return true;
    }

    [[nodiscard]] constexpr std::size_t rank() const { return rank_; }
    [[nodiscard]] constexpr std::size_t operator[](std::size_t axis) const { return sizes_[axis]; }

    /// The number of elements, or nothing where the product does not fit in size_t.
    [[nodiscard]] constexpr std::optional<std::size_t> elements() const {
        std::size_t product = 1;
        for (std::size_t axis = 0; axis < rank_; ++axis) {
            if (sizes_[axis] != 0 && product > SIZE_MAX / sizes_[axis]) {
                return std::nullopt;
            }
            product *= sizes_[axis];
        }
        return product;
    }

    friend constexpr bool operator==(const tensor_shape&, const tensor_shape&) = default;

    /// "[384, 1536]"
    [[nodiscard]] std::string text() const {
        std::string result = "[";
        for (std::size_t axis = 0; axis < rank_; ++axis) {
            result += (axis == 0 ? "" : ", ") + std::to_string(sizes_[axis]);
        }
        return result + "]";
    }

  private:
    std::array<std::size_t, max_rank> sizes_{};
    std::size_t rank_ = 0;
};

/// A tensor inside a file or a caller's buffer. The bytes are not owned, and may stand at any
/// alignment.
struct tensor_view {
    dtype type = dtype::f32;
    tensor_shape shape;
    std::span<const std::byte> bytes;

    [[nodiscard]] std::size_t elements() const { return bytes.size() / bytes_of(type); }

    /// Element `index` of a tensor whose type is T's; the caller has checked type and range.
    template <class T> [[nodiscard]] T at(std::size_t index) const {
        T value;
        std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
        return value;
    }
};

} // namespace io
MICE_NAMESPACE_END
