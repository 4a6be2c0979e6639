// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/json.hpp"

// How the programs write numbers and JSON.
namespace mice::tools {

/// A JSON object for output that keeps its keys in the order in which they were set.
using ordered_json = nlohmann::ordered_json;

/// The value as one line of JSON Lines, in UTF-8. Numbers have the fewest digits that read back as
/// the same number; control and format characters, which could steer a terminal, are escaped.
[[nodiscard]] std::string json_line(const ordered_json& value);

/// A text as JSON writes it, in quotes, with the escapes of json_line.
[[nodiscard]] std::string json_string(std::string_view text);

/// The shortest decimal that reads back as the same float, whatever the locale. It has a point or
/// an exponent, so that every reader takes it for a floating-point number.
[[nodiscard]] std::string number_text(float value);
/// As above, for a double.
[[nodiscard]] std::string number_text(double value);

/// A float for JSON: written with the digits of number_text(float); null unless it is finite.
[[nodiscard]] ordered_json json_number(float value);

} // namespace mice::tools
