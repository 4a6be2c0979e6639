// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace mice::find {

/// A file of tools/find/page, which the build put into the program; empty for any other name.
[[nodiscard]] std::string_view embedded_file(std::string_view name);

} // namespace mice::find
