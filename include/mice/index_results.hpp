// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/highlights.hpp>
#include <mice/index_options.hpp>
#include <mice/precision.hpp>

// Results of an index.
MICE_NAMESPACE_BEGIN

/// The precisions that documents were encoded in. Empty where no state is stored.
class precision_set {
  public:
    constexpr precision_set() = default;
    /// What was computed in one precision; not automatic.
    constexpr explicit precision_set(precision computed) : bits_(bit_of(computed)) {}
    /// What nobody knows the precision of: documents of writers that did not record it, and those
    /// that put_encoded() was given.
    [[nodiscard]] static constexpr precision_set unrecorded() { return from_bits(unrecorded_bit); }

    constexpr void add(precision_set other) noexcept { bits_ |= other.bits_; }
    [[nodiscard]] constexpr bool contains(precision computed) const noexcept {
        return (bits_ & bit_of(computed)) != 0;
    }
    /// Whether the precision of some is not known.
    [[nodiscard]] constexpr bool lacks_some() const noexcept {
        return (bits_ & unrecorded_bit) != 0;
    }
    [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
    /// Whether they are of several precisions, or may be.
    [[nodiscard]] constexpr bool mixed() const noexcept { return (bits_ & (bits_ - 1U)) != 0; }
    /// "int8", "f32, int8", "int8, not recorded"; "none" where it is empty.
    [[nodiscard]] std::string text() const {
        std::string names;
        const auto append = [&names](bool there, std::string_view name) {
            names += there ? (names.empty() ? "" : ", ") + std::string(name) : std::string();
        };
        for (const precision each : every_precision) {
            append(contains(each), name_of(each));
        }
        append(lacks_some(), "not recorded");
        return names.empty() ? "none" : names;
    }
    /// As files hold it: 1 f32, 2 bf16, 4 int8, 8 not recorded.
    [[nodiscard]] constexpr std::uint64_t bits() const noexcept { return bits_; }
    /// Of bits(); others, from `known_bits` on, stand for nothing.
    [[nodiscard]] static constexpr precision_set from_bits(std::uint64_t bits) noexcept {
        precision_set made;
        made.bits_ = bits & (known_bits - 1U);
        return made;
    }
    static constexpr std::uint64_t known_bits = 16;

    friend constexpr bool operator==(precision_set, precision_set) = default;

  private:
    static constexpr std::uint64_t unrecorded_bit = 8;
    static constexpr std::uint64_t bit_of(precision computed) noexcept {
        return computed == precision::f32    ? 1
               : computed == precision::bf16 ? 2
               : computed == precision::int8 ? 4
                                             : 0;
    }

    std::uint64_t bits_ = 0;
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
    /// Since the last commit: documents that were encoded, passages of texts each for itself.
    std::uint64_t encoded = 0;
};

/// What merge() did.
struct index_merge {
    std::uint64_t generation = 0; ///< of the commit that it ended with
    std::uint64_t added = 0;      ///< documents that came from the other indexes
    std::uint64_t replaced = 0;   ///< that took another's place (keep_last)
    std::uint64_t skipped = 0;    ///< left out: equal to one that was there, or by keep_first
    /// What the documents of each of the others were encoded in, in the order of the list.
    std::vector<precision_set> parts;
    /// The same of all documents that are in the index now: mixed() where parts differ.
    precision_set precisions;
};

/// Where a passage of a text is.
struct stored_passage {
    std::uint64_t begin = 0, end = 0;            ///< bytes of the text, without white space around
    std::uint64_t first_line = 1, last_line = 1; ///< counted from 1

    friend bool operator==(const stored_passage&, const stored_passage&) = default;
};

/// What an index knows about one of its documents.
struct stored_document {
    std::string id;
    std::string metadata;
    std::size_t tokens_seen = 0; ///< tokens that were encoded, special tokens included
    std::size_t tokens_cut = 0;  ///< tokens beyond the model's limit
    std::size_t replaced = 0;    ///< invalid UTF-8 sequences that became U+FFFD
    std::size_t rows = 0;     ///< states stored; fewer than tokens where the codec pools or drops
    std::size_t bytes = 0;    ///< of the states' codes
    std::string content_hash; ///< 32 hexadecimal digits; equal for equal text and metadata
    /// Of a text that put_text() cut: all of them, in the text's order; the counts above are sums
    /// over them. Empty: the document is one passage.
    std::vector<stored_passage> passages{};
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
    std::uint64_t passages = 0; ///< documents that put_text() cut count with all of theirs
    std::uint64_t deleted = 0;  ///< passages still in the files, until compact()
    std::uint64_t tokens = 0;   ///< encoded, of the documents that are there
    std::uint64_t rows = 0;     ///< states stored, of the documents that are there
    std::uint64_t segments = 0;
    std::uint64_t files = 0; ///< that this commit uses
    index_bytes bytes{};     ///< of those files
    /// Of everything in the folder: also the commit before, which is kept until two more commits or
    /// compact(), what a killed writer left, and what repair() put aside.
    std::uint64_t disk_bytes = 0;
    std::uint64_t disk_files = 0;
    index_codec codec{};
    /// Another name of the codec: "f16" of int16, as there is no codec of IEEE halves. Empty: none.
    std::string codec_alias;
    /// The codec learns from the first documents and has not yet: it does at the next commit.
    bool codec_waits = false;
    /// What the documents were encoded in, those included that are deleted and still in the files.
    precision_set precisions;
    index_words words = index_words::keep;
    /// How texts were cut into words: 2; 1 for indexes older than scripts without spaces and
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
    std::string name;        ///< the new name; indexes ignore it
    std::uint64_t bytes = 0; ///< its size
};

/// What repair() does, or would do.
struct index_repair {
    /// Manifests that cannot be used, and why, newest first. Empty: there is nothing to repair.
    std::vector<index_finding> damage;
    std::uint64_t newest = 0; ///< number of the last commit
    /// Documents in it, where its manifest can be read; else nothing.
    std::optional<std::uint64_t> newest_documents;
    std::uint64_t generation = 0;  ///< of the commit to go back to; `newest` if it is intact
    std::uint64_t documents = 0;   ///< in that commit
    std::vector<index_move> moves; ///< in their order
    std::uint64_t committed = 0;   ///< number of the new commit; 0: there is none

    /// Whether changes of the last commits are lost.
    [[nodiscard]] bool goes_back() const noexcept { return generation != newest; }
};

/// One document's place in a ranking.
struct index_hit {
    std::string id;
    float score = std::numeric_limits<float>::quiet_NaN();
    std::size_t tokens_seen = 0; ///< tokens that were encoded, special tokens included
    std::size_t tokens_cut = 0;  ///< tokens beyond the model's limit, which it did not read
    std::size_t replaced = 0;    ///< invalid UTF-8 sequences that became U+FFFD
    /// Of a text that put_text() cut: how many passages it has, and of the best one the score (in
    /// the form of `score`), index and place.
    std::size_t passages = 1;
    float best_score = std::numeric_limits<float>::quiet_NaN();
    std::size_t best_index = 0;
    stored_passage best{};
};

/// The answer to one query.
struct index_ranking {
    /// Best first; equal scores in the order of the given ids, or in index order. Documents that a
    /// stop left unscored are not among them.
    std::vector<index_hit> hits;
    std::vector<std::string> unknown; ///< given ids that the index does not hold
    /// false: a deadline or cancellation left some unscored, or without highlights
    bool complete = true;
    std::size_t unscored = 0;          ///< how many; unknown ids are not counted
    std::size_t query_tokens_seen = 0; ///< as in index_hit
    std::size_t query_tokens_cut = 0;
    std::size_t query_replaced = 0;
    std::vector<mice::highlights> highlights{}; ///< one for each hit, where they are asked for

    [[nodiscard]] std::size_t size() const noexcept { return hits.size(); }
    [[nodiscard]] bool empty() const noexcept { return hits.empty(); }
    [[nodiscard]] const index_hit& operator[](std::size_t i) const { return hits[i]; }
    [[nodiscard]] auto begin() const noexcept { return hits.begin(); }
    [[nodiscard]] auto end() const noexcept { return hits.end(); }
};

/// A document that shares words with a query.
struct index_candidate {
    std::string id;
    float score = 0; ///< BM25
};

MICE_NAMESPACE_END
