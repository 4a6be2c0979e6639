// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "find/extract/messages.hpp"
#include "find/extract/worker/kinds.hpp"
#include "find/extract/worker/sandbox.hpp"

// mice-find-extract: forks a process for every file that it is given. This process never reads one;
// it has everything loaded, so that a fork costs less than a start.
namespace mice::find {
namespace {

struct packet {
    std::string message;
    int file = -1, answer = -1;
};

/// The next request; false at the end.
bool receive(packet& got) {
    got.message.resize(longest_request);
    std::array<int, 2> numbers{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof numbers)> beside{};
    iovec bytes{got.message.data(), got.message.size()};
    msghdr header{};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = beside.data();
    header.msg_controllen = beside.size();
    ssize_t size = 0;
    while ((size = recvmsg(worker_socket, &header, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        continue;
    const cmsghdr* const head = CMSG_FIRSTHDR(&header);
    if (size <= 0 || head == nullptr || head->cmsg_len != CMSG_LEN(sizeof numbers))
        return false;
    std::memcpy(numbers.data(), CMSG_DATA(head), sizeof numbers);
    got.message.resize(static_cast<std::size_t>(size));
    got.file = numbers[0];
    got.answer = numbers[1];
    return true;
}

/// The whole file. One that grows is cut where it may not be longer.
std::string read_file(const extract_limits& limits) {
    std::string bytes;
    const off_t end = lseek(file_descriptor, 0, SEEK_END);
    lseek(file_descriptor, 0, SEEK_SET);
    // Where this is right, nothing is copied: one more byte tells that it was.
    bytes.reserve(std::min(limits.file_bytes, static_cast<std::uint64_t>(end > 0 ? end : 0)) + 1);
    for (;;) {
        const std::size_t size = bytes.size();
        bytes.resize(size < bytes.capacity() ? bytes.capacity() : size + size / 2 + 4096);
        const ssize_t got = read(file_descriptor, bytes.data() + size, bytes.size() - size);
        if (got < 0 && errno == EINTR) {
            bytes.resize(size);
            continue;
        }
        if (got < 0)
            throw extract_error(extract_reason::unreadable, std::strerror(errno));
        bytes.resize(size + static_cast<std::size_t>(got));
        if (bytes.size() > limits.file_bytes)
            throw extract_error(extract_reason::too_large, "it is longer than it may be");
        if (got == 0)
            return bytes;
    }
}

void answer(const extract_request& request, results& out) {
    const std::string bytes = read_file(request.limits);
    out.set_packed(bytes.size());
    try {
        extract_source({bytes, request.name, 0}, out);
    } catch (const output_full&) {
        out.set_truncated();
    }
    out.finish();
}

/// What the forked process does, from the first to the last.
[[noreturn]] void serve(const std::string& message, const sandbox& rules) {
    const extract_request request = request_of(message);
    rules.enter(request.limits);
    if (request.probe) {
        sandbox_report report = try_sandbox();
        report.kinds = known_kinds();
        const std::string line = to_message(report);
        _exit(write(answer_descriptor, line.data(), line.size()) < 0 ? 1 : 0);
    }
    results out(answer_descriptor, request.limits);
    try {
        answer(request, out);
    } catch (const extract_error& error) {
        out.finish(error);
    } catch (const std::bad_alloc&) {
        out.finish({extract_reason::memory, "reading it takes more memory than it may"});
    } catch (const std::exception& error) {
        out.finish({extract_reason::malformed, std::string("it cannot be read: ") + error.what()});
    }
    _exit(0); // no destructors: what they would free may be deep or damaged
}

/// Arranges the descriptors as 3 and 4; the sandbox closes all others.
[[noreturn]] void begin(const packet& got, const sandbox& rules) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int file = fcntl(got.file, F_DUPFD, 10), answer = fcntl(got.answer, F_DUPFD, 10);
    dup2(file, file_descriptor);
    dup2(answer, answer_descriptor);
    try {
        serve(got.message, rules);
    } catch (...) {
        _exit(1);
    }
}

/// Waits until the process has ended, or nobody is there any more who wants its answer.
std::int32_t wait_for(pid_t child) {
    if (const auto end = static_cast<int>(syscall(SYS_pidfd_open, child, 0)); end >= 0) {
        // Before the status is sent nothing comes on the socket but its end.
        std::array<pollfd, 2> asked{{{end, POLLIN, 0}, {worker_socket, POLLIN, 0}}};
        while (poll(asked.data(), asked.size(), -1) < 0 && errno == EINTR)
            continue;
        close(end);
        if (asked[1].revents != 0)
            _exit(0); // the child has asked to be killed then
    }
    std::int32_t status = 1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

int run() {
    close_range_of(worker_socket + 1, ~0U);
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    warm_up();
    const sandbox rules(readable_folder);
    packet got;
    while (receive(got)) {
        const pid_t child = fork();
        if (child == 0)
            begin(got, rules);
        close(got.file);
        close(got.answer);
        const std::int32_t status = child > 0 ? wait_for(child) : 1;
        if (send(worker_socket, &status, sizeof status, MSG_NOSIGNAL) < 0)
            return 0;
    }
    return 0;
}

} // namespace
} // namespace mice::find

int main() {
    return mice::find::run();
}
