// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <string>

#include "common/output.hpp"
#include "common/terminal.hpp"
#include "mice/index_commands.hpp"

namespace mice::cli {
namespace {

struct repair_options {
    index_target target;
    bool yes = false;
    bool dry_run = false;
    bool json = false;
};

tools::ordered_json to_json(const index_repair& repair) {
    tools::ordered_json damage = tools::ordered_json::array();
    for (const index_finding& each : repair.damage) {
        damage.push_back({{"file", each.file}, {"what", each.what}});
    }
    tools::ordered_json moves = tools::ordered_json::array();
    for (const index_move& each : repair.moves) {
        moves.push_back({{"file", each.file}, {"name", each.name}, {"bytes", each.bytes}});
    }
    tools::ordered_json object = {{"damaged", !repair.damage.empty()},
                                  {"damage", damage},
                                  {"last_commit", repair.newest},
                                  {"last_documents", nullptr},
                                  {"goes_back_to", repair.generation},
                                  {"documents", repair.documents},
                                  {"moves", moves},
                                  {"committed", nullptr}};
    if (repair.newest_documents) {
        object["last_documents"] = *repair.newest_documents;
    }
    if (repair.committed != 0) {
        object["committed"] = repair.committed;
    }
    return object;
}

std::string commit_text(std::uint64_t generation, const std::string& documents) {
    return "commit " + std::to_string(generation) + " (" + documents + " documents)";
}

/// What is damaged, what is lost, and where the files go.
std::string repair_text(const index_repair& repair, bool done) {
    if (repair.damage.empty()) {
        return "nothing to repair: " +
               commit_text(repair.generation, std::to_string(repair.documents)) +
               " is the last and can be opened\n";
    }
    std::string text;
    for (const index_finding& each : repair.damage) {
        text += tools::printable(each.file) + ": " + tools::printable(each.what) + "\n";
    }
    if (repair.goes_back()) {
        const std::string lost = repair.newest_documents ? std::to_string(*repair.newest_documents)
                                                         : std::string("an unknown number of");
        text += commit_text(repair.newest, lost) + (done ? " was lost: " : " would be lost: ") +
                "the index " + (done ? "went" : "would go") + " back to " +
                commit_text(repair.generation, std::to_string(repair.documents)) +
                "; add again what was changed since\n";
    } else {
        text +=
            commit_text(repair.generation, std::to_string(repair.documents)) +
            (done ? " stayed as it was" : " would stay as it is") +
            (repair.moves.empty() ? "\n"
                                  : "; if a later commit is missing, what it changed is lost\n");
    }
    for (const index_move& each : repair.moves) {
        text += std::string(done ? "moved " : "would move ") + tools::printable(each.file) + " (" +
                std::to_string(each.bytes) + " bytes) to " + tools::printable(each.name) + "\n";
    }
    return text;
}

exit_code run_repair(const repair_options& options) {
    const reranker ranker = options.target.load();
    options.target.check_there();
    const index_repair repair = options.yes ? index::repair(options.target.folder, ranker)
                                            : index::plan_repair(options.target.folder, ranker);
    tools::output out;
    out.write(options.json ? tools::json_line(to_json(repair)) : repair_text(repair, options.yes));
    out.flush();
    if (options.yes || options.dry_run || repair.damage.empty()) {
        return exit_code::ok;
    }
    tools::print_message("mice: nothing was changed; keep a copy of the folder if you can, and say "
                         "--yes to do this");
    return exit_code::failure;
}

} // namespace

void add_index_repair(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<repair_options>();
    CLI::App* const repair = app.add_subcommand(
        "repair", "Go back to the last commit that can be opened; removes no file");
    options->target.add_to(*repair);
    CLI::Option* const yes =
        repair->add_flag("--yes", options->yes, "Do it; without this only say what would be lost");
    repair->add_flag("--dry-run", options->dry_run, "Only say what would be lost")->excludes(yes);
    repair->add_flag("--json", options->json, "Print a JSON object");
    repair->callback([options, &chosen] { chosen = [options] { return run_repair(*options); }; });
}

} // namespace mice::cli
