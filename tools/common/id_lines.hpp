// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace mice::tools {

/// An id as a line of its own: as it is, or quoted like in JSON where it holds control or format
/// characters, begins with a quote or is blank. So no id can steer a terminal, and id_of gives the
/// id back.
[[nodiscard]] std::string id_line(std::string_view id);

/// The id that a line stands for. A quoted line that is not JSON stands for itself.
[[nodiscard]] std::string id_of(std::string_view line);

} // namespace mice::tools
