// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/json_events.hpp>

MICE_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// Builds a value from events. Json is a type of JSON values; Containers appends to them, and gives
/// what it appended: item(Json& array, Json) and member(Json& object, std::string key, Json).
template <class Json, class Containers>
// NOLINTNEXTLINE(bugprone-exception-escape): takes the destructor of a value for one that throws
class json_builder final : public json_events {
  public:
    void null() override { put(nullptr); }
    void boolean(bool value) override { put(value); }
    void integer(std::int64_t value) override { put(value); }
    void unsigned_integer(std::uint64_t value) override { put(value); }
    void real(double value) override { put(value); }
    void string(std::string_view value) override { put(value); }
    void key(std::string_view name) override { key_ = name; }
    void begin_object() override { open_.push_back(&put(Json::object())); }
    void end_object() override { open_.pop_back(); }
    void begin_array() override { open_.push_back(&put(Json::array())); }
    void end_array() override { open_.pop_back(); }

    Json take() { return std::move(root_); }

  private:
    Json& put(Json value) {
        if (open_.empty()) {
            return root_ = std::move(value);
        }
        Json& inside = *open_.back();
        return inside.is_array()
                   ? Containers::item(inside, std::move(value))
                   : Containers::member(inside, std::exchange(key_, {}), std::move(value));
    }

    Json root_;
    std::vector<Json*> open_; // a container's address is stable while it is open: nothing is
                              // appended to its parent before it is closed
    std::string key_;
};

} // namespace detail
} // namespace io
MICE_NAMESPACE_END
