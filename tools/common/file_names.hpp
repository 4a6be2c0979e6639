// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// Ids of documents that are files: their paths, so that no two files share an id.
namespace mice::tools {

/// The form in which paths are stored and compared: absolute, without "." and "..", with links
/// resolved but for a file that is itself a link.
[[nodiscard]] std::filesystem::path full_path(const std::filesystem::path& path);

/// The part of a full path below `root`, with more folders in front until `taken` says no.
[[nodiscard]] std::string free_name(const std::filesystem::path& file, std::filesystem::path root,
                                    const std::function<bool(const std::string&)>& taken);

/// Names files by their paths below the folder that all given files and folders have in common: one
/// folder gives the paths in it, one file its name. Not thread-safe.
class file_names {
  public:
    /// `given`: files and folders; "-" and what does not exist count as files.
    explicit file_names(std::span<const std::string> given);

    /// The path below the common folder, with "/".
    [[nodiscard]] std::string id_of(const std::filesystem::path& file) const;
    /// The common folder.
    [[nodiscard]] const std::filesystem::path& root() const { return root_; }

  private:
    std::filesystem::path root_;
};

/// Remembers beside an index which file every document came from. So a file keeps its id however it
/// is given, another file does not get that id, and documents whose file is gone can be found. Not
/// thread-safe.
class known_files {
  public:
    /// The name of the file in which it is kept.
    static constexpr const char* name = "files.jsonl";

    /// Without that file nothing is known. The same holds for one that cannot be understood;
    /// trouble() then says so. Throws mice::error (errc::io) where it cannot be read.
    explicit known_files(std::filesystem::path folder);

    /// The id of a file: the one that it had, or else a new one, formed like those of the files
    /// beside it. No existing file has it, and `taken` does not refuse it.
    [[nodiscard]] std::string id_of(const std::filesystem::path& file, const file_names& names,
                                    const std::function<bool(const std::string&)>& taken);
    /// The id that a file has; empty where it has none.
    [[nodiscard]] std::string known_id(const std::filesystem::path& file) const;
    /// Whether that file was there and could be understood. If not, the index may hold documents of
    /// files that are not known.
    [[nodiscard]] bool existed() const { return existed_; }
    /// The content_hash of a file's document when it was put: with another hash, the document came
    /// from elsewhere.
    void set_hash(const std::string& id, const std::string& hash);
    /// Empty where nothing is known.
    [[nodiscard]] std::string hash_of(const std::string& id) const;
    /// Notes that the document `id` now comes from elsewhere or is removed.
    void forget(const std::string& id);
    /// The ids of files at or below one of these paths that are not there any more, sorted.
    [[nodiscard]] std::vector<std::string>
    gone_below(std::span<const std::filesystem::path> paths) const;

    /// Writes what has changed since the last call. Throws mice::error (errc::io).
    void save();
    /// What was wrong with the file; empty: nothing.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

  private:
    void read();
    void remember(const std::string& id, const std::string& file);
    [[nodiscard]] std::filesystem::path root_of(const std::filesystem::path& file,
                                                const std::filesystem::path& given) const;

    std::filesystem::path folder_;
    std::map<std::string, std::string> files_;            ///< id -> path
    std::unordered_map<std::string, std::string> ids_;    ///< path -> id
    std::unordered_map<std::string, std::string> roots_;  ///< folder -> where its ids begin
    std::unordered_map<std::string, std::string> hashes_; ///< id -> hash
    bool changed_ = false;
    bool existed_ = false;
    std::string trouble_;
};

} // namespace mice::tools
