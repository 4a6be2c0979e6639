// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <mice/parallel.hpp>
#include <mice/store/codec.hpp>
#include <mice/tokenizer.hpp>

// What an index is told and what it tells.
MICE_NAMESPACE_BEGIN
namespace io {
class file_system;
}

/// Whether an index keeps the words of its texts, which candidates() searches.
enum class index_words { keep, none };

/// What an index is; fixed when it is created.
struct index_options {
    index_codec codec{}; ///< how states are stored
    index_words words =
        index_words::keep; ///< about a tenth of the texts' size, without spaces more
};

/// How a program works with an index.
struct index_access {
    special_tokens specials = special_tokens::plain; ///< "[SEP]" in a text of put() is plain text
    invalid_utf8 on_invalid = invalid_utf8::replace; ///< or put() refuses such a text
    std::size_t threads = 0;                         ///< of encoding; as in parallel_options
    executor* pool = nullptr; ///< the caller's threads for encoding; mice then starts none
    /// Where the index's files are written; null: the operating system's. Must outlive the index.
    io::file_system* files = nullptr;
    /// A segment ends where its tables in memory (ids, metadata, words) reach this size, in bytes.
    std::size_t segment_memory = std::size_t{64} << 20;
};

/// What put() did.
enum class put_result {
    added,    ///< the index did not hold that id
    replaced, ///< another text or metadata of that id is gone
    unchanged ///< the index holds the same text and metadata: nothing was encoded
};

/// What commit() did.
struct index_commit {
    std::uint64_t generation = 0; ///< number of the commit; the same where nothing had changed
    std::uint64_t documents = 0;  ///< in the index now
    /// Why joining small segments has to wait, such as a full disk; the commit itself is done.
    /// Empty: nothing waits.
    std::string postponed;
    /// Since the last commit: documents that the model could not read to their end, and the tokens
    /// that were cut of them.
    std::uint64_t documents_cut = 0, tokens_cut = 0;
};

/// What merge() does with an id that two of the indexes hold with different content.
enum class merge_conflict {
    refuse,     ///< errc::mismatch, naming the id; nothing is merged
    keep_first, ///< the first index's document stays
    keep_last   ///< the last index's document stays
};

/// What merge() did.
struct index_merge {
    std::uint64_t generation = 0; ///< of the commit that it ended with
    std::uint64_t added = 0;      ///< documents that came from the other indexes
    std::uint64_t replaced = 0;   ///< that took another's place (keep_last)
    std::uint64_t skipped = 0;    ///< left out: equal to one that was there, or by keep_first
};

/// What an index tells of one of its documents.
struct stored_document {
    std::string id;
    std::string metadata;
    std::size_t tokens_seen = 0; ///< tokens that were encoded, special tokens included
    std::size_t tokens_cut = 0;  ///< tokens beyond the model's limit
    std::size_t replaced = 0;    ///< invalid UTF-8 sequences that became U+FFFD
    std::size_t rows = 0;     ///< states stored; fewer than tokens where the codec pools or drops
    std::size_t bytes = 0;    ///< of the states' codes
    std::string content_hash; ///< 32 hexadecimal digits; equal for equal text and metadata
};

/// The states of one document as scoring reads them.
struct stored_states {
    std::size_t rows = 0;
    std::size_t width = 0;   ///< floats of a row
    bool key_values = false; ///< false: values [rows, width], the model's states; true: of each
                             ///< interaction layer [rows, 2 * hidden], keys and values
    std::vector<float> values;
};

/// Where an index's bytes are, in numbers of bytes.
struct index_bytes {
    std::uint64_t codes = 0;     ///< states
    std::uint64_t documents = 0; ///< table of documents, and the hash table of their ids
    std::uint64_t texts = 0;     ///< ids, metadata, and token ids where the model needs them
    std::uint64_t words = 0;     ///< for candidates()
    std::uint64_t other = 0;     ///< checksums, headers, deletions, codec parameters, manifest
    [[nodiscard]] std::uint64_t total() const noexcept {
        return codes + documents + texts + words + other;
    }
};

/// What an index holds at one commit.
struct index_stats {
    std::uint64_t generation = 0; ///< number of the commit
    std::uint64_t documents = 0;
    std::uint64_t deleted = 0; ///< documents still in the files, until compact()
    std::uint64_t tokens = 0;  ///< encoded, of the documents that are there
    std::uint64_t rows = 0;    ///< states stored, of the documents that are there
    std::uint64_t segments = 0;
    std::uint64_t files = 0; ///< that this commit uses
    index_bytes bytes{};     ///< of those files
    /// Of everything in the folder: also the commit before, which is kept until two more commits or
    /// compact(), what a killed writer left, and what repair() put aside.
    std::uint64_t disk_bytes = 0;
    std::uint64_t disk_files = 0;
    index_codec codec{};
    index_words words = index_words::keep;
    /// How texts were cut into words: 2, or 1 of mice before it knew scripts without spaces and
    /// compatibility forms (see older_words()); 0: no words.
    std::uint32_t words_form = 0;
    std::string model;       ///< name of the model file, or its fingerprint
    std::string fingerprint; ///< of the documents
    std::string recovered;   ///< as index::recovered()

    /// Whether the words are of an older form: queries are cut as they were, and what that form
    /// does not know is not found by candidates(). Documents added later are cut so, too; a new
    /// index has the current form.
    [[nodiscard]] bool older_words() const noexcept { return words_form == 1; }
    /// Bytes of codes for each encoded token, deleted documents included; 0 without documents.
    [[nodiscard]] double bytes_per_token() const noexcept {
        return all_tokens == 0 ? 0.0
                               : static_cast<double>(bytes.codes) / static_cast<double>(all_tokens);
    }
    std::uint64_t all_tokens = 0; ///< tokens, deleted documents included
};

/// One thing that verify() found.
struct index_finding {
    std::string file; ///< name inside the index's folder
    std::string what;
};

/// A file that repair() gives another name.
struct index_move {
    std::string file;
    std::string name;        ///< that it gets; no index takes notice of it
    std::uint64_t bytes = 0; ///< its size
};

/// What repair() does, or would do.
struct index_repair {
    /// Manifests that cannot be used, and why, newest first. Empty: there is nothing to repair.
    std::vector<index_finding> damage;
    std::uint64_t newest = 0; ///< number of the last commit
    /// Documents in it, where its manifest can be read; else nothing.
    std::optional<std::uint64_t> newest_documents;
    std::uint64_t generation = 0;  ///< of the commit that is gone back to; `newest` if it is intact
    std::uint64_t documents = 0;   ///< in that commit
    std::vector<index_move> moves; ///< in their order
    std::uint64_t committed = 0;   ///< number of the commit that was made of it; 0: none was

    /// Whether changes of the last commits are lost.
    [[nodiscard]] bool goes_back() const noexcept { return generation != newest; }
};

/// Called by verify(), compact() and merge() with (bytes done, bytes in all). Must not throw.
using index_progress = std::function<void(std::uint64_t, std::uint64_t)>;

MICE_NAMESPACE_END
