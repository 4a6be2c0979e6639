// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <mice/error.hpp>

#include "common/number_option.hpp"
#include "common/output.hpp"
#include "find/commands.hpp"
#include "find/documents.hpp"
#include "find/results.hpp"
#include "find/shown_options.hpp"

namespace mice::find {
namespace {

// ---- common options ----

struct get_options {
    common_options common;
    shown_options shown;
    std::vector<std::string> names;
    std::int64_t from = 1, lines = 0;
    std::int64_t max_bytes = 64 << 10;
};

/// What the options say; what they do not say is up to the names.
wanted_lines wanted_of(const get_options& options) {
    wanted_lines made;
    if (options.from > 1) {
        made.from = options.from;
    }
    if (options.lines > 0) {
        made.count = options.lines;
    }
    return made;
}

constexpr const char* more_text = "the file has more text than is kept";

/// Says that a text has no such lines; empty where it has.
std::string past_end(const document_text& found) {
    return found.first_line <= found.lines || found.first_line == 1
               ? std::string()
               : found.file.string() + " has " + std::to_string(found.lines) +
                     (found.lines == 1 ? " line" : " lines") + ", none that were asked for";
}

exit_code run_get(const get_options& options) {
    finder find(options.common.for_finder());
    const document_text found = document_of(find, options.names.at(0), wanted_of(options));
    tools::output out;
    out.write(render(found, options.shown.parts(), false));
    out.flush();
    for (const std::string& note :
         {found.notes, found.truncated ? std::string(more_text) : std::string(), past_end(found)}) {
        if (!note.empty()) {
            tools::print_message("mice-find: note: " + note);
        }
    }
    return exit_code::ok;
}

exit_code run_multi_get(const get_options& options) {
    finder find(options.common.for_finder());
    bool missing = false;
    const shown_parts how = options.shown.parts();
    tools::output out;
    std::string all;
    tools::ordered_json list = tools::ordered_json::array();
    if (how.as == form::csv) {
        all = "docid,collection,file,title,text\n";
    }
    documents_asked asked;
    asked.names = options.names;
    asked.lines = wanted_of(options);
    asked.max_bytes = options.max_bytes;
    documents_of(
        find, asked,
        [&](const document_text& each) {
            if (const std::string note = past_end(each); !note.empty()) {
                tools::print_message("mice-find: note: " + note);
            }
            if (how.as == form::json) {
                list.push_back(to_json(each));
            } else {
                all += render(each, how, true);
            }
            return true;
        },
        [&](const std::string& name, const std::string& reason) {
            tools::print_message("mice-find: left out " + name + ": " + reason);
            missing = true;
        });
    out.write(how.as == form::json ? tools::json_line(list) : all);
    out.flush();
    return missing ? exit_code::incomplete : exit_code::ok;
}

// ---- listings ----

struct list_options {
    common_options common;
    std::string place;
    bool json = false;
};

std::string line_of(const collection_status& each) {
    return tools::printable(each.of.name) + "  " + std::to_string(each.files) + " files" +
           (each.without_text > 0 ? " (" + std::to_string(each.without_text) + " without text)"
                                  : std::string()) +
           (each.failed > 0 ? " (" + std::to_string(each.failed) + " to be tried again)"
                            : std::string()) +
           "  " + tools::printable(each.of.root.string()) +
           (each.of.options.mask.empty() ? "" : "  " + tools::printable(each.of.options.mask)) +
           "\n";
}

/// What is wrong with a file, or missing of its text.
std::string remark_on(const listed_file& file) {
    std::string made;
    for (const std::string& each :
         {file.error, file.truncated ? std::string(more_text) : std::string(), file.notes}) {
        if (!each.empty()) {
            made += (made.empty() ? "  (" : "; ") + tools::printable(each);
        }
    }
    return made.empty() ? made : made + ")";
}

exit_code run_list(const list_options& options) {
    finder find(options.common.for_finder());
    std::string text;
    tools::ordered_json list = tools::ordered_json::array();
    if (options.place.empty()) {
        for (const collection_status& each : find.status().collections) {
            list.push_back(to_json(each));
            text += line_of(each);
        }
    } else {
        for (const listed_file& each : find.list(options.place)) {
            list.push_back({{"docid", each.document.empty() ? "" : "#" + each.document},
                            {"collection", each.collection},
                            {"path", each.path},
                            {"title", each.title},
                            {"kind", each.kind},
                            {"size", each.size},
                            {"truncated", each.truncated},
                            {"notes", each.notes},
                            {"error", each.error}});
            text += (each.document.empty() ? "-        " : "#" + each.document) + "  " +
                    tools::printable(each.collection + "/" + each.path) + remark_on(each) + "\n";
        }
    }
    tools::output out;
    out.write(options.json ? tools::json_line(list) : text);
    out.flush();
    return exit_code::ok;
}

exit_code run_status(const list_options& options) {
    finder find(options.common.for_finder());
    const index_status status = find.status();
    tools::output out;
    if (options.json) {
        out.write(tools::json_line(to_json(status)));
    } else {
        std::string text = "index      " + tools::printable(status.folder.string()) + "\n";
        for (const collection_status& each : status.collections) {
            text += "collection " + line_of(each);
        }
        text += "files      " + std::to_string(status.files) + "\ndocuments  " +
                std::to_string(status.documents) + " (files of one content are one)\npassages   " +
                std::to_string(status.passages) + "\ntext       " +
                std::to_string(status.text_bytes) + " bytes\non disk    " +
                std::to_string(status.disk_bytes) + " bytes\nmodel      " + status.model +
                "\ncodec      " + status.codec + "\n" +
                (status.unfinished.empty() ? "" : "unfinished " + status.unfinished + "\n");
        out.write(text);
    }
    out.flush();
    return exit_code::ok;
}

void add_get_options(CLI::App& app, get_options& options, bool several) {
    app.add_option("-l,--lines", options.lines, "At most so many lines of each; 0: all")
        ->check(tools::whole_number(0))
        ->type_name("N");
    app.add_option("--from", options.from, "From this line on")
        ->check(tools::whole_number(1))
        ->type_name("N");
    if (several) {
        app.add_option("--max-bytes", options.max_bytes, "Leave out longer texts")
            ->capture_default_str()
            ->check(tools::whole_number(1))
            ->type_name("N");
    }
    options.shown.add_to(app, false);
    options.common.add_to(app, false);
}

} // namespace

void common_options::add_to(CLI::App& app, bool computes) {
    app.add_option("--index", folder,
                   "The index's folder; $XDG_DATA_HOME/mice-find or ~/.local/share/mice-find if "
                   "not given")
        ->type_name("DIR");
    if (computes) {
        app.add_option("--model", model, "Model file; the default model if not given")
            ->type_name("FILE");
        app.add_option("--threads", threads, "Threads to compute with")
            ->check(tools::whole_number(1))
            ->type_name("N");
    }
}

std::filesystem::path common_options::index_folder() const {
    return folder.empty() ? default_folder() : std::filesystem::path(folder);
}

finder_options common_options::for_finder() const {
    return {.folder = index_folder(), .model = model, .threads = threads};
}

void add_reading_commands(CLI::App& app, command& chosen) {
    const auto get = std::make_shared<get_options>();
    CLI::App* const get_command = app.add_subcommand("get", "Print a document's text");
    get_command
        ->add_option("NAME", get->names,
                     "A path, collection/path, the end of one, or #id; with :FROM or :FROM:COUNT "
                     "lines of it")
        ->required()
        ->expected(1)
        ->type_name("");
    add_get_options(*get_command, *get, false);
    get_command->callback([get, &chosen] { chosen = [get] { return run_get(*get); }; });

    const auto many = std::make_shared<get_options>();
    CLI::App* const many_command =
        app.add_subcommand("multi-get", "Print the texts of several documents");
    many_command
        ->add_option("NAMES", many->names,
                     "Patterns such as 'notes/2025-*.md', names, or names "
                     "with commas between")
        ->required()
        ->type_name("");
    add_get_options(*many_command, *many, true);
    many_command->callback([many, &chosen] { chosen = [many] { return run_multi_get(*many); }; });

    const auto list = std::make_shared<list_options>();
    CLI::App* const list_command =
        app.add_subcommand("ls", "List collections, or the files of one");
    list_command->add_option("PLACE", list->place, "COLLECTION or COLLECTION/PATH")->type_name("");
    list_command->add_flag("--json", list->json, "Print JSON");
    list->common.add_to(*list_command, false);
    list_command->callback([list, &chosen] { chosen = [list] { return run_list(*list); }; });

    const auto status = std::make_shared<list_options>();
    CLI::App* const status_command = app.add_subcommand("status", "Say what the index holds");
    status_command->add_flag("--json", status->json, "Print JSON");
    status->common.add_to(*status_command, false);
    status_command->callback(
        [status, &chosen] { chosen = [status] { return run_status(*status); }; });
}

} // namespace mice::find
