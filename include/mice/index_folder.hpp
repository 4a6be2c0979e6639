// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include <mice/store/index_types.hpp>
#include <mice/store/open_commit.hpp>

// What an index does with its folder without opening it.
MICE_NAMESPACE_BEGIN
namespace detail {

[[nodiscard]] inline io::file_system& files_of(const index_access& access) {
    return access.files == nullptr ? io::system_files() : *access.files;
}

/// What all files of a folder take. A file that goes meanwhile takes nothing.
inline void measure_folder(io::file_system& files, const std::filesystem::path& folder,
                           index_stats& into) {
    for (const std::string& name : files.list(folder)) {
        std::error_code gone;
        if (std::filesystem::is_regular_file(folder / name, gone)) {
            const std::uintmax_t bytes = std::filesystem::file_size(folder / name, gone);
            into.disk_bytes += gone ? 0 : static_cast<std::uint64_t>(bytes);
            ++into.disk_files;
        }
    }
}

/// Whether a folder holds an index, readable or not. Throws errc::io where that cannot be told.
[[nodiscard]] inline bool holds_index(const std::filesystem::path& folder,
                                      const index_access& access) {
    std::error_code code;
    const std::filesystem::file_status status = std::filesystem::status(folder, code);
    if (!std::filesystem::status_known(status)) { // that it is not there would be a guess
        throw errors::cannot_open(folder.string(), code.message());
    }
    return std::filesystem::is_directory(status) &&
           store::manifests_in(files_of(access), folder) != store::manifest_list();
}

} // namespace detail

MICE_NAMESPACE_END
