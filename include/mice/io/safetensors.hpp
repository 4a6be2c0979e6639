// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/tensor.hpp>

// The safetensors format: eight bytes of header length (little-endian), a JSON object
// {name: {dtype, shape, data_offsets}, "__metadata__": {text: text}}, then the tensors' bytes.
MICE_NAMESPACE_BEGIN
namespace io {

/// A header larger than this is refused before it is parsed, as the format's own library does.
inline constexpr std::size_t max_header_bytes = 100'000'000;

/// The most tensors, and texts of metadata, that a file may have: more than the deepest model
/// needs, few enough that every header is refused quickly.
inline constexpr std::size_t max_header_entries = 65536;

/// The validated table of contents of a safetensors file; tensor views point into the bytes that it
/// was read from, which must outlive it. Immutable, safe to read from many threads.
class safetensors {
  public:
    safetensors() = default;
    /// Reads and checks the whole header: length, JSON, duplicate names, types, shapes, overlaps,
    /// gaps, bounds. Throws errc::format. Reads no tensor data.
    explicit safetensors(std::span<const std::byte> file);

    using tensor_map = std::map<std::string, tensor_view, std::less<>>;
    using metadata_map = std::map<std::string, std::string, std::less<>>;

    /// All tensors by name.
    [[nodiscard]] const tensor_map& tensors() const noexcept { return tensors_; }
    /// The texts of `__metadata__` by key.
    [[nodiscard]] const metadata_map& metadata() const noexcept { return metadata_; }

    /// The tensor of that name, or nullptr.
    [[nodiscard]] const tensor_view* find(std::string_view name) const {
        const auto found = tensors_.find(name);
        return found == tensors_.end() ? nullptr : &found->second;
    }
    /// The metadata text of that key, or nullptr.
    [[nodiscard]] const std::string* find_metadata(std::string_view key) const {
        const auto found = metadata_.find(key);
        return found == metadata_.end() ? nullptr : &found->second;
    }

  private:
    tensor_map tensors_;
    metadata_map metadata_;
};

/// One tensor to be written; the bytes belong to the caller and are copied when the file is built.
struct tensor_to_write {
    std::string name;
    tensor_view view;
};

/// The bytes that stand before the tensors' data: length and JSON header, padded so that the data
/// starts on a multiple of 64. Tensors are laid out in the order given, each at a multiple of its
/// element size, without gaps: sort them by element size, largest first. Throws
/// errc::invalid_argument for duplicate names or a view whose bytes do not fit its shape.
[[nodiscard]] std::string safetensors_header(const std::vector<tensor_to_write>& tensors,
                                             const safetensors::metadata_map& metadata);

/// A whole safetensors file in memory. Throws as safetensors_header.
[[nodiscard]] std::vector<std::byte> write_safetensors(const std::vector<tensor_to_write>& tensors,
                                                       const safetensors::metadata_map& metadata);

} // namespace io
MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/io/safetensors_impl.hpp>
#endif
