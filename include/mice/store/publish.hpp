// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/store/snapshot.hpp>

// What a writer does to the folder of an index as a whole. A commit is a new manifest that gets its
// name when everything it names is on the medium.
MICE_NAMESPACE_BEGIN
namespace store {

/// Takes the lock of an index. Throws errc::mismatch where another writer has it, errc::io where
/// the folder cannot be written to.
[[nodiscard]] inline std::unique_ptr<io::file_lock>
lock_index(io::file_system& files, const std::filesystem::path& folder) {
    std::unique_ptr<io::file_lock> lock = files.lock(folder / lock_name);
    if (lock == nullptr) {
        throw errors::index_locked(folder.string());
    }
    return lock;
}

/// Writes the manifest of a commit; when it returns, the commit is durable. The caller holds the
/// lock, and everything that the manifest names is on the medium. Throws errc::io: the commit may
/// then be there or not.
inline void write_manifest(io::file_system& files, const std::filesystem::path& folder,
                           const manifest& commit) {
    const std::string text = to_text(commit);
    if (text.size() > largest_manifest) {
        throw errors::index_too_large(std::to_string(commit.segments.size()) + " segments");
    }
    const std::filesystem::path name = folder / manifest_name(commit.generation);
    std::filesystem::path draft = name;
    draft += ".tmp";
    std::unique_ptr<io::output_file> out = files.create(draft);
    out->append(std::as_bytes(std::span(text)));
    out->sync();
    out->close();
    files.sync_folder(folder); // the names of the new files, before the one that needs them
    files.rename(draft, name);
    files.sync_folder(folder);
}

namespace detail {

/// Whether a writer of mice gave a file that name, but for the lock.
inline bool is_index_file(std::string_view name) {
    if (name.starts_with("manifest-") && name.ends_with(".tmp")) {
        name.remove_suffix(4);
    }
    return number_behind(name, "manifest-") || number_behind(name, "segment-") ||
           number_behind(name, "deleted-") || number_behind(name, "codec-");
}

} // namespace detail

/// Removes the files that none of the given commits uses: what a killed writer left behind, and
/// commits before the last two. Other names are left alone. What cannot be removed now stays for
/// the next writer.
inline void remove_unused(io::file_system& files, const std::filesystem::path& folder,
                          std::span<const manifest* const> commits) {
    std::set<std::string, std::less<>> used;
    for (const manifest* each : commits) {
        used.insert(manifest_name(each->generation));
        for (std::string& name : each->files()) {
            used.insert(std::move(name));
        }
    }
    std::vector<std::string> names;
    try {
        names = files.list(folder);
    } catch (const error&) { // said above
    }
    for (const std::string& name : names) {
        if (detail::is_index_file(name) && !used.contains(name)) {
            try {
                files.remove(folder / name);
            } catch (const error&) { // said above
            }
        }
    }
}

/// The highest number of any file in the folder, committed or not.
[[nodiscard]] inline std::uint64_t highest_file(io::file_system& files,
                                                const std::filesystem::path& folder) {
    std::uint64_t highest = 0;
    for (const std::string& name : files.list(folder)) {
        for (const std::string_view prefix : {"segment-", "deleted-", "codec-"}) {
            // An absurd number is no file of ours; it must not use up the numbers.
            const auto number = detail::number_behind(name, prefix);
            highest = std::max(highest, number && *number >> 48 == 0 ? *number : 0);
        }
    }
    return highest;
}

/// The newest commit before `generation` that is readable, or nothing.
[[nodiscard]] inline std::optional<manifest> commit_before(io::file_system& files,
                                                           const std::filesystem::path& folder,
                                                           std::uint64_t generation) {
    for (const std::uint64_t each : generations_in(files, folder)) {
        if (each < generation) {
            try {
                return read_manifest(folder, each);
            } catch (const error&) { // damaged: it is of no use to anyone
            }
        }
    }
    return std::nullopt;
}

/// Makes the first commit of a new index in a folder that is new or empty, or holds what a killed
/// call of this left. Throws errc::invalid_argument for any other folder.
inline void create_index(io::file_system& files, const std::filesystem::path& folder,
                         manifest first, std::span<const std::byte> codec_parameters) {
    files.make_folder(folder);
    const std::unique_ptr<io::file_lock> lock = lock_index(files, folder);
    const std::string draft = manifest_name(1) + ".tmp";
    std::vector<std::string> left;
    for (const std::string& name : files.list(folder)) {
        if (name == draft || name == codec_name(1)) {
            left.push_back(name);
        } else if (name != lock_name) {
            throw errors::folder_not_empty(folder.string(), name);
        }
    }
    for (const std::string& name : left) {
        files.remove(folder / name);
    }
    first.generation = 1;
    first.next_file = codec_parameters.empty() ? 1 : 2;
    if (!codec_parameters.empty()) {
        first.parameters = write_blob(files, folder / codec_name(1), 1, blob_kind::codec_parameters,
                                      codec_parameters);
    }
    write_manifest(files, folder, first);
    const std::filesystem::path above = std::filesystem::absolute(folder).parent_path();
    files.sync_folder(above);
}

} // namespace store
MICE_NAMESPACE_END
