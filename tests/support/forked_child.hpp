// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <exception>

namespace fixtures {

/// Whether work(), run in a child of this process, returns true there. A child that hangs is ended
/// by its alarm.
template <class Work> bool holds_in_child(Work&& work) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(120);
        bool held = false;
        try {
            held = work();
        } catch (const std::exception&) {
        }
        _exit(held ? 0 : 1);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

} // namespace fixtures
