// SPDX-License-Identifier: Apache-2.0
#include "allocation_counter.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

std::atomic<std::size_t> total{0};
std::atomic<std::size_t> largest{0};
std::atomic<std::size_t> alive{0};  // blocks
std::atomic<std::int64_t> left{-1}; // requests that are still granted; -1: all

/// Whether this request gets memory.
bool granted() {
    std::int64_t now = left.load();
    while (now > 0 && !left.compare_exchange_weak(now, now - 1)) {
    }
    return now != 0;
}

void count(std::size_t size) {
    total.fetch_add(size);
    std::size_t known = largest.load();
    while (size > known && !largest.compare_exchange_weak(known, size)) {
    }
}

void* allocate(std::size_t size) {
    count(size);
    void* memory = granted() ? std::malloc(std::max<std::size_t>(size, 1)) : nullptr;
    if (memory != nullptr) {
        alive.fetch_add(1);
        return memory;
    }
    throw std::bad_alloc();
}

void* allocate(std::size_t size, std::align_val_t alignment) {
    count(size);
    const auto unit = static_cast<std::size_t>(alignment);
    const std::size_t whole = (std::max<std::size_t>(size, 1) + unit - 1) / unit * unit;
    void* memory = granted() ? std::aligned_alloc(unit, whole) : nullptr;
    if (memory != nullptr) {
        alive.fetch_add(1);
        return memory;
    }
    throw std::bad_alloc();
}

void* allocate_or_null(std::size_t size) noexcept {
    try {
        return allocate(size);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void release(void* memory) noexcept {
    if (memory != nullptr) {
        alive.fetch_sub(1);
        std::free(memory);
    }
}

} // namespace

namespace allocations {

void reset() {
    total = 0;
    largest = 0;
}

counts since_reset() {
    return {total.load(), largest.load()};
}

std::size_t living() {
    return alive.load();
}

failing::failing(std::size_t first) {
    left = static_cast<std::int64_t>(first);
}
failing::~failing() {
    left = -1;
}

} // namespace allocations

void* operator new(std::size_t size) {
    return allocate(size);
}
void* operator new[](std::size_t size) {
    return allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate(size, alignment);
}

// A sanitizer defines every form that the program does not, with another allocator behind it.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size);
}

// Large blocks of a kernels::buffer come from the system by the name that is defined here. The
// sanitizers have a definition of their own: there they are not counted.
#if defined(__linux__) && defined(__LP64__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !defined(__SANITIZE_THREAD__)
extern "C" void* mmap(void* address, std::size_t size, int protection, int flags, int file,
                      off_t offset) {
    if ((flags & MAP_ANONYMOUS) != 0) {
        count(size);
        if (!granted()) {
            errno = ENOMEM;
            return MAP_FAILED;
        }
    }
    return reinterpret_cast<void*>(
        syscall(SYS_mmap, address, size, protection, flags, file, offset));
}
#endif

void operator delete(void* memory) noexcept {
    release(memory);
}
void operator delete[](void* memory) noexcept {
    release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    release(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    release(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    release(memory);
}
