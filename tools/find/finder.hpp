// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/highlights.hpp>
#include <mice/index.hpp>
#include <mice/reranker.hpp>

#include "find/catalog.hpp"
#include "find/fusion.hpp"
#include "find/words.hpp"

// What every way to ask uses: the commands, a server, a watcher.
namespace mice::find {

/// Where an index is, and what computes.
struct finder_options {
    std::filesystem::path folder; ///< of the index
    std::string model;            ///< file; empty: the default model
    std::size_t threads = 0;      ///< of ranking; 0: all processors
    precision computed = precision::automatic;
};

/// $XDG_DATA_HOME/mice-find, or ~/.local/share/mice-find.
[[nodiscard]] std::filesystem::path default_folder();

/// A name in which each byte that is no UTF-8, and each character that steers a terminal, is
/// U+FFFD: what lists and JSON show. `get` takes it back.
[[nodiscard]] std::string shown_name(std::string_view name);

/// What is asked.
struct question {
    std::string text; ///< as parse_query reads it; any bytes
    std::size_t results = 10;
    std::vector<std::string> collections; ///< names; empty: all
    std::vector<std::string> kinds;       ///< of files, as extraction names them; empty: all
    std::string folder;                   ///< below collections, with "/" between; empty: all
    std::optional<double> min_score;
    bool rerank = true;           ///< false: by words alone; loads no model
    std::size_t candidates = 100; ///< that the model ranks
    bool highlights = true;
    fusion_options fused{};
    const cancellation* cancel = nullptr; ///< ends the call with errc::stopped
};

/// A passage that answers, the best one of its document.
struct found_passage {
    std::string document; ///< id: 8 hexadecimal digits, or more where they are not enough
    double score = 0;     ///< re-ranked: 0 to 1; by words: BM25
    std::string collection;
    std::filesystem::path file;                 ///< absolute; bytes
    std::string title;                          ///< or the file's name
    std::string heading;                        ///< "A > B", or empty
    std::string member;                         ///< attachment or archive member, or empty
    std::int64_t page = 0, line = 0;            ///< of the file; 0: unknown
    std::int64_t first_line = 0, last_line = 0; ///< of the text, as get() counts
    std::string passage;
    mice::highlights highlights; ///< bytes of `passage`
    std::int64_t content = 0;
    // Why it is where it is; ranks count from 1, 0: by a file's name alone.
    std::size_t words_rank = 0, model_rank = 0;
    double words_score = 0, model_score = 0, fused_score = 0;
    bool encoded_now = false; ///< its states were missing
};

/// Answers, best first.
struct answer {
    std::vector<found_passage> found;
    std::size_t candidates = 0; ///< passages that were looked at
    bool no_words = false;      ///< the question has no word that is looked for
    std::string states_note;    ///< why some states are missing; empty: nothing is damaged
    std::string empty_field;    ///< "title:" or "path:" with nothing behind it; empty: none
    double words_seconds = 0, load_seconds = 0, rank_seconds = 0, highlight_seconds = 0;
};

/// A document's text.
struct document_text {
    std::string document; ///< id
    std::string collection;
    std::filesystem::path file;
    std::string title, kind, notes;
    bool truncated = false;
    std::int64_t first_line = 1; ///< of the whole text
    std::int64_t lines = 0;      ///< of the whole text
    std::int64_t bytes = 0;      ///< of the whole text
    std::string text;            ///< the lines that were asked for
};

/// Which lines of a text are wanted.
struct line_range {
    std::int64_t from = 1;
    std::int64_t count = 0; ///< 0: all
};

/// A file in a listing.
struct listed_file {
    std::string collection, path, document, title, kind, error;
    std::string notes;      ///< what of it is not in its text, or empty
    bool truncated = false; ///< it has more text than is kept
    std::int64_t size = 0, mtime = 0;
};

/// A collection and how much it holds.
struct collection_status {
    collection of;
    std::int64_t files = 0, without_text = 0, failed = 0, bytes = 0;
};

/// What an index holds.
struct index_status {
    std::filesystem::path folder;
    std::vector<collection_status> collections;
    std::int64_t files = 0, documents = 0, passages = 0, text_bytes = 0;
    std::uint64_t disk_bytes = 0;
    std::string model; ///< fingerprint
    std::string codec;
    std::string unfinished; ///< what the next update goes on with; empty: nothing
};

/// Reads an index. For one thread at a time; sees what was committed when a call begins.
class finder {
  public:
    /// Throws mice::error where there is no index, or one that this version cannot read.
    explicit finder(finder_options options);

    /// Throws errc::invalid_argument for a collection that is not there, errc::mismatch for an
    /// index of another model, errc::stopped where it was cancelled.
    [[nodiscard]] answer query(const question& asked);
    /// The document of a name: "#" and the begin of its id, "collection/path", a file's path, or
    /// the end of one; or one of these as shown_name() gives it. Throws errc::invalid_argument,
    /// with what is similar, where none or several have it.
    [[nodiscard]] document_text get(std::string_view name, const line_range& lines = {});
    /// All documents whose "collection/path" or path below the collection matches a pattern.
    [[nodiscard]] std::vector<std::int64_t> matching(std::string_view pattern);
    /// The text of a file.
    [[nodiscard]] document_text text_of(std::int64_t file, const line_range& lines = {});
    /// Collections where `place` is empty, else the files of "collection" or "collection/path".
    [[nodiscard]] std::vector<listed_file> list(std::string_view place);
    [[nodiscard]] index_status status();

    [[nodiscard]] const catalog& held() const noexcept { return catalog_; }
    /// Loads the model, once.
    [[nodiscard]] const mice::reranker& ranker();

  private:
    struct candidate;
    struct scope;
    [[nodiscard]] scope scope_of(const question& asked, std::string paths);
    [[nodiscard]] std::vector<candidate> candidates_of(const question& asked,
                                                       const parsed_query& parsed,
                                                       const scope& within, answer& made);
    void open_states_in_use();
    void rank(std::vector<candidate>& candidates, const question& asked, const std::string& text,
              answer& made);
    void describe(found_passage& found, const candidate& of, const scope& within);
    void highlight(std::vector<found_passage>& found, const std::vector<const candidate*>& of,
                   const question& asked);
    void highlight(found_passage& found, const candidate& of, const std::string& context) const;
    [[nodiscard]] std::string document_id(std::string_view key);
    [[nodiscard]] std::int64_t file_of(std::string_view name);
    [[nodiscard]] std::int64_t file_shown_as(std::string_view name, std::string_view absolute);

    finder_options options_;
    catalog catalog_;
    std::optional<reranker> ranker_;
    std::optional<mice::index> states_;
    std::string states_name_;
    std::optional<mice::query> encoded_;
};

} // namespace mice::find
