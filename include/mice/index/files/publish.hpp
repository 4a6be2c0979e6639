// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/index/files/open_commit.hpp>
#include <mice/io/text_bytes.hpp>

// What a writer does to the folder of an index. A commit is a new manifest, which gets its name
// when everything that it names is on the medium.
MICE_NAMESPACE_BEGIN
namespace store {

/// Takes the lock of an index. Throws errc::mismatch where another writer has it, errc::io where
/// the folder cannot be written to.
[[nodiscard]] inline std::unique_ptr<io::file_lock>
lock_index(io::file_system& files, const std::filesystem::path& folder) {
    std::unique_ptr<io::file_lock> lock;
    try {
        lock = files.lock(folder / lock_name);
    } catch (const error& e) {
        throw errors::unwritable_index(e.code(), folder.string(), e.what());
    }
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
    out->append(io::text_bytes(text));
    out->sync();
    out->close();
    files.sync_folder(folder); // the names of the new files, before the one that needs them
    files.rename(draft, name);
    files.sync_folder(folder);
}

namespace detail {

/// The number in the name of a segment, of deletions or of codec parameters.
inline std::optional<std::uint64_t> data_file(std::string_view name) {
    for (const std::string_view prefix : {"segment-", "deleted-", "codec-"}) {
        if (const auto number = number_of_file(name, prefix)) {
            return number;
        }
    }
    return std::nullopt;
}

/// The generation of a manifest that was not finished.
inline std::optional<std::uint64_t> draft_of(std::string_view name) {
    constexpr std::string_view end = ".tmp";
    if (!name.ends_with(end)) {
        return std::nullopt;
    }
    name.remove_suffix(end.size());
    return number_of_file(name, "manifest-");
}

/// Whether a writer of mice could have given a file that name; the lock's is not among them.
inline bool is_index_file(std::string_view name) {
    return number_of_file(name, "manifest-") || draft_of(name) || data_file(name);
}

} // namespace detail

/// The highest number of any data file in the folder, committed or not.
[[nodiscard]] inline std::uint64_t highest_file(io::file_system& files,
                                                const std::filesystem::path& folder) {
    std::uint64_t highest = 0;
    for (const std::string& name : files.list(folder)) {
        // A file with an absurd number is not ours; it must not use up the numbers.
        const auto number = detail::data_file(name);
        highest = std::max(highest, number && *number < writer_limit ? *number : 0);
    }
    return highest;
}

/// The commits beside the newest one.
struct older_commits {
    std::optional<manifest> before; ///< the one before it that can be read
    std::set<std::uint64_t> read;   ///< generations of all that can be read
    /// The readable ones next to a damaged one: they tell which files it may name.
    std::set<std::uint64_t> bounds;
    /// Data files with lower numbers may belong to a commit whose manifest is damaged. 0: no
    /// manifest is.
    std::uint64_t unknown_below = 0;
};

/// Reads all manifests before the newest commit. Throws errc::io where one cannot be opened now,
/// because it would say which files must stay.
[[nodiscard]] inline older_commits commits_before(io::file_system& files,
                                                  const std::filesystem::path& folder,
                                                  const manifest& newest) {
    older_commits found;
    std::uint64_t next_file = newest.next_file; // of the oldest that could be read so far
    std::uint64_t read = newest.generation;     // that one
    for (const std::uint64_t each : manifests_in(files, folder).generations) {
        if (each >= newest.generation) {
            continue;
        }
        try {
            manifest older = read_manifest(files, folder, each);
            next_file = older.next_file;
            read = each;
            found.read.insert(each);
            if (!found.before) {
                found.before = std::move(older);
            }
        } catch (const error& e) {
            if (e.code() == errc::io) {
                throw errors::unreadable_commit(e.code(), folder.string(), e.what());
            }
            found.unknown_below = std::max(found.unknown_below, next_file);
            found.bounds.insert(read);
        }
    }
    return found;
}

/// Removes what no kept commit uses and no other commit may use: what a killed writer left behind,
/// and commits before the last two. Removes nothing where a manifest is newer than the kept ones; a
/// damaged one stays, with every file that it may name. Other names are left alone. What cannot be
/// removed now is left to the next writer.
inline void remove_unused(io::file_system& files, const std::filesystem::path& folder,
                          const manifest& newest, const older_commits& older) {
    std::set<std::string, std::less<>> used;
    for (const manifest* each : {&newest, older.before ? &*older.before : nullptr}) {
        if (each != nullptr) {
            used.insert(manifest_name(each->generation));
            for (std::string& name : each->files()) {
                used.insert(std::move(name));
            }
        }
    }
    const auto removable = [&](const std::string& name) {
        if (const auto generation = detail::number_of_file(name, "manifest-")) {
            return older.read.contains(*generation) && !older.bounds.contains(*generation);
        }
        const auto number = detail::data_file(name);
        return number ? *number >= older.unknown_below && *number < writer_limit
                      : detail::draft_of(name).has_value();
    };
    try {
        const manifest_list there = manifests_in(files, folder);
        if (!there.strays.empty() || there.generations.empty() ||
            there.generations.front() != newest.generation) {
            return;
        }
        for (const std::string& name : files.list(folder)) {
            if (removable(name) && !used.contains(name)) {
                try {
                    files.remove(folder / name);
                } catch (const std::exception&) { // said above
                }
            }
        }
    } catch (const std::exception&) { // said above
    }
}

/// Makes sure that the next commit will be the newest. Throws errc::mismatch for a manifest that
/// came into the folder although this writer holds the lock.
inline void check_next_generation(io::file_system& files, const std::filesystem::path& folder,
                                  std::uint64_t next) {
    const manifest_list there = manifests_in(files, folder);
    if (!there.strays.empty()) {
        throw errors::foreign_manifest(folder.string(), there.strays.back());
    }
    if (!there.generations.empty() && there.generations.front() >= next) {
        throw errors::foreign_manifest(folder.string(), manifest_name(there.generations.front()));
    }
}

/// Writes the first commit of a new index, in a folder that is new or empty, or holds what a killed
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
