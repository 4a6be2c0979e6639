// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include <mice/config.hpp>
#include <mice/system/windows_api.hpp>

#if !defined(_WIN32)
#include <sys/mman.h>
#endif

// Memory in whole pages. What is given back returns to the system at once; an allocator would keep
// it for this process.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// Blocks of this many bytes or more come from the system. For smaller ones pages cost more time
/// than they are worth. The address sanitizer knows the end of a block only where it allocated it.
inline constexpr std::size_t system_block =
    MICE_ADDRESS_SANITIZER ? static_cast<std::size_t>(-1) : std::size_t{256} << 10;

/// Zeros at the start of a page; null where the system has none.
[[nodiscard]] inline void* take_pages(std::size_t bytes) noexcept {
#if defined(_WIN32)
    return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
#else
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
#endif
}

/// Gives back what take_pages gave for that size.
inline void return_pages(void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(_WIN32)
    VirtualFree(memory, 0, MEM_RELEASE);
#else
    munmap(memory, bytes);
#endif
}

} // namespace kernels
MICE_NAMESPACE_END
