// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include <mice/index.hpp>

#include "common/json_output.hpp"
#include "common/progress.hpp"
#include "mice/commands.hpp"

// The subcommands of `mice index`.
namespace mice::cli {

/// The index that a command works on, and its model.
struct index_target {
    std::string folder;
    std::string model;

    /// INDEX and --model.
    void add_to(CLI::App& app);
    [[nodiscard]] reranker load() const;
    /// Throws errc::io where there is no index, readable or not; the message says how to create
    /// one.
    void check_there() const;
    /// Opens the index, and notes what the user should know about it. Where there is none, the
    /// message says how to create one.
    [[nodiscard]] index open(const reranker& ranker, const index_access& access = {}) const;
};

/// The options of a new index.
struct creation_options {
    std::string codec = "int8";
    std::size_t pool = 1;
    dropped_tokens drop = dropped_tokens::none;
    bool no_words = false;

    void add_to(CLI::App& app);
    /// --codec, --pool and --drop alone.
    void add_codec_to(CLI::App& app);
    /// Says so where the codec is kept under another name than it was asked for.
    void note_alias() const;
    [[nodiscard]] index_options for_library() const;
};

/// How an index treats the texts that are put into it.
[[nodiscard]] index_access access_of(const rank_options& options);
/// "none", "punctuation" or "stop-words".
[[nodiscard]] std::string name_of(dropped_tokens drop);
/// A codec in words: "int16 (also named f16), pooled by 2, without stop-words".
[[nodiscard]] std::string text_of(const index_codec& codec);
/// The precisions that documents were encoded in, as a JSON list; those not known are not in it.
[[nodiscard]] tools::ordered_json names_of(precision_set precisions);
/// Notes where an index has words of an older form, and what to do.
void note_older_words(const index_stats& stats, const std::string& folder);
/// A callback that shows the bytes of a long call in `bar`, in MiB. The bar must outlive it.
[[nodiscard]] index_progress progress_of(tools::progress_bar& bar);

/// Whether a folder holds segments. Without a manifest they are still an index, and the library
/// says what is missing.
[[nodiscard]] bool holds_segments(const std::string& folder);

/// Notes where an index holds no document: that is why the results are empty.
void note_if_empty(const index& of);
/// Notes where an index is not at its last commit, or something is in the way of later ones.
void note_recovered(const index& opened);
/// Warns where a commit had to leave something for later.
void report_postponed(const std::string& reason);

// Each adds one subcommand of `mice index`.
void add_index_create(CLI::App& app, command& chosen);
void add_index_add(CLI::App& app, command& chosen);
void add_index_remove(CLI::App& app, command& chosen);
void add_index_compact(CLI::App& app, command& chosen);
void add_index_merge(CLI::App& app, command& chosen);
void add_index_list(CLI::App& app, command& chosen);
void add_index_stats(CLI::App& app, command& chosen);
void add_index_verify(CLI::App& app, command& chosen);
void add_index_export(CLI::App& app, command& chosen);
void add_index_repair(CLI::App& app, command& chosen);

} // namespace mice::cli
