// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "find/finder.hpp"
#include "find/open_index.hpp"
#include "find/opener.hpp"

// What GNOME's overview asks of a search provider, without D-Bus.
namespace mice::find::gnome {

/// A result as the overview shows it. All texts are UTF-8, and valid.
struct shown_entry {
    std::string id;
    std::string name;        ///< title
    std::string description; ///< the sentence that answers, on one line
    std::string icon;        ///< name of an icon of the theme
};

/// Answers from the default index, by the model. For one thread.
class desktop_search {
  public:
    /// `program` is mice-find: it shows the page for a whole search.
    desktop_search(finder_options options, std::filesystem::path program);

    /// Ids of the documents that answer, best first; none where there is no index. Throws
    /// mice::error where there is one that cannot be read.
    [[nodiscard]] std::vector<std::string> results(const std::vector<std::string>& terms);
    /// Those of `ids` that the last search gave, or that the index still has.
    [[nodiscard]] std::vector<shown_entry> entries(const std::vector<std::string>& ids);
    /// Opens a result's file. Throws mice::error where it is gone.
    void open(const std::string& id);
    /// Opens the page with this search.
    void show_all(const std::vector<std::string>& terms);

  private:
    [[nodiscard]] finder* reader();

    std::filesystem::path catalog_; ///< file
    std::filesystem::path program_;
    open_index index_;
    std::vector<found_passage> found_; ///< of the last search
    opener opener_;
};

} // namespace mice::find::gnome
