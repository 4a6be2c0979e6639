// SPDX-License-Identifier: Apache-2.0
#include "find/walk.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mice/error.hpp>
#include <mice/io/checksum.hpp>

#include "common/descriptor.hpp"
#include "find/ignore_rules.hpp"

namespace mice::find {
namespace {

std::string reason_of(int code) {
    return std::generic_category().message(code);
}

file_stamp stamp_from(const struct stat& status) {
    return {.size = static_cast<std::int64_t>(status.st_size),
            .mtime = static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                     status.st_mtim.tv_nsec,
            .inode = static_cast<std::int64_t>(status.st_ino),
            .device = static_cast<std::int64_t>(status.st_dev)};
}

/// A small file inside an open folder: "" where there is none.
std::string small_file(int folder, const char* name) {
    constexpr std::size_t most = std::size_t{1} << 20;
    const tools::descriptor file(
        ::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return {};
    }
    std::string content;
    std::array<char, 16384> some{};
    for (ssize_t got = 0;
         content.size() < most && (got = ::read(file.get(), some.data(), some.size())) > 0;) {
        content.append(some.data(), static_cast<std::size_t>(got));
    }
    return content;
}

/// Where a folder is: what a loop of links comes back to.
struct folder_identity {
    dev_t device;
    ino_t inode;
};

class walker {
  public:
    walker(const walk_options& options, const std::function<bool(std::uint64_t)>& keep_on)
        : options_(options), keep_on_(keep_on) {
        struct stat status {};
        if (!options.left_out.empty() && ::stat(options.left_out.c_str(), &status) == 0) {
            left_out_ = {status.st_dev, status.st_ino};
            leaves_out_ = true;
        }
    }

    walk_result run(const std::filesystem::path& root) {
        tools::descriptor folder(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct stat status {};
        if (folder.get() < 0 || ::fstat(folder.get(), &status) != 0) {
            throw detail::errors::cannot_open(root.string(), reason_of(errno));
        }
        device_ = status.st_dev;
        above_.push_back({status.st_dev, status.st_ino});
        std::size_t entries = 0;
        if (!enter(folder.release(), "", {}, entries)) {
            throw detail::errors::cannot_open(root.string(), found_.problems.back().reason);
        }
        found_.empty = entries == 0;
        return std::move(found_);
    }

  private:
    /// Deeper folders would need more open files than a process may have.
    static constexpr std::size_t deepest = 200;

    struct entry {
        std::string name;
        unsigned char type;
    };

    /// Looks at everything in a folder, which it closes; false where it cannot be read.
    bool enter(int folder, const std::string& path, const ignore_rules& above, std::size_t& count) {
        DIR* const stream = ::fdopendir(folder);
        if (stream == nullptr) {
            ::close(folder);
            return refuse(path, errno);
        }
        std::vector<entry> entries;
        errno = 0;
        bool git = false, other = false;
        while (const dirent* const each = ::readdir(stream)) {
            const std::string_view name = each->d_name;
            if (name != "." && name != "..") {
                git = git || name == ".gitignore";
                other = other || name == ".ignore";
                ++count;
                if (options_.hidden || name.front() != '.') {
                    entries.push_back({std::string(name), each->d_type});
                }
            }
            errno = 0;
        }
        const bool read = errno == 0 || refuse(path, errno);
        found_.folders.push_back(path);
        ignore_rules rules = above;
        if (options_.ignore_files && (git || other)) {
            rules = above.inside(path, git ? small_file(folder, ".gitignore") : "",
                                 other ? small_file(folder, ".ignore") : "");
        }
        for (const entry& each : entries) {
            if (stopped_) {
                break;
            }
            look_at(folder, path.empty() ? each.name : path + "/" + each.name, each, rules);
        }
        ::closedir(stream);
        return read;
    }

    void look_at(int folder, const std::string& path, const entry& each,
                 const ignore_rules& rules) {
        if (each.type == DT_LNK && !options_.follow) {
            return;
        }
        if (each.type == DT_FIFO || each.type == DT_SOCK || each.type == DT_CHR ||
            each.type == DT_BLK) {
            ++found_.special;
            return;
        }
        const bool known = each.type == DT_REG || each.type == DT_DIR;
        if (known && rules.ignores(path, each.type == DT_DIR)) {
            return; // not even looked at
        }
        if (each.type == DT_REG && !taken(path)) {
            return;
        }
        struct stat status {};
        if (::fstatat(folder, each.name.c_str(), &status,
                      options_.follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno != ENOENT) { // gone meanwhile, or a link to nothing
                refuse(path, errno);
            }
            return;
        }
        if (!known && rules.ignores(path, S_ISDIR(status.st_mode))) {
            return;
        }
        if (S_ISDIR(status.st_mode)) {
            descend(folder, path, each.name, status, rules);
        } else if (S_ISREG(status.st_mode)) {
            add(path, status);
        } else if (!S_ISLNK(status.st_mode)) {
            ++found_.special;
        }
    }

    [[nodiscard]] bool taken(const std::string& path) const {
        return options_.mask.empty() || matches_mask(options_.mask, path);
    }

    void add(const std::string& path, const struct stat& status) {
        if (!taken(path)) {
            return;
        }
        if (options_.max_size > 0 &&
            static_cast<std::uint64_t>(status.st_size) > options_.max_size) {
            ++found_.too_large;
            return;
        }
        found_.files.push_back({path, stamp_from(status)});
        if (keep_on_ && found_.files.size() % 256 == 0) {
            stopped_ = !keep_on_(found_.files.size());
        }
    }

    void descend(int folder, const std::string& path, const std::string& name,
                 const struct stat& status, const ignore_rules& rules) {
        const folder_identity here{status.st_dev, status.st_ino};
        if ((options_.one_file_system && here.device != device_) ||
            (leaves_out_ && here.device == left_out_.device && here.inode == left_out_.inode)) {
            return;
        }
        for (const folder_identity& each : above_) {
            if (each.device == here.device && each.inode == here.inode) {
                return; // a link back to a folder above
            }
        }
        if (above_.size() >= deepest) {
            found_.problems.push_back({path, "it lies too deep"});
            return;
        }
        const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (options_.follow ? 0 : O_NOFOLLOW);
        const int inside = ::openat(folder, name.c_str(), flags);
        if (inside < 0) {
            if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
                refuse(path, errno);
            }
            return;
        }
        above_.push_back(here);
        std::size_t count = 0;
        enter(inside, path, rules, count);
        above_.pop_back();
    }

    bool refuse(const std::string& path, int code) {
        found_.problems.push_back({path, reason_of(code)});
        return false;
    }

    const walk_options& options_;
    const std::function<bool(std::uint64_t)>& keep_on_;
    walk_result found_;
    std::vector<folder_identity> above_;
    dev_t device_ = 0;
    folder_identity left_out_{};
    bool leaves_out_ = false;
    bool stopped_ = false;
};

} // namespace

walk_result walk(const std::filesystem::path& root, const walk_options& options,
                 const std::function<bool(std::uint64_t)>& keep_on) {
    return walker(options, keep_on).run(root);
}

file_stamp stamp_of(const std::filesystem::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) {
        throw detail::errors::cannot_open(file.string(), reason_of(errno));
    }
    return stamp_from(status);
}

std::string hash_of_file(const std::filesystem::path& file, std::int64_t size) {
    // What was a file when it was found may be a pipe now: never wait for one.
    const tools::descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (opened.get() < 0 || ::fstat(opened.get(), &status) != 0) {
        throw std::runtime_error(reason_of(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        throw std::runtime_error("it is no regular file");
    }
    io::hasher128 hash;
    std::int64_t seen = 0;
    std::vector<char> some(std::size_t{1} << 16);
    while (true) {
        const ssize_t got = ::read(opened.get(), some.data(), some.size());
        if (got < 0) {
            throw std::runtime_error(reason_of(errno));
        }
        if (got == 0) {
            break;
        }
        seen += got;
        if (seen > size) {
            throw changed_while_read();
        }
        hash.add(std::as_bytes(std::span(some).first(static_cast<std::size_t>(got))));
    }
    if (seen != size) {
        throw changed_while_read();
    }
    const io::hash128 made = hash.digest();
    std::string bytes(sizeof made.high + sizeof made.low, '\0');
    std::memcpy(bytes.data(), &made.high, sizeof made.high);
    std::memcpy(bytes.data() + sizeof made.high, &made.low, sizeof made.low);
    return bytes;
}

} // namespace mice::find
