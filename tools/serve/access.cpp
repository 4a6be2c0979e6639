// SPDX-License-Identifier: Apache-2.0
#include "serve/access.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <system_error>

#include <mice/error.hpp>

namespace mice::serve {
namespace {

constexpr std::size_t longest_token = 4096;

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return result;
}

bool is_number(std::string_view text, unsigned most) {
    unsigned value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return false;
        }
        value = std::min(value * 10 + static_cast<unsigned>(c - '0'), most + 1);
    }
    return !text.empty() && value <= most;
}

/// 127.x.x.x, written as four numbers.
bool is_loopback_v4(std::string_view host) {
    int parts = 0;
    for (bool more = true; more; ++parts) {
        const std::size_t dot = host.find('.');
        const std::string_view part = host.substr(0, dot);
        if (!is_number(part, 255) || (parts == 0 && part != "127")) {
            return false;
        }
        more = dot != std::string_view::npos;
        host.remove_prefix(more ? dot + 1 : host.size());
    }
    return parts == 4;
}

/// The name in "name:8080", "[::1]:8080"; empty where it is neither.
std::string_view without_port(std::string_view host) {
    const bool bracketed = host.starts_with('[');
    const std::size_t end = bracketed ? host.find(']') : host.find(':');
    if (end == std::string_view::npos) {
        return bracketed ? std::string_view() : host;
    }
    const std::string_view port = host.substr(bracketed ? end + 1 : end);
    if (!port.empty() && (port[0] != ':' || !is_number(port.substr(1), 65535))) {
        return {};
    }
    return host.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end);
}

} // namespace

bool equal_in_constant_time(std::string_view given, std::string_view secret) {
    std::size_t differs = given.size() ^ secret.size();
    for (std::size_t i = 0; i < given.size(); ++i) {
        const char other = secret.empty() ? '\0' : secret[i % secret.size()];
        differs |= static_cast<std::size_t>(static_cast<unsigned char>(given[i] ^ other));
    }
    return differs == 0;
}

bool is_loopback(std::string_view host) {
    return host == "localhost" || host == "::1" || is_loopback_v4(host);
}

bool names_this_machine(std::string_view host_header, const std::vector<std::string>& allowed) {
    const std::string name = lower(without_port(host_header));
    return is_loopback(name) || std::find(allowed.begin(), allowed.end(), name) != allowed.end();
}

bool bears(std::string_view authorization, std::string_view token) {
    constexpr std::string_view scheme = "bearer ";
    if (lower(authorization.substr(0, scheme.size())) != scheme) {
        return false;
    }
    authorization.remove_prefix(scheme.size());
    while (authorization.starts_with(' ')) {
        authorization.remove_prefix(1);
    }
    return equal_in_constant_time(authorization, token);
}

std::string checked_token(std::string_view text, std::string_view where) {
    constexpr std::string_view space = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(space);
    if (begin == std::string_view::npos) {
        throw error(errc::invalid_argument, std::string(where) + " holds no token");
    }
    text = text.substr(begin, text.find_last_not_of(space) + 1 - begin);
    const bool visible =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (!visible || text.size() > longest_token) {
        throw error(errc::invalid_argument, "the token in " + std::string(where) +
                                                " is not one word of ASCII, at most " +
                                                std::to_string(longest_token) + " bytes");
    }
    return std::string(text);
}

std::string read_token(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::string text(2 * longest_token, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!stream.is_open() || stream.bad()) {
        throw detail::errors::cannot_open(file.string(), std::generic_category().message(errno));
    }
    text.resize(static_cast<std::size_t>(stream.gcount()));
    return checked_token(text, detail::errors::quoted(file.string()));
}

} // namespace mice::serve
