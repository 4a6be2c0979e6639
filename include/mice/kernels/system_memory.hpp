// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include <mice/config.hpp>
#include <mice/io/windows_api.hpp>

#if !defined(_WIN32)
#include <sys/mman.h>
#endif

// Memory in whole pages: what is given back is the system's again at once, where an allocator
// would keep it for this process.
MICE_NAMESPACE_BEGIN
namespace kernels {

/// From how many bytes on a block comes from the system. Below, its pages cost more time than they
/// are worth; under the address sanitizer it knows the end of a block only where it gave it.
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
