// SPDX-License-Identifier: Apache-2.0
#include "common/json.hpp"

#include <string>
#include <utility>

#include <mice/io/json_builder.hpp>

namespace mice::tools {

namespace {

/// How the library's builder makes these values.
struct json_containers {
    static json& item(json& list, json value) { return list.emplace_back(std::move(value)); }
    static json& member(json& object, std::string key, json value) {
        return object.emplace(std::move(key), std::move(value)).first.value();
    }
};

} // namespace

json parse_json(std::string_view text, std::string_view what, const io::json_limits& limits) {
    io::detail::json_builder<json, json_containers> builder;
    io::read_json(text, what, limits, builder);
    return builder.take();
}

std::string to_text(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string text_or_empty(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

} // namespace mice::tools
