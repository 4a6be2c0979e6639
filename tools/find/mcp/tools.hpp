// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include <mice/parallel/executor.hpp>

#include "find/mcp/json_rpc.hpp"
#include "find/open_index.hpp"

// What a client may call: query, get, multi_get and status. None of them changes anything.
namespace mice::find::mcp {

/// What a version of the protocol has.
struct protocol_features {
    bool annotations = false; ///< from 2025-03-26 on
    bool structured = false;  ///< structured results, their schemas, and titles: from 2025-06-18 on
    bool batches = false;     ///< in 2025-03-26 alone
};

/// One call.
struct tool_call {
    open_index& index;
    const cancellation& stop;
    /// Tells the client how far the call is: steps done, steps in all, what is done now.
    std::function<void(std::size_t, std::size_t, const char*)> progress;
};

/// The result of tools/list.
[[nodiscard]] ordered_json list_tools(const protocol_features& features);

/// The result of tools/call. What the index says of a call, such as that there is no such file, is
/// a result with isError. Throws rpc_error for an unknown tool and for arguments that its schema
/// does not allow.
[[nodiscard]] ordered_json call_tool(const json& params, const tool_call& call,
                                     const protocol_features& features);

} // namespace mice::find::mcp
