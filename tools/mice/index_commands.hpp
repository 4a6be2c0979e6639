// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include <mice/index.hpp>

#include "common/progress.hpp"
#include "mice/commands.hpp"

// The subcommands of `mice index`.
namespace mice::cli {

/// The index that a command works on, and the model that it is bound to.
struct index_target {
    std::string folder;
    std::string model;

    /// INDEX and --model.
    void add_to(CLI::App& app);
    [[nodiscard]] reranker load() const;
    /// Throws errc::io where there is no index, readable or not; the message says how to make one.
    void check_there() const;
    /// Opens the index, and notes what is to be known of it. Where there is none the message says
    /// how to make one.
    [[nodiscard]] index open(const reranker& ranker, const index_access& access = {}) const;
};

/// What an index is made with.
struct creation_options {
    std::string codec = "int8";
    std::size_t pool = 1;
    dropped_tokens drop = dropped_tokens::none;
    bool no_words = false;

    void add_to(CLI::App& app);
    /// --codec, --pool and --drop alone.
    void add_codec_to(CLI::App& app);
    [[nodiscard]] index_options for_library() const;
};

/// How an index treats the texts that are put into it, as the library's calls do.
[[nodiscard]] index_access access_of(const rank_options& options);
/// "none", "punctuation" or "stop-words".
[[nodiscard]] std::string name_of(dropped_tokens drop);
/// A codec as people read it: "int8, pooled by 2, without stop-words".
[[nodiscard]] std::string text_of(const index_codec& codec);
/// Says where the words of an index are of an older form, and what to do; nothing else.
void note_older_words(const index_stats& stats, const std::string& folder);
/// Shows the bytes of a long call in `bar`, in MiB. The bar must outlive what is returned.
[[nodiscard]] index_progress progress_of(tools::progress_bar& bar);

/// Whether a folder holds segments: without a manifest they are an index all the same,
/// of which the library says what is missing.
[[nodiscard]] bool holds_segments(const std::string& folder);

/// Says so where an index holds no document: what follows is empty for that reason.
void note_if_empty(const index& of);
/// Says where an index is not at its last commit, or something is in the way of later ones.
void note_recovered(const index& opened);
/// A warning where a commit had to leave something for later.
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
