// SPDX-License-Identifier: Apache-2.0
#include "common/program_file.hpp"

#include <system_error>
#include <vector>

#if defined(_WIN32)
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#elif defined(__APPLE__)
#include <mach-o/dyld.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

namespace mice::tools {

namespace fs = std::filesystem;

fs::path program_file() {
#if defined(_WIN32)
    std::vector<wchar_t> name(32768);
    const DWORD length = GetModuleFileNameW(nullptr, name.data(), static_cast<DWORD>(name.size()));
    return fs::path(std::wstring(name.data(), length));
#elif defined(__APPLE__)
    std::vector<char> name(4096);
    auto size = static_cast<std::uint32_t>(name.size());
    return _NSGetExecutablePath(name.data(), &size) == 0 ? fs::path(name.data()) : fs::path();
#else
    std::error_code missing;
    fs::path program = fs::read_symlink("/proc/self/exe", missing);
#if defined(__linux__)
    if (missing) { // no /proc in this container: the kernel also passes the path that it started
        if (const auto started = getauxval(AT_EXECFN); started != 0) {
            // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel gives addresses as numbers
            program = fs::absolute(reinterpret_cast<const char*>(started), missing);
        }
    }
#endif
    return program;
#endif
}

} // namespace mice::tools
