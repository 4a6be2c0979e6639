// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <map>
#include <string>

#include "common/choice_option.hpp"
#include "common/model_path.hpp"
#include "common/output.hpp"
#include "mice/index_commands.hpp"

namespace mice::cli {
namespace {

const std::map<std::string, dropped_tokens>& drop_names() {
    static const std::map<std::string, dropped_tokens> names{
        {"none", dropped_tokens::none},
        {"punctuation", dropped_tokens::punctuation},
        {"stop-words", dropped_tokens::stop_words}};
    return names;
}

} // namespace

void index_target::add_to(CLI::App& app) {
    app.add_option("INDEX", folder, "The folder of the index")
        ->required()
        ->type_name("")
        ->check(not_empty());
    add_model_option(app, model);
}

reranker index_target::load() const {
    return tools::load_model(tools::model_path(model));
}

index_progress progress_of(tools::progress_bar& bar) {
    return [&bar](std::uint64_t done, std::uint64_t all) {
        bar.update(done >> 20,
                   all == 0 ? -1.0 : static_cast<double>(done) / static_cast<double>(all));
    };
}

bool holds_segments(const std::string& folder) {
    std::error_code problem;
    std::filesystem::directory_iterator each(folder, problem);
    for (; !problem && each != std::filesystem::directory_iterator(); each.increment(problem)) {
        if (each->path().filename().string().starts_with("segment-")) {
            return true;
        }
    }
    return false;
}

void index_target::check_there() const {
    if (!index::exists(folder) && !holds_segments(folder)) {
        throw error(errc::io, "there is no index in " + detail::errors::quoted(folder) +
                                  "; make one with 'mice index create', or name another folder");
    }
}

index index_target::open(const reranker& ranker, const index_access& access) const {
    check_there();
    index opened = index::open(folder, ranker, access);
    note_recovered(opened);
    return opened;
}

void creation_options::add_codec_to(CLI::App& app) {
    app.add_option("--codec", codec, "How states are stored: one of " + index_codec_names())
        ->capture_default_str()
        ->type_name("NAME")
        ->check(not_empty());
    app.add_option("--pool", pool, "Tokens of a document that are merged into one, on average")
        ->capture_default_str()
        ->check(CLI::Range(1, 64))
        ->type_name("N");
    app.add_option("--drop", drop, "Tokens that are not stored: none, punctuation or stop-words")
        ->transform(tools::one_of(drop_names()))
        ->type_name("WHICH");
}

void creation_options::add_to(CLI::App& app) {
    add_codec_to(app);
    app.add_flag(
        "--no-words", no_words,
        "Keep no words: the index is smaller, and 'mice search' needs --all or candidates");
}

void creation_options::note_alias() const {
    const std::string kept = kept_codec_name(codec);
    if (kept != codec) {
        tools::print_message("mice: note: --codec " + codec + " is kept as " + kept +
                             ": there is no codec of 16-bit floats; 16-bit integers behind a "
                             "rotation take about the same bytes and are nearer to the states");
    }
}

index_options creation_options::for_library() const {
    index_options options;
    options.codec.name = codec;
    options.codec.pool = pool;
    options.codec.drop = drop;
    options.words = no_words ? index_words::none : index_words::keep;
    return options;
}

index_access access_of(const rank_options& options) {
    index_access access;
    access.specials = options.specials;
    access.on_invalid = options.on_invalid;
    access.threads = options.threads;
    return access;
}

std::string name_of(dropped_tokens drop) {
    for (const auto& [name, value] : drop_names()) {
        if (value == drop) {
            return name;
        }
    }
    return "none";
}

std::string text_of(const index_codec& codec) {
    const std::string alias = codec_alias(codec.name);
    return codec.name + (alias.empty() ? "" : " (also named " + alias + ")") +
           (codec.pool > 1 ? ", pooled by " + std::to_string(codec.pool) : "") +
           (codec.drop != dropped_tokens::none ? ", without " + name_of(codec.drop) : "");
}

tools::ordered_json names_of(precision_set precisions) {
    tools::ordered_json names = tools::ordered_json::array();
    for (const precision each : every_precision) {
        if (precisions.contains(each)) {
            names.push_back(name_of(each));
        }
    }
    return names;
}

void note_older_words(const index_stats& stats, const std::string& folder) {
    if (stats.older_words()) {
        tools::print_message(
            "mice: note: the words of the index in " + detail::errors::quoted(folder) +
            " are of the older form 1, and queries are cut as they were: a part of a run of kana, "
            "hangul, Thai or another script without spaces, and what a ligature, a full-width "
            "letter or a word with a soft hyphen stands for, is not among its candidates; to have "
            "that, add the documents to a new index (mice index add NEW --create)");
    }
}

void note_if_empty(const index& of) {
    if (of.size() == 0) {
        tools::print_message("mice: note: the index in " +
                             detail::errors::quoted(of.folder().string()) +
                             " is empty; 'mice index add' puts documents into it");
    }
}

void note_recovered(const index& opened) {
    if (const std::string note = opened.recovered(); !note.empty()) {
        tools::print_message("mice: note: " + note);
    }
}

void report_postponed(const std::string& reason) {
    if (!reason.empty()) {
        tools::print_message("mice: note: all is committed, but joining small segments has to "
                             "wait: " +
                             reason);
    }
}

void add_index_command(CLI::App& app, command& chosen) {
    CLI::App* const group = app.add_subcommand(
        "index", "Encode documents once and keep them in a folder for 'mice search'");
    group->require_subcommand(0, 1);
    group->callback([group] {
        if (group->get_subcommands().empty()) {
            throw usage_error("say what to do with an index: create, add, remove, list, stats, "
                              "verify, repair, compact, merge or export");
        }
    });
    add_index_create(*group, chosen);
    add_index_add(*group, chosen);
    add_index_remove(*group, chosen);
    add_index_list(*group, chosen);
    add_index_stats(*group, chosen);
    add_index_verify(*group, chosen);
    add_index_repair(*group, chosen);
    add_index_compact(*group, chosen);
    add_index_merge(*group, chosen);
    add_index_export(*group, chosen);
}

} // namespace mice::cli
