// SPDX-License-Identifier: Apache-2.0
#include "http/client.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string_view>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace mice::serve {
namespace {

constexpr std::size_t first_buffer = 4096;
constexpr std::size_t body_buffer = std::size_t{1} << 14;

constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

bool temporary(int number) {
    return number == EINTR || number == EAGAIN || number == EWOULDBLOCK;
}

} // namespace

client::client(int socket, std::chrono::milliseconds patience)
    : socket_(socket), patience_(patience), waiting_since_(0) {
    await_request();
}

client::~client() {
    ::shutdown(socket_, SHUT_RDWR);
    ::close(socket_);
}

void client::await_request() {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = scanned_ = line_ = lines_ = 0;
    buffer_.resize(end_); // many may wait for long
    buffer_.shrink_to_fit();
    answering_ = head_begun_ = false;
    const auto now = clock::now();
    deadline_ = now + patience_;
    note_waiting(now);
}

head_state client::read_head() {
    for (;;) {
        if (const head_state found = scan(); found != head_state::incomplete) {
            return found;
        }
        if (end_ == buffer_.size()) {
            buffer_.resize(std::min(std::max(first_buffer, 2 * end_), most_head_bytes));
        }
        const std::ptrdiff_t count = receive();
        if (count <= 0) {
            return count < 0 && temporary(errno) ? head_state::incomplete : head_state::closed;
        }
        if (!head_begun_) {
            head_begun_ = true;
            begun_ = clock::now();
            deadline_ = begun_ + std::min(patience_, longest_head);
        }
    }
}

/// Looks for the empty line in what has come since the last time.
head_state client::scan() {
    for (; scanned_ < end_; ++scanned_) {
        if (buffer_[scanned_] != '\n') {
            continue;
        }
        if (scanned_ == line_ || buffer_[scanned_ - 1] != '\r') {
            return head_state::malformed;
        }
        const bool empty = scanned_ == line_ + 1;
        line_ = scanned_ + 1;
        if (empty && lines_ > 0) {
            return head_state::whole;
        }
        if (empty) { // some clients send an empty line behind a body
            begin_ = line_;
        } else if (++lines_ > most_head_lines) {
            return head_state::too_many_lines;
        }
    }
    return end_ == most_head_bytes ? head_state::too_long : head_state::incomplete;
}

std::string client::take_head() {
    std::string head(buffer_.data() + begin_, line_ - begin_);
    begin_ = line_;
    return head;
}

void client::begin_request() {
    const auto now = clock::now();
    note_waiting(clock::time_point::min());
    if (!head_begun_) { // it came whole behind the request before
        begun_ = now;
    }
    deadline_ = begun_ + patience_;
    answering_ = probed_ = false;
}

std::ptrdiff_t client::read(char* into, std::size_t size) {
    if (begin_ == end_ && !fill()) {
        return broken_ ? -1 : 0;
    }
    const std::size_t count = std::min(size, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, count, into);
    begin_ += count;
    return static_cast<std::ptrdiff_t>(count);
}

bool client::ask_for_body() {
    return is_readable() || send_all(go_on.data(), go_on.size(), begun_);
}

bool client::write(const char* from, std::size_t size) {
    if (!answering_) {
        answering_ = true;
        answer_begun_ = clock::now();
        deadline_ = answer_begun_ + patience_;
    }
    return send_all(from, size, answer_begun_);
}

bool client::send_all(const char* from, std::size_t size, clock::time_point since) {
    for (std::size_t sent = 0; sent < size;) {
        const ssize_t count =
            ::send(socket_, from + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && !temporary(errno)) {
            return false;
        }
        sent += count > 0 ? static_cast<std::size_t>(count) : 0;
        if (sent < size && (is_late() || !wait_for(POLLOUT, since))) {
            return false;
        }
    }
    return true;
}

bool client::is_readable() const {
    return begin_ < end_ || ready(POLLIN, clock::now());
}
bool client::is_writable() const {
    return ready(POLLOUT, deadline_);
}

bool client::gone(bool interim) {
    pollfd one{socket_, POLLRDHUP, 0};
    if (::poll(&one, 1, 0) <= 0) {
        return false;
    }
    if ((one.revents & (POLLHUP | POLLERR)) != 0) {
        return true;
    }
    if (!interim || probed_) {
        return false;
    }
    probed_ = true;
    const ssize_t sent = ::send(socket_, go_on.data(), go_on.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != static_cast<ssize_t>(go_on.size())) { // a part of it would spoil the answer
        return true;
    }
    one.revents = 0; // the same machine refuses it at once
    return ::poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLERR)) != 0;
}

void client::linger() {
    if (!sends_ && !is_readable()) {
        return;
    }
    lingers_ = true;
    ::shutdown(socket_, SHUT_WR);
    begun_ = clock::now();
    deadline_ = begun_ + std::min(patience_, std::chrono::milliseconds(2000));
    do {
        begin_ = end_;
    } while (fill());
}

void client::cut_off() const {
    ::shutdown(socket_, SHUT_RDWR);
}

bool client::ready(short what, clock::time_point until) const {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
        pollfd one{socket_, what, 0};
        const int found =
            ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30)));
        if (found > 0 || (found < 0 && errno != EINTR)) {
            return found > 0;
        }
        if (found == 0 && clock::now() >= until) {
            return false;
        }
    }
}

/// As `ready`, until the deadline; others see since when it is this client that is waited for.
bool client::wait_for(short what, clock::time_point since) {
    note_waiting(since);
    const bool is = ready(what, deadline_);
    note_waiting(clock::time_point::min());
    return is;
}

/// What `recv` says of the room behind `end_`.
std::ptrdiff_t client::receive() {
    const ssize_t count =
        ::recv(socket_, buffer_.data() + end_, buffer_.size() - end_, MSG_DONTWAIT);
    end_ += count > 0 ? static_cast<std::size_t>(count) : 0;
    return count;
}

/// Reads what comes next of a body; false at the end, or when the time is up.
bool client::fill() {
    begin_ = end_ = 0;
    buffer_.resize(std::max(buffer_.size(), body_buffer));
    for (;;) {
        const std::ptrdiff_t count = receive();
        if (count != 0 && is_late()) { // also while bytes keep coming
            broken_ = true;
            return false;
        }
        if (count > 0) {
            return true;
        }
        if (count == 0 || !temporary(errno)) {
            broken_ = count < 0;
            return false;
        }
        if (!wait_for(POLLIN, begun_)) {
            broken_ = true;
            return false;
        }
    }
}

} // namespace mice::serve
