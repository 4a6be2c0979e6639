// SPDX-License-Identifier: Apache-2.0
#include "http/framing.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <system_error>

namespace mice::serve {
namespace {

/// Bytes of extensions and trailers of a body.
constexpr std::size_t most_framing = most_head_bytes;
constexpr std::size_t most_digits = 16; // of a chunk's size

/// Of these a request has one. Which of two is meant depends on who reads it.
constexpr std::array<std::string_view, 8> single{"host",           "content-length", "content-type",
                                                 "expect",         "authorization",  "origin",
                                                 "sec-fetch-site", "sec-fetch-mode"};

constexpr refusal bad(const char* reason) {
    return {400, "Bad Request", reason};
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// A character of a method or of a field's name.
bool in_token(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}
bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), in_token);
}

/// What may stand in a line: no other control character than a tab.
bool in_text(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
}
bool is_text(std::string_view text) {
    return std::all_of(text.begin(), text.end(), in_text);
}

std::string lower(std::string_view text) {
    std::string made(text);
    for (char& c : made) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return made;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// The next line, without its end, where that is CR LF; it is removed from `rest`.
std::optional<std::string_view> next_line(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos || end == 0 || rest[end - 1] != '\r') {
        return std::nullopt;
    }
    const std::string_view line = rest.substr(0, end - 1);
    rest.remove_prefix(end + 1);
    return line;
}

bool is_request_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    return is_text(line) && line.find('\t') == std::string_view::npos &&
           first != std::string_view::npos && last > first + 1 &&
           line.find(' ', first + 1) == last && is_token(line.substr(0, first));
}

/// The place of the colon behind a field's name; none where the line is no field.
std::optional<std::size_t> colon_of(std::string_view line) {
    const std::size_t colon = line.find(':');
    const bool is =
        colon != std::string_view::npos && is_token(line.substr(0, colon)) && is_text(line);
    return is ? std::optional(colon) : std::nullopt;
}

/// What follows from one field.
std::optional<refusal> take_field(request_lines& head, const std::string& name,
                                  const std::string& value) {
    if (name == "content-length") {
        if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit)) {
            return bad("Content-Length is not a number");
        }
        std::uint64_t length = 0;
        const auto end = value.data() + value.size();
        const bool fits = std::from_chars(value.data(), end, length).ec == std::errc();
        head.length = fits ? length : std::numeric_limits<std::uint64_t>::max();
    } else if (name == "transfer-encoding") {
        if (head.chunked || lower(value) != "chunked") {
            return refusal{501, "Not Implemented", "the only Transfer-Encoding here is chunked"};
        }
        if (head.old) {
            return bad("HTTP/1.0 has no Transfer-Encoding");
        }
        head.chunked = true;
    } else if (name == "expect") {
        head.asks_to_go_on = !head.old && lower(value) == "100-continue";
    }
    return std::nullopt;
}

/// Reads a body's chunks. The time is the client's own to bound.
class chunks {
  public:
    chunks(client& from, std::size_t most, std::string& into)
        : from_(from), most_(most), into_(into) {}

    [[nodiscard]] body_state read() {
        for (;;) {
            std::size_t size = 0;
            if (!read_size(size)) {
                return failure_;
            }
            if (size == 0) {
                return skip_trailers() ? body_state::whole : failure_;
            }
            if (size > most_ - into_.size()) {
                return body_state::too_large;
            }
            if (!read_bytes(from_, size, into_)) {
                return body_state::broken;
            }
            if (!expect('\r') || !expect('\n')) {
                return failure_;
            }
        }
    }

    /// Appends so many bytes as they come: what a client only promises takes no memory.
    [[nodiscard]] static bool read_bytes(client& from, std::size_t count, std::string& into) {
        std::array<char, 1 << 14> part;
        while (count > 0) {
            const std::ptrdiff_t got = from.read(part.data(), std::min(count, part.size()));
            if (got <= 0) {
                return false;
            }
            into.append(part.data(), static_cast<std::size_t>(got));
            count -= static_cast<std::size_t>(got);
        }
        return true;
    }

  private:
    [[nodiscard]] bool fail(body_state how) {
        failure_ = how;
        return false;
    }
    [[nodiscard]] bool next(char& c) { return from_.read(&c, 1) == 1 || fail(body_state::broken); }
    [[nodiscard]] bool expect(char wanted) {
        char c = 0;
        return next(c) && (c == wanted || fail(body_state::malformed));
    }

    [[nodiscard]] bool read_size(std::size_t& size) {
        constexpr std::string_view hex = "0123456789abcdefABCDEF";
        std::size_t digits = 0;
        char c = 0;
        for (;; ++digits) {
            if (!next(c)) {
                return false;
            }
            const std::size_t digit = hex.find(c);
            if (digit == std::string_view::npos) {
                break;
            }
            if (digits == most_digits) {
                return fail(body_state::malformed);
            }
            size = size * 16 + (digit < 16 ? digit : digit - 6);
        }
        if (digits == 0) {
            return fail(body_state::malformed);
        }
        bool blank = false; // only an extension may follow one
        for (; c == ' ' || c == '\t'; blank = true) {
            if (!count() || !next(c)) {
                return false;
            }
        }
        if (c == ';') {
            while (in_text(c)) {
                if (!count() || !next(c)) {
                    return false;
                }
            }
        } else if (blank) {
            return fail(body_state::malformed);
        }
        return c == '\r' ? expect('\n') : fail(body_state::malformed);
    }

    [[nodiscard]] bool skip_trailers() {
        for (;;) {
            std::string line;
            char c = 0;
            for (;;) {
                if (!next(c)) {
                    return false;
                }
                if (c == '\r') {
                    break;
                }
                if (!count()) {
                    return false;
                }
                line.push_back(c);
            }
            if (!expect('\n')) {
                return false;
            }
            if (line.empty()) {
                return true;
            }
            if (!colon_of(line) || line.size() > most_line_bytes) {
                return fail(body_state::malformed);
            }
        }
    }

    /// One more byte around the body.
    [[nodiscard]] bool count() { return ++framing_ <= most_framing || fail(body_state::malformed); }

    client& from_;
    const std::size_t most_;
    std::string& into_;
    std::size_t framing_ = 0;
    body_state failure_ = body_state::broken;
};

} // namespace

request_lines look_at_head(std::string_view head) {
    request_lines found;
    const auto refuse = [&found](const refusal& why) {
        found.refused = why;
        return found;
    };
    const auto first = next_line(head);
    if (!first || !is_request_line(*first)) {
        return refuse(bad("the request's first line cannot be understood"));
    }
    found.old = first->ends_with(" HTTP/1.0");
    std::array<bool, single.size()> seen{};
    for (;;) {
        const auto line = next_line(head);
        if (line && line->empty()) {
            break;
        }
        const auto colon = line ? colon_of(*line) : std::nullopt;
        if (!colon) {
            return refuse(bad("a line of the request's head cannot be understood"));
        }
        if (line->size() + 2 > most_line_bytes) {
            return refuse({431, "Request Header Fields Too Large",
                           "a line of the request's head is above 8 KiB"});
        }
        const std::string name = lower(line->substr(0, *colon));
        const std::string value(trimmed(line->substr(*colon + 1)));
        if (const auto at = std::find(single.begin(), single.end(), name); at != single.end()) {
            bool& there = seen[static_cast<std::size_t>(at - single.begin())];
            if (there) {
                return refuse(bad(name == "content-length"
                                      ? "the length of the body is given twice"
                                      : "a line of the request's head is there twice"));
            }
            there = true;
        }
        if (const auto why = take_field(found, name, value)) {
            return refuse(*why);
        }
        found.fields.emplace_back(line->substr(0, *colon), value);
    }
    if (found.chunked && found.length) {
        return refuse(bad("the length of the body is given twice"));
    }
    return found;
}

bool names_body(std::string_view head) {
    const std::string text = lower(head);
    return text.find("content-length") != std::string::npos ||
           text.find("transfer-encoding") != std::string::npos;
}

body_state read_body(client& from, const request_lines& head, std::size_t most, std::string& into) {
    if (head.chunked) {
        return chunks(from, most, into).read();
    }
    const std::uint64_t length = head.length.value_or(0);
    if (length > most) {
        return body_state::too_large;
    }
    return chunks::read_bytes(from, length, into) ? body_state::whole : body_state::broken;
}

} // namespace mice::serve
