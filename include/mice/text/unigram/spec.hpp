// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/spec_parts.hpp>
#include <mice/text/unigram/steps.hpp>

MICE_NAMESPACE_BEGIN

/// How a step of a unigram tokenizer cuts the normalized text; the names are Hugging Face's.
enum class split_step_kind {
    whitespace,  ///< at white space, which is left out
    punctuation, ///< around each punctuation mark
    metaspace    ///< spaces become `replacement`, and a part begins with each of them
};

/// Which parts get a Metaspace put before them.
enum class metaspace_prefix {
    never,
    first, ///< the one that the input begins with
    always
};

/// One step of a unigram tokenizer's pre-tokenizer.
struct split_step {
    split_step_kind kind = split_step_kind::metaspace;
    // The rest is metaspace's.
    std::string replacement = "\xe2\x96\x81"; ///< one character
    metaspace_prefix prefix = metaspace_prefix::always;
    bool split = true; ///< else the part stays whole
};

/// Everything that defines a unigram tokenizer as Hugging Face's tokenizers library has it: plain
/// data, what a model file stores.
struct unigram_spec {
    std::vector<std::string> vocabulary; ///< pieces by id; "" = no piece has this id
    std::vector<double> scores;          ///< of the pieces
    bool byte_fallback = false; ///< an unknown character is spelled in pieces <0x00> to <0xFF>
    std::vector<text_step> normalizer;
    std::vector<std::byte> charsmap; ///< of the step precompiled: see text/sentencepiece/charsmap
    std::vector<split_step> splitter;
    pair_form pairs = pair_form::bert;
    offset_trim trim = offset_trim::none;
    std::string unk_token = "<unk>";       ///< the piece of unknown characters
    std::string cls_token = "<s>";         ///< a piece or added; opens every input
    std::string sep_token = "</s>";        ///< a piece or added; closes every part
    std::string pad_token;                 ///< "" = the model has none
    std::string mask_token;                ///< "" = the model has none
    std::vector<added_token> added_tokens; ///< those that are pieces keep their id there

    /// Throws errc::tokenizer, naming the piece or token, unless this is a valid tokenizer;
    /// errc::unsupported for what mice does not have.
    void validate() const;
};

namespace text::detail {

inline constexpr std::array<std::string_view, 12> text_step_names = {
    "precompiled",   "replace", "replace_regex", "strip", "prepend", "lowercase",
    "strip_accents", "nmt",     "nfc",           "nfd",   "nfkc",    "nfkd"};
inline constexpr std::array<std::string_view, 3> split_step_names = {"whitespace", "punctuation",
                                                                     "metaspace"};
inline constexpr std::array<std::string_view, 3> metaspace_prefix_names = {"never", "first",
                                                                           "always"};

/// More than any tokenizer has; each costs time for every text.
inline constexpr std::size_t max_steps = 32;
inline constexpr std::size_t max_step_bytes = 256;
/// What replacing may make of a text, in its lengths. Spaces become three bytes.
inline constexpr std::size_t max_growth = 64;

inline void check_step_text(std::string_view what, std::string_view text, bool may_be_empty) {
    if ((text.empty() && !may_be_empty) || text.size() > max_step_bytes ||
        first_invalid_utf8(text) != std::string_view::npos)
        throw errors::bad_vocabulary("the " + std::string(what) + " " + errors::quoted(text) +
                                     " of the normalizer must be UTF-8 of " +
                                     (may_be_empty ? "0" : "1") + " to " +
                                     std::to_string(max_step_bytes) + " bytes");
}

inline void check_normalizer(const unigram_spec& spec) {
    if (spec.normalizer.size() > max_steps || spec.splitter.size() > max_steps)
        throw errors::bad_vocabulary("more than " + std::to_string(max_steps) +
                                     " steps in a normalizer or pre-tokenizer");
    std::size_t rules = 0, growth = 1;
    for (const text_step& step : spec.normalizer) {
        rules += step.kind == text_step_kind::precompiled ? 1U : 0U;
        const bool text = step.kind == text_step_kind::replace;
        const bool pattern = text || step.kind == text_step_kind::replace_regex;
        if (pattern)
            check_step_text("pattern", step.pattern, false);
        if (pattern || step.kind == text_step_kind::prepend)
            check_step_text("content", step.content, true);
        const std::size_t least = text ? step.pattern.size() : 1; // bytes that are replaced
        if (pattern && step.content.size() > least)
            growth *= (step.content.size() + least - 1) / least;
        if (growth > max_growth)
            throw errors::bad_vocabulary(
                "the steps of the normalizer could make a text more than " +
                std::to_string(max_growth) + " times as long");
    }
    if (rules > 1)
        throw errors::not_supported("a normalizer with more than one Precompiled");
    if ((rules == 1) == spec.charsmap.empty())
        throw errors::bad_vocabulary("a normalizer with the step 'precompiled' needs normalization "
                                     "rules, and another has none");
}

inline void check_splitter(const unigram_spec& spec) {
    std::size_t spaces = 0;
    for (const split_step& step : spec.splitter) {
        if (step.kind != split_step_kind::metaspace)
            continue;
        ++spaces;
        if (step.replacement.empty() || first_invalid_utf8(step.replacement) != std::string::npos ||
            decode_utf8(step.replacement, 0).bytes != step.replacement.size())
            throw errors::bad_vocabulary("Metaspace's replacement " +
                                         errors::quoted(step.replacement) +
                                         " must be one character");
    }
    if (spaces > 1)
        throw errors::not_supported("a pre-tokenizer with more than one Metaspace");
}

inline void check_pieces(const unigram_spec& spec, const token_table& table) {
    check_texts(spec.vocabulary);
    if (spec.scores.size() != spec.vocabulary.size())
        throw errors::bad_vocabulary(std::to_string(spec.vocabulary.size()) + " pieces have " +
                                     std::to_string(spec.scores.size()) + " scores");
    for (std::size_t id = 0; id < spec.scores.size(); ++id)
        if (!std::isfinite(spec.scores[id]))
            throw errors::bad_vocabulary("piece " + std::to_string(id) +
                                         " has a score that is not finite");
    if (spec.unk_token.empty() || table.find(spec.unk_token) == token_table::none)
        throw errors::bad_vocabulary("the unknown token " + errors::quoted(spec.unk_token) +
                                     " is not a piece of the vocabulary");
}

inline void check(const unigram_spec& spec, const token_table& table, const text_steps& steps) {
    check_pieces(spec, table);
    check_splitter(spec);
    check_added_tokens(spec.added_tokens, table,
                       [&steps](const std::string& content) { return steps.normalized(content); });
    check_special_tokens(spec, table);
    const std::vector<std::string_view> names = special_names(spec);
    for (const added_token& added : spec.added_tokens)
        if (!added.special && std::find(names.begin(), names.end(), added.content) != names.end())
            throw errors::bad_vocabulary("the special token " + errors::quoted(added.content) +
                                         " is an added token that is not special: a text could "
                                         "make it");
}

/// The steps of a spec's normalizer, whose settings are checked.
[[nodiscard]] inline text_steps steps_of(const unigram_spec& spec) {
    check_normalizer(spec);
    return {spec.normalizer, charsmap_rules(spec.charsmap)};
}

[[nodiscard]] inline io::json to_json(const text_step& step) {
    io::json object = io::json::object();
    object.insert("type", text_step_names[static_cast<std::size_t>(step.kind)]);
    if (step.kind == text_step_kind::replace || step.kind == text_step_kind::replace_regex)
        object.insert("pattern", step.pattern);
    if (object.find("pattern") != nullptr || step.kind == text_step_kind::prepend)
        object.insert("content", step.content);
    if (step.kind == text_step_kind::strip) {
        object.insert("left", step.left);
        object.insert("right", step.right);
    }
    return object;
}

[[nodiscard]] inline io::json to_json(const split_step& step) {
    io::json object = io::json::object();
    object.insert("type", split_step_names[static_cast<std::size_t>(step.kind)]);
    if (step.kind == split_step_kind::metaspace) {
        object.insert("replacement", step.replacement);
        object.insert("prefix", metaspace_prefix_names[static_cast<std::size_t>(step.prefix)]);
        object.insert("split", step.split);
    }
    return object;
}

[[nodiscard]] inline text_step text_step_from(const io::json& object) {
    metadata_reader read(object, "a step of 'normalizer' in 'mice.tokenizer'");
    text_step step;
    step.kind = static_cast<text_step_kind>(read.choice("type", text_step_names));
    const bool pattern =
        step.kind == text_step_kind::replace || step.kind == text_step_kind::replace_regex;
    if (pattern)
        step.pattern = read.string("pattern");
    if (pattern || step.kind == text_step_kind::prepend)
        step.content = read.string("content");
    if (step.kind == text_step_kind::strip) {
        step.left = read.flag("left");
        step.right = read.flag("right");
    }
    read.finish();
    return step;
}

[[nodiscard]] inline split_step split_step_from(const io::json& object) {
    metadata_reader read(object, "a step of 'splitter' in 'mice.tokenizer'");
    split_step step;
    step.kind = static_cast<split_step_kind>(read.choice("type", split_step_names));
    if (step.kind == split_step_kind::metaspace) {
        step.replacement = read.string("replacement");
        step.prefix = static_cast<metaspace_prefix>(read.choice("prefix", metaspace_prefix_names));
        step.split = read.flag("split");
    }
    read.finish();
    return step;
}

/// Reads an array of steps with `from(object)`.
template <typename From>
auto read_steps(metadata_reader& read, const char* key, From&& from)
    -> std::vector<decltype(from(io::json()))> {
    std::vector<decltype(from(io::json()))> steps;
    for (const io::json& each : read.list(key, max_steps, "steps"))
        steps.push_back(from(each));
    return steps;
}

[[nodiscard]] inline std::vector<double> read_scores(std::span<const std::byte> bytes,
                                                     std::size_t expected) {
    if (bytes.size() % 8 != 0 || bytes.size() / 8 != expected)
        throw errors::bad_vocabulary("the scores tensor has " + std::to_string(bytes.size()) +
                                     " bytes, 'mice.tokenizer' says " + std::to_string(expected) +
                                     " scores of 8 bytes");
    std::vector<double> scores(expected);
    for (std::size_t i = 0; i < expected; ++i) {
        std::uint64_t bits = 0;
        for (std::size_t byte = 0; byte < 8; ++byte)
            bits |= std::to_integer<std::uint64_t>(bytes[8 * i + byte]) << 8 * byte;
        scores[i] = std::bit_cast<double>(bits);
    }
    return scores;
}

} // namespace text::detail

inline void unigram_spec::validate() const {
    const text::token_table table(vocabulary);
    text::detail::check(*this, table, text::detail::steps_of(*this));
}

/// The spec without pieces, scores and rules as JSON: the model file's metadata "mice.tokenizer".
[[nodiscard]] inline std::string to_metadata(const unigram_spec& spec) {
    const auto list = [](const auto& steps) {
        io::json array = io::json::array();
        for (const auto& step : steps)
            array.push_back(text::detail::to_json(step));
        return array;
    };
    io::json object = io::json::object();
    object.insert("type", "unigram");
    object.insert("vocabulary_size", spec.vocabulary.size());
    object.insert("byte_fallback", spec.byte_fallback);
    object.insert("normalizer", list(spec.normalizer));
    object.insert("splitter", list(spec.splitter));
    object.insert("pairs", text::detail::pair_form_names[static_cast<std::size_t>(spec.pairs)]);
    text::detail::write_trim(object, spec.trim);
    text::detail::write_special_tokens(object, spec);
    return io::to_text(object);
}

/// The pieces as the model file's U8 tensor "tokenizer.vocabulary" has them.
[[nodiscard]] inline std::vector<std::byte> vocabulary_bytes(const unigram_spec& spec) {
    return text::detail::joined_vocabulary(spec.vocabulary);
}

/// The scores as the model file's F64 tensor "tokenizer.scores" [pieces] has them.
[[nodiscard]] inline std::vector<std::byte> score_bytes(const unigram_spec& spec) {
    std::vector<std::byte> bytes;
    bytes.reserve(8 * spec.scores.size());
    for (const double score : spec.scores)
        for (unsigned i = 0; i < 8; ++i)
            bytes.push_back(static_cast<std::byte>(std::bit_cast<std::uint64_t>(score) >> 8 * i));
    return bytes;
}

namespace text::detail {

/// As unigram_from_model, of parsed metadata.
[[nodiscard]] inline unigram_spec unigram_from(const io::json& object,
                                               std::span<const std::byte> vocabulary,
                                               std::span<const std::byte> scores,
                                               std::optional<std::span<const std::byte>> charsmap) {
    metadata_reader read(object, "'mice.tokenizer'");
    require_type(read, "unigram");
    unigram_spec spec;
    const std::size_t pieces = read.number("vocabulary_size", token_table::max_tokens);
    spec.vocabulary = split_vocabulary(vocabulary, pieces);
    spec.scores = read_scores(scores, pieces);
    spec.byte_fallback = read.flag("byte_fallback");
    spec.normalizer = read_steps(read, "normalizer", text_step_from);
    spec.splitter = read_steps(read, "splitter", split_step_from);
    if (charsmap)
        spec.charsmap.assign(charsmap->begin(), charsmap->end());
    spec.pairs = static_cast<pair_form>(read.choice("pairs", pair_form_names));
    spec.trim = read_trim(read);
    read_special_tokens(read, spec);
    spec.added_tokens = read_added_tokens(read);
    read.finish();
    return spec;
}

} // namespace text::detail

/// Reads back what to_metadata, vocabulary_bytes and score_bytes wrote, and the rules, trusting
/// nothing. Throws errc::format for text that is not JSON, errc::unsupported for another type, step
/// or form of pairs (naming it), else errc::tokenizer. The result is valid (see validate).
[[nodiscard]] inline unigram_spec
unigram_from_model(std::string_view metadata, std::span<const std::byte> vocabulary,
                   std::span<const std::byte> scores,
                   std::optional<std::span<const std::byte>> charsmap) {
    unigram_spec spec = text::detail::unigram_from(text::detail::parse_metadata(metadata),
                                                   vocabulary, scores, charsmap);
    spec.validate();
    return spec;
}

MICE_NAMESPACE_END
