// SPDX-License-Identifier: Apache-2.0
#include "convert.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include <mice/model/config_json.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/unicode/utf8.hpp>
#include <mice/version.hpp>

#include "checkpoint.hpp"
#include "checkpoint_config.hpp"
#include "common/fingerprint.hpp"
#include "common/tokenizer_files.hpp"
#include "derive.hpp"
#include "derive_masks.hpp"
#include "families.hpp"
#include "late_interaction.hpp"
#include "messages.hpp"
#include "model_file.hpp"
#include "modules.hpp"
#include "select_tensors.hpp"
#include "self_test.hpp"

namespace mice::tools {
namespace {

namespace fs = std::filesystem;

/// A tokenizer as the model file stores it, and where it was read.
struct loaded_tokenizer : stored_tokenizer {
    std::shared_ptr<const tokenizer> words;
    std::string_view kind;
    fs::path path;
    bool lowercases = false;
};

/// How a tokenizer joins two texts.
pair_form pairs_of(const tokenizer_spec& spec) {
    return std::visit(
        [](const auto& kind) {
            if constexpr (requires { kind.pairs; }) {
                return kind.pairs;
            } else {
                return pair_form::bert;
            }
        },
        spec);
}

std::optional<loaded_tokenizer> load_tokenizer(const convert_options& options,
                                               conversion_report& report) {
    if (options.ids_only) {
        report.notes.emplace_back("no tokenizer stored, as asked: the file scores token ids only");
        return std::nullopt;
    }
    std::optional<fs::path> path = options.tokenizer;
    if (path->empty()) {
        path = find_tokenizer(options.directory);
    }
    if (!path) {
        report.warnings.push_back(
            "no tokenizer.json, vocab.txt, vocab.json or sentencepiece model in " +
            detail::errors::quoted(options.directory.string()) +
            ": the file scores token ids only; give --tokenizer PATH");
        return std::nullopt;
    }
    const tokenizer_spec spec = read_tokenizer(
        *path, {.rows = report.config.vocab_size, .chosen = !options.tokenizer.empty()});
    if (report.config.kind == model_kind::cross_encoder &&
        pairs_of(spec) != report.config.family().pairs) {
        throw messages::other_pairs(path->string(), report.config.family().title,
                                    report.config.family().pairs);
    }
    const auto* words = std::get_if<wordpiece_spec>(&spec);
    return loaded_tokenizer{to_stored(spec), make_tokenizer(spec), kind_name(spec), *path,
                            words != nullptr && words->lowercase};
}

void check_vocabulary(const loaded_tokenizer& tokens, conversion_report& report) {
    const std::size_t size = tokens.words->vocabulary_size();
    const std::size_t rows = report.config.vocab_size;
    if (size > rows) {
        throw messages::large_vocabulary(tokens.path.string(), size, rows);
    }
    if (size < rows) {
        report.notes.push_back("the tokenizer knows " + std::to_string(size) + " of the " +
                               std::to_string(rows) + " ids that have an embedding");
    }
    report.tokenizer = tokens.path.string();
    report.tokenizer_kind = tokens.kind;
    report.tokens = size;
}

/// The checkpoint's own files must survive: they are mapped while the output is written.
void check_not_output(const convert_options& options, const std::vector<fs::path>& inputs) {
    for (const fs::path& input : inputs) {
        std::error_code code;
        if (fs::equivalent(options.output, input, code) && !code) {
            throw detail::errors::cannot_write(
                options.output.string(), "it is part of the checkpoint; name another output file");
        }
    }
}

void check_output(const convert_options& options, const module_list* modules,
                  const checkpoint& weights) {
    std::vector<fs::path> inputs = weights.paths;
    inputs.push_back(options.tokenizer);
    std::vector<fs::path> folders{options.directory};
    if (!options.tokenizer.empty()) {
        folders.push_back(options.tokenizer.parent_path());
    }
    if (modules != nullptr) {
        folders.push_back(modules->backbone);
        for (const module_entry& module : modules->rest) {
            folders.push_back(module.folder);
        }
    }
    for (const fs::path& folder : folders) {
        for (const char* name :
             {"config.json", "contextualization_layers/config.json",
              "interaction_layers/config.json", "head/config.json", "artifact.metadata",
              "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json",
              "model.safetensors", "model.safetensors.index.json", "tokenizer.json", "vocab.txt",
              "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
              "added_tokens.json"}) {
            inputs.push_back(folder / name);
        }
        inputs.push_back(find_tokenizer(folder).value_or(fs::path()));
    }
    check_not_output(options, inputs);
}

void check_texts(const convert_options& options) {
    for (const auto& [flag, text] :
         {std::pair<const char*, const std::string&>{"--name", options.name},
          {"--license", options.license},
          {"--source", options.source}}) {
        const std::size_t invalid = text::first_invalid_utf8(text);
        if (invalid != std::string::npos) {
            throw messages::bad_text(flag, invalid);
        }
    }
}

io::safetensors::metadata_map make_metadata(const convert_options& options,
                                            const conversion_report& report,
                                            const std::optional<loaded_tokenizer>& tokens) {
    io::safetensors::metadata_map metadata{
        {"format", "mice"},
        {"mice.format_version", "1"},
        {"mice.config", config_to_json(report.config)},
        {"mice.converter", std::string("mice-convert ") + MICE_VERSION_STRING},
        {"mice.document_fingerprint", report.fingerprint},
        {"mice.weights", std::string(format_name(report.format))}};
    if (tokens) {
        metadata["mice.tokenizer"] = tokens->metadata;
    }
    const auto add = [&metadata](const char* key, const std::string& text) {
        if (!text.empty()) {
            metadata[key] = text;
        }
    };
    add("mice.name", options.name);
    add("mice.license", options.license);
    add("mice.source", options.source);
    if (!options.derive.empty()) {
        const std::string from =
            options.from_layer ? " from layer " + std::to_string(*options.from_layer) : "";
        add("mice.provenance.derived", options.derive + from + ", not trained since");
    }
    return metadata;
}

/// Turns the checkpoint into one of our models, fully checked.
model_config prepare(const convert_options& options, const module_list* modules,
                     checkpoint& weights, conversion_report& report) {
    const bool pylate = modules != nullptr && modules->use == module_use::late_interaction;
    const bool plain = modules != nullptr && modules->use != module_use::whole;
    if (pylate || (!plain && is_late_interaction(options.directory))) {
        return prepare_late_interaction(options, pylate ? modules : nullptr, weights, report);
    }
    checkpoint_config config = read_config(options.directory);
    apply_flags(config, options.config_flags, options.override_config);
    weights = read_checkpoint(options.directory);
    normalise_names(weights);
    drop_unwanted(weights, options.drop_tensors);
    adapt_to_family(weights, config);
    if (modules != nullptr) {
        join_head(*modules, weights, config);
    }
    check_labels(weights);
    const bool masks = is_masks(options.derive);
    if (options.derive.empty() && config.architecture.ends_with("ForTokenClassification")) {
        throw messages::other_task(config.architecture);
    }
    report.warnings = std::move(config.warnings);
    std::vector<std::string> untrained;
    if (masks) {
        untrained = derive_masks(weights, config, options.derive);
    } else if (!options.derive.empty()) {
        untrained = derive_mice(weights, config, {options.derive, options.from_layer});
    }
    report.warnings.insert(report.warnings.end(), untrained.begin(), untrained.end());
    model_config result = complete_config(config, weights, kind_of(weights));
    drop_unused(weights, result);
    check_tensors(weights, required_tensors(result));
    report.notes = std::move(config.notes);
    report.notes.insert(report.notes.end(), weights.notes.begin(), weights.notes.end());
    return result;
}

void note_types(const checkpoint& weights, conversion_report& report) {
    const bool doubles = std::any_of(weights.tensors.begin(), weights.tensors.end(),
                                     [](const auto& t) { return t.second.type == io::dtype::f64; });
    if (doubles) {
        report.notes.emplace_back("F64 tensors were rounded to F32 first");
    }
}

void write_output(const convert_options& options, const stored_weights& stored,
                  const std::optional<loaded_tokenizer>& tokens, conversion_report& report) {
    std::vector<io::tensor_to_write> tensors;
    for (const auto& [name, view] : stored.tensors) {
        tensors.push_back({name, view});
    }
    if (tokens) {
        const auto add = [&tensors](const char* name, const auto& bytes) {
            if (bytes) {
                tensors.push_back({name, {io::dtype::u8, {bytes->size()}, *bytes}});
            }
        };
        add("tokenizer.vocabulary", tokens->vocabulary);
        add("tokenizer.sentencepiece", tokens->sentencepiece);
        add("tokenizer.charsmap", tokens->charsmap);
        if (tokens->merges) {
            tensors.push_back({"tokenizer.merges",
                               {io::dtype::i32, {tokens->merges->size() / 8, 2}, *tokens->merges}});
        }
        if (tokens->scores) {
            tensors.push_back({"tokenizer.scores",
                               {io::dtype::f64, {tokens->scores->size() / 8}, *tokens->scores}});
        }
    }
    self_test test;
    if (options.self_test > 0) {
        test = make_self_test(report.config, stored.tensors, tokens ? tokens->words.get() : nullptr,
                              options.self_test);
        for (io::tensor_to_write& tensor : test.tensors()) {
            tensors.push_back(std::move(tensor));
        }
    }
    report.tensors = tensors.size();
    report.file_bytes = write_model_file(options.output, std::move(tensors),
                                         make_metadata(options, report, tokens));
}

} // namespace

conversion_report convert(const convert_options& given) {
    check_texts(given);
    conversion_report report;
    checkpoint weights;
    convert_options options = given;
    const bool cuts = !given.derive.empty() && !is_masks(given.derive);
    const std::optional<module_list> modules = read_modules(given.directory, cuts);
    if (modules) {
        options.directory = modules->backbone;
    }
    report.config = prepare(options, modules ? &*modules : nullptr, weights, report);
    note_types(weights, report);
    check_output(given, modules ? &*modules : nullptr, weights);
    const std::optional<loaded_tokenizer> tokens = load_tokenizer(options, report);
    if (tokens) {
        check_vocabulary(*tokens, report);
        if (modules && modules->lowercases && !tokens->lowercases) {
            throw messages::lowercased_before();
        }
    }
    const std::vector<tensor_requirement> required = required_tensors(report.config);
    const weight_format format = chosen_format(weights, required, options.weights);
    fold_norms(weights, report.config);
    const stored_weights stored = store_weights(weights, required, {format, options.keep_f16});
    report.format = stored.format;
    report.errors = stored.errors;
    report.parameters = stored.parameters;
    report.self_test_pairs = options.self_test;
    report.fingerprint =
        document_fingerprint(report.config, stored.tensors, tokens ? &*tokens : nullptr);
    write_output(options, stored, tokens, report);
    return report;
}

} // namespace mice::tools
