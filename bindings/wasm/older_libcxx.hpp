// SPDX-License-Identifier: Apache-2.0
#pragma once

// What mice uses of C++20's library and the libc++ 13 of Debian's Emscripten lacks; included before
// every file of the module. Newer ones have it, and then this is empty.
#include <version>

#if defined(_LIBCPP_VERSION) && _LIBCPP_VERSION < 14000

#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace std {

template <class To, class From> [[nodiscard]] constexpr To bit_cast(const From& from) noexcept {
    static_assert(sizeof(To) == sizeof(From));
    return __builtin_bit_cast(To, from);
}

/// In scientific notation, with the fewest digits that read back as the same value.
inline to_chars_result to_chars(char* first, char* last, double value, chars_format) {
    char text[32];
    int size = 0;
    for (int digits = 0; digits <= 16; ++digits) {
        size = std::snprintf(text, sizeof text, "%.*e", digits, value);
        if (std::strtod(text, nullptr) == value) {
            break;
        }
    }
    if (size > last - first) {
        return {last, errc::value_too_large};
    }
    for (int i = 0; i < size; ++i) {
        first[i] = text[i];
    }
    return {first + size, errc{}};
}

} // namespace std

#endif
