// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/id_lines.hpp"
#include "common/output.hpp"
#include "common/progress.hpp"
#include "common/terminal.hpp"
#include "mice/index_commands.hpp"

namespace mice::cli {
namespace {

struct read_options {
    index_target target;
    bool json = false;
    bool states = false;
    std::string file;
};

/// Opens for reading, and notes where there is nothing to read.
index open_to_read(const index_target& target, const reranker& ranker) {
    index opened = target.open(ranker);
    note_if_empty(opened);
    return opened;
}

tools::ordered_json to_json(const stored_document& document) {
    return {{"id", document.id},
            {"metadata", document.metadata},
            {"tokens_seen", document.tokens_seen},
            {"tokens_cut", document.tokens_cut},
            {"replaced", document.replaced},
            {"rows", document.rows},
            {"bytes", document.bytes},
            {"content_hash", document.content_hash}};
}

// ---- list ----

exit_code run_list(const read_options& options) {
    const reranker ranker = options.target.load();
    const index all = open_to_read(options.target, ranker);
    tools::output out;
    for (const stored_document& document : all.documents()) {
        if (options.json) {
            out.write(tools::json_line(to_json(document)));
        } else {
            out.write(tools::id_line(document.id) + "\n");
        }
    }
    out.flush();
    return exit_code::ok;
}

// ---- stats ----

tools::ordered_json to_json(const index_stats& stats) {
    return {{"generation", stats.generation},
            {"documents", stats.documents},
            {"passages", stats.passages},
            {"deleted", stats.deleted},
            {"tokens", stats.tokens},
            {"rows", stats.rows},
            {"segments", stats.segments},
            {"files", stats.files},
            {"bytes",
             {{"codes", stats.bytes.codes},
              {"documents", stats.bytes.documents},
              {"texts", stats.bytes.texts},
              {"words", stats.bytes.words},
              {"other", stats.bytes.other},
              {"total", stats.bytes.total()}}},
            {"bytes_on_disk", stats.disk_bytes},
            {"files_on_disk", stats.disk_files},
            {"bytes_per_token", stats.bytes_per_token()},
            {"codec", stats.codec.name},
            {"codec_alias", stats.codec_alias},
            {"codec_waits", stats.codec_waits},
            {"pool", stats.codec.pool},
            {"drop", name_of(stats.codec.drop)},
            {"precisions", names_of(stats.precisions)},
            {"precisions_recorded", !stats.precisions.lacks_some()},
            {"words", stats.words == index_words::keep},
            {"words_form", stats.words_form},
            {"model", stats.model},
            {"fingerprint", stats.fingerprint},
            {"recovered", stats.recovered}};
}

std::string stats_text(const index_stats& stats) {
    std::string text;
    const auto line = [&text](const char* name, const std::string& value) {
        char start[40];
        std::snprintf(start, sizeof start, "%-16s ", name);
        text += start + value + "\n";
    };
    const auto number = [&line](const char* name, std::uint64_t value) {
        line(name, std::to_string(value));
    };
    number("documents", stats.documents);
    number("passages", stats.passages);
    number("deleted", stats.deleted);
    number("tokens", stats.tokens);
    number("states", stats.rows);
    char ratio[40];
    std::snprintf(ratio, sizeof ratio, "%.1f", stats.bytes_per_token());
    line("bytes per token", ratio);
    number("bytes", stats.bytes.total());
    number("  codes", stats.bytes.codes);
    number("  documents", stats.bytes.documents);
    number("  texts", stats.bytes.texts);
    number("  words", stats.bytes.words);
    number("  other", stats.bytes.other);
    number("bytes on disk", stats.disk_bytes);
    number("segments", stats.segments);
    number("files", stats.files);
    number("files on disk", stats.disk_files);
    number("generation", stats.generation);
    line("codec",
         text_of(stats.codec) + (stats.codec_waits ? "; learns from the first documents" : ""));
    line("encoded in", stats.precisions.text());
    line("words", stats.older_words()                ? "kept, of the older form 1"
                  : stats.words == index_words::keep ? "kept"
                                                     : "none");
    line("model", tools::printable(stats.model));
    line("fingerprint", tools::printable(stats.fingerprint));
    return text;
}

exit_code run_stats(const read_options& options) {
    const reranker ranker = options.target.load();
    const index_stats stats = open_to_read(options.target, ranker).stats();
    tools::output out;
    out.write(options.json ? tools::json_line(to_json(stats)) : stats_text(stats));
    out.flush();
    note_older_words(stats, options.target.folder);
    return exit_code::ok;
}

// ---- verify ----

/// The index, or why it cannot be opened: such an index is verified, too.
std::optional<index> open_if_whole(const index_target& target, const reranker& ranker,
                                   std::optional<error>& reason) {
    try {
        return target.open(ranker);
    } catch (const error& problem) {
        if (problem.code() != errc::format) {
            throw;
        }
        reason = problem;
        return std::nullopt;
    }
}

exit_code run_verify(const read_options& options) {
    const reranker ranker = options.target.load();
    std::optional<error> reason;
    const std::optional<index> all = open_if_whole(options.target, ranker, reason);
    tools::progress_bar bar("verifying (MiB)");
    const index_progress progress = progress_of(bar);
    const std::vector<index_finding> findings =
        all ? all->verify(progress) : index::verify_folder(options.target.folder, progress);
    bar.finish();
    if (findings.empty() && reason) {
        throw *reason; // the damage is gone, or is another now
    }
    const index_stats stats = all ? all->stats() : index_stats();
    tools::output out;
    if (options.json) {
        tools::ordered_json list = tools::ordered_json::array();
        for (const index_finding& each : findings) {
            list.push_back({{"file", each.file}, {"what", each.what}});
        }
        out.write(tools::json_line({{"damaged", !findings.empty()}, {"findings", list}}));
    } else {
        for (const index_finding& each : findings) {
            out.write(tools::printable(each.file) + ": " + tools::printable(each.what) + "\n");
        }
        if (findings.empty()) {
            out.write("no damage: " + std::to_string(stats.documents) + " documents in " +
                      std::to_string(stats.files) + " files\n");
        }
    }
    out.flush();
    if (all) {
        note_if_empty(*all);
    }
    if (findings.empty()) {
        return exit_code::ok;
    }
    tools::print_message("mice: the index in " + detail::errors::quoted(options.target.folder) +
                         " is damaged (" + std::to_string(findings.size()) +
                         " findings); restore the named files from a copy, add the documents to a "
                         "new index, or see what 'mice index repair' can do");
    return exit_code::failure;
}

// ---- export ----

void append_row(std::string& text, const float* values, std::size_t count) {
    text += '[';
    for (std::size_t i = 0; i < count; ++i) {
        text += (i > 0 ? "," : "") + tools::number_text(values[i]);
    }
    text += ']';
}

void append_rows(std::string& text, const float* values, std::size_t rows, std::size_t width) {
    text += '[';
    for (std::size_t row = 0; row < rows; ++row) {
        text += row > 0 ? "," : "";
        append_row(text, values + row * width, width);
    }
    text += ']';
}

/// "states": rows of numbers, or "key_values": for each layer rows of keys and values.
std::string states_json(const stored_states& states, std::size_t hidden) {
    std::string text = states.key_values ? "\"key_values\":[" : "\"states\":";
    const std::size_t width = states.key_values ? 2 * hidden : hidden;
    const std::size_t layer = states.rows * width;
    for (std::size_t start = 0; start + layer <= states.values.size(); start += layer) {
        text += start > 0 ? "," : "";
        append_rows(text, states.values.data() + start, states.rows, width);
    }
    return text + (states.key_values ? "]" : "");
}

std::string export_line(const index& from, const stored_document& document, bool with_states) {
    std::string line = tools::json_line(to_json(document));
    if (with_states) {
        const std::optional<stored_states> states = from.states(document.id);
        if (!states || states->rows == 0) {
            throw error(errc::format, "the document " + detail::errors::quoted(document.id) +
                                          " is listed and has no states; run 'mice index verify'");
        }
        line.resize(line.size() - 2); // "}" and the line's end
        line += "," + states_json(*states, from.ranker().config().interaction_hidden()) + "}\n";
    }
    return line;
}

exit_code run_export(const read_options& options) {
    const reranker ranker = options.target.load();
    const index all = open_to_read(options.target, ranker);
    std::optional<tools::output> file;
    tools::output standard;
    if (!options.file.empty() && options.file != "-") {
        file.emplace(std::filesystem::path(options.file));
    }
    tools::output& out = file ? *file : standard;
    tools::progress_bar bar("exporting", all.size());
    std::uint64_t done = 0;
    for (const stored_document& document : all.documents()) {
        out.write(export_line(all, document, options.states));
        bar.update(++done);
    }
    bar.finish();
    out.flush();
    return exit_code::ok;
}

CLI::App* add_reading_command(CLI::App& app, const char* name, const char* what,
                              const std::shared_ptr<read_options>& options) {
    CLI::App* const added = app.add_subcommand(name, what);
    options->target.add_to(*added);
    return added;
}

} // namespace

void add_index_list(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<read_options>();
    CLI::App* const list =
        add_reading_command(app, "list", "Print the ids of all documents", options);
    list->add_flag("--json", options->json, "Print one JSON object a document");
    list->callback([options, &chosen] { chosen = [options] { return run_list(*options); }; });
}

void add_index_stats(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<read_options>();
    CLI::App* const stats =
        add_reading_command(app, "stats", "Print what an index holds and takes", options);
    stats->add_flag("--json", options->json, "Print a JSON object");
    stats->callback([options, &chosen] { chosen = [options] { return run_stats(*options); }; });
}

void add_index_verify(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<read_options>();
    CLI::App* const verify =
        add_reading_command(app, "verify", "Read every byte and compare the checksums", options);
    verify->add_flag("--json", options->json, "Print a JSON object");
    verify->callback([options, &chosen] { chosen = [options] { return run_verify(*options); }; });
}

void add_index_export(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<read_options>();
    CLI::App* const command_app =
        add_reading_command(app, "export", "Write all documents as JSON Lines", options);
    command_app->add_flag("--states", options->states, "Write the decoded states, too");
    command_app->add_option("-o,--output", options->file, "Write to this file")
        ->type_name("FILE")
        ->check(not_empty());
    command_app->callback(
        [options, &chosen] { chosen = [options] { return run_export(*options); }; });
}

} // namespace mice::cli
