// SPDX-License-Identifier: Apache-2.0
#include "common/lines.hpp"

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <system_error>
#include <utility>

#include <mice/error.hpp>

#include "common/encodings.hpp"

#if !defined(_WIN32)
#include <poll.h>
#include <sys/stat.h>
#endif

namespace mice::tools {
namespace {

/// Whether standard input is a file, which ends.
bool standard_input_is_file() {
#if defined(_WIN32)
    return false;
#else
    struct stat about {};
    return ::fstat(0, &about) == 0 && S_ISREG(about.st_mode);
#endif
}

} // namespace

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
        endless_ = !standard_input_is_file();
        return;
    }
    // Opening a folder succeeds on some systems, and only reading it fails.
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        throw detail::errors::cannot_open(name_, std::generic_category().message(EISDIR));
    }
    errno = 0;
    file_.open(path, std::ios::binary);
    if (!file_) {
        throw detail::errors::cannot_open(name_, errno != 0 ? std::generic_category().message(errno)
                                                            : std::string("cannot be read"));
    }
    endless_ = !std::filesystem::is_regular_file(path, ignored);
}

line_reader::line_reader(std::istream& stream, std::string name)
    : stream_(&stream), name_(std::move(name)) {}

void line_reader::hold_at_most(std::uint64_t bytes) {
    may_hold_ = bytes;
}

bool line_reader::fill() {
    constexpr std::streamsize most = std::streamsize{1} << 16;
    errno = 0;
    // Never waits for more than there is: the writer of a pipe may be waiting for an answer.
    if (stream_->peek() == std::istream::traits_type::eof()) {
        if (stream_->bad() || (errno != 0 && !stream_->eof())) {
            throw detail::errors::cannot_open(
                name_, "reading failed after line " + std::to_string(number_) +
                           (errno != 0 ? ": " + std::generic_category().message(errno) : ""));
        }
        return false;
    }
    const std::streamsize there = stream_->rdbuf()->in_avail();
    const std::streamsize wanted = std::clamp<std::streamsize>(there, 1, most);
    buffer_.resize(static_cast<std::size_t>(wanted));
    buffer_.resize(static_cast<std::size_t>(stream_->rdbuf()->sgetn(buffer_.data(), wanted)));
    next_ = 0;
    bytes_ += buffer_.size();
    return !buffer_.empty();
}

/// Refuses another encoding by its name; `line` is the start of the first line.
void line_reader::recognise(std::string_view line) {
    recognised_ = true;
    const std::string start =
        std::string(line.substr(0, recognised_bytes)) + buffer_.substr(next_, recognised_bytes);
    if (const std::string found = foreign_encoding(start); !found.empty()) {
        throw error(errc::encoding, detail::errors::quoted(name_) + " is " + found);
    }
}

void line_reader::count(std::size_t bytes) {
    constexpr std::uint64_t line_cost = 256;
    held_ += bytes + line_cost;
    if (may_hold_ && endless_ && held_ > *may_hold_) {
        throw error(errc::format, name_ + " gave " + std::to_string(number_) +
                                      " lines, more than is held in memory, and has no end yet; "
                                      "save it in a file, or put it into an index");
    }
}

/// One line as it is; false at the end.
bool line_reader::read(std::string& line) {
    line.clear();
    while (next_ < buffer_.size() || fill()) {
        const std::size_t end = buffer_.find('\n', next_);
        line.append(buffer_, next_, end == std::string::npos ? end : end - next_);
        next_ = end == std::string::npos ? buffer_.size() : end;
        if (!recognised_ && (end != std::string::npos || line.size() >= recognised_bytes)) {
            recognise(line);
        }
        if (line.size() > longest_record) {
            throw error(errc::format, name_ + ":" + std::to_string(number_ + 1) +
                                          ": the line has no end within 256 MiB; is it text? "
                                          "Split it, or give JSON Lines");
        }
        if (end != std::string::npos) {
            ++next_;
            return true;
        }
    }
    if (!recognised_) {
        recognise(line);
    }
    return !line.empty();
}

bool line_reader::next(std::string& line) {
    if (ahead_) {
        line = *std::exchange(ahead_, std::nullopt);
        return true;
    }
    if (!read(line)) {
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
    count(line.size());
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

const std::string* line_reader::peek_filled() {
    std::string line;
    if (!ahead_ && next_filled(line)) {
        ahead_ = std::move(line);
    }
    return ahead_ ? &*ahead_ : nullptr;
}

bool line_reader::ready() {
    if (ahead_ || next_ < buffer_.size()) {
        return true;
    }
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

} // namespace mice::tools
