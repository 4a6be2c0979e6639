// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include <mice/error.hpp>
#include <mice/text/text_range.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

MICE_INLINE void refuse_null_text(std::string_view kind, std::size_t i) {
    throw errors::null_text(errors::place_of(kind, i));
}
MICE_INLINE void refuse_null_text(std::string_view name) {
    throw errors::null_text(name);
}

} // namespace detail
MICE_NAMESPACE_END
