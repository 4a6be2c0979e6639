// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/file_system.hpp>
#include <mice/system/windows_api.hpp>

#if !defined(_WIN32)
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

MICE_NAMESPACE_BEGIN
namespace io {
namespace detail {

#if defined(_WIN32)

using native_file = HANDLE;
inline const native_file no_file = INVALID_HANDLE_VALUE;

inline error write_failure(const std::filesystem::path& file) {
    return errors::cannot_write(file.string(),
                                std::system_category().message(static_cast<int>(::GetLastError())));
}
inline native_file open_new(const std::filesystem::path& file) {
    return ::CreateFileW(file.c_str(), GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                         CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
}
inline std::ptrdiff_t write_some(native_file file, std::span<const std::byte> bytes) {
    DWORD written = 0;
    const auto wanted = static_cast<DWORD>(std::min<std::size_t>(bytes.size(), 1U << 30));
    return ::WriteFile(file, bytes.data(), wanted, &written, nullptr)
               ? static_cast<std::ptrdiff_t>(written)
               : -1;
}
inline bool sync_file(native_file file) {
    return ::FlushFileBuffers(file) != 0;
}
inline bool close_file(native_file file) {
    return ::CloseHandle(file) != 0;
}
inline bool rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
    return ::MoveFileExW(from.c_str(), to.c_str(),
                         MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) != 0;
}
// NTFS keeps a journal of names and has no call for this.
inline bool sync_names(const std::filesystem::path&) {
    return true;
}
/// no_file with `held` set where another holder has the lock.
inline native_file open_locked(const std::filesystem::path& file, bool& held) {
    const native_file handle = ::CreateFileW(file.c_str(), GENERIC_READ | GENERIC_WRITE,
                                             FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                                             OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle == no_file) {
        return no_file;
    }
    OVERLAPPED range{};
    if (::LockFileEx(handle, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
                     &range)) {
        return handle;
    }
    const DWORD code = ::GetLastError();
    held = code == ERROR_LOCK_VIOLATION || code == ERROR_IO_PENDING;
    ::CloseHandle(handle);
    ::SetLastError(code);
    return no_file;
}

#else

using native_file = int;
inline constexpr native_file no_file = -1;

inline error write_failure(const std::filesystem::path& file) {
    return errors::cannot_write(file.string(), std::generic_category().message(errno));
}
inline native_file open_new(const std::filesystem::path& file) {
    return ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}
inline std::ptrdiff_t write_some(native_file file, std::span<const std::byte> bytes) {
    while (true) {
        const auto written =
            ::write(file, bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
        if (written >= 0 || errno != EINTR) {
            return written;
        }
    }
}
inline bool sync_file(native_file file) {
#if defined(F_FULLFSYNC)
    if (::fcntl(file, F_FULLFSYNC) == 0) {
        return true; // Apple's fsync leaves the bytes in the drive's cache
    }
#endif
    int result = ::fsync(file);
    while (result != 0 && errno == EINTR) {
        result = ::fsync(file);
    }
    return result == 0;
}
inline bool close_file(native_file file) {
    return ::close(file) == 0 || errno == EINTR;
}
inline bool rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
    return ::rename(from.c_str(), to.c_str()) == 0;
}
inline bool sync_names(const std::filesystem::path& folder) {
    const native_file handle = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (handle == no_file) {
        return false;
    }
    // EINVAL: the file system cannot do this.
    const bool done = sync_file(handle) || errno == EINVAL;
    const int code = errno;
    ::close(handle);
    errno = code;
    return done;
}
/// no_file with `held` set where another holder has the lock.
inline native_file open_locked(const std::filesystem::path& file, bool& held) {
    const native_file handle =
        ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (handle == no_file) {
        return no_file;
    }
    int result = ::flock(handle, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR) {
        result = ::flock(handle, LOCK_EX | LOCK_NB);
    }
    if (result == 0) {
        return handle;
    }
    const int code = errno;
    held = code == EWOULDBLOCK;
    ::close(handle);
    errno = code;
    return no_file;
}

#endif

class system_output_file final : public output_file {
  public:
    explicit system_output_file(std::filesystem::path path)
        : path_(std::move(path)), file_(open_new(path_)) {
        if (file_ == no_file) {
            throw write_failure(path_);
        }
    }
    ~system_output_file() override {
        if (file_ != no_file) {
            close_file(file_);
        }
    }

    void append(std::span<const std::byte> bytes) override {
        while (!bytes.empty()) {
            const std::ptrdiff_t written = write_some(file_, bytes);
            if (written < 0) {
                throw write_failure(path_);
            }
            if (written == 0) {
                throw errors::cannot_write(path_.string(), "the system takes no more bytes");
            }
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
    }
    void sync() override {
        if (!sync_file(file_)) {
            throw write_failure(path_);
        }
    }
    void close() override {
        const native_file file = std::exchange(file_, no_file);
        if (file != no_file && !close_file(file)) {
            throw write_failure(path_);
        }
    }

  private:
    std::filesystem::path path_;
    native_file file_;
};

class system_lock final : public file_lock {
  public:
    explicit system_lock(native_file file) : file_(file) {}
    ~system_lock() override {
#if !defined(_WIN32)
        // A child that was forked meanwhile shares the lock, so closing alone would leave it
        // locked.
        if (::getpid() == owner_) {
            (void)::flock(file_, LOCK_UN);
        }
#endif
        close_file(file_);
    }

  private:
    native_file file_;
#if !defined(_WIN32)
    pid_t owner_ = ::getpid();
#endif
};

class system_file_system final : public file_system {
  public:
    [[nodiscard]] std::unique_ptr<output_file> create(const std::filesystem::path& file) override {
        return std::make_unique<system_output_file>(file);
    }
    void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
        if (!rename_file(from, to)) {
            throw write_failure(to);
        }
    }
    void remove(const std::filesystem::path& file) override {
        std::error_code code;
        const auto status = std::filesystem::symlink_status(file, code);
        if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
            throw errors::cannot_write(file.string(), "it is no regular file");
        }
        if (!std::filesystem::remove(file, code) && code) {
            throw errors::cannot_write(file.string(), code.message());
        }
    }
    [[nodiscard]] std::vector<std::string> list(const std::filesystem::path& folder) override {
        std::vector<std::string> names;
        std::error_code code;
#if defined(_WIN32)
        std::filesystem::directory_iterator each(folder, code);
        for (; !code && each != std::filesystem::directory_iterator(); each.increment(code)) {
            names.push_back(each->path().filename().string());
        }
#else // libstdc++'s iterator ends the program where memory runs out
        const auto close = [](DIR* open) { ::closedir(open); };
        const std::unique_ptr<DIR, decltype(close)> open(::opendir(folder.c_str()), close);
        const dirent* each = nullptr;
        while (open && (errno = 0, each = ::readdir(open.get())) != nullptr) {
            if (std::string name = each->d_name; name != "." && name != "..") {
                names.push_back(std::move(name));
            }
        }
        code.assign(errno, std::generic_category());
#endif
        if (code) {
            throw errors::cannot_open(folder.string(), code.message());
        }
        return names;
    }
    void sync_folder(const std::filesystem::path& folder) override {
        if (!sync_names(folder)) {
            throw write_failure(folder);
        }
    }
    void make_folder(const std::filesystem::path& folder) override {
        std::error_code code;
        std::filesystem::create_directories(folder, code);
        if (code) {
            throw errors::cannot_write(folder.string(), code.message());
        }
    }
    [[nodiscard]] std::unique_ptr<file_lock> lock(const std::filesystem::path& file) override {
        bool held = false;
        const native_file handle = open_locked(file, held);
        if (handle == no_file) {
            if (held) {
                return nullptr;
            }
            throw write_failure(file);
        }
        return std::make_unique<system_lock>(handle);
    }
};

} // namespace detail

inline file_system& system_files() noexcept {
    static detail::system_file_system files; // has no state
    return files;
}

} // namespace io
MICE_NAMESPACE_END
