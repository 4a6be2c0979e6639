// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace mice::tools {

/// Whether a slash stays as it is: in a path it does.
enum class slashes { kept, encoded };

/// Bytes as they stand in an address: letters, digits and -._~ as they are (RFC 3986, section 2.3),
/// all others as % and two hexadecimal digits.
[[nodiscard]] std::string percent_encoded(std::string_view bytes, slashes treated);

} // namespace mice::tools
