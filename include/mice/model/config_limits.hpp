// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <mice/error.hpp>

// What the numbers of a configuration may be.
MICE_NAMESPACE_BEGIN
namespace detail {

// Far above any real model, far below where a product of three of them overflows 64 bits.
inline constexpr std::size_t largest_width = 65536;
inline constexpr std::size_t largest_table = 16'777'216;
inline constexpr std::size_t largest_depth = 1024;

inline void check_range(std::string_view key, std::size_t value, std::size_t least,
                        std::size_t most) {
    if (value < least || value > most) {
        throw errors::bad_option(key,
                                 "from " + std::to_string(least) + " to " + std::to_string(most),
                                 std::to_string(value));
    }
}

inline error contradiction(std::string_view first, std::string_view second) {
    return errors::bad_config(std::string(first) + " and " + std::string(second) +
                              " contradict each other");
}

} // namespace detail
MICE_NAMESPACE_END
