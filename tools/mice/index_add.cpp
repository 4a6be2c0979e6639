// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <mice/model.hpp>

#include "common/choice_option.hpp"
#include "common/collections.hpp"
#include "common/file_names.hpp"
#include "common/id_set.hpp"
#include "common/interrupt.hpp"
#include "common/number_option.hpp"
#include "common/output.hpp"
#include "common/progress.hpp"
#include "common/terminal.hpp"
#include "mice/index_commands.hpp"
#include "mice/long_texts.hpp"
#include "mice/losses.hpp"

namespace mice::cli {
namespace {

using steady_clock = std::chrono::steady_clock;

struct add_options {
    scoring_options scoring;
    long_texts texts;
    std::string folder;
    creation_options creation;
    std::vector<std::string> files;
    tools::collection_format format = tools::collection_format::detect;
    std::uint64_t commit_every = 100'000;
    double commit_seconds = 60;
    bool create = false;
    bool skip_bad = false;
    bool keep_text = false;
    bool sync = false;
    bool dry_run = false;
    bool json = false;
};

/// The given files and folders whose documents are files, with paths as ids.
std::vector<std::string> texts_of(const std::vector<std::string>& files,
                                  tools::collection_format format) {
    std::vector<std::string> texts;
    for (const std::string& file : files) {
        const tools::collection_format found = tools::format_of(file, format);
        if (found == tools::collection_format::folder || found == tools::collection_format::text) {
            texts.push_back(file);
        }
    }
    return texts;
}

/// A disk that is not mounted looks like an empty folder.
void refuse_empty_folders(const tools::known_files& known, const std::vector<std::string>& texts) {
    const std::vector<std::filesystem::path> below(texts.begin(), texts.end());
    const auto holds_something = [](const std::filesystem::path& each) {
        std::error_code problem;
        return !std::filesystem::is_directory(each, problem) ||
               !std::filesystem::is_empty(each, problem);
    };
    if (std::any_of(below.begin(), below.end(), holds_something)) {
        return;
    }
    if (const std::size_t gone = known.gone_below(below).size(); gone > 0) {
        throw error(errc::invalid_argument,
                    detail::errors::quoted(texts.front()) + " is an empty folder, and " +
                        std::to_string(gone) +
                        " documents of the index came from it: is its disk mounted? Nothing was "
                        "removed; if they are to go, give their ids to 'mice index remove'");
    }
}

/// Puts documents into an index, and commits now and then so that a stop loses little.
class document_adder {
  public:
    document_adder(index& into, const add_options& options, std::vector<std::string> texts,
                   tools::reading_notes& notes)
        : index_(into), options_(options), notes_(notes), texts_(std::move(texts)), names_(texts_),
          known_(options.folder) {
        if (!known_.trouble().empty()) {
            tools::print_message("mice: note: " + known_.trouble());
        }
        if (options.sync) {
            refuse_empty_folders(known_, texts_);
        }
        const precision_set held = into.stats().precisions;
        const precision computed = into.ranker().shared_model()->computed_in();
        if (!held.empty() && !held.contains(computed)) {
            difference_ = "the documents of the index were encoded in " + held.text() +
                          " and those added now are in " + std::string(name_of(computed)) +
                          ": their scores differ in the third digit; --precision says in which "
                          "to go on";
        }
    }

    /// Adds a whole source; false when the user wants to stop.
    bool add(tools::collection_reader& source, const tools::interrupt_guard& guard) {
        tools::collection_document document;
        while (wait(source, guard)) {
            try {
                document.file.clear();
                if (!source.next(document)) {
                    return true;
                }
                notes_.replaced(document.place, document.replaced);
                put(document);
            } catch (const tools::bad_record& problem) {
                refuse(problem, source.of_files(), document.file);
            }
            bar_.update(in_index() + left_out_, source.share());
            commit_if_due();
        }
        return false;
    }

    /// Removes the documents whose files below the given ones are gone. Their files stay
    /// remembered: after a crash or a repair the index may hold them again.
    void sync() {
        const std::vector<std::filesystem::path> below(texts_.begin(), texts_.end());
        std::size_t kept = 0;
        for (const std::string& id : known_.gone_below(below)) {
            const auto held = index_.get(id);
            if (held && known_.hash_of(id) != held->content_hash) {
                ++kept;
            } else if (held) {
                removed_ += index_.erase(id) ? 1 : 0;
            }
        }
        if (kept > 0) {
            notes_.remark(
                std::to_string(kept) +
                " documents of files that are gone were kept: they are not what was added "
                "from those files (a record, a merge or a repair brought them)");
        }
    }

    void commit() {
        known_.save(); // otherwise a crash behind the commit would leave files with unknown ids
        const index_commit done = index_.commit();
        for (const std::string& id : from_files_) {
            if (const auto held = index_.get(id)) {
                known_.set_hash(id, held->content_hash);
            }
        }
        from_files_.clear();
        known_.save();
        committed_ = done;
        encoded_ += done.encoded;
        documents_cut_ += done.documents_cut;
        tokens_cut_ += done.tokens_cut;
        since_commit_ = 0;
        last_commit_ = steady_clock::now();
        if (done.postponed != postponed_) {
            bar_.finish();
            report_postponed(done.postponed);
            postponed_ = done.postponed;
        }
    }
    void finish() { bar_.finish(); }

    /// Commits what was added before a source failed, and says so.
    [[noreturn]] void keep_what_came_before(const error& problem) {
        try {
            commit();
        } catch (const error&) { // the index itself has failed and has said why
            throw problem;
        }
        bar_.finish();
        (void)report();
        throw error(problem.code(), std::string(problem.what()) + "; the " +
                                        std::to_string(in_index()) +
                                        " documents before it are in the index");
    }

    /// Notes what was left out, replaced or cut.
    exit_code report() const {
        text_losses losses("documents");
        losses.cut_in_all(documents_cut_, tokens_cut_);
        losses.report(" (tokens_cut of 'mice index export' says of which)");
        if (taken_over_ > 0) {
            notes_.skipped(std::to_string(taken_over_) +
                           " documents were replaced by files of the same names; where they came "
                           "from is not known, as the index had no sound 'files.jsonl'");
        }
        return cli::report(notes_);
    }

    [[nodiscard]] std::string text() const {
        return std::to_string(added_) + " added, " + std::to_string(replaced_) + " replaced, " +
               std::to_string(unchanged_) + " unchanged, " + std::to_string(left_out_) +
               " left out" +
               (options_.sync ? ", " + std::to_string(removed_) + " removed" : std::string()) +
               (encoded_ != added_ + replaced_
                    ? "; " + std::to_string(encoded_) + " passages encoded"
                    : std::string()) +
               "; " + std::to_string(committed_.documents) + " documents in the index\n";
    }
    [[nodiscard]] std::string json(bool interrupted) const {
        return tools::json_line({{"added", added_},
                                 {"replaced", replaced_},
                                 {"unchanged", unchanged_},
                                 {"left_out", left_out_},
                                 {"removed", removed_},
                                 {"encoded", encoded_},
                                 {"documents_cut", documents_cut_},
                                 {"tokens_cut", tokens_cut_},
                                 {"documents", committed_.documents},
                                 {"generation", committed_.generation},
                                 {"interrupted", interrupted}});
    }

  private:
    /// Waits for the next document; false when the user wants to stop.
    bool wait(tools::collection_reader& source, const tools::interrupt_guard& guard) {
        while (!guard.requested() && !source.ready()) {
            commit_if_due();
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        return !guard.requested();
    }

    /// A document that is a file has its path as id; one of its own keeps that.
    std::string id_of(const tools::collection_document& document) {
        return document.file.empty()
                   ? document.id
                   : known_.id_of(document.file, names_, [&](const std::string& id) {
                         return seen_.contains(id) || is_of_another(id);
                     });
    }

    /// Whether the index holds a document of that id that came from no known file.
    bool is_of_another(const std::string& id) const {
        if (!known_.existed()) {
            return false; // nothing is known of any document
        }
        const auto held = index_.get(id);
        return held && held->content_hash != known_.hash_of(id);
    }

    /// The first document of an id stays; later ones of the same run are left out.
    void put(const tools::collection_document& document) {
        const bool is_new =
            !known_.existed() && !document.file.empty() && known_.known_id(document.file).empty();
        const std::string id = id_of(document);
        if (seen_.contains(id)) {
            ++left_out_;
            notes_.skipped(tools::duplicate_note(document.place, "document", id));
            return;
        }
        const std::string& metadata =
            options_.keep_text && document.metadata.empty() ? document.text : document.metadata;
        try {
            const put_result done = options_.texts.first_passage
                                        ? index_.put(id, document.text, metadata)
                                        : index_.put_text(id, document.text, metadata);
            count(done);
            seen_.insert(id);
            if (document.file.empty()) {
                known_.forget(id);
            } else {
                from_files_.push_back(id);
                taken_over_ += is_new && done == put_result::replaced ? 1 : 0;
            }
        } catch (const error& problem) {
            if (problem.code() == errc::invalid_argument || problem.code() == errc::encoding) {
                throw tools::bad_record(problem.code(), document.place + ": " + problem.what());
            }
            throw;
        }
    }

    void count(put_result result) {
        ++(result == put_result::added      ? added_
           : result == put_result::replaced ? replaced_
                                            : unchanged_);
        since_commit_ += result == put_result::unchanged ? 0 : 1;
        if (result != put_result::unchanged && !difference_.empty()) {
            bar_.finish();
            tools::print_message("mice: note: " + std::exchange(difference_, {}));
        }
    }

    /// Leaves the record out, or commits what came before it and stops.
    void refuse(const tools::bad_record& problem, bool is_file, const std::filesystem::path& file) {
        if (options_.skip_bad || is_file) {
            ++left_out_;
            const std::string id = file.empty() ? std::string() : known_.known_id(file);
            notes_.skipped(std::string(problem.what()) +
                           (!id.empty() && index_.contains(id)
                                ? "; the index keeps what it had of this file"
                                : "; left out"));
            return;
        }
        commit();
        bar_.finish();
        (void)report();
        throw tools::bad_record(
            problem.code(),
            std::string(problem.what()) + "; repair it, or leave it out with --skip-bad (the " +
                std::to_string(in_index()) + " documents before it are in the index)");
    }

    [[nodiscard]] std::uint64_t in_index() const { return added_ + replaced_ + unchanged_; }

    void commit_if_due() {
        if (since_commit_ == 0) {
            return;
        }
        const double seconds =
            std::chrono::duration<double>(steady_clock::now() - last_commit_).count();
        if (since_commit_ >= options_.commit_every || seconds >= options_.commit_seconds) {
            commit();
        }
    }

    index& index_;
    const add_options& options_;
    tools::reading_notes& notes_;
    tools::progress_bar bar_{"adding"};
    std::uint64_t since_commit_ = 0;
    std::uint64_t documents_cut_ = 0, tokens_cut_ = 0;
    std::uint64_t encoded_ = 0; ///< passages
    std::uint64_t added_ = 0, replaced_ = 0, unchanged_ = 0, left_out_ = 0, removed_ = 0;
    tools::id_set seen_; ///< in this run
    std::vector<std::string> texts_;
    std::vector<std::string> from_files_; ///< ids of files put since the last commit
    std::uint64_t taken_over_ = 0;
    tools::file_names names_;
    tools::known_files known_;
    index_commit committed_;
    std::string postponed_;
    std::string difference_; ///< what to say of precisions when something is added; then empty
    steady_clock::time_point last_commit_ = steady_clock::now();
};

/// Checked before anything is read: whether the folder holds no index, and not one that lost its
/// manifests.
void check_index(const std::string& folder) {
    if (!index::exists(folder) && !holds_segments(folder)) {
        throw error(errc::io, "there is no index in " + detail::errors::quoted(folder) +
                                  "; make one with 'mice index create', or add --create");
    }
}

index open_for_adding(const add_options& options, const reranker& ranker) {
    const index_access access = access_of(options.scoring.for_library());
    if (!options.create) {
        check_index(options.folder);
    }
    if (options.create) {
        options.creation.note_alias();
    }
    index into = options.create ? index::open_or_create(options.folder, ranker,
                                                        options.creation.for_library(), access)
                                : index::open(options.folder, ranker, access);
    note_recovered(into);
    return into;
}

/// Finds missing files before hours of work, not after them.
void check_files(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
        std::error_code problem;
        if (file != "-" && !std::filesystem::exists(file, problem)) {
            throw detail::errors::cannot_open(file, problem ? problem.message()
                                                            : "there is no such file");
        }
    }
}

/// What --sync would remove. Opens the index only to count.
exit_code show_gone(const add_options& options, const std::vector<std::string>& texts) {
    const tools::known_files known(options.folder);
    if (!known.trouble().empty()) {
        tools::print_message("mice: note: " + known.trouble());
    }
    const std::vector<std::filesystem::path> below(texts.begin(), texts.end());
    std::vector<std::string> gone;
    refuse_empty_folders(known, texts);
    if (!options.create) {
        check_index(options.folder);
    }
    if (index::exists(options.folder)) {
        const reranker ranker = options.scoring.load();
        const index held = index::open(options.folder, ranker);
        gone = known.gone_below(below);
        std::erase_if(gone, [&](const std::string& id) {
            const auto stored = held.get(id);
            return !stored || known.hash_of(id) != stored->content_hash;
        });
    }
    tools::output out;
    if (options.json) {
        out.write(tools::json_line({{"would_remove", gone}}));
    } else {
        for (const std::string& id : gone) {
            out.write("would remove " + tools::printable(id) + "\n");
        }
        out.write(std::to_string(gone.size()) + " documents would be removed; nothing was done\n");
    }
    out.flush();
    return exit_code::ok;
}

exit_code run_add(const add_options& options) {
    const tools::interrupt_guard guard;
    check_files(options.files);
    std::vector<std::string> texts = texts_of(options.files, options.format);
    if (options.sync && texts.empty()) {
        throw usage_error("--sync needs a folder, or files that are texts");
    }
    if (options.dry_run) {
        return show_gone(options, texts);
    }
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer();
    index into = open_for_adding(options, ranker);
    note_older_words(into.stats(), options.folder);
    tools::reading_notes notes;
    std::vector<std::string> files = options.files;
    if (files.empty()) {
        files.emplace_back("-");
        if (tools::is_terminal(tools::stream::standard_input)) {
            tools::print_message("mice: reading documents from the terminal; end with Ctrl-D");
        }
    }
    into.rollback(); // takes the lock: what is known of files is read and written under it
    document_adder adder(into, options, std::move(texts), notes);
    bool whole = true;
    try {
        for (std::size_t i = 0; i < files.size() && whole; ++i) {
            const auto source =
                tools::open_collection(files[i], options.format, options.scoring.text_policy());
            whole = adder.add(*source, guard);
            notes.passed_over(source->passed_over());
        }
    } catch (const tools::bad_record&) {
        throw; // committed
    } catch (const error& problem) {
        adder.keep_what_came_before(problem);
    }
    adder.commit();
    if (whole && options.sync) {
        adder.sync();
        adder.commit();
    }
    adder.finish();
    tools::output out;
    out.write(options.json ? adder.json(!whole) : adder.text());
    out.flush();
    const exit_code result = adder.report();
    if (!whole) {
        tools::print_message("mice: stopped; what was added is committed, and the same command "
                             "goes on where this one ended");
        return exit_code::interrupted;
    }
    return result;
}

} // namespace

void add_index_add(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<add_options>();
    CLI::App* const add = app.add_subcommand(
        "add", "Encode documents into an index; those that it holds are skipped");
    add->add_option("INDEX", options->folder, "The folder of the index")
        ->required()
        ->type_name("")
        ->check(not_empty());
    add->add_option(
           "FILES", options->files,
           "JSON {\"id\",\"title\",\"text\",\"metadata\"}, TSV, TREC documents, a text, or a "
           "folder of texts; - or none reads standard input")
        ->type_name("");
    const std::map<std::string, tools::collection_format> formats{
        {"auto", tools::collection_format::detect},
        {"jsonl", tools::collection_format::json_lines},
        {"tsv", tools::collection_format::tsv},
        {"trec", tools::collection_format::trec},
        {"folder", tools::collection_format::folder},
        {"text", tools::collection_format::text}};
    add->add_option("--format", options->format,
                    "What FILES hold: auto (by the first line), jsonl, tsv, trec, text (each file "
                    "is one document) or folder")
        ->transform(tools::one_of(formats))
        ->type_name("FORMAT");
    add->add_flag("--skip-bad", options->skip_bad,
                  "Leave bad records out and go on (exit code 2) instead of stopping");
    add->add_flag("--keep-text", options->keep_text,
                  "Keep the text as metadata where the record has none, so that search shows it");
    CLI::Option* const sync =
        add->add_flag("--sync", options->sync,
                      "Remove the documents whose files below FILES are gone; see --dry-run");
    add->add_flag("--dry-run", options->dry_run,
                  "With --sync: print what would be removed, and do nothing")
        ->needs(sync);
    add->add_flag("--create", options->create, "Make the index if there is none");
    options->creation.add_to(*add);
    for (const char* name : {"--codec", "--pool", "--drop", "--no-words"}) {
        add->get_option(name)->needs("--create");
    }
    add->add_option("--commit-every", options->commit_every, "Commit after so many documents")
        ->capture_default_str()
        ->check(tools::whole_number(1))
        ->type_name("N");
    add->add_option("--commit-seconds", options->commit_seconds, "or after so much time")
        ->capture_default_str()
        ->check(tools::finite_number(tools::zero::allowed))
        ->type_name("SECONDS");
    add->add_flag("--json", options->json, "Print the counts as a JSON object");
    options->texts.add_to(*add);
    options->scoring.add_to(*add);
    add->callback([options, &chosen] { chosen = [options] { return run_add(*options); }; });
}

} // namespace mice::cli
