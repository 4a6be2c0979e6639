// SPDX-License-Identifier: Apache-2.0
#include "common/json_output.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include <mice/text/unicode/unicode.hpp>

#include "common/terminal.hpp"

namespace mice::tools {
namespace {

template <class Float> std::string shortest(Float value) {
    std::array<char, 64> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    std::string text(digits.data(), end.ptr);
    if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) {
        text += ".0";
    }
    return text;
}

void append_escape(std::string& text, unsigned unit) {
    text += "\\u";
    for (const int shift : {12, 8, 4, 0}) {
        text += "0123456789abcdef"[(unit >> shift) & 0xF];
    }
}

void append_escaped(std::string& text, char32_t code) {
    if (code < 0x10000) {
        append_escape(text, static_cast<unsigned>(code));
        return;
    }
    const auto rest = static_cast<unsigned>(code) - 0x10000;
    append_escape(text, 0xD800 + (rest >> 10));
    append_escape(text, 0xDC00 + (rest & 0x3FF));
}

void append_json(std::string& text, const ordered_json& value) {
    if (value.is_object()) {
        text += '{';
        for (auto member = value.begin(); member != value.end(); ++member) {
            text += member == value.begin() ? "" : ",";
            text += json_string(member.key()) + ":";
            append_json(text, member.value());
        }
        text += '}';
    } else if (value.is_array()) {
        text += '[';
        for (std::size_t i = 0; i < value.size(); ++i) {
            text += i == 0 ? "" : ",";
            append_json(text, value[i]);
        }
        text += ']';
    } else if (value.is_string()) {
        text += json_string(value.get_ref<const std::string&>());
    } else if (value.is_number_float() && std::isfinite(value.get<double>())) {
        text += number_text(value.get<double>()); // the library would write too many digits
    } else {
        text += value.dump();
    }
}

} // namespace

std::string json_string(std::string_view text) {
    const std::string quoted =
        ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    std::string result;
    result.reserve(quoted.size());
    for (std::size_t position = 0; position < quoted.size();) {
        const text::decoded next = text::decode_utf8(quoted, position);
        if (next.code >= 0x7F && steers_terminal(next.code)) {
            append_escaped(result, next.code);
        } else {
            result.append(quoted, position, next.bytes);
        }
        position += next.bytes;
    }
    return result;
}

std::string json_line(const ordered_json& value) {
    std::string text;
    append_json(text, value);
    return text + "\n";
}

std::string number_text(float value) {
    return shortest(value);
}

std::string number_text(double value) {
    return shortest(value);
}

ordered_json json_number(float value) {
    if (!std::isfinite(value)) {
        return nullptr;
    }
    // The double with the float's digits, not the float's exact value as a double.
    const std::string text = shortest(value);
    double same = 0;
    std::from_chars(text.data(), text.data() + text.size(), same);
    return same;
}

} // namespace mice::tools
