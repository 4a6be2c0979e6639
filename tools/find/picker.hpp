// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace mice::find {

/// A line of a list, and what a preview shows of it.
struct pickable {
    std::string shown;    ///< one line, colours allowed
    std::string document; ///< "#id"
    std::size_t line = 1; ///< of the text, which the preview begins with
};

/// Has a person choose in fzf; gives the places of what was chosen, in the list's order. Nothing
/// where the person left. `program` and `index` are what the preview calls. Throws errc::io where
/// there is no fzf, or it fails.
[[nodiscard]] std::optional<std::vector<std::size_t>>
pick(const std::vector<pickable>& list, const std::string& program, const std::string& index);

} // namespace mice::find
