// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace mice::find::watch {

/// Something in a folder changed.
struct change {
    std::int64_t collection = 0;
    std::string path;    ///< relative to the collection's root
    bool folder = false; ///< it is a folder: others may have come or gone with it
};

/// What was heard since the last time.
struct heard_changes {
    std::vector<change> changes;
    bool lost = false; ///< there were too many: anything may have changed
};

/// Hears what changes in folders, as the system tells it (Linux: inotify). For one thread.
class folder_events {
  public:
    folder_events();
    ~folder_events();
    folder_events(const folder_events&) = delete;
    folder_events& operator=(const folder_events&) = delete;

    /// Whether the system tells anything here.
    [[nodiscard]] bool supported() const noexcept { return queue_ >= 0; }

    /// What came of set().
    struct outcome {
        std::size_t added = 0; ///< folders that were not watched before
        bool limit = false;    ///< the system watches no more: none of the collection is watched
    };
    /// The folders of a collection, relative to its root: new ones are watched from now on, others
    /// no more. Those that are gone already are left out.
    outcome set(std::int64_t collection, const std::filesystem::path& root,
                const std::vector<std::string>& folders);
    /// Watches none of a collection's folders any more.
    void forget(std::int64_t collection);

    /// Waits for changes, at most so long; also ends, with nothing, at a signal.
    [[nodiscard]] heard_changes wait(std::chrono::milliseconds longest);

  private:
    using place = std::pair<std::int64_t, std::string>; ///< collection, folder

    void remove(const place& from);
    void read_events(heard_changes& into);
    void take(int watch, unsigned mask, const char* name, heard_changes& into);

    int queue_ = -1;
    std::map<place, int> watches_;
    std::map<int, std::vector<place>> places_; ///< one folder may belong to several collections
};

/// Whether a folder lies where the system does not tell what other machines change.
[[nodiscard]] bool on_network(const std::filesystem::path& folder);

} // namespace mice::find::watch
