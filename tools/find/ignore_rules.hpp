// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Which files a folder's .gitignore and .ignore leave out, and masks of names.
namespace mice::find {

/// Whether a path matches a pattern of .gitignore, without its "!" and slashes at the ends: `*` and
/// `?` stand for anything but "/", `**` between slashes for any folders, `[a-z]` and `[!a-z]` for
/// one byte of a set, a backslash for the next byte itself. Any bytes are a pattern. Time: pattern
/// times path.
[[nodiscard]] bool matches_glob(std::string_view pattern, std::string_view path);

/// What a mask such as "*.md" or "notes/**/*.txt" takes: one without "/" looks at the last name.
[[nodiscard]] bool matches_mask(std::string_view mask, std::string_view path);

/// What rules say of a path.
enum class verdict { none, ignored, kept };

/// The rules of one file. Immutable.
class ignore_file {
  public:
    explicit ignore_file(std::string_view content);

    /// The last rule that matches decides. `path` is relative to the file's folder.
    [[nodiscard]] verdict of(std::string_view path, bool folder) const;
    [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }

  private:
    struct rule {
        std::string pattern;
        bool keeps = false;        ///< began with "!"
        bool folders_only = false; ///< ended in "/"
        bool anchored = false;     ///< has a "/" elsewhere: matches from the file's folder on
    };
    std::vector<rule> rules_;
};

/// The rules that hold in a folder: its own, and those of the folders above. Cheap to copy.
class ignore_rules {
  public:
    /// The rules inside a folder whose path, relative to the walk's root, is `folder` ("" is the
    /// root), with the contents of its .gitignore and .ignore; the later one goes before.
    [[nodiscard]] ignore_rules inside(std::string_view folder, std::string_view gitignore,
                                      std::string_view ignore) const;
    /// Whether a path, relative to the walk's root, is left out. The innermost file that says
    /// something decides. What is in a folder that is left out is never asked for.
    [[nodiscard]] bool ignores(std::string_view path, bool folder) const;

  private:
    struct level {
        std::string folder; ///< with "/" at its end, or ""
        ignore_file rules;
        std::shared_ptr<const level> above;
    };
    std::shared_ptr<const level> innermost_;
};

} // namespace mice::find
