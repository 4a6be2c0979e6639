// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/unigram/spec.hpp>
#include <mice/text/wordpiece/spec.hpp>

#include "common/json.hpp"

namespace mice::tools {

/// A tokenizer of any kind that mice has.
using tokenizer_spec =
    std::variant<wordpiece_spec, byte_bpe_spec, sentencepiece_spec, unigram_spec>;

/// Reads a tokenizer.json, which decides the kind; pad and mask tokens, which it does not name,
/// stay "". Throws errc::unsupported for a part that mice does not have, naming it, else
/// errc::tokenizer.
[[nodiscard]] tokenizer_spec tokenizer_from_json(const json& root);

// ---- parts that the kinds share ----

/// The type of a component, "" for null.
[[nodiscard]] std::string type_of(const json& component, std::string_view where);

/// The error of a component that mice does not have.
[[nodiscard]] error unsupported(std::string_view part, std::string_view type);

/// The tokens of 'vocab' by id.
[[nodiscard]] std::vector<std::string> read_vocabulary(const json& vocabulary);

/// The file's 'added_tokens'.
[[nodiscard]] std::vector<added_token> read_added_tokens(const json& root);

/// The file's normalizer; of a sequence of one, that one.
[[nodiscard]] const json& normalizer_of(const json& root);

/// The file's pre-tokenizer; of a sequence of one, that one.
[[nodiscard]] const json& splitter_of(const json& root);

/// Where ids of markers are looked up.
struct known_tokens {
    const std::vector<std::string>& vocabulary;
    const std::vector<added_token>& added;
};

/// The markers around a text and the form of two texts.
struct marker_names {
    std::string cls, sep;
    pair_form pairs = pair_form::bert;
    offset_trim trim = offset_trim::none;
};

/// The file's post-processor, which must put [CLS] before a text and [SEP] behind it.
[[nodiscard]] marker_names read_markers(const json& root, const known_tokens& known);

/// A tokenizer.json whose model is BPE.
[[nodiscard]] byte_bpe_spec byte_bpe_from_json(const json& root);

/// A tokenizer.json whose model is Unigram.
[[nodiscard]] unigram_spec unigram_from_json(const json& root);

} // namespace mice::tools
