// SPDX-License-Identifier: Apache-2.0
#include "find/priority.hpp"

#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace mice::find {

void give_way() {
    (void)::setpriority(PRIO_PROCESS, 0, 19);
#if defined(__linux__) && defined(SYS_ioprio_set)
    constexpr int this_process = 1, idle_class = 3 << 13;
    (void)::syscall(SYS_ioprio_set, this_process, 0, idle_class);
#endif
}

} // namespace mice::find
