// SPDX-License-Identifier: Apache-2.0
#include "common/interrupt.hpp"

#include <atomic>
#include <csignal>

namespace mice::tools {
namespace {

volatile std::sig_atomic_t interrupted = 0;

/// What the signal stops. A handler may only touch lock-free atomics.
std::atomic<cancellation*> stopped{nullptr};
static_assert(std::atomic<cancellation*>::is_always_lock_free &&
              std::atomic<bool>::is_always_lock_free);

extern "C" void remember_signal(int number) {
    interrupted = 1;
    if (cancellation* const calls = stopped.load(); calls != nullptr) {
        calls->request();
    }
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

interrupt_guard::interrupt_guard(cancellation* stop) {
    interrupted = 0;
    stopped = stop;
    watch(SIGINT);
    watch(SIGTERM);
}

interrupt_guard::~interrupt_guard() {
    leave(SIGINT);
    leave(SIGTERM);
    stopped = nullptr;
}

bool interrupt_guard::requested() const noexcept {
    return interrupted != 0;
}

} // namespace mice::tools
