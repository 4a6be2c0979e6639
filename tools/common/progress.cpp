// SPDX-License-Identifier: Apache-2.0
#include "common/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "common/terminal.hpp"

namespace mice::tools {
namespace {

std::string rate_text(double per_second) {
    char text[32];
    const char* format = per_second >= 100 ? "%.0f/s" : per_second >= 1 ? "%.1f/s" : "%.2f/s";
    std::snprintf(text, sizeof text, format, per_second);
    return text;
}

std::string time_text(double seconds) {
    const auto whole = static_cast<std::uint64_t>(std::ceil(std::min(seconds, 359'999.0)));
    const auto hours = static_cast<unsigned>(whole / 3600);
    const auto minutes = static_cast<unsigned>(whole / 60 % 60);
    const auto rest = static_cast<unsigned>(whole % 60);
    char text[48];
    if (hours > 0) {
        std::snprintf(text, sizeof text, "%u:%02u:%02u", hours, minutes, rest);
    } else {
        std::snprintf(text, sizeof text, "%02u:%02u", minutes, rest);
    }
    return text;
}

/// Label, bar (none for a share below 0) and `tail`.
std::string with_bar(std::string_view label, double share, const std::string& tail,
                     std::size_t columns) {
    std::string line = fit(label, columns / 3) + " ";
    const std::size_t used = display_width(line) + tail.size() + 2;
    if (share >= 0 && columns >= used + 4) {
        const std::size_t width = std::min<std::size_t>(columns - used, 30);
        const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
        line += "[" + std::string(filled, '#') + std::string(width - filled, '.') + "]";
    }
    return fit(line + tail, columns);
}

std::string percent_text(double share) {
    char text[16];
    std::snprintf(text, sizeof text, "%3.0f%%", std::floor(share * 100));
    return text;
}

} // namespace

std::string progress_line(std::string_view label, std::uint64_t done, std::uint64_t total,
                          double seconds, std::size_t columns) {
    const std::uint64_t shown = std::min(done, total);
    const double share = total == 0 ? 1.0 : static_cast<double>(shown) / static_cast<double>(total);
    std::string tail =
        " " + percent_text(share) + " " + std::to_string(shown) + "/" + std::to_string(total);
    if (shown > 0 && seconds > 0) {
        const double rate = static_cast<double>(shown) / seconds;
        tail += " " + rate_text(rate) + ", " +
                time_text(static_cast<double>(total - shown) / rate) + " left";
    }
    return with_bar(label, share, tail, columns);
}

std::string stream_line(std::string_view label, std::uint64_t done, double share, double seconds,
                        std::size_t columns) {
    const double known = std::min(share, 1.0);
    std::string tail = share < 0 ? "" : " " + percent_text(known) + " ";
    tail += std::to_string(done);
    if (done > 0 && seconds > 0) {
        tail += " " + rate_text(static_cast<double>(done) / seconds);
        if (known > 0) {
            tail += ", " + time_text(seconds / known - seconds) + " left";
        }
    }
    return with_bar(label, known, tail, columns);
}

progress_bar::progress_bar(std::string label, std::uint64_t total)
    : label_(std::move(label)), total_(total), active_(is_terminal(stream::standard_error)) {}

void progress_bar::update(std::uint64_t done) {
    if (due()) {
        draw(progress_line(label_, done, total_, seconds(), output_columns() - 1));
    }
}

void progress_bar::update(std::uint64_t done, double share) {
    if (due()) {
        draw(stream_line(label_, done, share, seconds(), output_columns() - 1));
    }
}

bool progress_bar::due() {
    const clock::time_point now = clock::now();
    if (!active_ || now < next_) {
        return false;
    }
    next_ = now + std::chrono::milliseconds(100);
    return true;
}

double progress_bar::seconds() const {
    return std::chrono::duration<double>(clock::now() - start_).count();
}

void progress_bar::draw(const std::string& line) {
    // Back to column 1, erase the line, draw.
    std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
    std::fflush(stderr);
    drawn_ = true;
}

void progress_bar::finish() {
    if (drawn_) {
        std::fputs("\r\x1b[K", stderr);
        std::fflush(stderr);
    }
    drawn_ = false;
    active_ = false;
}

} // namespace mice::tools
