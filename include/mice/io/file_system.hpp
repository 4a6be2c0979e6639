// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <mice/config.hpp>
#include <mice/io/mapped_file.hpp>

MICE_NAMESPACE_BEGIN
namespace io {

/// A new file that is being written from its beginning to its end. For one thread. Destroyed before
/// close(), it stays on disk as far as it was written.
class output_file {
  public:
    output_file() = default;
    output_file(const output_file&) = delete;
    output_file& operator=(const output_file&) = delete;
    virtual ~output_file() = default;

    /// Writes the next bytes, all of them. Throws errc::io.
    virtual void append(std::span<const std::byte> bytes) = 0;
    /// Returns when everything written is on the medium. Throws errc::io; the file is then useless.
    virtual void sync() = 0;
    /// Ends writing. Throws errc::io where the system reports a late failure.
    virtual void close() = 0;
};

/// A lock that lasts as long as this object or its process.
class file_lock {
  public:
    file_lock() = default;
    file_lock(const file_lock&) = delete;
    file_lock& operator=(const file_lock&) = delete;
    virtual ~file_lock() = default;
};

/// Everything that an index does with its files goes through this. Tests make its calls fail. An
/// app may put storage of its own behind it, as long as it keeps real files: they are read by
/// mapping them. Members are safe from many threads, and throw errc::io.
class file_system {
  public:
    file_system() = default;
    file_system(const file_system&) = delete;
    file_system& operator=(const file_system&) = delete;
    virtual ~file_system() = default;

    /// Creates a new file; there must be none of that name.
    [[nodiscard]] virtual std::unique_ptr<output_file>
    create(const std::filesystem::path& file) = 0;
    /// Renames a file inside its folder in one step; a file of that name is replaced.
    virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
    /// Removes a file; it is fine if there is none. Anything but a regular file (a folder, a link)
    /// is an error and stays.
    virtual void remove(const std::filesystem::path& file) = 0;
    /// The names of everything in a folder, in any order.
    [[nodiscard]] virtual std::vector<std::string> list(const std::filesystem::path& folder) = 0;
    /// Returns when new, renamed and removed names of a folder are on the medium.
    virtual void sync_folder(const std::filesystem::path& folder) = 0;
    /// Creates a folder and those above it; it is fine if they exist.
    virtual void make_folder(const std::filesystem::path& folder) = 0;
    /// Locks a file and creates it if need be; null where the lock is held, by this process or
    /// another.
    [[nodiscard]] virtual std::unique_ptr<file_lock> lock(const std::filesystem::path& file) = 0;
    /// Opens a file for reading, as a whole.
    [[nodiscard]] virtual mapped_file map(const std::filesystem::path& file) {
        return mapped_file(file);
    }
};

/// The operating system's files.
[[nodiscard]] file_system& system_files() noexcept;

} // namespace io
MICE_NAMESPACE_END

#include <mice/io/system_files.hpp>
