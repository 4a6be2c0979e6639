// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mice::tools {

/// How many characters must be inserted, deleted or replaced to turn one name into the other. Only
/// the first 256 characters of each are looked at, so that a hostile name costs little.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate closest to `name`, the first of equals; nothing where none is closer than half the
/// length of `name`, because such a hint would only mislead. Looks at 20 000 candidates at most.
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view name,
                                                      std::span<const std::string> candidates);

} // namespace mice::tools
