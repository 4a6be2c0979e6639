// SPDX-License-Identifier: Apache-2.0
#include "common/terminal.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include <mice/text/unicode/unicode.hpp>

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <csignal>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#endif

namespace mice::tools {
namespace {

constexpr std::size_t usual_columns = 100;

struct code_range {
    char32_t first, last;
};

/// East Asian wide and fullwidth blocks, and emoji. Whole blocks are exact enough for a table.
constexpr std::array<code_range, 14> wide_ranges{{{0x1100, 0x115F},
                                                  {0x231A, 0x231B},
                                                  {0x2E80, 0x303E},
                                                  {0x3041, 0xA4CF},
                                                  {0xA960, 0xA97F},
                                                  {0xAC00, 0xD7A3},
                                                  {0xF900, 0xFAFF},
                                                  {0xFE30, 0xFE6F},
                                                  {0xFF00, 0xFF60},
                                                  {0xFFE0, 0xFFE6},
                                                  {0x1F300, 0x1F64F},
                                                  {0x1F680, 0x1F6FF},
                                                  {0x1F900, 0x1FAFF},
                                                  {0x20000, 0x3FFFD}}};

/// What must not be sent to a terminal: what steers it, and unassigned or private codes.
bool is_unprintable(char32_t code) {
    switch (text::general_category(code)) {
    case text::category::cs:
    case text::category::co:
    case text::category::cn:
        return true;
    default:
        return steers_terminal(code);
    }
}

int descriptor(stream which) {
    return static_cast<int>(which);
}

} // namespace

bool is_terminal(stream which) {
#if defined(_WIN32)
    return _isatty(descriptor(which)) != 0;
#else
    return ::isatty(descriptor(which)) == 1;
#endif
}

std::size_t output_columns() {
#if defined(_WIN32)
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info)) {
        return static_cast<std::size_t>(std::max(info.srWindow.Right - info.srWindow.Left + 1, 20));
    }
#else
    for (const int file : {STDOUT_FILENO, STDERR_FILENO}) {
        winsize size{};
        if (::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
            return std::max<std::size_t>(size.ws_col, 20);
        }
    }
#endif
    return usual_columns;
}

void prepare_streams() {
#if defined(_WIN32)
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    SetConsoleOutputCP(CP_UTF8);
#else
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN); // writing then fails with EFBIG, which is reported
    // The wrong direction on purpose: using the closed stream must still fail.
    constexpr std::array<std::pair<int, int>, 3> streams{
        {{STDIN_FILENO, O_WRONLY}, {STDOUT_FILENO, O_RDONLY}, {STDERR_FILENO, O_WRONLY}}};
    for (const auto& [file, direction] : streams) {
        if (::fcntl(file, F_GETFD) == -1 && ::open("/dev/null", direction) == -1) {
            std::_Exit(1); // not even /dev/null works, and there is nowhere to say so
        }
    }
#endif
}

bool steers_terminal(char32_t code_point) {
    switch (text::general_category(code_point)) {
    case text::category::cc:
    case text::category::cf:
    case text::category::zl:
    case text::category::zp:
        return true;
    default:
        return false;
    }
}

std::size_t display_width(char32_t code_point) {
    if (text::is_nonspacing_mark(code_point) || code_point == 0x200B || code_point == 0x200D) {
        return 0;
    }
    const auto range =
        std::lower_bound(wide_ranges.begin(), wide_ranges.end(), code_point,
                         [](const code_range& entry, char32_t code) { return entry.last < code; });
    return range != wide_ranges.end() && range->first <= code_point ? 2 : 1;
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t position = 0; position < text.size();) {
        const text::decoded next = text::decode_utf8(text, position);
        width += display_width(next.code);
        position += next.bytes;
    }
    return width;
}

std::string printable(std::string_view text) {
    std::string result;
    for (std::size_t position = 0; position < text.size();) {
        const text::decoded next = text::decode_utf8(text, position);
        position += next.bytes;
        if (is_unprintable(next.code) || text::is_whitespace(next.code)) {
            if (!result.empty() && result.back() != ' ') {
                result += ' ';
            }
        } else {
            text::append_utf8(result, next.code);
        }
    }
    if (!result.empty() && result.back() == ' ') {
        result.pop_back();
    }
    return result;
}

std::string fit(std::string_view text, std::size_t columns) {
    constexpr std::string_view dots = "...";
    std::size_t width = 0;
    std::size_t cut = 0; // where to cut the text if need be
    for (std::size_t position = 0; position < text.size();) {
        const text::decoded next = text::decode_utf8(text, position);
        width += display_width(next.code);
        if (width > columns) {
            return std::string(text.substr(0, cut)) +
                   std::string(dots.substr(0, std::min(columns, dots.size())));
        }
        position += next.bytes;
        if (width + dots.size() <= columns) {
            cut = position;
        }
    }
    return std::string(text);
}

} // namespace mice::tools
