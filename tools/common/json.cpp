// SPDX-License-Identifier: Apache-2.0
#include "common/json.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace mice::tools {

namespace {

/// Builds a value from the library's events.
// NOLINTNEXTLINE(bugprone-exception-escape): it takes the destructor of a value for one that throws
class value_builder final : public io::json_events {
  public:
    void null() override { put(nullptr); }
    void boolean(bool value) override { put(value); }
    void integer(std::int64_t value) override { put(value); }
    void unsigned_integer(std::uint64_t value) override { put(value); }
    void real(double value) override { put(value); }
    void string(std::string_view value) override { put(value); }
    void key(std::string_view name) override { key_ = name; }
    void begin_object() override { open_.push_back(&put(json::object())); }
    void end_object() override { open_.pop_back(); }
    void begin_array() override { open_.push_back(&put(json::array())); }
    void end_array() override { open_.pop_back(); }

    json take() { return std::move(root_); }

  private:
    json& put(json value) {
        if (open_.empty()) {
            return root_ = std::move(value);
        }
        json& inside = *open_.back();
        return inside.is_array() ? inside.emplace_back(std::move(value))
                                 : inside.emplace(std::move(key_), std::move(value)).first.value();
    }

    json root_;
    std::vector<json*> open_; // a container's address is stable while it is open: nothing is
                              // appended to its parent before it is closed
    std::string key_;
};

} // namespace

json parse_json(std::string_view text, std::string_view what, const io::json_limits& limits) {
    value_builder builder;
    io::read_json(text, what, limits, builder);
    return builder.take();
}

std::string to_text(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace mice::tools
