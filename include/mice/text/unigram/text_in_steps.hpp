// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <mice/text/traced_text.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// A text on its way through the normalizer. Of its front it is known what comes of the first
/// character of the tokenizer's input, as only the part there gets a Metaspace under "first".
struct text_in_steps {
    static constexpr bool traced = false;
    std::string text;
    std::size_t from_first = 0; ///< so many bytes at the front; 0 where it does not matter
};

/// The same with the origin of each byte.
struct traced_in_steps {
    static constexpr bool traced = true;
    std::string text;
    std::size_t from_first = 0;
    byte_origins origins;
};

namespace detail {

/// The origins of a result on its way; nothing where the work is not traced.
template <class Work> struct new_origins {
    explicit new_origins(const Work& /*work*/) {}
    void copy(std::size_t /*start*/, std::size_t /*stop*/) {}
    void repeat(std::size_t /*place*/, std::size_t /*bytes*/) {}
    void finish(Work& /*work*/) {}
};
template <> struct new_origins<traced_in_steps> {
    explicit new_origins(const traced_in_steps& work) : before(&work.origins) {
        made.reserve(before->size());
    }
    /// Those of the bytes [start, stop) as they are.
    void copy(std::size_t start, std::size_t stop) {
        for (std::size_t place = start; place < stop; ++place)
            made.push_back((*before)[place]);
    }
    /// That of the byte at `place`, for so many bytes.
    void repeat(std::size_t place, std::size_t bytes) {
        made.insert(made.end(), bytes, (*before)[place]);
    }
    void finish(traced_in_steps& work) { work.origins = std::move(made); }

    const byte_origins* before;
    byte_origins made;
};

} // namespace detail
} // namespace text
MICE_NAMESPACE_END
