// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/choice_option.hpp"
#include "common/file_names.hpp"
#include "common/id_lines.hpp"
#include "common/id_set.hpp"
#include "common/lines.hpp"
#include "common/output.hpp"
#include "common/progress.hpp"
#include "mice/index_commands.hpp"

namespace mice::cli {
namespace {

// ---- create ----

struct create_options {
    index_target target;
    creation_options creation;
    std::string like;
};

exit_code run_create(const create_options& options) {
    const reranker ranker = options.target.load();
    const index made =
        options.like.empty()
            ? index::create(options.target.folder, ranker, options.creation.for_library())
            : index::create_like(options.target.folder, ranker, options.like);
    const index_stats stats = made.stats();
    tools::output out;
    note_older_words(stats, options.target.folder);
    options.creation.note_alias();
    out.write("made an empty index in " + options.target.folder + ": codec " +
              text_of(stats.codec) + "; model " + stats.model + "\n");
    out.flush();
    return exit_code::ok;
}

// ---- remove ----

struct remove_options {
    index_target target;
    std::vector<std::string> ids;
    std::string file;
    bool json = false;
};

/// Removes and counts; notes ids that are not there.
class document_remover {
  public:
    document_remover(index& from, tools::reading_notes& notes) : index_(from), notes_(notes) {}

    /// An id that is not there starts no writer.
    void remove(const std::string& id) {
        if (!seen_.insert(id)) {
            notes_.skipped("the document id " + detail::errors::quoted(id) +
                           " was given before; it was left out");
        } else if (index_.contains(id) && index_.erase(id)) {
            ++removed_;
        } else {
            notes_.skipped("the index holds no document " + detail::errors::quoted(id));
        }
    }
    [[nodiscard]] std::uint64_t removed() const { return removed_; }

  private:
    index& index_;
    tools::reading_notes& notes_;
    tools::id_set seen_;
    std::uint64_t removed_ = 0;
};

exit_code run_remove(const remove_options& options) {
    if (options.ids.empty() && options.file.empty()) {
        throw usage_error("name the documents: IDS, or --ids FILE");
    }
    const reranker ranker = options.target.load();
    index from = options.target.open(ranker);
    tools::reading_notes notes;
    document_remover remover(from, notes);
    for (const std::string& id : options.ids) {
        remover.remove(id);
    }
    if (!options.file.empty()) {
        tools::line_reader input(options.file);
        for (std::string line; input.next_filled(line);) {
            remover.remove(tools::id_of(line));
        }
    }
    index_commit done;
    if (remover.removed() != 0) {
        done = from.commit();
        report_postponed(done.postponed);
    } else {
        const index_stats stats = from.stats();
        done = {stats.generation, stats.documents, {}};
    }
    tools::output out;
    out.write(options.json ? tools::json_line({{"removed", remover.removed()},
                                               {"documents", done.documents},
                                               {"generation", done.generation}})
                           : std::to_string(remover.removed()) + " removed; " +
                                 std::to_string(done.documents) + " documents in the index\n");
    out.flush();
    return report(notes);
}

// ---- compact ----

struct compact_options {
    index_target target;
    bool json = false;
};

exit_code run_compact(const compact_options& options) {
    const reranker ranker = options.target.load();
    index all = options.target.open(ranker);
    note_if_empty(all);
    const index_stats before = all.stats();
    tools::progress_bar bar("compacting (MiB)");
    (void)all.compact(progress_of(bar));
    bar.finish();
    const index_stats after = all.stats();
    tools::output out;
    out.write(options.json ? tools::json_line({{"documents", after.documents},
                                               {"bytes_before", before.bytes.total()},
                                               {"bytes", after.bytes.total()},
                                               {"segments_before", before.segments},
                                               {"segments", after.segments},
                                               {"generation", after.generation}})
                           : std::to_string(before.bytes.total()) + " bytes in " +
                                 std::to_string(before.segments) + " segments became " +
                                 std::to_string(after.bytes.total()) + " bytes in " +
                                 std::to_string(after.segments) + "\n");
    out.flush();
    return exit_code::ok;
}

// ---- merge ----

struct merge_options {
    index_target target;
    std::vector<std::string> parts;
    merge_conflict conflict = merge_conflict::refuse;
    bool json = false;
};

/// Says that parts were encoded in different precisions, and which.
void note_mixed(const index_merge& done, const std::vector<std::filesystem::path>& parts) {
    if (!done.precisions.mixed()) {
        return;
    }
    constexpr std::size_t most_listed = 10;
    std::string text = "the documents of this index were encoded in different precisions (" +
                       done.precisions.text() +
                       "), and scores of one differ in the third digit "
                       "from those of another; of the parts";
    for (std::size_t i = 0; i < parts.size() && i < most_listed; ++i) {
        text += (i == 0 ? " " : ", ") + detail::errors::quoted(parts[i].string()) + " is " +
                done.parts[i].text();
    }
    text += parts.size() > most_listed
                ? " and " + std::to_string(parts.size() - most_listed) + " more are not listed"
                : "";
    tools::print_message("mice: note: " + text +
                         "; 'index add --precision NAME' encodes all parts alike");
}

exit_code run_merge(const merge_options& options) {
    for (const std::string& part : options.parts) {
        if (!index::exists(part)) {
            throw error(errc::io, "there is no index in " + detail::errors::quoted(part) +
                                      "; nothing was merged");
        }
    }
    const reranker ranker = options.target.load();
    index into = index::exists(options.target.folder)
                     ? options.target.open(ranker)
                     : index::create_like(options.target.folder, ranker, options.parts.front());
    const std::vector<std::filesystem::path> parts(options.parts.begin(), options.parts.end());
    tools::progress_bar bar("merging (MiB)");
    const index_merge done = into.merge(parts, options.conflict, progress_of(bar));
    bar.finish();
    tools::output out;
    out.write(options.json
                  ? tools::json_line({{"added", done.added},
                                      {"replaced", done.replaced},
                                      {"skipped", done.skipped},
                                      {"precisions", names_of(done.precisions)},
                                      {"precisions_recorded", !done.precisions.lacks_some()},
                                      {"documents", into.size()},
                                      {"generation", done.generation}})
                  : std::to_string(done.added) + " added, " + std::to_string(done.replaced) +
                        " replaced, " + std::to_string(done.skipped) + " skipped; " +
                        std::to_string(into.size()) + " documents in the index\n");
    out.flush();
    note_mixed(done, parts);
    for (const std::filesystem::path& part : parts) {
        std::error_code ignored;
        if (std::filesystem::exists(part / tools::known_files::name, ignored)) {
            tools::print_message("mice: note: which files the documents of " +
                                 detail::errors::quoted(part.string()) +
                                 " came from is not merged: 'index add --sync' does not remove "
                                 "them, and adding those files again may give them other ids");
        }
    }
    return exit_code::ok;
}

} // namespace

void add_index_create(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<create_options>();
    CLI::App* const create =
        app.add_subcommand("create", "Make an empty index, bound to a model and a codec");
    options->target.add_to(*create);
    options->creation.add_to(*create);
    CLI::Option* const like =
        create->add_option("--like", options->like,
                           "Take codec, learned parameters and options of this index, so that the "
                           "two can be merged");
    like->type_name("INDEX")->check(not_empty());
    for (const char* name : {"--codec", "--pool", "--drop", "--no-words"}) {
        create->get_option(name)->excludes(like);
    }
    create->callback([options, &chosen] { chosen = [options] { return run_create(*options); }; });
}

void add_index_remove(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<remove_options>();
    CLI::App* const remove = app.add_subcommand("remove", "Remove documents");
    options->target.add_to(*remove);
    remove->add_option("IDS", options->ids, "Ids of the documents")->type_name("");
    remove->add_option("--ids", options->file, "A file of ids, one a line; - is standard input")
        ->type_name("FILE")
        ->check(not_empty());
    remove->add_flag("--json", options->json, "Print the counts as a JSON object");
    remove->callback([options, &chosen] { chosen = [options] { return run_remove(*options); }; });
}

void add_index_compact(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<compact_options>();
    CLI::App* const compact = app.add_subcommand(
        "compact", "Rewrite the files without removed documents; encodes nothing");
    options->target.add_to(*compact);
    compact->add_flag("--json", options->json, "Print the figures as a JSON object");
    compact->callback([options, &chosen] { chosen = [options] { return run_compact(*options); }; });
}

void add_index_merge(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<merge_options>();
    CLI::App* const merge = app.add_subcommand(
        "merge", "Add the documents of other indexes of the same model; encodes nothing");
    options->target.add_to(*merge);
    merge->add_option("PARTS", options->parts, "The other indexes, in order")
        ->required()
        ->type_name("");
    const std::map<std::string, merge_conflict> conflicts{
        {"refuse", merge_conflict::refuse},
        {"keep-first", merge_conflict::keep_first},
        {"keep-last", merge_conflict::keep_last}};
    merge
        ->add_option("--on-conflict", options->conflict,
                     "Where two indexes hold an id with different content: refuse, keep-first or "
                     "keep-last")
        ->transform(tools::one_of(conflicts))
        ->type_name("WHAT");
    merge->add_flag("--json", options->json, "Print the counts as a JSON object");
    merge->callback([options, &chosen] { chosen = [options] { return run_merge(*options); }; });
}

} // namespace mice::cli
