// SPDX-License-Identifier: Apache-2.0
#include "common/interrupt.hpp"

#include <csignal>

namespace mice::tools {
namespace {

volatile std::sig_atomic_t interrupted = 0;

extern "C" void remember_signal(int number) {
    interrupted = 1;
    std::signal(number, SIG_DFL);
}

/// A signal that the caller of this program ignores (nohup, a shell's background) stays ignored.
void watch(int number) {
    if (std::signal(number, remember_signal) == SIG_IGN) {
        std::signal(number, SIG_IGN);
    }
}

void leave(int number) {
    if (std::signal(number, SIG_DFL) == SIG_IGN) {
        std::signal(number, SIG_IGN);
    }
}

} // namespace

interrupt_guard::interrupt_guard() {
    interrupted = 0;
    watch(SIGINT);
    watch(SIGTERM);
}

interrupt_guard::~interrupt_guard() {
    leave(SIGINT);
    leave(SIGTERM);
}

bool interrupt_guard::requested() const noexcept {
    return interrupted != 0;
}

} // namespace mice::tools
