// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/program_file.hpp"

namespace mice::find {
namespace {

extract_error system_failed(const std::string& what) {
    return {extract_reason::crashed,
            what + ": " + std::error_code(errno, std::generic_category()).message()};
}

/// Waits until the descriptor has something to read; false when the time is over.
bool wait_for(int number, worker_process::time_point until) {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            return false;
        pollfd asked{number, POLLIN, 0};
        const int most = static_cast<int>(std::min<long long>(left.count(), 60'000));
        const int found = poll(&asked, 1, most);
        if (found > 0)
            return true;
        if (found < 0 && errno != EINTR)
            throw system_failed("cannot wait for mice-find-extract");
    }
}

template <class Call> auto again(Call&& call) {
    auto result = call();
    while (result == -1 && errno == EINTR)
        result = call();
    return result;
}

/// Starts the program with `socket` as its descriptor 3, an empty environment and its own
/// process group, so that all of it can be ended at once and a terminal's Ctrl-C does not reach it.
pid_t start(const std::string& file, int socket) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    for (int number = 0; number < worker_socket; ++number)
        posix_spawn_file_actions_addopen(&files, number, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&files, socket, worker_socket);
    sigset_t none, usual;
    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    std::string name = worker_name;
    std::array<char*, 2> arguments{name.data(), nullptr};
    std::array<char*, 1> environment{nullptr};
    pid_t process = -1;
    errno = posix_spawn(&process, file.c_str(), &files, &attributes, arguments.data(),
                        environment.data());
    const int failed = errno;
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    errno = failed;
    if (failed != 0)
        throw system_failed("cannot start " + file);
    return process;
}

} // namespace

std::string worker_file() {
    namespace fs = std::filesystem;
    const fs::path folder = tools::program_file().parent_path();
    std::error_code ignored;
    for (const fs::path& place : {folder.parent_path() / "lib" / "mice", folder}) {
        if (fs::is_regular_file(place / worker_name, ignored))
            return (place / worker_name).string();
    }
    return {};
}

worker_process::worker_process() {
    const std::string file = worker_file();
    if (file.empty()) {
        throw extract_error(extract_reason::crashed,
                            std::string(worker_name) +
                                " is not in ../lib/mice beside this program's folder");
    }
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw system_failed("cannot make a socket");
    socket_ = tools::descriptor(ends[0]);
    // The number 3 itself would keep its close-on-exec mark when it is copied onto itself.
    const tools::descriptor given(ends[1]);
    const tools::descriptor moved(fcntl(given.get(), F_DUPFD_CLOEXEC, worker_socket + 1));
    if (moved.get() < 0)
        throw system_failed("cannot make a socket");
    process_ = start(file, moved.get());
}

worker_process::~worker_process() {
    socket_.close();
    if (process_ > 0) {
        kill(-process_, SIGKILL);
        again([&] { return waitpid(process_, nullptr, 0); });
    }
}

bool worker_process::send(const std::string& message, int file, int pipe) const {
    const std::array<int, 2> numbers{file, pipe};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof numbers)> beside{};
    iovec bytes{const_cast<char*>(message.data()), message.size()};
    msghdr packet{};
    packet.msg_iov = &bytes;
    packet.msg_iovlen = 1;
    packet.msg_control = beside.data();
    packet.msg_controllen = beside.size();
    cmsghdr* const head = CMSG_FIRSTHDR(&packet);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof numbers);
    std::memcpy(CMSG_DATA(head), numbers.data(), sizeof numbers);
    return again([&] { return sendmsg(socket_.get(), &packet, MSG_NOSIGNAL); }) > 0;
}

bool worker_process::read_answer(int pipe, time_point until, answer_reader& answer) const {
    std::string buffer(std::size_t{64} << 10, '\0');
    while (wait_for(pipe, until)) {
        const ssize_t got = again([&] { return read(pipe, buffer.data(), buffer.size()); });
        if (got < 0)
            throw system_failed("cannot read from mice-find-extract");
        if (got == 0)
            return true;
        answer.add(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    }
    return false;
}

worker_process::outcome worker_process::read_status(time_point until, bool complete) const {
    using end = outcome::end;
    if (!wait_for(socket_.get(), until))
        return {end::late};
    std::int32_t status = 0;
    const ssize_t got = again([&] { return recv(socket_.get(), &status, sizeof status, 0); });
    if (got != sizeof status)
        return {end::killed}; // the server itself is gone
    if (WIFSIGNALED(status))
        return {end::died, WTERMSIG(status)};
    return {complete ? end::answered : end::died};
}

worker_process::outcome worker_process::ask(const extract_request& request, int file,
                                            time_point until, answer_reader& answer) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        throw system_failed("cannot make a pipe");
    const tools::descriptor reading(ends[0]);
    tools::descriptor writing(ends[1]);
    if (!send(to_message(request), file, writing.get()))
        return {outcome::end::killed};
    writing.close();
    if (!read_answer(reading.get(), until, answer))
        return {outcome::end::late};
    return read_status(until, answer.complete());
}

} // namespace mice::find
