// SPDX-License-Identifier: Apache-2.0
#include "find/mcp/json_rpc.hpp"

#include <mice/error.hpp>

namespace mice::find::mcp {
namespace {

bool usable_id(const json& id) {
    return id.is_string() || id.is_number();
}

} // namespace

json parse_line(std::string_view line) {
    try {
        return tools::parse_json(line, "the line", {.max_depth = 64});
    } catch (const error& problem) {
        throw rpc_error(rpc_code::parse_error, problem.what());
    }
}

json id_of(const json& value) {
    if (value.is_object()) {
        if (const auto id = value.find("id"); id != value.end() && usable_id(*id)) {
            return *id;
        }
    }
    return nullptr;
}

std::optional<message> read_message(const json& value) {
    const auto refuse = [](const char* what) { return rpc_error(rpc_code::invalid_request, what); };
    if (!value.is_object()) {
        throw refuse("a message is a JSON object");
    }
    const auto version = value.find("jsonrpc");
    if (version == value.end() || *version != "2.0") {
        throw refuse("\"jsonrpc\" must be \"2.0\"");
    }
    const auto method = value.find("method");
    if (method == value.end()) {
        if (value.contains("result") || value.contains("error")) {
            return std::nullopt;
        }
        throw refuse("a message has a \"method\"");
    }
    if (!method->is_string()) {
        throw refuse("\"method\" must be a string");
    }
    message made;
    made.method = method->get<std::string>();
    if (const auto id = value.find("id"); id != value.end()) {
        if (!usable_id(*id)) {
            throw refuse("\"id\" must be a string or a number");
        }
        made.id = *id;
    }
    if (const auto params = value.find("params"); params != value.end() && !params->is_null()) {
        if (!params->is_object()) {
            throw refuse("\"params\" must be an object");
        }
        made.params = *params;
    }
    return made;
}

ordered_json response(const json& id, ordered_json result) {
    ordered_json made;
    made["jsonrpc"] = "2.0";
    made["id"] = id;
    made["result"] = std::move(result);
    return made;
}

ordered_json response(const json& id, const rpc_error& problem) {
    ordered_json told;
    told["code"] = static_cast<int>(problem.code());
    told["message"] = problem.what();
    if (!problem.data().is_null()) {
        told["data"] = problem.data();
    }
    ordered_json made;
    made["jsonrpc"] = "2.0";
    made["id"] = id;
    made["error"] = std::move(told);
    return made;
}

ordered_json notification(std::string_view method, ordered_json params) {
    ordered_json made;
    made["jsonrpc"] = "2.0";
    made["method"] = method;
    made["params"] = std::move(params);
    return made;
}

} // namespace mice::find::mcp
