// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <mice/error.hpp>

#include "common/file_names.hpp"
#include "common/interrupt.hpp"
#include "common/json_output.hpp"
#include "common/model_path.hpp"
#include "common/number_option.hpp"
#include "common/output.hpp"
#include "common/progress.hpp"
#include "common/terminal.hpp"
#include "find/commands.hpp"
#include "find/consistency.hpp"
#include "find/lock.hpp"
#include "find/priority.hpp"
#include "find/states.hpp"
#include "find/updater.hpp"

namespace mice::find {
namespace {

namespace fs = std::filesystem;

struct writing_options {
    common_options common;
    std::uint64_t wait = 0; ///< seconds
    bool usual_priority = false;
    bool json = false;
    std::string path, name;         ///< of add; of remove
    std::vector<std::string> names; ///< of update; empty: all
    walk_options walked;
    std::string codec = default_codec;
    std::uint64_t max_files = 0;
    bool re_encode = false, check = false;
};

/// Makes the folder, for its owner alone. One that holds something else is refused.
void prepare_folder(const fs::path& folder) {
    ::umask(S_IRWXG | S_IRWXO); // texts of private files are in it
    std::error_code problem;
    if (!fs::exists(folder, problem)) {
        if (!folder.parent_path().empty()) {
            fs::create_directories(folder.parent_path(), problem);
        }
        if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
            throw detail::errors::cannot_write(folder.string(),
                                               std::generic_category().message(errno));
        }
        return;
    }
    if (fs::exists(folder / catalog::file_name, problem)) {
        return;
    }
    for (fs::directory_iterator each(folder, problem), end; !problem && each != end;
         each.increment(problem)) {
        const std::string name = each->path().filename().string();
        if (name != write_lock::file_name && !name.starts_with(catalog::file_name) &&
            !name.starts_with("states-")) {
            throw error(errc::invalid_argument,
                        detail::errors::quoted(folder.string()) +
                            " holds something else than an index: name a new folder");
        }
    }
    if (problem) {
        throw detail::errors::cannot_open(folder.string(), problem.message());
    }
}

/// An index that is written, with its lock.
class writer {
  public:
    writer(const writing_options& options, const char* purpose, bool may_create)
        : options_(options), folder_(options.common.index_folder()) {
        std::error_code problem;
        if (!may_create && !fs::exists(folder_ / catalog::file_name, problem)) {
            throw error(errc::io, "there is no index in " +
                                      detail::errors::quoted(folder_.string()) +
                                      "; make one with 'mice-find add FOLDER'");
        }
        prepare_folder(folder_);
        lock_.emplace(folder_, purpose, std::chrono::seconds(options.wait),
                      [](const std::string& holder) {
                          tools::print_message("mice-find: waiting for " + holder +
                                               ", which writes the index");
                          return true;
                      });
        catalog_.emplace(folder_, access_mode::write);
        if (catalog_->rebuilt()) {
            tools::print_message("mice-find: note: the index is of an older version; the next "
                                 "update reads all files again, and encodes none that it has");
        }
    }

    [[nodiscard]] const catalog& in() const { return *catalog_; }
    [[nodiscard]] const fs::path& folder() const { return folder_; }
    [[nodiscard]] const reranker& ranker() {
        if (!ranker_) {
            ranker_ = tools::load_model(tools::model_path(options_.common.model),
                                        precision::automatic, {.threads = options_.common.threads});
        }
        return *ranker_;
    }

  private:
    const writing_options& options_;
    fs::path folder_;
    std::optional<write_lock> lock_;
    std::optional<catalog> catalog_;
    std::optional<reranker> ranker_;
};

std::string json_of(const update_report& report) {
    tools::ordered_json problems = tools::ordered_json::array();
    for (const file_problem& each : report.problems) {
        problems.push_back({{"file", each.file.string()}, {"reason", each.reason}});
    }
    return tools::json_line({{"added", report.added},
                             {"changed", report.changed},
                             {"removed", report.removed},
                             {"unchanged", report.unchanged + report.touched},
                             {"without_text", report.without_text},
                             {"failed", report.failed},
                             {"left", report.left},
                             {"encoded", report.encoded},
                             {"bytes", report.bytes},
                             {"seconds", report.seconds},
                             {"encoding_seconds", report.encoding_seconds},
                             {"stopped", report.stopped},
                             {"problems", std::move(problems)}});
}

void tell(const std::vector<file_problem>& problems, std::uint64_t all) {
    constexpr std::size_t most = 20;
    for (std::size_t i = 0; i < std::min(problems.size(), most); ++i) {
        tools::print_message("mice-find: " + problems[i].file.string() + ": " + problems[i].reason);
    }
    if (all > most) {
        tools::print_message("mice-find: and " + std::to_string(all - most) +
                             " more; 'mice-find ls COLLECTION' shows them");
    }
}

/// Updates, and tells of what could not be read.
update_report update_quietly(writer& into, const std::vector<collection>& collections,
                             const writing_options& options) {
    if (!options.usual_priority) {
        give_way();
    }
    const tools::interrupt_guard guard;
    std::optional<tools::progress_bar> bar;
    std::string shown;
    const auto show = [&](const char* label, std::uint64_t done, std::uint64_t all) {
        if (!bar || shown != label) {
            bar.emplace(label, all);
            shown = label;
        }
        bar->update(done);
        return !guard.requested();
    };
    update_options how;
    how.threads = options.common.threads;
    how.codec = options.codec;
    how.max_files = options.max_files;
    how.re_encode = options.re_encode;
    how.progress = [&](std::uint64_t done, std::uint64_t all) {
        return show("indexing, KB", done / 1000, all / 1000);
    };
    how.re_encoding = [&](std::uint64_t done, std::uint64_t all) {
        return show("encoding again", done, all);
    };
    how.looking = [&](std::uint64_t) { return !guard.requested(); };
    update_report report = update(
        into.in(), into.folder(), collections,
        [&into]() -> const reranker& { return into.ranker(); }, how);
    bar.reset();
    tell(report.problems, report.failed);
    return report;
}

exit_code code_of(const update_report& report) {
    if (report.stopped) {
        tools::print_message("mice-find: stopped; 'mice-find update' goes on");
        return exit_code::interrupted;
    }
    return report.failed > 0 ? exit_code::incomplete : exit_code::ok;
}

/// An update that had nothing to encode did not open the states. Throws where nobody can.
void try_states(writer& into) {
    if (!into.in().setting(states_setting).empty() &&
        states_writer::fits(into.in(), into.ranker())) {
        const std::optional<mice::index> states =
            open_states(into.in(), into.folder(), into.ranker());
        if (const std::string note = older_states(*states); !note.empty()) {
            throw damaged_states(error(errc::format, note));
        }
    }
}

exit_code update_now(writer& into, const std::vector<collection>& collections,
                     const writing_options& options) {
    const update_report report = update_quietly(into, collections, options);
    tools::output out;
    out.write(options.json ? json_of(report) : text_of(report) + "\n");
    out.flush();
    if (!report.stopped && report.encoded == 0) {
        try_states(into);
    }
    return code_of(report);
}

void check_name(const std::string& name) {
    const bool plain = std::none_of(name.begin(), name.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f || c == '/' || c == '#' || c == ',';
    });
    if (name.empty() || name == "." || name == ".." || name.size() > 200 || !plain) {
        throw usage_error("a collection cannot be named " + detail::errors::quoted(name) +
                          "; give another --name");
    }
}

exit_code run_add(const writing_options& options) {
    std::error_code problem;
    collection added;
    added.root = fs::canonical(options.path, problem);
    if (problem) {
        throw detail::errors::cannot_open(options.path, problem.message());
    }
    if (!fs::is_directory(added.root)) {
        throw error(errc::invalid_argument,
                    detail::errors::quoted(options.path) +
                        " is no folder; add its folder, with --mask for that file alone");
    }
    added.name = options.name.empty() ? added.root.filename().string() : options.name;
    added.name = added.name.empty() ? "root" : added.name;
    check_name(added.name);
    added.options = options.walked;
    writer into(options, "add", true);
    std::optional<collection> known = into.in().find_collection(added.name);
    if (known && known->root != added.root) {
        throw error(errc::invalid_argument, "the collection " + detail::errors::quoted(added.name) +
                                                " is there already: " + known->root.string() +
                                                "; give another --name");
    }
    if (known && known->options.mask != added.options.mask) {
        throw error(errc::invalid_argument,
                    "the collection " + detail::errors::quoted(added.name) +
                        " has another mask; remove it first, or give another --name");
    }
    if (!known) {
        into.in().add_collection(added);
        known = into.in().find_collection(added.name);
    }
    return update_now(into, {*known}, options);
}

exit_code run_update(const writing_options& options) {
    writer into(options, "update", false);
    std::vector<collection> wanted = into.in().collections();
    if (!options.names.empty()) {
        wanted.clear();
        for (const std::string& name : options.names) {
            const std::optional<collection> found = into.in().find_collection(name);
            if (!found) {
                throw error(errc::invalid_argument, "there is no collection " +
                                                        detail::errors::quoted(name) +
                                                        "; 'mice-find ls' lists them");
            }
            wanted.push_back(*found);
        }
    }
    return update_now(into, wanted, options);
}

/// Files, documents and passages of an index.
std::array<std::int64_t, 3> held(const catalog& in) {
    return {in.base().integer("SELECT count(*) FROM files"),
            in.base().integer("SELECT count(*) FROM contents"),
            in.base().integer("SELECT count(*) FROM passages")};
}

exit_code run_remove(const writing_options& options) {
    writer into(options, "remove", false);
    const std::optional<collection> found = into.in().find_collection(options.name);
    if (!found) {
        throw error(errc::invalid_argument, "there is no collection " +
                                                detail::errors::quoted(options.name) +
                                                "; 'mice-find ls' lists them");
    }
    const std::array<std::int64_t, 3> before = held(into.in());
    into.in().remove_collection(found->id);
    // Removes texts and states that no file has.
    const update_report report = update_quietly(into, {}, options);
    std::array<std::int64_t, 3> gone = held(into.in());
    for (std::size_t i = 0; i < gone.size(); ++i) {
        gone[i] = before[i] - gone[i];
    }
    tools::output out;
    out.write(options.json
                  ? tools::json_line({{"collection", found->name},
                                      {"path", found->root.string()},
                                      {"files", gone[0]},
                                      {"documents", gone[1]},
                                      {"passages", gone[2]},
                                      {"stopped", report.stopped}})
                  : tools::printable(found->name) + " removed: " + std::to_string(gone[0]) +
                        " files, " + std::to_string(gone[1]) + " documents and " +
                        std::to_string(gone[2]) + " passages that nothing else has; " +
                        tools::printable(found->root.string()) + " stays as it is\n");
    out.flush();
    return code_of(report);
}

/// What mends that which neither `update` nor `cleanup` alone does.
void print_advice(const std::vector<consistency_finding>& found) {
    const auto any = [&](const auto& is) { return std::any_of(found.begin(), found.end(), is); };
    if (any([](const auto& each) { return each.kind == inconsistency::changed_text; })) {
        tools::print_message("mice-find: note: bytes of texts have changed; 'mice-find cleanup' "
                             "marks them, and then 'mice-find update' reads their files again");
    }
    if (any([](const auto& each) {
            return each.kind == inconsistency::missing_words ||
                   (each.kind == inconsistency::damage && !is_of_states(each));
        })) {
        tools::print_message("mice-find: note: 'mice-find cleanup' makes the catalog's indexes and "
                             "words anew, and then 'mice-find update' reads what it misses");
    }
    if (any([](const auto& each) { return is_of_states(each); })) {
        tools::print_message("mice-find: note: the texts of damaged states are safe: 'mice-find "
                             "update --re-encode' encodes them anew");
    }
}

exit_code run_check(const writing_options& options) {
    const finder_options place = options.common.for_finder();
    finder find(place);
    const std::vector<consistency_finding> found =
        check_consistency(find.held(), place.folder, find.ranker());
    tools::output out;
    std::string text;
    tools::ordered_json list = tools::ordered_json::array();
    for (const consistency_finding& each : found) {
        list.push_back({{"kind", name_of(each.kind)}, {"what", each.what}});
        text += std::string(name_of(each.kind)) + "  " + tools::printable(each.what) + "\n";
    }
    out.write(options.json ? tools::json_line(list) : text);
    out.flush();
    print_advice(found);
    return found.empty() ? exit_code::ok : exit_code::failure;
}

exit_code run_cleanup(const writing_options& options) {
    if (options.check) {
        return run_check(options);
    }
    writer into(options, "cleanup", false);
    const cleanup_report report =
        clean_up(into.in(), into.folder(), into.ranker(), options.common.threads);
    tools::output out;
    out.write(options.json ? tools::json_line({{"states_removed", report.states_removed},
                                               {"states_added", report.states_added},
                                               {"texts_removed", report.texts_removed},
                                               {"folders_removed", report.folders_removed},
                                               {"texts_to_read", report.texts_to_read},
                                               {"catalog_repaired", report.catalog_repaired}})
                           : std::to_string(report.states_removed) + " states and " +
                                 std::to_string(report.texts_removed) + " texts removed, " +
                                 std::to_string(report.states_added) + " states added\n");
    out.flush();
    if (report.catalog_repaired) {
        tools::print_message("mice-find: note: the catalog was damaged; its indexes and words were "
                             "made anew, and 'mice-find update' reads what it misses");
    }
    if (report.texts_to_read > 0) {
        tools::print_message("mice-find: note: bytes of " + std::to_string(report.texts_to_read) +
                             " texts had changed; 'mice-find update' reads their files again");
    }
    return exit_code::ok;
}

void add_shared(CLI::App& app, writing_options& options, bool updates) {
    app.add_option("--wait", options.wait,
                   "Wait so many seconds where another process writes the index")
        ->check(tools::whole_number(0))
        ->type_name("SECONDS");
    app.add_flag("--json", options.json, "Print JSON");
    if (updates) {
        app.add_option("--max-files", options.max_files,
                       "Read at most so many files; the next update goes on")
            ->check(tools::whole_number(1))
            ->type_name("N");
        app.add_option("--codec", options.codec,
                       "How the states of a new index are stored: int8, int4, pq62, ... "
                       "(docs/index.md)")
            ->capture_default_str()
            ->type_name("NAME");
        app.add_flag("--usual-priority", options.usual_priority,
                     "Do not give way to other programs");
    }
    options.common.add_to(app, true);
}

void add_walk_options(CLI::App& app, walk_options& walked, bool& no_ignore) {
    app.add_option("--mask", walked.mask, "Only files such as '*.md' or 'notes/**/*.txt'")
        ->type_name("GLOB");
    app.add_flag("--hidden", walked.hidden, "Also names that begin with a dot");
    app.add_flag("--follow", walked.follow, "Follow symbolic links");
    app.add_flag("--one-file-system", walked.one_file_system, "Stay on the folder's file system");
    app.add_flag("--no-ignore", no_ignore, "Do not obey .gitignore and .ignore");
    app.add_option("--max-size", walked.max_size, "Leave out files of more bytes")
        ->capture_default_str()
        ->check(tools::whole_number(1))
        ->type_name("N");
}

} // namespace

void add_writing_commands(CLI::App& app, command& chosen) {
    const auto add = std::make_shared<writing_options>();
    constexpr std::uint64_t largest = std::uint64_t{64} << 20;
    add->walked.max_size = largest;
    const auto no_ignore = std::make_shared<bool>(false);
    CLI::App* const add_command = app.add_subcommand("add", "Index a folder as a collection");
    add_command->add_option("PATH", add->path, "The folder")->required()->type_name("");
    add_command->add_option("--name", add->name, "The collection's name; the folder's if not given")
        ->type_name("NAME");
    add_walk_options(*add_command, add->walked, *no_ignore);
    add_shared(*add_command, *add, true);
    add_command->callback([add, no_ignore, &chosen] {
        add->walked.ignore_files = !*no_ignore;
        chosen = [add] { return run_add(*add); };
    });

    const auto update = std::make_shared<writing_options>();
    CLI::App* const update_command =
        app.add_subcommand("update", "Read what has changed in all collections, or in some");
    update_command->add_option("NAMES", update->names, "Collections")->type_name("");
    update_command->add_flag("--re-encode", update->re_encode,
                             "Encode all passages again, with this model");
    add_shared(*update_command, *update, true);
    update_command->callback(
        [update, &chosen] { chosen = [update] { return run_update(*update); }; });

    const auto remove = std::make_shared<writing_options>();
    CLI::App* const remove_command =
        app.add_subcommand("remove", "Forget a collection; its files stay");
    remove_command->add_option("NAME", remove->name, "The collection")->required()->type_name("");
    add_shared(*remove_command, *remove, false);
    remove_command->callback(
        [remove, &chosen] { chosen = [remove] { return run_remove(*remove); }; });

    const auto cleanup = std::make_shared<writing_options>();
    CLI::App* const cleanup_command = app.add_subcommand(
        "cleanup", "Remove what no file has, encode what is missing, give room back");
    cleanup_command->add_flag("--check", cleanup->check,
                              "Change nothing; list what does not fit, and exit 1 if there is any");
    add_shared(*cleanup_command, *cleanup, false);
    cleanup_command->callback(
        [cleanup, &chosen] { chosen = [cleanup] { return run_cleanup(*cleanup); }; });
}

} // namespace mice::find
