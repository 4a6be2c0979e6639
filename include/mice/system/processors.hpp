// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <mice/config.hpp>
#include <mice/system/float_mode.hpp>
#include <mice/system/windows_api.hpp>

#if !defined(_WIN32)
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif
#endif

// How many of the machine's processors this process may use, and whether it is a forked copy of
// another.
MICE_NAMESPACE_BEGIN
namespace detail {

// ---- control groups: what a container may use ----

/// A file of a few lines; nothing where it cannot be read.
inline std::vector<std::string> lines_of(const std::filesystem::path& file) {
    std::vector<std::string> lines;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(std::move(line));
    }
    return lines;
}

/// The parts of a text between separators.
inline std::vector<std::string_view> parts_of(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

inline bool has_part(std::string_view list, std::string_view wanted) {
    const std::vector<std::string_view> parts = parts_of(list, ',');
    return std::find(parts.begin(), parts.end(), wanted) != parts.end();
}

/// Where a hierarchy of control groups can be read, and this process's group in it.
struct group_place {
    std::filesystem::path top;  ///< the folder of the outermost group that can be seen
    std::filesystem::path path; ///< from there
    bool unified = false;       ///< version 2, with one hierarchy for everything
};

/// A path of /proc/self/mountinfo, where a space is written \040.
inline std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned int code = 0;
        if (text[i] == '\\' && i + 4 <= text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr ==
                text.data() + i + 4) {
            plain += static_cast<char>(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

/// The groups that may limit this process's processors; `root` is "/" but in tests.
inline std::vector<group_place> processor_groups(const std::filesystem::path& root) {
    std::vector<group_place> found;
    const std::vector<std::string> memberships = lines_of(root / "proc/self/cgroup");
    for (const std::string& mount : lines_of(root / "proc/self/mountinfo")) {
        // number parent device root place options... - type source options
        const std::vector<std::string_view> fields = parts_of(mount, ' ');
        const auto dash = std::find(fields.begin(), fields.end(), "-");
        if (fields.size() < 5 || fields.end() - dash < 4) {
            continue;
        }
        const bool unified = dash[1] == "cgroup2";
        if (!unified && !(dash[1] == "cgroup" && has_part(dash[3], "cpu"))) {
            continue;
        }
        for (const std::string& membership : memberships) { // number:controllers:path
            const std::size_t first = std::min(membership.find(':'), membership.size());
            const std::size_t second = membership.find(':', first + 1);
            if (second == std::string::npos) {
                continue;
            }
            const std::string_view controllers =
                std::string_view(membership).substr(first + 1, second - first - 1);
            if (unified ? !controllers.empty() : !has_part(controllers, "cpu")) {
                continue;
            }
            const std::filesystem::path mounted(unescaped(fields[3]));
            const std::filesystem::path path =
                std::filesystem::path(membership.substr(second + 1)).lexically_relative(mounted);
            const bool outside = path.empty() || *path.begin() == "..";
            found.push_back({root / std::filesystem::path(unescaped(fields[4])).relative_path(),
                             outside ? std::filesystem::path() : path, unified});
        }
    }
    return found;
}

inline std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size() ? std::optional(value)
                                                                   : std::nullopt;
}

/// Processors that one group may keep busy, rounded up; nothing: no limit.
inline std::optional<std::size_t> quota_of_group(const std::filesystem::path& folder,
                                                 bool unified) {
    std::string text; // microseconds of computing within so many microseconds
    if (unified) {
        const std::vector<std::string> lines = lines_of(folder / "cpu.max");
        text = lines.empty() ? "" : lines[0];
    } else {
        const std::vector<std::string> quota = lines_of(folder / "cpu.cfs_quota_us");
        const std::vector<std::string> period = lines_of(folder / "cpu.cfs_period_us");
        text = quota.empty() || period.empty() ? "" : quota[0] + " " + period[0];
    }
    const std::vector<std::string_view> parts = parts_of(text, ' ');
    const auto quota = number_in(parts[0]); // "max" and -1 are none
    const auto period = parts.size() == 2 ? number_in(parts[1]) : std::nullopt;
    if (!quota || !period || *period == 0) {
        return std::nullopt;
    }
    return std::max<std::size_t>(
        1, static_cast<std::size_t>(*quota / *period + (*quota % *period != 0 ? 1 : 0)));
}

/// Processors that the control groups of this process let it keep busy; nothing: all. A group's
/// limit holds for all inside it.
inline std::optional<std::size_t> processor_quota(const std::filesystem::path& root) {
    std::optional<std::size_t> least;
    for (const group_place& place : processor_groups(root)) {
        std::filesystem::path folder = place.top;
        const auto look = [&] {
            if (const auto quota = quota_of_group(folder, place.unified)) {
                least = std::min(least.value_or(*quota), *quota);
            }
        };
        look();
        for (const std::filesystem::path& part : place.path) {
            folder /= part;
            look();
        }
    }
    return least;
}

// ---- this process ----

/// Processors that the calling thread, and so a thread that it starts, may run on.
inline std::size_t processors_in_reach() noexcept {
#if defined(__linux__)
    constexpr std::size_t most = 16384; // the kernel refuses a set smaller than its own
    cpu_set_t set[most / CPU_SETSIZE];
    if (sched_getaffinity(0, sizeof set, set) == 0) {
        return static_cast<std::size_t>(CPU_COUNT_S(sizeof set, set));
    }
#elif defined(_WIN32)
    DWORD_PTR own = 0;
    DWORD_PTR all = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &own, &all) != 0 && own != 0) {
        std::size_t count = 0;
        for (; own != 0; own &= own - 1) {
            ++count;
        }
        return count;
    }
#endif
    return std::thread::hardware_concurrency();
}

/// As processor_quota of the system, read once.
inline std::optional<std::size_t> own_processor_quota() noexcept {
    static const std::optional<std::size_t> quota = []() noexcept -> std::optional<std::size_t> {
        try {
            return in_default_float_mode([] { return processor_quota("/"); });
        } catch (const std::exception&) {
            return std::nullopt; // no limit can be read
        }
    }();
    return quota;
}

#if defined(_WIN32)
inline bool is_forked() noexcept {
    return false;
}
#else
/// The process in which this program or library was loaded.
inline const pid_t process_at_start = getpid();

/// Whether the system says that this process was forked and still runs its parent's program.
inline bool runs_parents_program() noexcept {
#if defined(__linux__)
    try { // number (name) state parent group session terminal group flags ...
        const std::vector<std::string> lines = lines_of("/proc/self/stat");
        const std::string_view text = lines.empty() ? std::string_view() : lines[0];
        const std::vector<std::string_view> fields =
            parts_of(text.substr(std::min(text.rfind(')'), text.size())), ' ');
        constexpr std::uint64_t forked_without_exec = 0x40;
        return fields.size() > 7 && (number_in(fields[7]).value_or(0) & forked_without_exec) != 0;
    } catch (const std::exception&) {
        return false;
    }
#else
    return false;
#endif
}

/// Whether this process is a copy of another, by fork: then memory holds traces of threads that do
/// not exist here.
inline bool is_forked() noexcept {
    static const bool loaded_in_copy = runs_parents_program();
    return loaded_in_copy || getpid() != process_at_start;
}
#endif

} // namespace detail

/// Processors that this process may keep busy: those that the calling thread may run on, and no
/// more than its control groups have time for; at least 1.
[[nodiscard]] inline std::size_t usable_processors() noexcept {
    const std::size_t reach = std::max<std::size_t>(1, detail::processors_in_reach());
    return std::min(reach, detail::own_processor_quota().value_or(reach));
}

MICE_NAMESPACE_END
