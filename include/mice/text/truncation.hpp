// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <mice/error.hpp>
#include <mice/text/encoding.hpp>

MICE_NAMESPACE_BEGIN

namespace detail {

/// How many tokens of two texts are kept.
struct kept_tokens {
    std::size_t first, second;
};

/// Hugging Face's truncation rules; `room` excludes the markers.
[[nodiscard]] inline kept_tokens truncate_pair(std::size_t first, std::size_t second,
                                               std::size_t room, truncation strategy) {
    const std::size_t total = first + second;
    if (total <= room)
        return {first, second};
    if (strategy == truncation::only_second) {
        if (first >= room)
            throw errors::bad_argument("the first text has " + std::to_string(first) +
                                       " tokens and leaves the second none of " +
                                       std::to_string(room) +
                                       "; shorten it, raise max_tokens or cut longest_first");
        return {first, room - first};
    }
    if (std::min(first, second) <= room / 2) // only the longer one is cut
        return first <= second ? kept_tokens{first, room - first}
                               : kept_tokens{room - second, second};
    // Both are cut. The odd token goes to the longer text, to the second if they are equal.
    const std::size_t half = room / 2;
    return first <= second ? kept_tokens{half, room - half} : kept_tokens{room - half, half};
}

} // namespace detail
MICE_NAMESPACE_END
