// SPDX-License-Identifier: Apache-2.0
#include "find/opener.hpp"

#include <algorithm>
#include <csignal>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mice/error.hpp>

namespace mice::find {
namespace {

namespace fs = std::filesystem;

/// Starts a program, which is looked for in PATH where it is no path, with nothing of this one
/// open, in a session of its own: a Ctrl-C here does not end what it opened.
pid_t spawn(std::vector<std::string> command) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    for (int number = 0; number < 3; ++number) {
        posix_spawn_file_actions_addopen(&files, number, "/dev/null", O_RDWR, 0);
    }
#if defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
#endif
#endif
    sigset_t none, usual;
    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    std::vector<char*> arguments;
    for (std::string& each : command) {
        arguments.push_back(each.data());
    }
    arguments.push_back(nullptr);
    pid_t process = -1;
    const int failed = posix_spawnp(&process, command.front().c_str(), &files, &attributes,
                                    arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (failed != 0) {
        throw error(errc::io, "cannot start " + command.front() + ": " +
                                  std::generic_category().message(failed));
    }
    return process;
}

} // namespace

opener::~opener() {
    forget_ended();
}

void opener::open(const fs::path& file) {
    std::error_code problem;
    if (!file.is_absolute() || !fs::is_regular_file(file, problem)) {
        throw error(errc::invalid_argument,
                    detail::errors::quoted(file.string()) + " is no file any more");
    }
    if (file.extension() == ".desktop") {
        throw error(errc::invalid_argument, "a .desktop file starts a program: it is not opened");
    }
    start({"xdg-open", file.string()});
}

void opener::start(std::vector<std::string> command) {
    const std::lock_guard lock(mutex_);
    forget_ended();
    started_.push_back(spawn(std::move(command)));
}

void opener::forget_ended() {
    std::erase_if(started_, [](pid_t each) { return waitpid(each, nullptr, WNOHANG) != 0; });
}

} // namespace mice::find
