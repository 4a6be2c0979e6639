// SPDX-License-Identifier: Apache-2.0
#include "find/mcp/arguments.hpp"

#include <cmath>

#include <mice/error.hpp>

#include "common/nearest_name.hpp"

namespace mice::find::mcp {
namespace {

rpc_error wrong(const char* name, const std::string& expected) {
    return {rpc_code::invalid_params, std::string("\"") + name + "\" must be " + expected};
}

} // namespace

arguments::arguments(const json& given) : given_(given) {
    if (!given.is_object()) {
        throw rpc_error(rpc_code::invalid_params, "arguments must be an object");
    }
}

const json* arguments::value(const char* name) {
    asked_.insert(name);
    const auto found = given_.find(name);
    return found == given_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> arguments::text(const char* name) {
    const json* const found = value(name);
    if (found == nullptr) {
        return std::nullopt;
    }
    if (!found->is_string()) {
        throw wrong(name, "a string");
    }
    return found->get<std::string>();
}

std::string arguments::needed_text(const char* name) {
    std::optional<std::string> found = text(name);
    if (!found) {
        throw rpc_error(rpc_code::invalid_params, std::string("\"") + name + "\" is missing");
    }
    return std::move(*found);
}

std::optional<std::int64_t> arguments::whole(const char* name, std::int64_t least,
                                             std::int64_t most) {
    const std::optional<double> found = number(name);
    if (!found) {
        return std::nullopt;
    }
    // All numbers up to 2^53, and so all in the range, are exact.
    if (!(*found >= static_cast<double>(least) && *found <= static_cast<double>(most)) ||
        std::floor(*found) != *found) {
        throw wrong(name,
                    "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return static_cast<std::int64_t>(*found);
}

std::optional<double> arguments::number(const char* name) {
    const json* const found = value(name);
    if (found == nullptr) {
        return std::nullopt;
    }
    if (!found->is_number()) {
        throw wrong(name, "a number");
    }
    return found->get<double>();
}

bool arguments::flag(const char* name, bool otherwise) {
    const json* const found = value(name);
    if (found == nullptr) {
        return otherwise;
    }
    if (!found->is_boolean()) {
        throw wrong(name, "true or false");
    }
    return found->get<bool>();
}

std::vector<std::string> arguments::texts(const char* name) {
    std::vector<std::string> made;
    if (const json* const found = value(name); found != nullptr) {
        if (!found->is_array()) {
            throw wrong(name, "an array of strings");
        }
        for (const json& each : *found) {
            if (!each.is_string()) {
                throw wrong(name, "an array of strings");
            }
            made.push_back(each.get<std::string>());
        }
    }
    return made;
}

void arguments::refuse_others() const {
    for (const auto& member : given_.items()) {
        if (!asked_.contains(member.key())) {
            const std::optional<std::string> near = tools::nearest_name(
                member.key(), std::vector<std::string>(asked_.begin(), asked_.end()));
            throw rpc_error(
                rpc_code::invalid_params,
                "there is no parameter " + detail::errors::quoted(member.key()) +
                    (near ? "; did you mean " + detail::errors::quoted(*near) + "?" : ""));
        }
    }
}

} // namespace mice::find::mcp
