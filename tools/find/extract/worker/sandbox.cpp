// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/sandbox.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <new>
#include <vector>

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if MICE_HAVE_SECCOMP
#include <seccomp.h>
#endif

#include <mice/config.hpp>

namespace mice::find {
namespace {

/// The sanitizer reserves terabytes of addresses.
constexpr bool sanitized = MICE_ADDRESS_SANITIZER != 0;

void limit(__rlimit_resource what, rlim_t soft, rlim_t hard) {
    rlimit now{};
    if (getrlimit(what, &now) == 0)
        hard = std::min(hard, now.rlim_max);
    const rlimit wanted{std::min(soft, hard), hard};
    setrlimit(what, &wanted);
}

/// Bytes of addresses that the process has now.
rlim_t addresses() {
    unsigned long pages = 0;
    if (std::FILE* const file = std::fopen("/proc/self/statm", "re"); file != nullptr) {
        if (std::fscanf(file, "%lu", &pages) != 1)
            pages = 0;
        std::fclose(file);
    }
    return rlim_t{pages} * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void set_limits(const extract_limits& limits, rlim_t addresses) {
    const auto seconds = static_cast<rlim_t>(std::ceil(std::clamp(limits.seconds, 1.0, 1e6)));
    const rlim_t memory = addresses + std::min<rlim_t>(limits.memory_bytes, rlim_t{1} << 46);
    if (!sanitized)
        limit(RLIMIT_AS, memory, memory);
    limit(RLIMIT_CPU, seconds, seconds + 1);
    limit(RLIMIT_FSIZE, 0, 0);
    limit(RLIMIT_CORE, 0, 0);
    limit(RLIMIT_NOFILE, 16, 16);
    limit(RLIMIT_STACK, rlim_t{8} << 20, rlim_t{8} << 20);
    alarm(static_cast<unsigned>(seconds) + 1); // where the other side is gone, too
}

/// Rules of opening files for reading below one folder and nowhere else; -1 where the system has no
/// such rules.
int make_folder_rules(const char* readable) {
    const long version =
        syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return -1;
    landlock_ruleset_attr handled{};
    handled.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1U) - 1; // all of version 1
#if defined(LANDLOCK_ACCESS_FS_REFER)
    if (version >= 2)
        handled.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
#endif
#if defined(LANDLOCK_ACCESS_FS_TRUNCATE)
    if (version >= 3)
        handled.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
#endif
    const auto rules =
        static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0));
    const int folder = open(readable, O_PATH | O_CLOEXEC);
    if (rules >= 0 && folder >= 0) {
        const landlock_path_beneath_attr below{
            LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, folder};
        syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0);
    }
    if (folder >= 0)
        close(folder);
    // Away from the numbers that a process gives its own descriptors.
    const int kept = fcntl(rules, F_DUPFD_CLOEXEC, 20);
    close(rules);
    return kept;
}

/// The rules, if a process can put itself under them; -1 if not.
int usable(int rules) {
    const pid_t child = rules < 0 ? -1 : fork();
    if (child == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(syscall(SYS_landlock_restrict_self, rules, 0) == 0 ? 0 : 1);
    }
    int status = 1;
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        return rules;
    if (rules >= 0)
        close(rules);
    return -1;
}

#if MICE_HAVE_SECCOMP
using filter = scmp_filter_ctx;

void allow(filter rules, std::initializer_list<int> calls) {
    for (const int call : calls)
        seccomp_rule_add(rules, SCMP_ACT_ALLOW, call, 0);
}

/// Allows a call where the bits `mask` of its third argument are `value`.
void allow_masked(filter rules, int call, scmp_datum_t mask, scmp_datum_t value) {
    const scmp_arg_cmp third{2, SCMP_CMP_MASKED_EQ, mask, value};
    seccomp_rule_add_array(rules, SCMP_ACT_ALLOW, call, 1, &third);
}

/// Memory may be had, but not be executed.
void allow_memory(filter rules) {
    allow(rules, {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise)});
    for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
        allow_masked(rules, call, PROT_EXEC, 0);
}

/// Opening for reading: Landlock says where.
void allow_opens(filter rules) {
    allow_masked(rules, SCMP_SYS(openat), O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_PATH,
                 O_RDONLY);
    allow(rules, {SCMP_SYS(getdents64), SCMP_SYS(newfstatat)});
}

/// The compiled filter; empty where that fails.
std::vector<sock_filter> compiled(filter rules) {
    std::vector<sock_filter> code;
    const int file = memfd_create("filter", MFD_CLOEXEC);
    if (file >= 0 && seccomp_export_bpf(rules, file) == 0) {
        const off_t size = lseek(file, 0, SEEK_END);
        code.resize(static_cast<std::size_t>(size) / sizeof(sock_filter));
        if (pread(file, code.data(), static_cast<std::size_t>(size), 0) != size)
            code.clear();
    }
    if (file >= 0)
        close(file);
    return code;
}

std::vector<sock_filter> make_call_rules(bool opens) {
    // What is not allowed fails, as if the system did not have it; the libraries bear that.
    filter rules = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (rules == nullptr)
        return {};
    allow(rules, {SCMP_SYS(read),          SCMP_SYS(write),
                  SCMP_SYS(writev),        SCMP_SYS(pread64),
                  SCMP_SYS(lseek),         SCMP_SYS(close),
                  SCMP_SYS(fstat),         SCMP_SYS(exit),
                  SCMP_SYS(exit_group),    SCMP_SYS(rt_sigreturn),
                  SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),
                  SCMP_SYS(sigaltstack),   SCMP_SYS(futex),
                  SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
                  SCMP_SYS(getrandom),     SCMP_SYS(getpid),
                  SCMP_SYS(gettid),        SCMP_SYS(getuid),
                  SCMP_SYS(geteuid),       SCMP_SYS(restart_syscall),
                  SCMP_SYS(sched_yield)});
    allow_memory(rules);
    if (sanitized) // asks by a pipe whether memory can be read
        allow(rules, {SCMP_SYS(pipe2)});
    if (opens)
        allow_opens(rules);
    std::vector<sock_filter> code = compiled(rules);
    seccomp_release(rules);
    return code;
}
#else
std::vector<sock_filter> make_call_rules(bool) {
    return {};
}
#endif

/// Whether a terabyte of addresses, which costs nothing, is refused.
bool is_memory_bound() {
    void* const got = mmap(nullptr, std::size_t{1} << 40, PROT_READ,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return got == MAP_FAILED;
}

bool starts_no_process() {
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid(child, nullptr, 0);
    return child < 0;
}

} // namespace

sandbox::sandbox(const char* readable)
    : folders_(usable(make_folder_rules(readable))), calls_(make_call_rules(folders_ >= 0)),
      addresses_(addresses()) {}

void sandbox::enter(const extract_limits& limits) const {
    const auto kept = static_cast<unsigned>(std::max(folders_, answer_descriptor));
    close_range_of(answer_descriptor + 1, kept - 1);
    close_range_of(kept + 1, ~0U);
    set_limits(limits, addresses_);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (folders_ >= 0) {
        // The filter lets through what these rules decide, so without them there is no going on;
        // that they can be had was tried.
        if (syscall(SYS_landlock_restrict_self, folders_, 0) != 0)
            _exit(1);
        close(folders_);
    }
    sock_fprog program{static_cast<unsigned short>(calls_.size()),
                       const_cast<sock_filter*>(calls_.data())};
    if (!calls_.empty())
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program); // where the system has it
}

void close_range_of(unsigned first, unsigned last) {
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
        return;
    for (unsigned number = first; number <= std::min(last, 4095U); ++number)
        close(static_cast<int>(number)); // before Linux 5.9
}

sandbox_report try_sandbox() {
    sandbox_report report;
    report.started = true;
    report.no_opens = open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0;
    report.no_writes = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) < 0 &&
                       open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) < 0;
    report.no_sockets = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 &&
                        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0;
    report.no_programs = starts_no_process();
    report.memory_bound = is_memory_bound();
    if (!report.no_sockets)
        report.notes.emplace_back("system calls are not filtered: seccomp is missing");
    if (!report.no_opens)
        report.notes.emplace_back("files can be opened: seccomp and Landlock are missing");
    if (!report.memory_bound)
        report.notes.emplace_back("memory is not bound");
    return report;
}

} // namespace mice::find
