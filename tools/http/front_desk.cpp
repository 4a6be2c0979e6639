// SPDX-License-Identifier: Apache-2.0
#include "http/front_desk.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace mice::serve {

using clock = client::clock;

front_desk::front_desk(std::size_t most, std::chrono::milliseconds patience, answer_request answer)
    : most_(most), patience_(patience), answer_(std::move(answer)), workers_(most) {
    if (::pipe2(wake_.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
        throw std::system_error(errno, std::generic_category(), "no pipe for the server");
    }
}

front_desk::~front_desk() {
    {
        std::unique_lock lock(mutex_); // workers write to the pipe
        quiet_.wait(lock, [this] { return working_.empty(); });
    }
    ::close(wake_[0]);
    ::close(wake_[1]);
}

bool front_desk::run(int listener, const std::function<bool()>& stop) {
    bool goes_on = true;
    while (goes_on && !stop()) {
        take_back();
        std::vector<pollfd> found;
        found.reserve(waiting_.size() + 2);
        found.push_back({full() && !longest_waiting() ? -1 : listener, POLLIN, 0});
        found.push_back({wake_[0], POLLIN, 0});
        for (const shared_client& each : waiting_) {
            found.push_back({each->socket(), POLLIN, 0});
        }
        ::poll(found.data(), found.size(), 50);
        read_heads(found);
        if (found[0].revents != 0) {
            goes_on = accept_all(listener);
        }
    }
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
    returned_.clear();
    return goes_on;
}

/// Connections whose request was answered wait for the next one.
void front_desk::take_back() {
    std::array<char, 64> ignored;
    while (::read(wake_[0], ignored.data(), ignored.size()) > 0) {
    }
    std::vector<shared_client> back;
    {
        const std::lock_guard lock(mutex_);
        back.swap(returned_);
    }
    for (shared_client& each : back) {
        each->await_request();
        if (look_at(each)) { // it may have sent the next request already
            waiting_.push_back(std::move(each));
        }
    }
}

void front_desk::read_heads(const std::vector<pollfd>& found) {
    const auto now = clock::now();
    std::vector<shared_client> left;
    left.reserve(waiting_.size());
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
        shared_client& one = waiting_[i];
        bool stays = true;
        if (found[i + 2].revents != 0) {
            stays = look_at(one);
        }
        if (stays && now >= one->deadline()) { // also while bytes keep coming
            stays = false;
            if (one->has_begun()) {
                give_to_worker(one, head_state::incomplete);
            }
        }
        if (stays) {
            left.push_back(std::move(one));
        }
    }
    waiting_ = std::move(left);
}

bool front_desk::look_at(const shared_client& one) {
    const head_state head = one->read_head();
    if (head == head_state::incomplete) {
        return true;
    }
    if (head != head_state::closed || one->has_begun()) {
        give_to_worker(one, head);
    }
    return false;
}

void front_desk::give_to_worker(const shared_client& one, head_state head) {
    one->begin_request();
    {
        const std::lock_guard lock(mutex_);
        working_.insert(one);
    }
    try {
        workers_.run([this, one, head] { work(one, head); });
    } catch (const std::system_error&) { // no thread: this client pays
        const std::lock_guard lock(mutex_);
        working_.erase(one);
    }
}

void front_desk::work(const shared_client& one, head_state head) {
    const bool stays = answer_(*one, head);
    const std::lock_guard lock(mutex_);
    working_.erase(one);
    if (sent_away_.erase(one) == 0 && stays && !stopping_) {
        returned_.push_back(one);
    }
    if (working_.empty()) {
        quiet_.notify_all();
    }
    const char byte = 0;
    [[maybe_unused]] const auto written = ::write(wake_[1], &byte, 1); // a full pipe wakes, too
}

bool front_desk::full() {
    const std::lock_guard lock(mutex_);
    return waiting_.size() + returned_.size() + working_.size() - sent_away_.size() >= most_;
}

/// The client that can be sent away for another; null where none has been waited for long enough.
front_desk::shared_client front_desk::longest_waiting() {
    const auto now = clock::now();
    shared_client found;
    clock::time_point since{};
    {
        const std::lock_guard lock(mutex_);
        for (const shared_client& each : working_) {
            if (each->lingers() && !sent_away_.contains(each)) {
                return each;
            }
        }
    }
    const auto compare = [&](const shared_client& one, std::chrono::milliseconds least) {
        const auto its = one->waiting_since();
        if (its != clock::time_point::min() && now - its >= least && (!found || its < since)) {
            found = one;
            since = its;
        }
    };
    for (const shared_client& each : waiting_) {
        compare(each, least_head);
    }
    const std::lock_guard lock(mutex_);
    for (const shared_client& each : working_) {
        if (!sent_away_.contains(each)) {
            compare(each, least_body);
        }
    }
    return found;
}

void front_desk::send_away(const shared_client& one) {
    const auto at = std::find(waiting_.begin(), waiting_.end(), one);
    if (at != waiting_.end()) {
        waiting_.erase(at);
        return;
    }
    const std::lock_guard lock(mutex_);
    if (working_.contains(one)) {
        one->cut_off(); // its worker closes it
        sent_away_.insert(one);
    }
}

bool front_desk::accept_all(int listener) {
    for (;;) {
        const shared_client goes = full() ? longest_waiting() : nullptr;
        if (!goes && full()) {
            return true;
        }
        const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket >= 0) {
            if (goes) {
                send_away(goes);
            }
            const int yes = 1;
            ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            shared_client one = std::make_shared<client>(socket, patience_);
            if (look_at(one)) {
                waiting_.push_back(std::move(one));
            }
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (const shared_client one = longest_waiting()) {
                send_away(one);
            } else {
                std::this_thread::sleep_for(std::chrono::milliseconds(50));
            }
            return true;
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            return false;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return true;
        } // else it was this connection's error
    }
}

bool front_desk::wait_until_quiet(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return quiet_.wait_for(lock, time, [this] { return working_.empty(); });
}

void front_desk::cut_off() {
    const std::lock_guard lock(mutex_);
    for (const shared_client& each : working_) {
        each->cut_off();
    }
}

} // namespace mice::serve
