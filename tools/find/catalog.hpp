// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "find/database.hpp"
#include "find/walk.hpp"

// The catalog: collections, files, texts and their words, in one SQLite file. Its last transaction
// is what is indexed.
namespace mice::find {

/// A folder that is indexed.
struct collection {
    std::int64_t id = 0;
    std::string name;
    std::filesystem::path root; ///< absolute
    walk_options options;
};

/// A file as the catalog knows it.
struct known_file {
    std::int64_t id = 0;
    file_stamp stamp;         ///< size -1: to be tried again
    std::int64_t content = 0; ///< 0: it has no text, `error` says why
};

/// A passage of a text. A text's slices, one after the other, are the whole text; the passage is
/// what is in its slice without the white space around.
struct stored_slice {
    std::string hash; ///< 16 bytes, of what the model reads
    std::string heading;
    std::string member;
    std::int64_t page = 0;
    std::int64_t line = 0;       ///< of the file, 0: unknown
    std::int64_t first_line = 1; ///< of the text
    std::int64_t last_line = 1;
    std::int64_t begin = 0; ///< of the passage in the slice
    std::int64_t size = 0;  ///< of the passage
    std::string slice;

    [[nodiscard]] std::string_view passage() const {
        return std::string_view(slice).substr(static_cast<std::size_t>(begin),
                                              static_cast<std::size_t>(size));
    }
};

/// The text of a file, as it is stored once for all files of that content.
struct stored_text {
    std::string key; ///< hash of the file's bytes, and the ending of its name
    std::string kind;
    std::string title;
    std::string notes; ///< a line each
    bool truncated = false;
    std::int64_t bytes = 0, lines = 0;
    std::vector<stored_slice> slices;
};

/// What is read by the model of a passage: what it is about, and its text.
[[nodiscard]] std::string context_of(std::string_view title, std::string_view heading,
                                     std::string_view passage);
/// The context, a line break and the passage; the passage alone where there is no context.
[[nodiscard]] std::string encoded_text(std::string_view context, std::string_view passage);

/// The hash of what the model reads of a passage: 16 bytes.
[[nodiscard]] std::string hash_of_passage(std::string_view text);

/// Bytes as hexadecimal digits: a passage's id in the index of states.
[[nodiscard]] std::string hex_of(std::string_view bytes);
/// The reverse; empty where they are no such digits.
[[nodiscard]] std::string from_hex(std::string_view digits);

/// The catalog's file. For one thread at a time.
class catalog {
  public:
    static constexpr const char* file_name = "catalog.sqlite";
    static constexpr int version = 1;

    /// With access_mode::write an older catalog is made anew: it keeps its collections, and the
    /// next update reads their files. Throws mice::error: errc::unsupported for one of a newer
    /// version, errc::io where there is none to read.
    catalog(const std::filesystem::path& folder, access_mode way);

    [[nodiscard]] const database& base() const noexcept { return base_; }
    /// Whether an older catalog was made anew.
    [[nodiscard]] bool rebuilt() const noexcept { return rebuilt_; }

    // ---- settings ----
    [[nodiscard]] std::string setting(std::string_view name) const;
    void set(std::string_view name, std::string_view value) const;

    // ---- collections ----
    [[nodiscard]] std::vector<collection> collections() const;
    [[nodiscard]] std::optional<collection> find_collection(std::string_view name) const;
    void add_collection(const collection& added) const;
    /// The collection and its files; their texts go with remove_unused_texts().
    void remove_collection(std::int64_t id) const;

    // ---- files ----
    [[nodiscard]] std::unordered_map<std::string, known_file> files_of(std::int64_t in) const;
    /// The keys of all texts.
    [[nodiscard]] std::unordered_map<std::string, std::int64_t> text_keys() const;
    void put_file(std::int64_t in, std::string_view path, const file_stamp& stamp,
                  std::int64_t content, std::string_view title, std::string_view error) const;
    void set_stamp(std::int64_t file, const file_stamp& stamp) const;
    void remove_file(std::int64_t file) const;

    // ---- texts ----
    [[nodiscard]] std::int64_t find_text(std::string_view key) const;
    [[nodiscard]] std::string title_of(std::int64_t content) const;
    /// Bytes of all texts.
    [[nodiscard]] std::uint64_t text_bytes() const;
    /// Adds a text with its words; returns its number.
    std::int64_t add_text(const stored_text& added) const;
    /// Removes texts of no file, some at a time; false when none is left. Their states are to be
    /// removed.
    bool remove_unused_texts() const;
    /// Calls with (hash, what the model reads) for every passage; but not where bytes of the text
    /// have changed, as their states would be those of another text.
    void each_passage(const std::function<void(std::string_view, const std::string&)>& call) const;

    /// What of the catalog does not fit together, a line each; reads every table and index.
    [[nodiscard]] std::vector<std::string> damage() const;
    /// Makes SQLite's indexes and the words anew of the tables, and lets go of rows of nothing: the
    /// next update reads the files of texts that are gone. Throws mice::error where a table itself
    /// cannot be read.
    void repair() const;
    /// Texts in which bytes are not those that were written.
    [[nodiscard]] std::vector<std::int64_t> changed_texts() const;
    /// Lets the next update read the files of such texts again. Until then they are found by the
    /// words that they have now.
    void read_again(const std::vector<std::int64_t>& contents) const;

    // ---- states to be removed unless a passage has them ----
    void doom_states(const std::vector<std::string>& hashes) const;
    /// Those of which no passage is left. The others are forgotten.
    [[nodiscard]] std::vector<std::string> doomed_states() const;
    void forget_doomed() const;

  private:
    void prepare(const std::filesystem::path& folder, access_mode way);
    void create() const;
    void delete_words(std::int64_t content) const;
    void make_words() const;

    database base_;
    bool rebuilt_ = false;
};

} // namespace mice::find
