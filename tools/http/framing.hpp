// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/client.hpp"

// Where a request begins and ends, as RFC 9112 says it. What can be understood in two ways is
// refused: a proxy that understood it in the other would take one client's request for another's.
namespace mice::serve {

/// Why a request is not read, and the status that says so.
struct refusal {
    int status;
    const char *phrase, *reason;
};

/// A line of a head has these bytes at most, its end among them; the first one is cpp-httplib's
/// to measure.
inline constexpr std::size_t most_line_bytes = 8192;

/// A head that was looked at.
struct request_lines {
    std::optional<refusal> refused{}; ///< where set, the rest is not whole
    std::vector<std::pair<std::string, std::string>> fields{};
    bool chunked = false; ///< the body comes in chunks
    std::optional<std::uint64_t>
        length{};               ///< of the body; the largest number is also what is above
    bool asks_to_go_on = false; ///< the body is sent after 100 Continue
    bool old = false;           ///< HTTP/1.0, which knows no interim answers

    /// Whether bytes of a body come behind the head.
    [[nodiscard]] bool has_body() const { return chunked || length.value_or(0) != 0; }
};

/// Looks at a whole head, up to its empty line.
[[nodiscard]] request_lines look_at_head(std::string_view head);

/// Whether a head that may be refused says something of a body.
[[nodiscard]] bool names_body(std::string_view head);

/// How reading a body ended.
enum class body_state {
    whole,
    broken,    ///< the client went away, or was too slow
    malformed, ///< no chunks, or too much around them
    too_large,
};

/// Reads a body behind its head, `most` bytes of it. What comes in chunks may have trailers, which
/// are left out, and extensions; both together are bounded.
[[nodiscard]] body_state read_body(client& from, const request_lines& head, std::size_t most,
                                   std::string& into);

} // namespace mice::serve
