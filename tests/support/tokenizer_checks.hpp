// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "catch.hpp"

#include <functional>
#include <string>
#include <string_view>

#include <mice/error.hpp>
#include <nlohmann/json.hpp>

namespace fixtures {

/// The message of the mice::error that `step` raises, whose code is checked; "" if it raises none.
inline std::string problem(mice::errc code, const std::function<void()>& step) {
    try {
        step();
    } catch (const mice::error& raised) {
        INFO(raised.what());
        CHECK(raised.code() == code);
        return raised.what();
    }
    return "";
}

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// A JSON object with one key set to `value`.
inline std::string with(const std::string& metadata, const char* key, const nlohmann::json& value) {
    auto object = nlohmann::json::parse(metadata);
    object[key] = value;
    return object.dump();
}

} // namespace fixtures
