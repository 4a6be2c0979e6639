// SPDX-License-Identifier: Apache-2.0
#include "allocation_counter.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> total{0};
std::atomic<std::size_t> largest{0};

void count(std::size_t size) {
    total.fetch_add(size);
    std::size_t known = largest.load();
    while (size > known && !largest.compare_exchange_weak(known, size)) {
    }
}

void* allocate(std::size_t size) {
    count(size);
    if (void* memory = std::malloc(std::max<std::size_t>(size, 1))) {
        return memory;
    }
    throw std::bad_alloc();
}

void* allocate(std::size_t size, std::align_val_t alignment) {
    count(size);
    const auto unit = static_cast<std::size_t>(alignment);
    if (void* memory =
            std::aligned_alloc(unit, (std::max<std::size_t>(size, 1) + unit - 1) / unit * unit)) {
        return memory;
    }
    throw std::bad_alloc();
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

// A sanitizer brings every form that the program does not, with another allocator behind it.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    count(size);
    return std::malloc(std::max<std::size_t>(size, 1));
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    count(size);
    return std::malloc(std::max<std::size_t>(size, 1));
}

void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
