// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/model/config_json.hpp>

#include "common/atomic_file.hpp"
#include "common/interrupt.hpp"
#include "common/number_option.hpp"
#include "common/output.hpp"
#include "common/terminal.hpp"
#include "mice/commands.hpp"
#include "mice/compare_measures.hpp"
#include "mice/compare_models.hpp"
#include "mice/compare_results.hpp"
#include "mice/index_commands.hpp"

namespace mice::cli {
namespace {

struct compare_options {
    scoring_options scoring;
    std::vector<std::string> models;
    std::vector<std::string> folders;
    std::string baseline;
    candidate_options candidates;
    creation_options stored;
    std::size_t timed_queries = 20;
    bool json = false;
    std::string json_out, markdown_out, plot_out;

    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> named;
        for (const std::string& each : {json_out, markdown_out, plot_out}) {
            if (!each.empty()) {
                named.push_back(each);
            }
        }
        return named;
    }
};

/// Checks before hours of work what could only fail after them.
void check(const compare_options& options) {
    options.candidates.check(options.folders.size());
    for (const std::string& folder : options.folders) {
        (void)judgements_file(folder, options.candidates.split);
        for (const char* name : {"corpus.jsonl", "queries.jsonl"}) {
            const std::filesystem::path file = std::filesystem::path(folder) / name;
            std::error_code problem;
            if (!std::filesystem::exists(file, problem)) {
                throw detail::errors::cannot_open(file.string(), problem ? problem.message()
                                                                         : "there is no such file");
            }
        }
    }
    std::set<std::filesystem::path> targets;
    for (const std::string& file : options.files()) {
        if (!targets.insert(std::filesystem::path(file).lexically_normal()).second) {
            throw usage_error("two results cannot be saved in " + detail::errors::quoted(file));
        }
        (void)tools::atomic_file(file); // may it be written?
    }
}

comparison described(const std::vector<compared_model>& models, std::size_t baseline,
                     const compare_options& options) {
    comparison all;
    for (const compared_model& each : models) {
        all.models.push_back({each.name, std::string(title_of(each.ranker.config().kind)),
                              std::string(name_of(each.computed)), each.file, each.file_bytes,
                              each.ranker.stores_documents()});
    }
    all.baseline = baseline;
    all.threads = parallel::threads_for({options.scoring.threads, nullptr}, 1024);
    all.simd = kernels::active().name;
    all.candidates = options.candidates.text();
    index_codec kept = options.stored.for_library().codec;
    kept.name = kept_codec_name(kept.name);
    all.codec = text_of(kept);
    return all;
}

void save(const std::string& file, const std::string& content) {
    if (!file.empty()) {
        tools::atomic_file out(file);
        out.write(content);
        out.commit();
    }
}

exit_code compare(const compare_options& options, cancellation& stop) {
    check(options);
    const std::vector<compared_model> models =
        load_models(options.models, options.scoring.computed, {options.scoring.threads, nullptr});
    measuring_options how;
    how.library = options.scoring.for_library();
    how.library.cancel = &stop;
    how.stored = options.stored.for_library();
    how.stored.words = index_words::none; // the candidates are known
    how.baseline = baseline_of(models, options.baseline);
    how.timed_queries = options.timed_queries;
    check_storable(models, how.stored);

    options.stored.note_alias();
    comparison all = described(models, how.baseline, options);
    const std::size_t columns = tools::output_columns();
    tools::output out;
    const auto show = [&](const std::string& text) {
        if (!options.json) {
            out.write(text);
            out.flush();
        }
    };
    show(text_head(all, columns));
    bool incomplete = false;
    for (std::size_t i = 0; i < options.folders.size(); ++i) {
        const judged_lists judged =
            read_judged(options.folders[i], options.candidates, i, options.scoring.text_policy());
        incomplete = incomplete || judged.incomplete;
        all.collections.push_back(measure(models, judged, how));
        show(text_of(all.collections.back(), all, columns));
    }
    if (all.collections.size() > 1) {
        all.mean = mean_of(all.collections);
        show(text_of(*all.mean, all, columns));
    }
    if (options.json) {
        out.write(json_of(all));
        out.flush();
    }
    save(options.json_out, json_of(all));
    save(options.markdown_out, markdown_of(all));
    save(options.plot_out, plot_of(all));
    return incomplete ? exit_code::incomplete : exit_code::ok;
}

/// Ctrl-C ends the running call, so that the temporary indexes are removed.
exit_code run_compare(const compare_options& options) {
    cancellation stop;
    const tools::interrupt_guard guard(stop);
    try {
        return compare(options, stop);
    } catch (const error& problem) {
        if (problem.code() != errc::stopped || !guard.requested()) {
            throw;
        }
    }
    tools::print_message("mice: stopped; what was printed is complete, and no file was saved");
    return exit_code::interrupted;
}

void add_output_options(CLI::App& command, compare_options& options) {
    command.add_flag("--json", options.json, "Print one JSON object instead of tables");
    command.add_option("--json-out", options.json_out, "Save that JSON object, too")
        ->type_name("FILE")
        ->check(not_empty());
    command
        .add_option("--markdown-out", options.markdown_out, "Save the tables as a Markdown page")
        ->type_name("FILE")
        ->check(not_empty());
    command
        .add_option("--plot-out", options.plot_out,
                    "Save a picture, latency against nDCG@10, as an SVG file")
        ->type_name("FILE")
        ->check(not_empty());
}

} // namespace

void add_compare_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<compare_options>();
    CLI::App* const compare_app = app.add_subcommand(
        "compare", "Measure models side by side: quality, latency and bytes a document");
    compare_app
        ->add_option("MODELS", options->models,
                     "Model files; FILE@PRECISION computes that one with its own precision")
        ->required()
        ->type_name("")
        ->check(not_empty());
    compare_app
        ->add_option("--collection", options->folders,
                     "A folder with corpus.jsonl, queries.jsonl and qrels.tsv (or BEIR's qrels/); "
                     "repeat for several")
        ->required()
        ->type_name("FOLDER")
        ->check(not_empty())
        ->expected(1)
        ->take_all();
    compare_app
        ->add_option("--baseline", options->baseline,
                     "The model, as given or as named in the tables, that all are put beside; the "
                     "first if not given")
        ->type_name("MODEL")
        ->check(not_empty());
    options->candidates.add_to(*compare_app);
    compare_app
        ->add_option("--timed-queries", options->timed_queries,
                     "Queries of each collection that are timed, and whose candidates are stored")
        ->capture_default_str()
        ->check(tools::whole_number(1))
        ->type_name("N");
    options->stored.add_codec_to(*compare_app);
    add_output_options(*compare_app, *options);
    options->scoring.add_without_model_to(*compare_app);
    compare_app->callback(
        [options, &chosen] { chosen = [options] { return run_compare(*options); }; });
}

} // namespace mice::cli
