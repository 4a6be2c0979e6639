// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/json.hpp>

MICE_NAMESPACE_BEGIN
namespace io {

/// Reads the members of one JSON object, each of the type that is asked for, and refuses members
/// that nobody asked for. What it throws, Errors makes:
///     no_object(), missing(key), unknown(key), wrong(key, expected, value)
/// where `expected` is of its texts `flag`, `string`, `real`, `list`, `object`, and count(largest).
/// The object has to outlive it. For one thread.
template <class Errors> class members {
  public:
    explicit members(const json& object, Errors errors = {})
        : object_(object), errors_(std::move(errors)) {
        if (!object.is_object()) {
            throw errors_.no_object();
        }
    }

    /// Whether the member is there; it does not count as asked for.
    [[nodiscard]] bool has(std::string_view key) const { return object_.find(key) != nullptr; }
    /// The member, of whatever type.
    [[nodiscard]] const json& at(std::string_view key) {
        const json* const found = object_.find(key);
        if (found == nullptr) {
            throw errors_.missing(key);
        }
        asked_.push_back(key);
        return *found;
    }
    [[nodiscard]] bool flag(std::string_view key) {
        const json& value = at(key);
        return value.is_boolean() ? value.boolean() : throw errors_.wrong(key, Errors::flag, value);
    }
    [[nodiscard]] const std::string& string(std::string_view key) {
        const json& value = at(key);
        return value.is_string() ? value.text() : throw errors_.wrong(key, Errors::string, value);
    }
    /// A whole number from 0 to `largest`.
    [[nodiscard]] std::uint64_t
    number(std::string_view key,
           std::uint64_t largest = std::numeric_limits<std::uint64_t>::max()) {
        const json& value = at(key);
        if (!value.is_unsigned() || value.unsigned_integer() > largest) {
            throw errors_.wrong(key, Errors::count(largest), value);
        }
        return value.unsigned_integer();
    }
    [[nodiscard]] double real(std::string_view key) {
        const json& value = at(key);
        return value.is_number() ? value.number() : throw errors_.wrong(key, Errors::real, value);
    }
    [[nodiscard]] const std::vector<json>& list(std::string_view key) {
        const json& value = at(key);
        return value.is_array() ? value.items() : throw errors_.wrong(key, Errors::list, value);
    }
    /// A member that is an object itself.
    [[nodiscard]] members object(std::string_view key) {
        const json& value = at(key);
        if (!value.is_object()) {
            throw errors_.wrong(key, Errors::object, value);
        }
        return members(value, errors_);
    }
    /// Throws when the object has a member that nobody asked for.
    void finish() const {
        for (const json_member& each : object_.members()) {
            if (std::find(asked_.begin(), asked_.end(), each.key) == asked_.end()) {
                throw errors_.unknown(each.key);
            }
        }
    }

    [[nodiscard]] const Errors& errors() const noexcept { return errors_; }

  private:
    const json& object_;
    Errors errors_;
    std::vector<std::string_view> asked_; // literals, or keys of the caller
};

} // namespace io
MICE_NAMESPACE_END
