// SPDX-License-Identifier: Apache-2.0
#include "find/picker.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mice/error.hpp>

#include "common/descriptor.hpp"

namespace mice::find {
namespace {

error failed(const std::string& what, int number) {
    return {errc::io, what + ": " + std::generic_category().message(number)};
}

std::array<int, 2> new_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw failed("no pipe to fzf", errno);
    }
    return ends;
}

/// A word of the command line that fzf gives to a shell.
std::string shell_word(const std::string& text) {
    std::string word = "'";
    for (const char c : text) {
        word += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return word + "'";
}

pid_t start_fzf(std::vector<std::string> arguments, int input, int output) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    sigset_t usual;
    sigfillset(&usual);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> given;
    given.reserve(arguments.size() + 1);
    for (std::string& each : arguments) {
        given.push_back(each.data());
    }
    given.push_back(nullptr);
    pid_t process = -1;
    const int problem = posix_spawnp(&process, "fzf", &files, &attributes, given.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (problem == ENOENT) {
        throw error(errc::io, "--interactive shows results with fzf, which is not installed "
                              "(Debian: apt install fzf); without --interactive they are printed");
    }
    if (problem != 0) {
        throw failed("cannot start fzf", problem);
    }
    return process;
}

/// Writes all of a text and reads until the end, both as they can be done.
std::string exchange(std::string_view text, tools::descriptor& to, tools::descriptor& from) {
    std::string read;
    ::fcntl(to.get(), F_SETFL, O_NONBLOCK);
    for (;;) {
        if (text.empty()) {
            to.close();
        }
        std::array<pollfd, 2> both{{{to.get(), POLLOUT, 0}, {from.get(), POLLIN, 0}}};
        if (::poll(both.data(), both.size(), -1) < 0) {
            continue; // a signal: fzf gets it, too
        }
        if (both[0].revents != 0) {
            const ssize_t count = ::write(to.get(), text.data(), text.size());
            if (count < 0 && errno != EAGAIN && errno != EINTR) {
                text = {}; // it wants no more
            }
            text.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
        }
        if (both[1].revents != 0) {
            std::array<char, 4096> part{};
            const ssize_t count = ::read(from.get(), part.data(), part.size());
            if (count == 0 || (count < 0 && errno != EINTR)) {
                return read;
            }
            read.append(part.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
        }
    }
}

/// The numbers with which the chosen lines begin.
std::vector<std::size_t> numbers_of(std::string_view lines, std::size_t most) {
    std::vector<std::size_t> chosen;
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        std::size_t number = 0;
        std::from_chars(lines.data(), lines.data() + end, number);
        if (number >= 1 && number <= most) {
            chosen.push_back(number - 1);
        }
        lines.remove_prefix(std::min(end + 1, lines.size()));
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
}

} // namespace

std::optional<std::vector<std::size_t>> pick(const std::vector<pickable>& list,
                                             const std::string& program, const std::string& index) {
    std::string lines;
    for (std::size_t i = 0; i < list.size(); ++i) {
        lines += std::to_string(i + 1) + "\t" + list[i].shown + "\t" + list[i].document + "\t" +
                 std::to_string(list[i].line) + "\n";
    }
    // fzf puts the fields in quotes; these are digits and '#' alone.
    const std::string preview = shell_word(program) + " get --index " + shell_word(index) +
                                " {3} --from {4} --line-numbers 2>&1";
    const auto [list_out, list_in] = new_pipe();
    tools::descriptor from_us(list_out), to_fzf(list_in);
    const auto [chosen_out, chosen_in] = new_pipe();
    tools::descriptor from_fzf(chosen_out), to_us(chosen_in);
    const pid_t fzf =
        start_fzf({"fzf", "--ansi", "--multi", "--no-sort", "--layout=reverse", "--delimiter=\t",
                   "--with-nth=1,2", "--preview=" + preview, "--preview-window=right,50%,wrap"},
                  from_us.get(), to_us.get());
    from_us.close();
    to_us.close();
    const std::string chosen = exchange(lines, to_fzf, from_fzf);
    int state = 0;
    while (::waitpid(fzf, &state, 0) < 0 && errno == EINTR) {
    }
    constexpr int none_matched = 1, left = 130;
    const int code = WIFEXITED(state) ? WEXITSTATUS(state) : left;
    if (code == left || code == none_matched) {
        return std::nullopt;
    }
    if (code != 0) {
        throw error(errc::io, "fzf failed with exit code " + std::to_string(code) +
                                  "; without --interactive the results are printed");
    }
    return numbers_of(chosen, list.size());
}

} // namespace mice::find
