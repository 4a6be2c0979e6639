// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "common/json.hpp"
#include "common/json_output.hpp"

// JSON-RPC 2.0: what a client sends, and what it gets back.
namespace mice::find::mcp {

using tools::json;
using tools::ordered_json;

/// Codes of JSON-RPC, and the one that the Model Context Protocol adds.
enum class rpc_code : int {
    parse_error = -32700,
    invalid_request = -32600,
    unknown_method = -32601,
    invalid_params = -32602,
    internal_error = -32603,
    resource_not_found = -32002
};

/// What a client is told of a request that cannot be answered.
class rpc_error : public std::runtime_error {
  public:
    rpc_error(rpc_code code, const std::string& what, ordered_json data = nullptr)
        : std::runtime_error(what), code_(code), data_(std::move(data)) {}
    [[nodiscard]] rpc_code code() const noexcept { return code_; }
    /// Null where there is none.
    [[nodiscard]] const ordered_json& data() const noexcept { return data_; }

  private:
    rpc_code code_;
    ordered_json data_;
};

/// A request, or a notification, which is not answered.
struct message {
    std::optional<json> id; ///< a string or a number; none: a notification
    std::string method;
    json params = json::object();
};

/// Reads a line. Throws rpc_error (parse_error).
[[nodiscard]] json parse_line(std::string_view line);
/// What the object says; nothing for a response, which asks for nothing. Throws rpc_error
/// (invalid_request).
[[nodiscard]] std::optional<message> read_message(const json& value);
/// The id of something that may be a message; null where it has none that can be used.
[[nodiscard]] json id_of(const json& value);

[[nodiscard]] ordered_json response(const json& id, ordered_json result);
[[nodiscard]] ordered_json response(const json& id, const rpc_error& problem);
[[nodiscard]] ordered_json notification(std::string_view method, ordered_json params);

} // namespace mice::find::mcp
