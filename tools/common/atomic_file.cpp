// SPDX-License-Identifier: Apache-2.0
#include "common/atomic_file.hpp"

#include <cerrno>
#include <random>
#include <string>
#include <system_error>
#include <utility>

#include <mice/error.hpp>

#if defined(_WIN32)
#include <io.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

namespace mice::tools {
namespace {

error write_failure(const std::filesystem::path& target, int code) {
    std::string reason = std::generic_category().message(code);
    switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        reason += "; free some space or name another folder, nothing was changed";
        break;
    case ENOENT:
        reason += "; create the folder first";
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        reason += "; name a folder that you may write to";
        break;
    default:
        reason += "; nothing was changed";
    }
    return detail::errors::cannot_write(target.string(), reason);
}

std::string random_suffix() {
    constexpr std::string_view digits = "0123456789abcdef";
    std::random_device source;
    std::string text = ".tmp-";
    for (int i = 0; i < 8; ++i) {
        text += digits[source() % digits.size()];
    }
    return text;
}

/// Waits until the file's bytes are on the disk. On false, errno has the cause.
bool flush_to_disk(std::FILE* file) {
    if (std::fflush(file) != 0) {
        return false;
    }
#if defined(_WIN32)
    return _commit(_fileno(file)) == 0;
#else
    return ::fsync(::fileno(file)) == 0;
#endif
}

/// Makes the rename itself durable. Some file systems cannot flush a folder; that is no error.
void flush_folder([[maybe_unused]] const std::filesystem::path& target) {
#if !defined(_WIN32)
    const std::filesystem::path parent = target.parent_path();
    const int folder =
        ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return; // a folder may be writable without being readable
    }
    const int code = ::fsync(folder) == 0 ? 0 : errno;
    ::close(folder);
    if (code != 0 && code != EINVAL && code != ENOTSUP) {
        throw detail::errors::cannot_write(
            target.string(), "the file is complete, but its folder could not be flushed (" +
                                 std::generic_category().message(code) + "); run it again");
    }
#endif
}

} // namespace

atomic_file::atomic_file(std::filesystem::path target) : target_(std::move(target)) {
    std::error_code ignored;
    const auto status = std::filesystem::symlink_status(target_, ignored);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
        throw detail::errors::cannot_write(
            target_.string(), "it exists and is not a regular file; name another file");
    }
    if (target_.filename().empty()) {
        throw detail::errors::cannot_write(target_.string(), "it names no file; add a file name");
    }
    constexpr int attempts = 16;
    for (int attempt = 0; attempt < attempts && file_ == nullptr; ++attempt) {
        temporary_ = target_;
        temporary_ += random_suffix();
        file_ = std::fopen(temporary_.string().c_str(), "wbx");
        if (file_ == nullptr && errno != EEXIST) {
            throw write_failure(target_, errno);
        }
    }
    if (file_ == nullptr) {
        throw write_failure(target_, EEXIST);
    }
}

atomic_file::~atomic_file() {
    if (file_ != nullptr) {
        std::fclose(file_);
    }
    if (!temporary_.empty()) {
        std::error_code ignored;
        std::filesystem::remove(temporary_, ignored);
    }
}

void atomic_file::write(std::span<const std::byte> bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
        throw write_failure(target_, errno);
    }
}

void atomic_file::write(std::string_view text) {
    write(std::as_bytes(std::span(text)));
}

void atomic_file::commit() {
    if (!flush_to_disk(file_)) {
        throw write_failure(target_, errno);
    }
    if (std::fclose(std::exchange(file_, nullptr)) != 0) {
        throw write_failure(target_, errno);
    }
    std::error_code code;
    std::filesystem::rename(temporary_, target_, code);
    if (code) {
        throw write_failure(target_, code.value());
    }
    temporary_.clear();
    flush_folder(target_);
}

} // namespace mice::tools
