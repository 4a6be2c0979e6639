// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <mice/parallel/executor.hpp>
#include <mice/text/encoding.hpp>

// Options of an index.
MICE_NAMESPACE_BEGIN
namespace io {
class file_system;
}

/// The tokens whose states an index leaves out.
enum class dropped_tokens {
    none,
    punctuation, ///< tokens that are punctuation or symbols alone
    stop_words   ///< punctuation, and the most frequent English function words
};

/// How an index stores the states of its documents; fixed when the index is created.
struct index_codec {
    /// "f32", "int16", "int8", "int4"; "kv-int16" and "kv-int8" store the keys and values of every
    /// interaction layer instead of the states (MICE paper, section 3): more bytes, less work;
    /// "pqN" takes N bytes for a token (product_quantiser) and learns from the first documents.
    /// "f16" and "kv-f16" may be asked for too: int16 and kv-int16 are kept, as index_stats says.
    std::string name = "int8";
    /// How many rows of a document are merged into one, on average: 1 (none) to 64. See pool_rows.
    std::size_t pool = 1;
    dropped_tokens drop = dropped_tokens::none; ///< before rows are merged

    friend bool operator==(const index_codec&, const index_codec&) = default;
};

/// Whether an index keeps the words of its texts; candidates() searches them.
enum class index_words { keep, none };

/// Properties of an index, fixed when it is created.
struct index_options {
    index_codec codec{}; ///< how states are stored
    index_words words =
        index_words::keep; ///< about a fifth of the texts' size; without spaces more
};

/// How a program uses an index.
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

/// k1 = 0.9 and b = 0.4 are what Anserini uses for passages. Most published BM25 figures of BEIR
/// collections use them.
struct bm25_options {
    double k1 = 0.9; ///< 0 to 1000
    double b = 0.4;  ///< 0 to 1
};

/// What rank() does with an id that the index does not hold.
enum class unknown_ids {
    refuse, ///< errc::invalid_argument, naming the first
    report  ///< it is listed in index_ranking::unknown, and the others are ranked
};

/// What merge() does with an id that two of the indexes hold with different content.
enum class merge_conflict {
    refuse,     ///< errc::mismatch, naming the id; nothing is merged
    keep_first, ///< the first index's document stays
    keep_last   ///< the last index's document stays
};

/// Called by verify(), compact() and merge() with (bytes done, bytes in all). Must not throw.
using index_progress = std::function<void(std::uint64_t, std::uint64_t)>;

MICE_NAMESPACE_END
