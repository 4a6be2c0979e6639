// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "find/extract/worker/decode.hpp"
#include "find/extract/worker/kinds.hpp"
#include "find/extract/worker/lines.hpp"

// Text and source code: the lines as they are, cut where it hurts least.
namespace mice::find {
namespace {

/// Where a text may be cut: before the line at which the walker stands.
struct cut_rules {
    std::size_t wanted_bytes; ///< a section is not cut before it has so many, ...
    std::size_t most_bytes;   ///< but at any line once it has so many
    bool at_margin;           ///< not before an indented line
};

bool is_border(const line_walker& lines, bool after_blank, std::size_t bytes,
               const cut_rules& rules) {
    if (bytes >= rules.most_bytes)
        return true;
    if (bytes < rules.wanted_bytes || !after_blank || lines.blank())
        return false;
    const char first = lines.line().front();
    const bool indented = first == ' ' || first == '\t' || first == '}' || first == ')';
    return !rules.at_margin || !indented || bytes >= rules.most_bytes / 2;
}

void cut_lines(std::string_view text, const cut_rules& rules, results& out) {
    std::size_t begin = 0;
    std::uint64_t first_line = 1;
    bool after_blank = false, empty = true;
    const auto add = [&](std::size_t end) {
        out.add({"", "", 0, first_line, std::string(text.substr(begin, end - begin))});
    };
    for (line_walker lines(text); lines.next();) {
        if (!empty && is_border(lines, after_blank, lines.begin() - begin, rules)) {
            add(lines.begin());
            begin = lines.begin();
            empty = true;
        }
        after_blank = lines.blank();
        if (empty && !after_blank) { // blank lines before a section are not part of it
            begin = lines.begin();
            first_line = lines.number();
            empty = false;
        }
    }
    if (!empty)
        add(text.size());
}

} // namespace

void extract_text(const source& file, results& out) {
    // Sections of a text are a matter of memory: whoever cuts passages wants to see whole chapters.
    cut_lines(to_utf8(file.bytes, "", out), {std::size_t{128} << 10, std::size_t{256} << 10, false},
              out);
}

void extract_code(const source& file, results& out) {
    cut_lines(to_utf8(file.bytes, "", out), {1000, 8000, true}, out);
}

} // namespace mice::find
