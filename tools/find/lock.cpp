// SPDX-License-Identifier: Apache-2.0
#include "find/lock.hpp"

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mice/error.hpp>

namespace mice::find {
namespace {

/// Who has the lock, as it wrote itself: "process 123 (update)".
std::string holder_of(int file) {
    std::array<char, 128> text{};
    const ssize_t got = ::pread(file, text.data(), text.size(), 0);
    return got > 0 ? std::string(text.data(), static_cast<std::size_t>(got))
                   : std::string("another process");
}

} // namespace

write_lock::write_lock(const std::filesystem::path& folder, std::string_view purpose,
                       std::chrono::seconds patience,
                       const std::function<bool(const std::string&)>& waiting) {
    const std::string name = (folder / file_name).string();
    file_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (file_ < 0) {
        throw detail::errors::cannot_write(name, std::generic_category().message(errno));
    }
    const auto end = std::chrono::steady_clock::now() + patience;
    bool told = false;
    while (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
        const int code = errno;
        const std::string holder = holder_of(file_);
        bool stop = code != EWOULDBLOCK && code != EINTR;
        if (!stop && !told && patience.count() > 0) {
            told = true;
            stop = waiting && !waiting(holder);
        }
        if (stop || std::chrono::steady_clock::now() >= end) {
            ::close(file_);
            if (code != EWOULDBLOCK && code != EINTR) {
                throw detail::errors::cannot_write(name, std::generic_category().message(code));
            }
            throw error(errc::mismatch, "the index is being written by " + holder +
                                            "; --wait SECONDS waits for it to end");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const std::string own =
        "process " + std::to_string(::getpid()) + " (" + std::string(purpose) + ")";
    if (::ftruncate(file_, 0) != 0 ||
        ::pwrite(file_, own.data(), own.size(), 0) != static_cast<ssize_t>(own.size())) {
        // A full disk: the lock holds all the same, and others are told of "another process".
        errno = 0;
    }
}

write_lock::~write_lock() {
    ::close(file_);
}

} // namespace mice::find
