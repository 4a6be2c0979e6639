// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <mice/error.hpp>
#include <mice/system/windows_api.hpp>

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

MICE_NAMESPACE_BEGIN
namespace io {

/// A whole file mapped read-only into memory; unmapped when destroyed. Movable, safe to read from
/// many threads. The file must not be shortened while it is mapped: replace it by rename instead.
class mapped_file {
  public:
    mapped_file() = default;
    /// Maps the regular file at `path`. Throws errc::io when it cannot be opened or mapped.
    explicit mapped_file(const std::filesystem::path& path) { map(path); }

    mapped_file(const mapped_file&) = delete;
    mapped_file& operator=(const mapped_file&) = delete;
    mapped_file(mapped_file&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    mapped_file& operator=(mapped_file&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~mapped_file() { unmap(); }

    /// The file's bytes; valid while this object lives.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

    /// Tells the system that small pieces here and there will be read. It then reads these alone
    /// from the disk, and not megabytes around each.
    void expect_small_reads() const noexcept;
    /// Lets the system begin to read `count` bytes from `offset` on; both lie inside the file.
    void prefetch(std::size_t offset, std::size_t count) const noexcept;
    /// Tells the system that the bytes read so far will hardly be read again. They stop counting as
    /// this process's memory, and are fetched again if they are needed after all.
    void release() const noexcept;

  private:
    void map(const std::filesystem::path& path);
    void unmap() noexcept;

    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

#if defined(_WIN32)

inline void mapped_file::map(const std::filesystem::path& path) {
    const auto fail = [&path](DWORD code) {
        return errors::cannot_open(path.string(),
                                   std::system_category().message(static_cast<int>(code)));
    };
    const HANDLE file = CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                                    nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) {
        throw fail(GetLastError());
    }
    LARGE_INTEGER length{};
    if (!GetFileSizeEx(file, &length)) {
        const DWORD code = GetLastError();
        CloseHandle(file);
        throw fail(code);
    }
    if (length.QuadPart == 0) {
        CloseHandle(file);
        return;
    }
    const HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
    const DWORD code = GetLastError();
    CloseHandle(file);
    if (mapping == nullptr) {
        throw fail(code);
    }
    void* view = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
    const DWORD view_code = GetLastError();
    CloseHandle(mapping);
    if (view == nullptr) {
        throw fail(view_code);
    }
    data_ = static_cast<const std::byte*>(view);
    size_ = static_cast<std::size_t>(length.QuadPart);
}

inline void mapped_file::unmap() noexcept {
    if (data_ != nullptr) {
        UnmapViewOfFile(data_);
    }
}

inline void mapped_file::expect_small_reads() const noexcept {}
inline void mapped_file::prefetch(std::size_t, std::size_t) const noexcept {}
inline void mapped_file::release() const noexcept {}

#else

inline void mapped_file::map(const std::filesystem::path& path) {
    const auto fail = [&path](int code) {
        return errors::cannot_open(path.string(), std::generic_category().message(code));
    };
    // O_NONBLOCK keeps a FIFO of that name from hanging the open; it means nothing for files.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        throw fail(errno);
    }
    struct stat status {};
    int code = ::fstat(file, &status) == 0 ? 0 : errno;
    if (code == 0 && S_ISDIR(status.st_mode)) {
        code = EISDIR;
    }
    if (code != 0 || !S_ISREG(status.st_mode)) {
        ::close(file);
        throw code != 0 ? fail(code) : errors::cannot_open(path.string(), "not a regular file");
    }
    const auto size = static_cast<std::uintmax_t>(status.st_size);
    if (size == 0 || size > SIZE_MAX) {
        ::close(file);
        if (size == 0) {
            return;
        }
        throw fail(EFBIG);
    }
    void* view = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, file, 0);
    code = errno;
    ::close(file);
    if (view == MAP_FAILED) {
        throw fail(code);
    }
    data_ = static_cast<const std::byte*>(view);
    size_ = static_cast<std::size_t>(size);
}

inline void mapped_file::unmap() noexcept {
    if (data_ != nullptr) {
        // munmap takes a mutable pointer although the mapping is read-only
        ::munmap(const_cast<std::byte*>(data_), size_);
    }
}

// Refused advice changes no result.
inline void mapped_file::expect_small_reads() const noexcept {
    if (data_ != nullptr) {
        (void)::posix_madvise(const_cast<std::byte*>(data_), size_, POSIX_MADV_RANDOM);
    }
}

inline void mapped_file::prefetch(std::size_t offset, std::size_t count) const noexcept {
    const long page = ::sysconf(_SC_PAGESIZE);
    const std::size_t before = page > 0 ? offset % static_cast<std::size_t>(page) : 0;
    if (data_ != nullptr && count > 0) {
        (void)::posix_madvise(const_cast<std::byte*>(data_ + (offset - before)), count + before,
                              POSIX_MADV_WILLNEED);
    }
}

inline void mapped_file::release() const noexcept {
#if defined(__linux__) // glibc's posix_madvise does nothing for this advice
    if (data_ != nullptr) {
        (void)::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
    }
#endif
}

#endif

} // namespace io
MICE_NAMESPACE_END
