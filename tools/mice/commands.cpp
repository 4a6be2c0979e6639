// SPDX-License-Identifier: Apache-2.0
#include "mice/commands.hpp"

#include <string>

#include <mice/config.hpp>
#include <mice/kernels/active.hpp>
#include <mice/version.hpp>

#include "common/model_path.hpp"
#include "common/output.hpp"
#include "common/precision_option.hpp"

namespace mice::cli {

CLI::Validator not_empty() {
    return {[](const std::string& value) { return value.empty() ? "it is empty" : ""; }, "",
            "not_empty"};
}

void add_model_option(CLI::App& app, std::string& model) {
    app.add_option("--model", model, "Model file; the default model if not given")
        ->type_name("FILE")
        ->check(not_empty());
}

void scoring_options::add_to(CLI::App& app) {
    add_model_option(app, model);
    add_without_model_to(app);
}

void scoring_options::add_without_model_to(CLI::App& app) {
    app.add_option("--threads", threads, "Threads to use; 0 is one for each core")
        ->check(CLI::Range(0, 1024))
        ->type_name("N");
    tools::add_precision_option(app, computed);
    app.add_flag("--parse-special", parse_special,
                 "Special tokens written in a text, such as [SEP], act as special tokens");
    app.add_flag("--strict-utf8", strict_utf8, "Refuse invalid UTF-8 instead of replacing it");
}

tools::bad_text scoring_options::text_policy() const {
    return strict_utf8 ? tools::bad_text::refuse : tools::bad_text::replace;
}

rank_options scoring_options::for_library() const {
    rank_options options;
    options.threads = threads;
    options.specials = parse_special ? special_tokens::parse : special_tokens::plain;
    options.on_invalid = strict_utf8 ? invalid_utf8::refuse : invalid_utf8::replace;
    return options;
}

reranker scoring_options::load() const {
    return tools::load_model(tools::model_path(model), computed, {.threads = threads});
}

exit_code report(const tools::reading_notes& notes) {
    for (const std::string& line : notes.lines()) {
        tools::print_message("mice: note: " + line);
    }
    return notes.anything_skipped() ? exit_code::incomplete : exit_code::ok;
}

namespace {

/// The kernels in use, and those that could be.
std::string simd_text() {
    std::string text = std::string("SIMD: ") + kernels::active().name;
#if MICE_USE_DISPATCH
    using MICE_SHARED_NAMESPACE::simd_request;
    text += ", chosen at run time";
    std::string names;
    for (const kernels::kernel_set* set : MICE_SHARED_NAMESPACE::runnable_kernels()) {
        names += std::string(names.empty() ? "" : ", ") + set->name;
    }
    switch (MICE_SHARED_NAMESPACE::requested_simd()) {
    case simd_request::followed:
        text += " by MICE_SIMD";
        break;
    case simd_request::replaced:
        text += " for MICE_SIMD, which names a set that this program or processor lacks";
        break;
    case simd_request::unknown:
        text += "; MICE_SIMD is ignored, as it names no set of kernels";
        break;
    default:
        break;
    }
    text += "\nkernels: " + names + "; MICE_SIMD=NAME chooses a lower one";
#endif
    return text + "\n";
}

} // namespace

std::string version_text() {
    const auto model = tools::default_model_path();
    return std::string("mice ") + MICE_VERSION_STRING + "\n" + simd_text() +
           "precision: automatic is " + std::string(name_of(resolved(precision::automatic))) +
           " here\n" + "threads: " + (MICE_USE_OPENMP ? "OpenMP" : "std::thread") + "\n" +
           "sentencepiece: " + (MICE_USE_SENTENCEPIECE ? "yes" : "no, not built with it") + "\n" +
           "default model: " + (model ? model->string() : "none found") + "\n";
}

} // namespace mice::cli
