// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/json.hpp>
#include <mice/io/json_builder.hpp>

MICE_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// How json_builder makes these values.
struct json_containers {
    static json& item(json& list, json value) { return list.push_back(std::move(value)); }
    static json& member(json& object, std::string key, json value) {
        return object.add(std::move(key), std::move(value));
    }
};

/// How many bytes at the front of a text are one code point, or the part of one that is cut off
/// there by what must not follow.
struct utf8_front {
    std::size_t bytes;
    bool valid;
};

inline utf8_front front_of(std::string_view text) noexcept {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) {
        return {1, true};
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return {1, false};
    }
    const std::size_t size = lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U;
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (std::size_t at = 1; at < size; ++at) {
        if (at == text.size() || byte(at) < low || byte(at) > high) {
            return {at, false};
        }
        low = 0x80;
        high = 0xBF;
    }
    return {size, true};
}

inline void append_string(std::string& text, std::string_view value) {
    text += '"';
    while (!value.empty()) {
        const utf8_front front = front_of(value);
        const char first = value[0];
        constexpr std::string_view plain = "\"\\\b\f\n\r\t";
        if (const std::size_t place = plain.find(first); place != std::string_view::npos) {
            text += '\\';
            text += "\"\\bfnrt"[place];
        } else if (front.bytes == 1 && first >= 0 && first < 0x20) {
            text += first < 0x10 ? "\\u000" : "\\u001";
            text += "0123456789abcdef"[first % 16];
        } else {
            text += front.valid ? value.substr(0, front.bytes) : "\xEF\xBF\xBD";
        }
        value.remove_prefix(front.bytes);
    }
    text += '"';
}

template <class Integer> void append_integer(std::string& text, Integer value) {
    std::array<char, 24> digits{};
    text.append(digits.data(),
                std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

/// The fewest digits, with a point or an exponent: "0.1", "10000.0", "1e-05", "1.5e+16".
inline void append_real(std::string& text, double value) {
    constexpr double largest = std::numeric_limits<double>::max();
    if (!(value >= -largest && value <= largest)) {
        text += "null";
        return;
    }
    std::array<char, 32> buffer{};
    char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    std::chars_format::scientific)
                          .ptr;
    std::string_view written(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    const std::size_t mark = written.find('e'); // [-]d[.ddd]e[+-]dd
    int exponent = 0;
    std::from_chars(buffer.data() + mark + (written[mark + 1] == '+' ? 2 : 1), end, exponent);
    if (exponent < -4 || exponent >= 15) {
        text += written;
        return;
    }
    std::string digits(written.substr(0, mark));
    if (digits[0] == '-') {
        text += '-';
        digits.erase(0, 1);
    }
    if (digits.size() > 1) {
        digits.erase(1, 1); // the point
    }
    if (exponent < 0) {
        text += "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
        return;
    }
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    digits.append(digits.size() <= whole ? whole + 1 - digits.size() : 0, '0');
    digits.insert(whole, 1, '.');
    text += digits;
}

} // namespace detail

MICE_INLINE json::json(std::string text) : kind_(kind::string) {
    content_.text = new std::string(std::move(text));
}

MICE_INLINE json::~json() {
    switch (kind_) {
    case kind::string:
        delete content_.text;
        return;
    case kind::array:
        delete content_.items;
        return;
    case kind::object:
        delete content_.members;
        return;
    default:
        return;
    }
}

MICE_INLINE json json::array() {
    json made;
    made.content_.items = new array_type;
    made.kind_ = kind::array;
    return made;
}

MICE_INLINE json json::object() {
    json made;
    made.content_.members = new object_type;
    made.kind_ = kind::object;
    return made;
}

MICE_INLINE const char* json::type_name() const noexcept {
    switch (kind_) {
    case kind::null:
        return "null";
    case kind::boolean:
        return "boolean";
    case kind::string:
        return "string";
    case kind::array:
        return "array";
    case kind::object:
        return "object";
    default:
        return "number";
    }
}

MICE_INLINE void json::require(kind expected, const char* name) const {
    if (kind_ != expected) {
        throw errors::bad_json("a value",
                               std::string("it is of type ") + type_name() + ", not " + name);
    }
}

MICE_INLINE bool json::boolean() const {
    require(kind::boolean, "boolean");
    return content_.flag;
}

MICE_INLINE std::uint64_t json::unsigned_integer() const {
    require(kind::unsigned_integer, "a whole number that is not negative");
    return content_.unsigned_integer;
}

MICE_INLINE double json::number() const {
    switch (kind_) {
    case kind::integer:
        return static_cast<double>(content_.integer);
    case kind::unsigned_integer:
        return static_cast<double>(content_.unsigned_integer);
    default:
        require(kind::real, "number");
        return content_.real;
    }
}

MICE_INLINE const std::string& json::text() const {
    require(kind::string, "string");
    return *content_.text;
}

MICE_INLINE const json::array_type& json::items() const {
    require(kind::array, "array");
    return *content_.items;
}

MICE_INLINE const json::object_type& json::members() const {
    require(kind::object, "object");
    return *content_.members;
}

MICE_INLINE const json* json::find(std::string_view key) const noexcept {
    if (is_object()) {
        for (const json_member& each : *content_.members) {
            if (each.key == key) {
                return &each.value;
            }
        }
    }
    return nullptr;
}

MICE_INLINE json& json::push_back(json value) {
    require(kind::array, "array");
    return content_.items->emplace_back(std::move(value));
}

MICE_INLINE json& json::add(std::string key, json value) {
    require(kind::object, "object");
    content_.members->push_back({std::move(key), std::move(value)});
    return content_.members->back().value;
}

MICE_INLINE json& json::insert(std::string key, json value) {
    add(std::move(key), std::move(value));
    auto place = content_.members->end() - 1;
    for (; place != content_.members->begin() && (place - 1)->key > place->key; --place) {
        std::swap(*(place - 1), *place);
    }
    return place->value;
}

MICE_INLINE json parse_json(std::string_view text, std::string_view what,
                            const json_limits& limits) {
    detail::json_builder<json, detail::json_containers> builder;
    read_json(text, what, limits, builder);
    return builder.take();
}

MICE_INLINE void append_json(std::string& text, const json& value) {
    using kind = json::kind;
    const auto list = [&text](char open, const auto& all, char close, auto&& append) {
        text += open;
        for (const auto& each : all) {
            text += &each == all.data() ? "" : ",";
            append(each);
        }
        text += close;
    };
    switch (value.kind_) {
    case kind::null:
        text += "null";
        return;
    case kind::boolean:
        text += value.content_.flag ? "true" : "false";
        return;
    case kind::integer:
        return detail::append_integer(text, value.content_.integer);
    case kind::unsigned_integer:
        return detail::append_integer(text, value.content_.unsigned_integer);
    case kind::real:
        return detail::append_real(text, value.content_.real);
    case kind::string:
        return detail::append_string(text, *value.content_.text);
    case kind::array:
        return list('[', *value.content_.items, ']',
                    [&text](const json& each) { append_json(text, each); });
    case kind::object:
        return list('{', *value.content_.members, '}', [&text](const json_member& each) {
            detail::append_string(text, each.key);
            text += ':';
            append_json(text, each.value);
        });
    }
}

MICE_INLINE bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const detail::utf8_front front = detail::front_of(text);
        if (!front.valid) {
            return false;
        }
        text.remove_prefix(front.bytes);
    }
    return true;
}

} // namespace io
MICE_NAMESPACE_END
