// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <mice/error.hpp>

MICE_NAMESPACE_BEGIN
namespace io {

/// What is read of JSON; a text beyond a limit is refused before more of it is used.
struct json_limits {
    std::size_t max_bytes = std::size_t{64} << 20; ///< length of the text, in bytes; below 2^31
    std::size_t max_depth = 16;                    ///< nested objects and arrays
    std::size_t max_values = std::size_t{4} << 20; ///< values of any kind, containers included
};

/// What read_json tells of a text, in its order. A function may throw to end the reading.
class json_events {
  public:
    virtual void null() = 0;
    virtual void boolean(bool value) = 0;
    virtual void integer(std::int64_t value) = 0; ///< one with a minus sign
    virtual void unsigned_integer(std::uint64_t value) = 0;
    /// A number with a point or an exponent, or one that no integer of 64 bits holds; finite.
    virtual void real(double value) = 0;
    virtual void string(std::string_view value) = 0; ///< valid UTF-8; gone after the call
    virtual void key(std::string_view name) = 0;     ///< as string(), of the value that follows
    virtual void begin_object() = 0;
    virtual void end_object() = 0;
    virtual void begin_array() = 0;
    virtual void end_array() = 0;

  protected:
    json_events() = default;
    json_events(const json_events&) = default;
    json_events& operator=(const json_events&) = default;
    ~json_events() = default;
};

/// Reads JSON from an untrusted source. `what` names the source in messages ("tokenizer.json").
/// Throws errc::format for text that is not JSON, has a key twice in one object, or is larger,
/// deeper or longer than `limits`, and whatever `events` throw. Takes no stack for nesting.
/// Thread-safe.
void read_json(std::string_view text, std::string_view what, const json_limits& limits,
               json_events& events);

} // namespace io
MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/io/json_events_impl.hpp>
#endif
