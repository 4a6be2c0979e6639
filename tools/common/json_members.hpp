// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/spec_parts.hpp>

#include "common/json.hpp"

namespace mice::tools {

/// The member of an object; `where` names the object in errors. All functions here throw
/// errc::tokenizer.
[[nodiscard]] const json& member(const json& object, const char* key, std::string_view where);

/// The error of a member that is not what was expected.
[[nodiscard]] error wrong_type(const char* key, std::string_view where, std::string_view expected);

/// A member that is true or false.
[[nodiscard]] bool flag(const json& object, const char* key, std::string_view where);

/// A member that is a string.
[[nodiscard]] std::string string(const json& object, const char* key, std::string_view where);

/// A value that is the id of `token`.
[[nodiscard]] std::int32_t token_id(const json& value, std::string_view token);

/// An added token as tokenizer.json and tokenizer_config.json write it.
[[nodiscard]] added_token read_added(const json& object, std::int32_t id);

/// The id of a token of a vocabulary or among added tokens.
[[nodiscard]] std::int32_t known_id(const std::vector<std::string>& vocabulary,
                                    const std::vector<added_token>& added,
                                    const std::string& token);

} // namespace mice::tools
