// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

#include <CLI/CLI.hpp>

#include <mice/version.hpp>

namespace mice::tools {
namespace {

enum class flag_kind { count, boolean, number, cls_cross, pooling, truncation };

/// A configuration key with a flag of the same name, with dashes.
struct config_flag {
    const char* key;
    const char* flags;
    flag_kind kind;
    const char* help;
};

constexpr std::array<config_flag, 20> config_flag_list{{
    {"n_contextualization_layers", "--n-contextualization-layers,--query-layers", flag_kind::count,
     "contextualization layers of the query"},
    {"n_docs_ctx_layers", "--n-docs-ctx-layers,--document-layers", flag_kind::count,
     "contextualization layers of the document, if others than the query's"},
    {"n_interaction_layers", "--n-interaction-layers,--interaction-layers", flag_kind::count,
     "interaction layers"},
    {"bound_bottom_layers", "--bound-bottom-layers", flag_kind::boolean,
     "query and document share one contextualization stack"},
    {"cross_attn_first", "--cross-attn-first", flag_kind::boolean,
     "true: cross, self, FFN; false: self, cross, FFN"},
    {"mask_query_to_cls", "--mask-query-to-cls", flag_kind::boolean,
     "other query tokens do not attend to [CLS]"},
    {"cls_cross_attention", "--cls-cross-attention", flag_kind::cls_cross,
     "what [CLS] takes from the document"},
    {"global_cls_token", "--global-cls-token", flag_kind::boolean,
     "a learned row precedes the query"},
    {"extra_attn_bias", "--extra-attn-bias", flag_kind::boolean, "exact-match heads"},
    {"compress_dim", "--compress-dim", flag_kind::number, "divisor of the interaction width"},
    {"use_self_attention", "--use-self-attention", flag_kind::boolean,
     "self-attention in the interaction layers"},
    {"lexical_bias", "--lexical-bias", flag_kind::boolean,
     "ModernBERT: matching ids raise the logits of cross-attention"},
    {"classifier_pooling", "--classifier-pooling", flag_kind::pooling,
     "ModernBERT: what the classifier reads, row 0 or the mean"},
    {"ctx_sliding_window", "--ctx-sliding-window", flag_kind::count,
     "ModernBERT: tokens that sliding contextualization layers see on each side; 0 = all"},
    {"max_pair_length", "--max-pair-length", flag_kind::count,
     "cross-encoder: limit of query and document together, in tokens"},
    {"pair_truncation", "--pair-truncation", flag_kind::truncation,
     "cross-encoder: what is cut at that limit"},
    {"positions_restart", "--positions-restart", flag_kind::boolean,
     "cross-encoder: the document's positions start at 0 again"},
    {"pooler", "--pooler", flag_kind::boolean,
     "BERT: tanh(Linear([CLS])) before the classifier; false if the model was trained without"},
    {"max_query_length", "--max-query-length", flag_kind::count, "limit in tokens"},
    {"max_document_length", "--max-document-length", flag_kind::count, "limit in tokens"},
}};

using flag_texts = std::array<std::string, config_flag_list.size()>;

std::optional<std::size_t> to_count(const std::string& text) {
    std::size_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, value);
    return code == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

std::optional<double> to_number(const std::string& text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, value);
    return code == std::errc() && stop == end && std::isfinite(value) ? std::optional(value)
                                                                      : std::nullopt;
}

CLI::Validator checker(flag_kind kind) {
    switch (kind) {
    case flag_kind::boolean:
        return CLI::IsMember({"true", "false"});
    case flag_kind::cls_cross:
        return CLI::IsMember({"full", "mean", "mean_skip_last"});
    case flag_kind::pooling:
        return CLI::IsMember({"cls", "mean"});
    case flag_kind::truncation:
        return CLI::IsMember({"only_second", "longest_first"});
    case flag_kind::count:
        return {[](const std::string& text) {
                    return to_count(text) ? std::string() : "'" + text + "' is not a whole number";
                },
                "COUNT"};
    case flag_kind::number:
        break;
    }
    return {[](const std::string& text) {
                return to_number(text) ? std::string() : "'" + text + "' is not a number";
            },
            "NUMBER"};
}

json flag_value(flag_kind kind, const std::string& text) {
    switch (kind) {
    case flag_kind::count:
        return *to_count(text);
    case flag_kind::boolean:
        return text == "true";
    case flag_kind::number:
        return *to_number(text);
    case flag_kind::cls_cross:
    case flag_kind::pooling:
    case flag_kind::truncation:
        break;
    }
    return text;
}

void add_config_flags(CLI::App& app, convert_options& options, flag_texts& texts) {
    const char* group = "Configuration (where the checkpoint's config.json lacks it)";
    for (std::size_t i = 0; i < config_flag_list.size(); ++i) {
        const config_flag& flag = config_flag_list[i];
        app.add_option(flag.flags, texts[i], flag.help)->check(checker(flag.kind))->group(group);
    }
    app.add_flag("--override-config", options.override_config,
                 "let these flags win where they contradict config.json")
        ->group(group);
}

void add_main_options(CLI::App& app, convert_options& options) {
    app.add_option("DIR", options.directory, "checkpoint directory: config.json, model.safetensors")
        ->required();
    app.add_option("-o,--output", options.output,
                   "model file to write; an existing one is replaced "
                   "only when the new one is complete")
        ->required();
    const std::map<std::string, weight_format> formats{
        {"f32", weight_format::f32}, {"f16", weight_format::f16}, {"int8", weight_format::int8}};
    app.add_option("--weights", options.weights,
                   "f32, f16 or int8; as in the checkpoint if not given")
        ->transform(CLI::Transformer(formats, CLI::ignore_case))
        ->option_text("FORMAT");
    app.add_option(
           "--keep-f16", options.keep_f16,
           "with --weights int8: matrices whose name contains TEXT stay f16; may be repeated")
        ->allow_extra_args(false) // a list would swallow DIR
        ->option_text("TEXT");
    app.add_option("--drop-tensor", options.drop_tensors,
                   "leave out a tensor that the model does not need, such as one of the training's "
                   "loss; NAME or, for all that begin so, 'NAME*'; may be repeated")
        ->allow_extra_args(false)
        ->option_text("NAME");
    auto* tokenizer =
        app.add_option("--tokenizer", options.tokenizer,
                       "tokenizer.json, vocab.txt or sentencepiece model (*.model), instead "
                       "of the one in DIR");
    app.add_flag("--ids-only", options.ids_only, "store no tokenizer")->excludes(tokenizer);
    app.add_option("--self-test", options.self_test,
                   "reference pairs to store for 'mice selftest' (8 is plenty; 0 = none)")
        ->check(CLI::Range(std::size_t{0}, std::size_t{1000}));
    auto* derive = app.add_option("--derive", options.derive,
                                  "make an untrained MICE model from a backbone or cross-encoder: "
                                  "l4+3, l3+all; or a step on the way there from a cross-encoder: "
                                  "masked:document-alone,query-not-cls,cls-not-document,...");
    app.add_option("--from-layer", options.from_layer,
                   "with --derive: backbone layer that the first interaction layer is taken from")
        ->needs(derive);
    app.add_option("--name", options.name, "name of the model");
    app.add_option("--license", options.license, "licence of the weights, such as Apache-2.0");
    app.add_option("--source", options.source, "where the weights come from");
    app.add_flag("-q,--quiet", options.quiet, "print no summary");
}

} // namespace

parsed_options parse_options(int argc, char** argv) {
    CLI::App app{"Turns a checkpoint directory into one model file for mice.", "mice-convert"};
    app.set_version_flag("--version", std::string("mice-convert ") + MICE_VERSION_STRING);
    parsed_options result;
    flag_texts texts;
    add_main_options(app, result.options);
    add_config_flags(app, result.options, texts);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& problem) {
        result.exit_code = app.exit(problem);
        return result;
    }
    for (std::size_t i = 0; i < config_flag_list.size(); ++i) {
        if (!texts[i].empty()) {
            const config_flag& flag = config_flag_list[i];
            result.options.config_flags[flag.key] = flag_value(flag.kind, texts[i]);
        }
    }
    return result;
}

} // namespace mice::tools
