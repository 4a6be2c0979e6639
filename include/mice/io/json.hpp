// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <mice/io/json_events.hpp>

MICE_NAMESPACE_BEGIN
namespace io {

struct json_member;

/// A JSON value. Objects keep the order of their members. Moves only: no value is copied unseen.
/// One thread may change it, any number may read it.
class json {
  public:
    using array_type = std::vector<json>;
    using object_type = std::vector<json_member>;

    json() noexcept = default; ///< null
    json(std::nullptr_t) noexcept {}
    /// true, false or a number.
    template <class Value, class = std::enable_if_t<std::is_arithmetic_v<Value>>>
    json(Value value) noexcept {
        if constexpr (std::is_same_v<Value, bool>) {
            kind_ = kind::boolean;
            content_.flag = value;
        } else if constexpr (std::is_floating_point_v<Value>) {
            kind_ = kind::real;
            content_.real = value;
        } else if constexpr (std::is_signed_v<Value>) {
            kind_ = kind::integer;
            content_.integer = value;
        } else {
            kind_ = kind::unsigned_integer;
            content_.unsigned_integer = value;
        }
    }
    json(std::string text);
    json(std::string_view text) : json(std::string(text)) {}
    json(const char* text) : json(std::string(text)) {}

    json(json&& other) noexcept
        : kind_(std::exchange(other.kind_, kind::null)), content_(other.content_) {}
    json& operator=(json&& other) noexcept {
        std::swap(kind_, other.kind_);
        std::swap(content_, other.content_);
        return *this;
    }
    json(const json&) = delete;
    json& operator=(const json&) = delete;
    ~json();

    [[nodiscard]] static json array();  ///< an empty one
    [[nodiscard]] static json object(); ///< an empty one

    [[nodiscard]] bool is_null() const noexcept { return kind_ == kind::null; }
    [[nodiscard]] bool is_boolean() const noexcept { return kind_ == kind::boolean; }
    /// A whole number that was read without a minus sign.
    [[nodiscard]] bool is_unsigned() const noexcept { return kind_ == kind::unsigned_integer; }
    [[nodiscard]] bool is_number() const noexcept {
        return kind_ == kind::integer || kind_ == kind::unsigned_integer || kind_ == kind::real;
    }
    [[nodiscard]] bool is_string() const noexcept { return kind_ == kind::string; }
    [[nodiscard]] bool is_array() const noexcept { return kind_ == kind::array; }
    [[nodiscard]] bool is_object() const noexcept { return kind_ == kind::object; }
    /// "null", "boolean", "number", "string", "array" or "object".
    [[nodiscard]] const char* type_name() const noexcept;

    // What a value is. Each throws errc::format where it is of another type.

    [[nodiscard]] bool boolean() const;
    [[nodiscard]] std::uint64_t unsigned_integer() const;
    [[nodiscard]] double number() const; ///< of any number, rounded
    [[nodiscard]] const std::string& text() const;
    [[nodiscard]] const array_type& items() const;
    [[nodiscard]] const object_type& members() const;

    /// The member of that name, or nullptr; nullptr where this is no object.
    [[nodiscard]] const json* find(std::string_view key) const noexcept;

    /// Appends to an array; throws errc::format where this is none. Returns what was appended.
    json& push_back(json value);
    /// Appends a member to an object that has none of that name; as push_back.
    json& add(std::string key, json value);
    /// As add, before the first member of a greater name: the order of the keys in model files.
    json& insert(std::string key, json value);

  private:
    friend void append_json(std::string& text, const json& value);

    enum class kind : std::uint8_t {
        null,
        boolean,
        integer,
        unsigned_integer,
        real,
        string,
        array,
        object
    };
    // A pointer where it is large: hostile files have a value for every two of their bytes.
    union content {
        bool flag;
        std::int64_t integer;
        std::uint64_t unsigned_integer = 0;
        double real;
        std::string* text;
        array_type* items;
        object_type* members;
    };

    void require(kind expected, const char* name) const;

    kind kind_ = kind::null;
    content content_;
};

/// A member of an object.
struct json_member {
    std::string key;
    json value;
};

/// As read_json, the whole text as a value.
[[nodiscard]] json parse_json(std::string_view text, std::string_view what,
                              const json_limits& limits = {});

/// Appends a value as compact JSON in UTF-8; invalid UTF-8 becomes U+FFFD, a number that is not
/// finite null. Numbers with a point have the fewest digits that read back as the same number.
void append_json(std::string& text, const json& value);

/// A value as append_json writes it.
[[nodiscard]] inline std::string to_text(const json& value) {
    std::string text;
    append_json(text, value);
    return text;
}

/// Whether the bytes are valid UTF-8.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

} // namespace io
MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/io/json_impl.hpp>
#endif
