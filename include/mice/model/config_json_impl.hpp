// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <mice/error.hpp>
#include <mice/io/json.hpp>
#include <mice/model/config_fields.hpp>
#include <mice/model/config_json.hpp>

MICE_NAMESPACE_BEGIN

MICE_INLINE std::string config_to_json(const model_config& config) {
    io::json object = io::json::object();
    detail::visit_config(config, detail::config_writer{object});
    return io::to_text(object);
}

MICE_INLINE model_config config_from_json(std::string_view text) {
    const io::json object = io::parse_json(text, "mice.config", {.max_bytes = 65536});
    io::members<detail::config_errors> members(object);
    // Families of a later version have keys of their own: say the family before the first key.
    if (const io::json* const type = object.find("model_type");
        type != nullptr && type->is_string() && find_family(type->text()) == nullptr) {
        throw detail::errors::not_supported("model_type " + detail::errors::quoted(type->text()));
    }
    model_config config;
    config.pooler = false; // a family without it has no key for it
    detail::visit_config(config, detail::config_reader{members});
    members.finish();
    config.validate();
    return config;
}

MICE_NAMESPACE_END
