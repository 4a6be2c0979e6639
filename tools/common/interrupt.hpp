// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/parallel/parallel_for.hpp>

namespace mice::tools {

/// While it lives, Ctrl-C (SIGINT) and SIGTERM only set a flag, so that work can end cleanly. The
/// second such signal ends the program at once. Only one may live at a time.
class interrupt_guard {
  public:
    interrupt_guard() : interrupt_guard(nullptr) {}
    /// The signal also stops calls that were given `stop`, which must outlive the guard.
    explicit interrupt_guard(cancellation& stop) : interrupt_guard(&stop) {}
    ~interrupt_guard();
    interrupt_guard(const interrupt_guard&) = delete;
    interrupt_guard& operator=(const interrupt_guard&) = delete;

    /// Whether the user wants the program to end.
    [[nodiscard]] bool requested() const noexcept;

  private:
    explicit interrupt_guard(cancellation* stop);
};

} // namespace mice::tools
