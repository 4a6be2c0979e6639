// SPDX-License-Identifier: Apache-2.0
#include "find/watch/folder_events.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include <poll.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/inotify.h>
#include <sys/vfs.h>
#endif

namespace mice::find::watch {

namespace fs = std::filesystem;

#if defined(__linux__)
namespace {

constexpr std::uint32_t wanted_events = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |
                                        IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                                        IN_MOVE_SELF;
constexpr std::uint32_t of_folder_itself = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;

} // namespace

folder_events::folder_events() : queue_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

folder_events::outcome folder_events::set(std::int64_t collection, const fs::path& root,
                                          const std::vector<std::string>& folders) {
    outcome made;
    const std::set<std::string> wanted(folders.begin(), folders.end());
    std::vector<place> old;
    for (auto each = watches_.lower_bound({collection, ""});
         each != watches_.end() && each->first.first == collection; ++each) {
        if (!wanted.contains(each->first.second)) {
            old.push_back(each->first);
        }
    }
    for (const place& each : old) {
        remove(each);
    }
    for (const std::string& each : wanted) {
        const place here{collection, each};
        // A folder that took the place of another one has a watch of its own: asking again is
        // cheap, and gives the same number for the same folder.
        const int watch =
            ::inotify_add_watch(queue_, (root / each).c_str(), wanted_events | IN_ONLYDIR);
        if (watch < 0 && (errno == ENOSPC || errno == ENOMEM)) {
            forget(collection);
            return {.added = 0, .limit = true};
        }
        const auto known = watches_.find(here);
        if (watch < 0 || (known != watches_.end() && known->second == watch)) {
            continue;
        }
        if (known != watches_.end()) {
            remove(here);
        }
        watches_[here] = watch;
        places_[watch].push_back(here);
        ++made.added;
    }
    return made;
}

void folder_events::remove(const place& from) {
    const auto found = watches_.find(from);
    if (found == watches_.end()) {
        return;
    }
    const int watch = found->second;
    watches_.erase(found);
    if (const auto places = places_.find(watch); places != places_.end()) {
        std::erase(places->second, from);
        if (places->second.empty()) {
            places_.erase(places);
            (void)::inotify_rm_watch(queue_, watch); // it may be gone already
        }
    }
}

void folder_events::take(int watch, unsigned mask, const char* name, heard_changes& into) {
    if ((mask & IN_Q_OVERFLOW) != 0) {
        into.lost = true;
        return;
    }
    const auto found = places_.find(watch);
    if (found == places_.end()) {
        return;
    }
    const bool folder = (mask & (IN_ISDIR | of_folder_itself)) != 0;
    for (const place& each : found->second) {
        const std::string& in = each.second;
        into.changes.push_back(
            {each.first, *name == '\0' || in.empty() ? in + name : in + "/" + name, folder});
    }
    if ((mask & IN_IGNORED) != 0) {
        for (const place& each : found->second) {
            watches_.erase(each);
        }
        places_.erase(found);
    }
}

void folder_events::read_events(heard_changes& into) {
    alignas(inotify_event) std::array<char, 65536> buffer;
    ssize_t got = 0;
    while ((got = ::read(queue_, buffer.data(), buffer.size())) > 0) {
        const auto size = static_cast<std::size_t>(got);
        for (std::size_t at = 0; at + sizeof(inotify_event) <= size;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* const name = event.len > 0 ? buffer.data() + at + sizeof event : "";
            take(event.wd, event.mask, name, into);
            at += sizeof event + event.len;
        }
    }
}

bool on_network(const fs::path& folder) {
    struct statfs status {};
    if (::statfs(folder.c_str(), &status) != 0) {
        return false;
    }
    // NFS, SMB, CIFS, SMB2, FUSE (sshfs among them), 9P, Ceph, AFS, Coda, VirtualBox, Lustre
    constexpr std::array<std::uint32_t, 11> types{0x6969,     0x517B,     0xFF534D42, 0xFE534D42,
                                                  0x65735546, 0x01021997, 0x00C36400, 0x5346414F,
                                                  0x73757245, 0x786F4256, 0x0BD00BD0};
    return std::find(types.begin(), types.end(), static_cast<std::uint32_t>(status.f_type)) !=
           types.end();
}
#else
folder_events::folder_events() = default;

folder_events::outcome folder_events::set(std::int64_t /*collection*/, const fs::path& /*root*/,
                                          const std::vector<std::string>& /*folders*/) {
    return {.added = 0, .limit = true};
}

void folder_events::remove(const place& /*from*/) {}

void folder_events::take(int /*watch*/, unsigned /*mask*/, const char* /*name*/,
                         heard_changes& /*into*/) {}

void folder_events::read_events(heard_changes& /*into*/) {}

bool on_network(const fs::path& /*folder*/) {
    return false;
}
#endif

folder_events::~folder_events() {
    if (queue_ >= 0) {
        ::close(queue_);
    }
}

void folder_events::forget(std::int64_t collection) {
    auto each = watches_.lower_bound({collection, ""});
    while (each != watches_.end() && each->first.first == collection) {
        const place here = each->first;
        ++each;
        remove(here);
    }
}

heard_changes folder_events::wait(std::chrono::milliseconds longest) {
    heard_changes heard;
    pollfd queue{queue_, POLLIN, 0};
    if (::poll(&queue, supported() ? 1 : 0, static_cast<int>(longest.count())) > 0) {
        read_events(heard);
    }
    return heard;
}

} // namespace mice::find::watch
