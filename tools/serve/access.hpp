// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

// Who may use a server.
namespace mice::serve {

/// Whether the texts are equal. The time depends on the length of `given` alone, so it tells
/// nothing of the secret.
[[nodiscard]] bool equal_in_constant_time(std::string_view given, std::string_view secret);

/// Whether an address to listen at is reached from this machine alone: 127.x.x.x, ::1, localhost.
/// Other names count as open, wherever they lead.
[[nodiscard]] bool is_loopback(std::string_view host);

/// Whether the Host header of a request names this machine, or one of `allowed` (lower case,
/// without ports). A page of the web whose name was made to lead here (DNS rebinding) sends its own
/// name.
[[nodiscard]] bool names_this_machine(std::string_view host_header,
                                      const std::vector<std::string>& allowed);

/// Whether an Authorization header is "Bearer TOKEN" with this token.
[[nodiscard]] bool bears(std::string_view authorization, std::string_view token);

/// The token in a file, without the white space around it. Throws mice::error (errc::io) for a file
/// that cannot be read, and errc::invalid_argument as checked_token().
[[nodiscard]] std::string read_token(const std::filesystem::path& file);

/// A token without the white space around it. `where` names its place in messages. Throws
/// mice::error (errc::invalid_argument) where it is empty, longer than 4096 bytes, or has other
/// bytes than visible ASCII, which no header can carry.
[[nodiscard]] std::string checked_token(std::string_view text, std::string_view where);

} // namespace mice::serve
