// SPDX-License-Identifier: Apache-2.0
#include "find/mcp/line_input.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <mice/error.hpp>

namespace mice::find::mcp {
namespace {

error cannot_read(int code) {
    return detail::errors::cannot_open("standard input", std::generic_category().message(code));
}

} // namespace

line_input::line_input(int descriptor, std::size_t longest)
    : descriptor_(descriptor), longest_(longest), buffer_(std::size_t{1} << 16) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) {
        throw cannot_read(errno);
    }
    wake_read_ = ends[0];
    wake_write_ = ends[1];
    for (const int each : ends) {
        (void)::fcntl(each, F_SETFD, FD_CLOEXEC);
    }
}

line_input::~line_input() {
    ::close(wake_read_);
    ::close(wake_write_);
}

void line_input::wake() noexcept {
    const char mark = 0;
    (void)!::write(wake_write_, &mark, 1);
}

/// Reads more; false at the end and when woken.
bool line_input::fill() {
    while (true) {
        std::array<pollfd, 2> watched{{{descriptor_, POLLIN, 0}, {wake_read_, POLLIN, 0}}};
        if (::poll(watched.data(), watched.size(), -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            throw cannot_read(errno);
        }
        if (watched[1].revents != 0) {
            woken_ = true;
            return false;
        }
        const ssize_t got = ::read(descriptor_, buffer_.data(), buffer_.size());
        if (got > 0) {
            begin_ = 0;
            end_ = static_cast<std::size_t>(got);
            return true;
        }
        if (got == 0) {
            ended_ = true;
            return false;
        }
        if (errno != EINTR && errno != EAGAIN) {
            throw cannot_read(errno);
        }
    }
}

line_input::outcome line_input::next(std::string& line) {
    line.clear();
    bool too_long = false, some = false;
    while (!ended_ && (begin_ < end_ || fill())) {
        some = true;
        const char* const first = buffer_.data() + begin_;
        const char* const last = buffer_.data() + end_;
        const char* const stop = std::find(first, last, '\n');
        const auto size = static_cast<std::size_t>(stop - first);
        too_long = too_long || line.size() + size > longest_;
        if (too_long) {
            line.clear();
        } else {
            line.append(first, size);
        }
        begin_ += size;
        if (stop != last) {
            ++begin_;
            if (line.ends_with('\r')) {
                line.pop_back();
            }
            return too_long ? outcome::too_long : outcome::line;
        }
    }
    if (woken_) {
        return outcome::woken;
    }
    return !some ? outcome::end : too_long ? outcome::too_long : outcome::line;
}

} // namespace mice::find::mcp
