// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp> // the only include of nlohmann in the library

#include <mice/error.hpp>
#include <mice/float_mode.hpp>

MICE_NAMESPACE_BEGIN
namespace io {

/// A parsed JSON value.
using json = nlohmann::json;

/// What parse_json accepts; a file beyond a limit is refused before more of it is built.
struct json_limits {
    std::size_t max_bytes = std::size_t{64} << 20; ///< length of the text, in bytes
    std::size_t max_depth = 16;                    ///< nested objects and arrays
    std::size_t max_values = std::size_t{4} << 20; ///< values of any kind, containers included
};

namespace detail {

/// Builds a json value from parser events and stops at the first broken rule. The library's own
/// builder keeps the last of two equal keys and knows no limits.
class json_builder : public nlohmann::json_sax<json> {
  public:
    json_builder(std::string_view what, const json_limits& limits) : what_(what), limits_(limits) {}

    bool null() override { return add(nullptr) != nullptr; }
    bool boolean(bool value) override { return add(value) != nullptr; }
    bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
    bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
    bool number_float(number_float_t value, const string_t& /*text*/) override {
        return add(value) != nullptr;
    }
    bool string(string_t& value) override { return add(std::move(value)) != nullptr; }
    bool binary(binary_t& /*value*/) override { return false; } // no such event in JSON text
    bool start_object(std::size_t /*elements*/) override { return open(json::object()); }
    bool start_array(std::size_t /*elements*/) override { return open(json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        auto& members = open_.back()->get_ref<json::object_t&>();
        const auto [place, fresh] = members.try_emplace(std::move(name));
        if (!fresh)
            throw errors::bad_json(what_, "the key " + errors::quoted(place->first) +
                                              " appears twice in one object");
        slot_ = &place->second;
        return true;
    }

    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const json::exception& reason) override {
        // The parser's message quotes what it read, which can be as long as the file.
        std::string_view text = reason.what();
        text.remove_prefix(std::min(text.size(), text.find("] ") + 2));
        throw errors::bad_json(what_, "at byte " + std::to_string(position) + ": " +
                                          std::string(text.substr(0, 120)));
    }

    json take() { return std::move(root_); }

  private:
    template <typename Value> json* add(Value&& value) {
        if (++values_ > limits_.max_values)
            throw errors::bad_json(what_,
                                   "more than " + std::to_string(limits_.max_values) + " values");
        json* place = slot_;
        if (open_.empty())
            place = &root_;
        else if (open_.back()->is_array())
            place = &open_.back()->get_ref<json::array_t&>().emplace_back();
        *place = json(std::forward<Value>(value));
        return place;
    }

    bool open(json container) {
        if (open_.size() >= limits_.max_depth)
            throw errors::bad_json(what_, "nested deeper than " +
                                              std::to_string(limits_.max_depth) + " levels");
        open_.push_back(add(std::move(container)));
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    std::string_view what_;
    const json_limits& limits_;
    json root_;
    std::vector<json*> open_; // a container's address is stable while it is open: nothing is
                              // appended to its parent before it is closed
    json* slot_ = nullptr;    // where the value of the last key goes
    std::size_t values_ = 0;
};

} // namespace detail

/// Parses JSON from an untrusted source. `what` names the source in messages ("tokenizer.json").
/// Throws errc::format for text that is not JSON, has a key twice in one object, or is larger,
/// deeper or longer than `limits`. Thread-safe.
[[nodiscard]] inline json parse_json(std::string_view text, std::string_view what,
                                     const json_limits& limits = {}) {
    if (text.size() > limits.max_bytes)
        throw errors::bad_json(what, std::to_string(text.size()) + " bytes, at most " +
                                         std::to_string(limits.max_bytes) + " are read");
    // The parser takes a NUL byte for the end: what stands behind it would go unread.
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
        throw errors::bad_json(what, "at byte " + std::to_string(nul) + ": a NUL byte");
    detail::json_builder builder(what, limits);
    mice::detail::in_default_float_mode( // of the numbers with a point
        [&] { return json::sax_parse(text.begin(), text.end(), &builder); });
    return builder.take();
}

/// Writes a value as compact JSON in UTF-8. Strings must be valid UTF-8 (invalid bytes become
/// U+FFFD, so that writing never fails).
[[nodiscard]] inline std::string to_text(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace io
MICE_NAMESPACE_END
