// SPDX-License-Identifier: Apache-2.0
#include "find/extract/clean_text.hpp"

#include <algorithm>

#include <mice/text/unicode/utf8.hpp>

#include "common/whole_characters.hpp"

namespace mice::find {
namespace {

bool is_plain(char byte) noexcept {
    return byte >= ' ' && byte <= '~';
}

} // namespace

bool is_kept(char32_t code) noexcept {
    if (code < 0x20)
        return code == '\n' || code == '\t';
    if (code < 0x7F)
        return true;
    const bool control = code <= 0x9F;
    const bool turns = (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
    const bool unseen = code == 0xAD || code == 0x200B || code == 0x2060 || code == 0xFEFF ||
                        (code >= 0xE0000 && code <= 0xE007F);
    return !control && !turns && !unseen;
}

bool is_clean(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        if (is_plain(text[at])) {
            ++at;
            continue;
        }
        const text::decoded next = text::decode_utf8(text, at);
        if (!next.valid || !is_kept(next.code))
            return false;
        at += next.bytes;
    }
    return true;
}

std::string clean(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const auto* const begin = text.data() + at;
        const auto* const end = std::find_if_not(begin, text.data() + text.size(), is_plain);
        result.append(begin, end);
        at += static_cast<std::size_t>(end - begin);
        if (at == text.size())
            break;
        const text::decoded next = text::decode_utf8(text, at);
        at += next.bytes;
        if (next.code == '\r') {
            at += at < text.size() && text[at] == '\n' ? 1 : 0;
            result += '\n';
        } else if (next.code == '\f' || next.code == '\v') {
            result += ' ';
        } else if (is_kept(next.code)) {
            text::append_utf8(result, next.code);
        }
    }
    return result;
}

std::string one_line(std::string_view text, std::size_t most) {
    // What is shortened anyway is not read to its end.
    const std::string kept = clean(text.substr(0, most * 8));
    std::string line;
    for (const char c : kept) {
        const bool space = c == ' ' || c == '\t' || c == '\n';
        if (!space)
            line += c;
        else if (!line.empty() && line.back() != ' ')
            line += ' ';
    }
    line.resize(tools::whole_characters(line, most));
    while (!line.empty() && line.back() == ' ')
        line.pop_back();
    return line;
}

} // namespace mice::find
