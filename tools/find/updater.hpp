// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <mice/reranker.hpp>

#include "find/catalog.hpp"
#include "find/extract/extract.hpp"
#include "find/states.hpp"

namespace mice::find {

/// How an update works.
struct update_options {
    std::size_t threads = 0;               ///< of encoding; 0: half of the processors
    bool re_encode = false;                ///< encode all passages again, also with another model
    std::string codec = default_codec;     ///< of new states
    std::uint64_t max_files = 0;           ///< read at most so many files; 0: all
    double first_commit = 2, commits = 10; ///< seconds between commits
    extract_limits limits{};
    /// Whether a new or changed file is left for a later update: it is still being written.
    std::function<bool(const collection&, const found_file&)> waits{};
    /// Called now and then with (bytes done, bytes in all) of the files to be read; false stops
    /// the update, which the next one goes on with.
    std::function<bool(std::uint64_t, std::uint64_t)> progress{};
    /// The same while all passages are encoded again, with passages.
    std::function<bool(std::uint64_t, std::uint64_t)> re_encoding{};
    /// Called while folders are looked at, with the number of files so far.
    std::function<bool(std::uint64_t)> looking{};
};

/// A file or folder that something is to be said of.
struct file_problem {
    std::filesystem::path file;
    std::string reason;
};

/// What an update did.
struct update_report {
    std::uint64_t added = 0;        ///< files that were not there
    std::uint64_t changed = 0;      ///< files with another text than before
    std::uint64_t touched = 0;      ///< files with another time and the same text
    std::uint64_t unchanged = 0;    ///< files that were not read
    std::uint64_t removed = 0;      ///< files that are gone
    std::uint64_t without_text = 0; ///< pictures, programs, kinds that cannot be read
    std::uint64_t left = 0;    ///< files that max_files, `waits` or a stop left for the next update
    std::uint64_t encoded = 0; ///< passages
    std::uint64_t bytes = 0;   ///< of the files that were read
    double seconds = 0;
    double encoding_seconds = 0; ///< spent on encoding, waiting for texts left out
    bool stopped = false;
    /// Files that could not be read, tried again next time, and collections that were left alone;
    /// the first thousand.
    std::vector<file_problem> problems;
    std::uint64_t failed = 0; ///< how many problems there were
    std::string postponed;    ///< as index_commit::postponed
};

/// What an update did, in a line without its end.
[[nodiscard]] std::string text_of(const update_report& report);

/// Brings collections up to date. Whoever calls it holds the write_lock. `ranker` is called when
/// something has to be encoded or removed, and at most once. Throws mice::error; what was committed
/// before stays.
[[nodiscard]] update_report update(const catalog& in, const std::filesystem::path& folder,
                                   const std::vector<collection>& collections,
                                   const std::function<const reranker&()>& ranker,
                                   const update_options& options);

} // namespace mice::find
