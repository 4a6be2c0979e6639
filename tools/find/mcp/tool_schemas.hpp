// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "find/mcp/json_rpc.hpp"

// How the tools are described to clients, and through them to language models.
namespace mice::find::mcp {

/// A tool as it is listed.
struct tool_description {
    const char* name;
    const char* title;
    const char* description;
    ordered_json input;  ///< JSON schema of its arguments
    ordered_json output; ///< JSON schema of its structured result
};

/// All tools.
[[nodiscard]] const std::vector<tool_description>& tool_descriptions();

// Limits that both the schemas and the calls know.
inline constexpr std::int64_t most_results = 1000;
inline constexpr std::int64_t most_candidates = 10'000;
inline constexpr std::int64_t last_line = std::int64_t{1} << 40;
inline constexpr std::int64_t usual_bytes = 10'240; ///< of a document of multi_get
inline constexpr std::int64_t most_bytes = std::int64_t{1} << 20;

} // namespace mice::find::mcp
