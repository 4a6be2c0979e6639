// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <mice/error.hpp>
#include <mice/text/pair_form.hpp>
#include <mice/version.hpp>

namespace mice::tools::messages {

/// Every error that only the converter can raise is worded here: what, where, what to do next.

[[nodiscard]] inline error not_yet(std::string_view feature, std::string_view next) {
    return {errc::unsupported, std::string(feature) + " is not supported yet by mice-convert " +
                                   MICE_VERSION_STRING + "; " + std::string(next)};
}

[[nodiscard]] inline error no_weights(std::string_view directory) {
    return {errc::io, "no model.safetensors in " + detail::errors::quoted(directory) +
                          "; name the folder that holds the checkpoint"};
}

[[nodiscard]] inline error pickle_only(std::string_view directory) {
    return {
        errc::unsupported,
        "the weights in " + detail::errors::quoted(directory) +
            " are a pickle (pytorch_model.bin), which can run code and is never read; load them "
            "in Python and save them with save_pretrained(..., safe_serialization=True)"};
}

[[nodiscard]] inline error bad_index(std::string_view what) {
    return {errc::format, "model.safetensors.index.json: " + std::string(what) +
                              "; download the checkpoint again"};
}

[[nodiscard]] inline error bad_modules(std::string_view what) {
    return {errc::format, "modules.json: " + std::string(what) + "; download the checkpoint again"};
}

[[nodiscard]] inline error bad_module(std::string_view module, std::string_view what) {
    return {errc::tensor, "the module " + detail::errors::quoted(module) + " " + std::string(what) +
                              "; download the checkpoint again"};
}

[[nodiscard]] inline error bi_encoder() {
    return {
        errc::unsupported,
        "modules.json describes a bi-encoder (SentenceTransformer): it makes one vector of each "
        "text and scores no pairs; take a cross-encoder, or give --derive l1+all to make a MICE "
        "model of its transformer to fine-tune"};
}

/// `what` is not part of any head that mice has.
[[nodiscard]] inline error no_such_head(std::string_view what) {
    return {errc::unsupported,
            "the modules behind the transformer are no head that mice has, because of " +
                std::string(what) +
                "; it has, for BERT and ELECTRA: Pooling cls, perhaps Dense with Tanh or GELU, and "
                "Dense to one score; for ModernBERT: Pooling cls or mean, Dense with GELU and "
                "without bias, LayerNorm without bias, and Dense to one score"};
}

[[nodiscard]] inline error no_prefix(std::string_view key, std::string_view token) {
    return {errc::tokenizer, "the tokenizer has no token " + detail::errors::quoted(token) +
                                 ", the " + std::string(key) +
                                 " of config_sentence_transformers.json, so its vector was never "
                                 "trained; give the trained model's tokenizer (--tokenizer PATH)"};
}

[[nodiscard]] inline error lowercased_before() {
    return not_yet("do_lower_case of sentence_bert_config.json with a tokenizer that keeps capital "
                   "letters",
                   "convert a checkpoint without it");
}

[[nodiscard]] inline error name_collision(std::string_view name) {
    return {errc::tensor, "two tensors of the checkpoint are both called " +
                              detail::errors::quoted(name) +
                              " once prefixes are removed; remove one of them"};
}

[[nodiscard]] inline error no_config(std::string_view directory) {
    return {errc::io, "no config.json in " + detail::errors::quoted(directory) +
                          "; name the folder that holds the checkpoint"};
}

[[nodiscard]] inline error config_conflict(std::string_view key, std::string_view first,
                                           std::string_view second) {
    return {errc::config, detail::errors::quoted(key) + " is " + std::string(first) + " but " +
                              std::string(second) + "; correct one of them"};
}

[[nodiscard]] inline error flag_conflict(std::string_view key, std::string_view config,
                                         std::string_view flag) {
    return {errc::config,
            detail::errors::quoted(key) + " is " + std::string(config) +
                " in the checkpoint's configuration and " + std::string(flag) +
                " on the command line; drop the flag, or add --override-config if the "
                "configuration is wrong"};
}

[[nodiscard]] inline error missing_option(std::string_view key, std::string_view flag,
                                          std::string_view hint) {
    return {errc::config, "the checkpoint's configuration lacks " + detail::errors::quoted(key) +
                              "; give " + std::string(flag) + (hint.empty() ? "" : " (") +
                              std::string(hint) + (hint.empty() ? "" : ")")};
}

[[nodiscard]] inline error missing_key(std::string_view key) {
    return {errc::config, "the checkpoint's configuration lacks " + detail::errors::quoted(key) +
                              "; add it to config.json"};
}

[[nodiscard]] inline error misspelt_key(std::string_view file, std::string_view key,
                                        std::string_view nearest) {
    return {errc::config, std::string(file) + " holds the unknown key " +
                              detail::errors::quoted(key) + "; did you mean " +
                              detail::errors::quoted(nearest) + "?"};
}

[[nodiscard]] inline error unknown_setting(std::string_view object, std::string_view key,
                                           const std::optional<std::string>& nearest) {
    return {
        errc::config,
        detail::errors::quoted(object) + " in config.json holds the unknown key " +
            detail::errors::quoted(key) +
            (nearest ? "; did you mean " + detail::errors::quoted(*nearest) + "?" : "; remove it")};
}

/// `origin` is "colbert", an object in config.json, or the name of a file.
[[nodiscard]] inline error no_such_token(std::string_view origin, std::string_view key,
                                         std::string_view token, bool has_tokenizer) {
    return {
        errc::config,
        std::string(origin) + ": " + std::string(key) + " is not given, and " +
            (has_tokenizer ? "the tokenizer has no " + detail::errors::quoted(token)
                           : "there is no tokenizer to find " + std::string(token) + " in") +
            "; add it to " +
            (origin == "colbert" ? std::string("'colbert' in config.json") : std::string(origin)) +
            ", or give --tokenizer PATH"};
}

[[nodiscard]] inline error mice_flag(std::string_view key) {
    return {errc::invalid_argument, detail::errors::quoted(key) +
                                        " is an option of MICE models, and the checkpoint is of "
                                        "late interaction (ColBERT); leave the flag out"};
}

[[nodiscard]] inline error unnamed_late_interaction() {
    return {errc::config,
            "the tensor 'linear.weight' is that of a ColBERT checkpoint, but config.json neither "
            "holds 'colbert' nor names the architecture HF_ColBERT; add one of them"};
}

[[nodiscard]] inline error several_labels(std::size_t labels) {
    return {errc::unsupported,
            "the cross-encoder has " + std::to_string(labels) +
                " labels; mice needs one score: take a checkpoint with one label"};
}

[[nodiscard]] inline error missing_pooler() {
    return {errc::tensor,
            "tensor 'pooler.dense.weight' is missing, and a cross-encoder of the BERT family "
            "(BertForSequenceClassification) always has a pooler, without which its scores are "
            "others; download the checkpoint again, or give --pooler false if the model was "
            "trained without one"};
}

[[nodiscard]] inline error plain_backbone(std::string_view cut) {
    return {errc::tensor,
            "the checkpoint is a plain backbone without a head that scores; --derive " +
                std::string(cut) + " turns it into a MICE model to fine-tune"};
}

[[nodiscard]] inline error no_layers(std::string_view first, std::string_view families) {
    return {errc::tensor,
            first.empty()
                ? std::string("the checkpoint holds no tensors; download it again")
                : "no tensor of the checkpoint is part of a layer that mice knows, such as "
                  "'encoder.layer.0.output.dense.weight'; the first is " +
                      detail::errors::quoted(first) + "; name the folder of a model of the " +
                      std::string(families) + " family"};
}

[[nodiscard]] inline error drop_fits_nothing(std::string_view name,
                                             const std::optional<std::string>& nearest) {
    return {errc::invalid_argument,
            "--drop-tensor " + detail::errors::quoted(name) + " fits no tensor of the checkpoint" +
                (nearest ? "; the nearest name is --drop-tensor " + detail::errors::quoted(*nearest)
                         : "; leave it out")};
}

[[nodiscard]] inline error unused_flag(std::string_view flag, std::string_view kind) {
    return {errc::invalid_argument, std::string(flag) + " means nothing to this model (" +
                                        std::string(kind) + "); leave the flag out"};
}

[[nodiscard]] inline error other_task(std::string_view architecture) {
    return {errc::unsupported,
            "the architecture " + detail::errors::quoted(architecture) +
                " labels tokens or spans and gives a pair no score; take a checkpoint for "
                "sequence classification"};
}

/// `drop` is the tensor or group that nothing needs, empty where it may be a layer or a
/// misspelling.
[[nodiscard]] inline error unknown_tensor(std::string_view name, std::size_t more,
                                          const std::optional<std::string>& nearest,
                                          std::string_view drop = "") {
    return {errc::tensor,
            "tensor " + detail::errors::quoted(name) + " does not belong to this model" +
                (nearest ? "; the nearest name that does is " + detail::errors::quoted(*nearest)
                         : std::string()) +
                (more > 0 ? "; " + std::to_string(more) + " more are unknown" : std::string()) +
                "; check the configuration" +
                (drop.empty()
                     ? std::string(", or remove the tensor")
                     : ", or go on without it: --drop-tensor " + detail::errors::quoted(drop))};
}

[[nodiscard]] inline error missing_tensor(std::string_view name, std::size_t more,
                                          const std::optional<std::string>& nearest) {
    return {errc::tensor,
            "tensor " + detail::errors::quoted(name) + " is missing from the checkpoint" +
                (nearest ? "; the nearest name in it is " + detail::errors::quoted(*nearest)
                         : std::string()) +
                (more > 0 ? "; " + std::to_string(more) + " more are missing" : std::string()) +
                "; check the configuration's layer counts and options"};
}

[[nodiscard]] inline error wrong_shape(std::string_view name, std::string_view expected,
                                       std::string_view got) {
    return {errc::tensor, "tensor " + detail::errors::quoted(name) +
                              ": the configuration asks for shape " + std::string(expected) +
                              ", the checkpoint has " + std::string(got) +
                              "; check the configuration's sizes"};
}

[[nodiscard]] inline error wrong_type(std::string_view name, std::string_view got) {
    return {errc::tensor, "tensor " + detail::errors::quoted(name) +
                              ": expected F32, F16, BF16 or F64, got " + std::string(got) +
                              "; save the checkpoint unquantised"};
}

[[nodiscard]] inline error not_finite(std::string_view name, std::size_t index) {
    return {errc::tensor, "tensor " + detail::errors::quoted(name) + ": element " +
                              std::to_string(index) +
                              " is NaN or infinite; the checkpoint is broken, export it again"};
}

[[nodiscard]] inline error half_overflow(std::string_view name, std::string_view value) {
    return {errc::tensor, "tensor " + detail::errors::quoted(name) + ": the weight " +
                              std::string(value) +
                              " is too large for f16; use --weights f32 or int8"};
}

[[nodiscard]] inline error keep_without_int8() {
    return {errc::invalid_argument,
            "--keep-f16 belongs to --weights int8; add that or leave it out"};
}

[[nodiscard]] inline error keep_fits_nothing(std::string_view part, std::string_view example) {
    return {errc::invalid_argument,
            "--keep-f16 " + detail::errors::quoted(part) +
                " fits the name of no matrix; one that does is --keep-f16 " +
                detail::errors::quoted(example)};
}

[[nodiscard]] inline error large_vocabulary(std::string_view path, std::size_t tokens,
                                            std::size_t rows) {
    return {errc::tokenizer, "the tokenizer " + detail::errors::quoted(path) + " has " +
                                 std::to_string(tokens) + " ids, the model has embeddings for " +
                                 std::to_string(rows) +
                                 "; give the tokenizer that the model was trained with "
                                 "(--tokenizer PATH)"};
}

/// `model` is how a cross-encoder of that family joins two texts.
[[nodiscard]] inline error other_pairs(std::string_view path, std::string_view family,
                                       pair_form model) {
    constexpr std::string_view once = "[CLS] query [SEP] document [SEP]";
    constexpr std::string_view twice = "[CLS] query [SEP] [SEP] document [SEP]";
    const bool once_here = model == pair_form::bert;
    return not_yet("a cross-encoder of the " + std::string(family) + " family, which reads " +
                       std::string(once_here ? once : twice) + ", with the tokenizer " +
                       detail::errors::quoted(path) + ", which joins two texts as " +
                       std::string(once_here ? twice : once),
                   "give the tokenizer that the model was trained with (--tokenizer PATH), or "
                   "--ids-only");
}

[[nodiscard]] inline error bad_text(std::string_view flag, std::size_t byte) {
    return {errc::encoding, std::string(flag) + " is not valid UTF-8 at byte " +
                                std::to_string(byte) + "; write it in UTF-8"};
}

[[nodiscard]] inline error bad_derive(std::string_view text, std::string_view what) {
    return {errc::invalid_argument,
            "--derive " + detail::errors::quoted(text) + ": " + std::string(what)};
}

} // namespace mice::tools::messages
