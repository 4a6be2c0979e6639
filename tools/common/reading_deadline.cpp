// SPDX-License-Identifier: Apache-2.0
#include "common/reading_deadline.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#if !defined(_WIN32)
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#endif

namespace mice::tools {
namespace {

const reading_deadline* active = nullptr;

} // namespace

reading_deadline::reading_deadline(std::optional<clock::time_point> deadline,
                                   std::function<bool()> meanwhile)
    : deadline_(deadline), meanwhile_(std::move(meanwhile)) {
    if (deadline_) {
        const clock::time_point now = clock::now();
        halfway_ = now + (*deadline_ - now) / 2;
        active = this;
    }
}

reading_deadline::~reading_deadline() {
    active = nullptr;
}

const reading_deadline* reading_deadline::current() noexcept {
    return active;
}

void reading_deadline::was_read(std::string_view input, std::size_t bytes) const {
    constexpr std::size_t most_late = std::size_t{1} << 20;
    const clock::time_point now = clock::now();
    if (now >= *deadline_) {
        late_bytes_ += bytes;
        if (late_bytes_ > most_late) {
            throw reading_stopped(input);
        }
    } else if (now >= halfway_) {
        (void)work_meanwhile();
    }
}

#if defined(_WIN32)
bool waiting_input::suits(const std::filesystem::path&) {
    return false; // pipes cannot be waited for; the time is checked between lines
}
waiting_input::waiting_input(const std::filesystem::path&, std::string name,
                             const reading_deadline& limit)
    : name_(std::move(name)), limit_(limit) {}
waiting_input::~waiting_input() = default;
bool waiting_input::ready() const {
    return true;
}
std::streambuf::int_type waiting_input::underflow() {
    return traits_type::eof();
}
#else
bool waiting_input::suits(const std::filesystem::path& path) {
    std::error_code problem;
    const std::filesystem::file_status status = std::filesystem::status(path, problem);
    return path == "-" || (std::filesystem::is_other(status) && !problem);
}

waiting_input::waiting_input(const std::filesystem::path& path, std::string name,
                             const reading_deadline& limit)
    : name_(std::move(name)), limit_(limit) {
    if (path == "-") {
        descriptor_ = STDIN_FILENO;
        return;
    }
    // Without O_NONBLOCK, opening a named pipe waits for its writer.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor_ < 0) {
        throw detail::errors::cannot_open(name_, std::generic_category().message(errno));
    }
}

waiting_input::~waiting_input() {
    if (descriptor_ != STDIN_FILENO) {
        ::close(descriptor_);
    }
}

bool waiting_input::ready() const {
    pollfd input{descriptor_, POLLIN, 0};
    return ::poll(&input, 1, 0) != 0;
}

std::streambuf::int_type waiting_input::underflow() {
    pollfd input{descriptor_, POLLIN, 0};
    while (true) {
        if (!ready()) {
            if (limit_.over()) {
                throw reading_stopped(name_);
            }
            if (limit_.work_meanwhile()) {
                continue;
            }
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                limit_.when() - reading_deadline::clock::now());
            constexpr std::chrono::milliseconds longest = std::chrono::hours(1);
            const auto wait = std::clamp(left, std::chrono::milliseconds(1), longest);
            if (::poll(&input, 1, static_cast<int>(wait.count())) == 0) {
                continue;
            }
        }
        const auto count = ::read(descriptor_, buffer_.data(), buffer_.size());
        if (count > 0) {
            limit_.was_read(name_, static_cast<std::size_t>(count));
            setg(buffer_.data(), buffer_.data(), buffer_.data() + count);
            return traits_type::to_int_type(*gptr());
        }
        if (count == 0) {
            return traits_type::eof();
        }
        if (errno != EINTR && errno != EAGAIN) {
            throw detail::errors::cannot_open(name_, "reading failed: " +
                                                         std::generic_category().message(errno));
        }
    }
}
#endif

} // namespace mice::tools
