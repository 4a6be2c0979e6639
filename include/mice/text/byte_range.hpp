// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// The bytes [begin, end) of a text.
struct byte_range {
    std::size_t begin = 0, end = 0;

    friend bool operator==(const byte_range&, const byte_range&) = default;
};

MICE_NAMESPACE_END
