// SPDX-License-Identifier: Apache-2.0
#include "common/lines.hpp"

#include <cerrno>
#include <iostream>
#include <system_error>
#include <utility>

#include <mice/error.hpp>

#if !defined(_WIN32)
#include <poll.h>
#endif

namespace mice::tools {

line_reader::line_reader(const std::filesystem::path& path)
    : stream_(&file_), name_(path == "-" ? "standard input" : path.string()) {
    if (limit_ != nullptr && waiting_input::suits(path)) {
        waiting_ = std::make_unique<waiting_input>(path, name_, *limit_);
        waiting_stream_ = std::make_unique<std::istream>(waiting_.get());
        waiting_stream_->exceptions(std::ios::badbit); // lets what waiting_ throws through
        stream_ = waiting_stream_.get();
        return;
    }
    if (path == "-") {
        std::ios::sync_with_stdio(false);
        stream_ = &std::cin;
        return;
    }
    // Opening a folder succeeds on some systems, and only reading it fails.
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        throw errors::cannot_open(name_, std::generic_category().message(EISDIR));
    }
    errno = 0;
    file_.open(path, std::ios::binary);
    if (!file_) {
        throw errors::cannot_open(name_, errno != 0 ? std::generic_category().message(errno)
                                                    : std::string("cannot be read"));
    }
}

line_reader::line_reader(std::istream& stream, std::string name)
    : stream_(&stream), name_(std::move(name)) {}

bool line_reader::next(std::string& line) {
    errno = 0;
    if (!std::getline(*stream_, line)) {
        if (stream_->bad() || (errno != 0 && !stream_->eof())) {
            throw errors::cannot_open(name_,
                                      "reading failed after line " + std::to_string(number_));
        }
        return false;
    }
    if (limit_ != nullptr) {
        limit_->was_read(name_, waiting_ ? 0 : line.size() + 1); // a waiting_ counts itself
    }
    if (number_++ == 0 && line.starts_with("\xEF\xBB\xBF")) {
        line.erase(0, 3);
    }
    if (!line.empty() && line.back() == '\r') {
        line.pop_back();
    }
    return true;
}

bool line_reader::next_filled(std::string& line) {
    while (next(line)) {
        if (line.find_first_not_of(" \t") != std::string::npos) {
            return true;
        }
    }
    return false;
}

bool line_reader::ready() {
    if (waiting_) {
        return waiting_->in_avail() > 0 || waiting_->ready();
    }
    if (stream_ != &std::cin || stream_->rdbuf()->in_avail() > 0) {
        return true;
    }
#if defined(_WIN32)
    return false;
#else
    pollfd input{0, POLLIN, 0};
    return ::poll(&input, 1, 0) != 0;
#endif
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view spaces = " \t\n\v\f\r";
    const std::size_t first = text.find_first_not_of(spaces);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(spaces) - first + 1);
}

} // namespace mice::tools
