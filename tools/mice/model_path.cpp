// SPDX-License-Identifier: Apache-2.0
#include "mice/model_path.hpp"

#include <cstdlib>
#include <system_error>
#include <vector>

#include <mice/error.hpp>

#include "mice/file_kind.hpp"

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

namespace mice::cli {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
}

} // namespace

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

std::optional<fs::path> default_model_path() {
    if (const char* chosen = std::getenv("MICE_MODEL"); chosen != nullptr && *chosen != '\0') {
        return fs::path(chosen);
    }
    const fs::path program = program_file();
    if (!program.empty()) {
        const fs::path installed =
            program.parent_path().parent_path() / "share" / "mice" / "models" / default_model_name;
        if (is_file(installed)) {
            return installed;
        }
    }
    return std::nullopt;
}

fs::path model_path(const std::string& named) {
    if (!named.empty()) {
        return named;
    }
    const std::optional<fs::path> found = default_model_path();
    if (!found) {
        throw detail::errors::cannot_open(default_model_name,
                                          "the default model is not installed beside "
                                          "this program; name a model with --model FILE "
                                          "or in the variable MICE_MODEL");
    }
    if (!is_file(*found)) {
        const std::string kind = kind_of_other(*found);
        throw detail::errors::cannot_open(found->string(),
                                          "the variable MICE_MODEL names it, but " +
                                              (kind.empty() ? "it is not a file" : kind));
    }
    return *found;
}

reranker load_model(const fs::path& path, precision computed, const parallel_options& loading) {
    try {
        return reranker(path, computed, loading);
    } catch (const error& problem) {
        if (problem.code() == errc::io || problem.code() == errc::format) {
            if (const std::string kind = kind_of_other(path); !kind.empty()) {
                throw error(problem.code(),
                            detail::errors::quoted(path.string()) + " is no model file: " + kind);
            }
        }
        if (problem.code() == errc::io) {
            throw; // the message names the file already
        }
        throw error(problem.code(), detail::errors::quoted(path.string()) + ": " + problem.what());
    }
}

} // namespace mice::cli
