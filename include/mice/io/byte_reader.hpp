// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include <mice/error.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Read access to one part of a file whose bytes are checked the first time they are touched.
/// `read(offset, bytes)` gives bytes that stay valid as long as the file is open; it throws
/// mice::error where they lie outside the part or are damaged. Safe from many threads.
struct byte_reader {
    std::uint64_t size = 0;
    std::function<std::span<const std::byte>(std::uint64_t offset, std::size_t bytes)> read;
};

/// A reader of bytes in memory, which must outlive it.
[[nodiscard]] inline byte_reader memory_reader(std::span<const std::byte> bytes) {
    return {bytes.size(), [bytes](std::uint64_t offset, std::size_t count) {
                if (offset > bytes.size() || count > bytes.size() - offset) {
                    throw errors::bad_words("a place behind their end");
                }
                return bytes.subspan(static_cast<std::size_t>(offset), count);
            }};
}

/// Receives the next bytes of a part that is being written.
using byte_sink = std::function<void(std::span<const std::byte>)>;

} // namespace store
MICE_NAMESPACE_END
