// SPDX-License-Identifier: Apache-2.0
// examples/on_device: what it takes of the heap at most, what happens when there is less, and that
// it makes no system call but those for memory: a filter of the system ends the program otherwise.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "on_device.h"

namespace {

// ---- the heap ----

std::size_t alive = 0, peak = 0, limit = SIZE_MAX; // bytes

/// In front of each block, as far as its alignment wants.
struct block {
    void* whole;
    std::size_t size;
};

void* taken(std::size_t size, std::size_t alignment) {
    if (size > limit - std::min(limit, alive)) {
        throw std::bad_alloc();
    }
    alignment = std::max(alignment, alignof(std::max_align_t));
    void* const whole = std::malloc(size + alignment + sizeof(block));
    if (whole == nullptr) {
        throw std::bad_alloc();
    }
    const auto from = reinterpret_cast<std::uintptr_t>(whole) + sizeof(block);
    char* const given =
        static_cast<char*>(whole) + sizeof(block) + (alignment - from % alignment) % alignment;
    const block about{whole, size};
    std::memcpy(given - sizeof about, &about, sizeof about);
    alive += size;
    peak = std::max(peak, alive);
    return given;
}

void given_back(void* memory) noexcept {
    if (memory != nullptr) {
        block about{};
        std::memcpy(&about, static_cast<char*>(memory) - sizeof about, sizeof about);
        alive -= about.size;
        std::free(about.whole);
    }
}

} // namespace

void* operator new(std::size_t size) {
    return taken(size, 1);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return taken(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    given_back(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    given_back(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    given_back(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    given_back(memory);
}

namespace {

void check(bool truth, const char* what) {
    if (!truth) {
        std::fprintf(stderr, "FAILED: %s\n", what);
        std::_Exit(1);
    }
}

// ---- system calls ----

/// From now on the program may ask for memory, write to what is open, and end. False where the
/// system has no filters.
bool allow_memory_alone() {
    constexpr int allowed[] = {SYS_brk,     SYS_mmap,          SYS_munmap, SYS_mremap,
                               SYS_madvise, SYS_mprotect,      SYS_futex,  SYS_getrandom,
                               SYS_write,   SYS_clock_gettime, SYS_exit,   SYS_exit_group,
                               SYS_fstat,   SYS_newfstatat};
    std::vector<sock_filter> filter{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (const int each : allowed) {
        filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(each), 0, 1));
        filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// ---- what is ranked ----

/// Short, long and strange texts, and many of them.
std::vector<std::string> some_texts() {
    std::string words;
    for (int i = 0; i < 6000; ++i) {
        words += "word" + std::to_string(i % 997) + (i % 20 == 19 ? ".\n\n" : " ");
    }
    std::vector<std::string> texts = {
        "A circuit breaker that trips at once points to a short circuit.",
        "Yeast feeds on sugars in the flour and gives off carbon dioxide, so the dough swells.",
        "",
        words,
        std::string(100'000, 'x'),
        "\xff\xfe no UTF-8 \xc3"};
    texts.resize(40, words);
    return texts;
}

/// Loads, ranks much, and gives all back; the scores of the first three.
void use_it(std::vector<const char*> passages, std::vector<float>& scores, float* first_three) {
    on_device_ranker* ranker = nullptr;
    check(on_device_open(&ranker) == ON_DEVICE_OK, "it opens");
    check(on_device_score(ranker, "why does bread rise", passages.data(), passages.size(),
                          scores.data()) == ON_DEVICE_OK,
          "it scores");
    check(scores[1] > scores[0] && scores[1] > scores[2], "the answer is the best");
    std::copy_n(scores.begin(), 3, first_three);
    check(on_device_score(ranker, passages[3], passages.data(), passages.size(), scores.data()) ==
              ON_DEVICE_OK,
          "a long question");
    check(on_device_score(ranker, nullptr, passages.data(), 1, scores.data()) ==
              ON_DEVICE_WRONG_INPUT,
          "no question");
    passages[1] = nullptr;
    check(on_device_score(ranker, "q", passages.data(), 3, scores.data()) == ON_DEVICE_WRONG_INPUT,
          "no passage");
    check(on_device_score(ranker, "q", nullptr, 0, nullptr) == ON_DEVICE_OK, "nothing to score");
    on_device_close(ranker);
    on_device_close(nullptr);
}

} // namespace

int main() {
    check(on_device_open(nullptr) == ON_DEVICE_WRONG_INPUT, "nowhere to put it");
    if (!allow_memory_alone()) {
        std::puts("SKIPPED: this system has no filters of system calls");
        return 77;
    }
    const std::vector<std::string> texts = some_texts();
    std::vector<const char*> passages;
    for (const std::string& each : texts) {
        passages.push_back(each.c_str());
    }
    std::vector<float> scores(texts.size());
    float once[3], again[3];
    const std::size_t kept = peak = alive;
    limit = kept + ON_DEVICE_MOST_BYTES;
    use_it(passages, scores, once);
    const std::size_t most = peak - kept;
    use_it(passages, scores, again);
    check(std::equal(once, once + 3, again), "the same scores again");
    check(alive == kept, "nothing stays behind");
    check(peak - kept == most, "the second time takes as much");
    std::printf("%.1f MiB of the heap at most, the budget is %.0f MiB\n",
                static_cast<double>(most) / (1 << 20),
                static_cast<double>(ON_DEVICE_MOST_BYTES) / (1 << 20));

    // With less there is a status, wherever it ends, and nothing is lost.
    float score = 0;
    std::size_t refused = 0;
    for (std::size_t given = 0; given < most; given += most / 60) {
        limit = kept + given;
        on_device_ranker* ranker = nullptr;
        int status = on_device_open(&ranker);
        check((status == ON_DEVICE_OK) == (ranker != nullptr), "null on failure alone");
        if (status == ON_DEVICE_OK) {
            status = on_device_score(ranker, "why does bread rise", passages.data() + 1, 1, &score);
        }
        check(status == ON_DEVICE_OK || status == ON_DEVICE_NO_MEMORY, "it says what is missing");
        refused += status == ON_DEVICE_NO_MEMORY ? 1 : 0;
        on_device_close(ranker);
        check(alive == kept, "nothing is lost when memory ends");
    }
    check(refused > 10, "memory did end");
    std::printf("%zu of 60 smaller budgets were refused, and nothing was lost\n", refused);
}
