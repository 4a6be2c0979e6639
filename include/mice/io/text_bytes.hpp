// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace io {

/// The bytes of a text, which must outlive them. By pointer and length: a span of libc++ 14 does
/// not take a string.
[[nodiscard]] inline std::span<const std::byte> text_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

} // namespace io
MICE_NAMESPACE_END
