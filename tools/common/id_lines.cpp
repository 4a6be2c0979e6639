// SPDX-License-Identifier: Apache-2.0
#include "common/id_lines.hpp"

#include <mice/text/unicode/unicode.hpp>

#include "common/json_output.hpp"
#include "common/lines.hpp"
#include "common/terminal.hpp"
#include "common/trimmed.hpp"

namespace mice::tools {

std::string id_line(std::string_view id) {
    bool plain = !id.starts_with('"') && !trimmed(id).empty();
    for (std::size_t position = 0; position < id.size() && plain;) {
        const text::decoded next = text::decode_utf8(id, position);
        plain = !steers_terminal(next.code);
        position += next.bytes;
    }
    return plain ? std::string(id) : json_string(id);
}

std::string id_of(std::string_view line) {
    if (line.starts_with('"')) {
        const json read = json::parse(line, nullptr, false);
        if (read.is_string()) {
            return read.get<std::string>();
        }
    }
    return std::string(line);
}

} // namespace mice::tools
