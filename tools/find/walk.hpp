// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

// Finding the files of a folder.
namespace mice::find {

/// Which files of a folder belong to a collection.
struct walk_options {
    std::string mask{};               ///< such as "*.md"; empty: all
    bool hidden = false;              ///< also names that begin with a dot
    bool follow = false;              ///< follow symbolic links; loops are noticed
    bool one_file_system = false;     ///< stay on the root's file system
    bool ignore_files = true;         ///< obey .gitignore and .ignore
    std::uint64_t max_size = 0;       ///< bytes of a file; 0: any
    std::filesystem::path left_out{}; ///< a folder never looked into: the index's own
};

/// What the system says of a file: equal where nothing has changed.
struct file_stamp {
    std::int64_t size = 0;
    std::int64_t mtime = 0; ///< nanoseconds since 1970
    std::int64_t inode = 0;
    std::int64_t device = 0;

    friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

/// A regular file. Names are bytes, whatever their encoding.
struct found_file {
    std::string path; ///< relative to the root, with "/"
    file_stamp stamp;
};

/// Something that could not be looked at.
struct walk_problem {
    std::string path;
    std::string reason;
};

/// What a walk found.
struct walk_result {
    std::vector<found_file> files;
    std::vector<std::string> folders;   ///< that were looked into, the root is ""
    std::vector<walk_problem> problems; ///< folders among them hide what is below them
    std::uint64_t too_large = 0;        ///< files left out by max_size
    std::uint64_t special = 0;          ///< pipes, sockets, devices: never opened
    bool empty = false;                 ///< the root has no entry at all
};

/// All files below a folder, in no order. `keep_on` is asked now and then with the number of files
/// so far; false ends the walk. Throws mice::error (errc::io) where the root cannot be read.
[[nodiscard]] walk_result walk(const std::filesystem::path& root, const walk_options& options,
                               const std::function<bool(std::uint64_t)>& keep_on = {});

/// The stamp of a file, following links; throws mice::error (errc::io).
[[nodiscard]] file_stamp stamp_of(const std::filesystem::path& file);

/// Thrown for a file that is not what it was when it was found.
class changed_while_read : public std::runtime_error {
  public:
    changed_while_read() : std::runtime_error("it changed while it was read") {}
};

/// Hash of a regular file's bytes, 16 bytes. Throws std::runtime_error with the reason where it
/// cannot be read or is no regular file, changed_while_read where it has not that size any more.
[[nodiscard]] std::string hash_of_file(const std::filesystem::path& file, std::int64_t size);

} // namespace mice::find
