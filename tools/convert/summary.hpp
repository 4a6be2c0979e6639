// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "convert.hpp"

namespace mice::tools {

/// The table that a successful conversion prints.
[[nodiscard]] std::string summary_text(const convert_options& options,
                                       const conversion_report& report);

} // namespace mice::tools
