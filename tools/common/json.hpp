// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <mice/io/json_events.hpp>

// The programs' JSON: values that are easily changed. The library's own are in mice/io/json.hpp.
namespace mice::tools {

using json = nlohmann::json;

/// As io::parse_json: the same texts are read, within the same limits, with the same errors.
[[nodiscard]] json parse_json(std::string_view text, std::string_view what,
                              const io::json_limits& limits = {});

/// Writes a value as compact JSON in UTF-8. Invalid UTF-8 becomes U+FFFD, so that writing never
/// fails.
[[nodiscard]] std::string to_text(const json& value);

/// The string of that name in an object; empty where there is none, or another value.
[[nodiscard]] std::string text_or_empty(const json& object, const char* key);

} // namespace mice::tools
