// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/mice.hpp>
#include <mice/model.hpp>

#include "../support/allocation_counter.hpp"

namespace format_tests {

/// A file with that header text, whatever it says, before `data_bytes` zero bytes.
inline std::vector<std::byte> file_of(std::string_view header, std::size_t data_bytes = 0,
                                      std::int64_t length_off_by = 0) {
    const std::uint64_t length = header.size() + static_cast<std::uint64_t>(length_off_by);
    std::vector<std::byte> file(8 + header.size() + data_bytes);
    std::memcpy(file.data(), &length, 8);
    if (!header.empty()) {
        std::memcpy(file.data() + 8, header.data(), header.size());
    }
    return file;
}

/// What a reader did with a file.
struct outcome {
    bool accepted = false;
    mice::errc code{};
    std::string text;
    allocations::counts memory;

    [[nodiscard]] bool says(std::string_view part) const {
        return text.find(part) != std::string::npos;
    }
};

/// Reads a copy that ends exactly where the file does, so that a sanitizer sees a read past the
/// end, and measures what the reader allocates. Anything but mice::error reaches the test runner.
template <class Reader> outcome read_with(std::span<const std::byte> file, Reader&& reader) {
    const std::vector<std::byte> copy(file.begin(), file.end());
    outcome result;
    allocations::reset();
    try {
        reader(std::span<const std::byte>(copy));
        result.memory = allocations::since_reset();
        result.accepted = true;
    } catch (const mice::error& e) {
        result.memory = allocations::since_reset();
        result.code = e.code();
        result.text = e.what();
    }
    return result;
}

inline outcome read_safetensors(std::span<const std::byte> file) {
    return read_with(
        file, [](std::span<const std::byte> bytes) { const mice::io::safetensors made(bytes); });
}

inline outcome read_model(std::span<const std::byte> file) {
    return read_with(file, [](std::span<const std::byte> bytes) { const mice::model made(bytes); });
}

/// Whether what was allocated on the way to an error is a small multiple of the file and a
/// constant; requests count even where the memory was given back at once.
inline bool frugal(const outcome& result, std::size_t file_bytes) {
    return result.memory.bytes <= 24 * file_bytes + 65536;
}

} // namespace format_tests
