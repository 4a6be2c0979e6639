// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/spec_parts.hpp>
#include <mice/text/wordpiece/bert_normalizer.hpp>

MICE_NAMESPACE_BEGIN

/// Everything that defines a WordPiece tokenizer: plain data, as a model file stores it.
struct wordpiece_spec {
    std::vector<std::string> vocabulary; ///< token of each id; "" = no token has this id
    bool clean_text = true;              ///< see text::bert_normalizer_options
    bool handle_chinese_chars = true;
    bool lowercase = true;
    std::optional<bool> strip_accents;
    std::string unk_token = "[UNK]"; ///< in the vocabulary
    std::string cls_token = "[CLS]"; ///< in the vocabulary or added; opens every input
    std::string sep_token = "[SEP]"; ///< in the vocabulary or added; closes every part
    std::string pad_token;           ///< "" = the model has none
    std::string mask_token;          ///< "" = the model has none
    std::string continuing_subword_prefix = "##";
    std::size_t max_input_chars_per_word = 100; ///< longer words become unk_token; code points
    std::vector<added_token> added_tokens;      ///< those in the vocabulary keep their id there

    /// Throws errc::tokenizer, naming the token, unless this is a valid tokenizer.
    void validate() const;
};

namespace text::detail {

inline constexpr std::size_t max_prefix_bytes = 64;
inline constexpr std::size_t max_word_chars = 65536;

[[nodiscard]] inline bert_normalizer normalizer_of(const wordpiece_spec& spec) {
    return bert_normalizer({.clean_text = spec.clean_text,
                            .handle_chinese_chars = spec.handle_chinese_chars,
                            .lowercase = spec.lowercase,
                            .strip_accents = spec.strip_accents});
}

inline void check_limits(const wordpiece_spec& spec) {
    if (spec.continuing_subword_prefix.size() > max_prefix_bytes ||
        first_invalid_utf8(spec.continuing_subword_prefix) != std::string_view::npos)
        throw errors::bad_vocabulary("continuing_subword_prefix must be UTF-8 of at most " +
                                     std::to_string(max_prefix_bytes) + " bytes");
    if (spec.max_input_chars_per_word > max_word_chars)
        throw errors::bad_vocabulary("max_input_chars_per_word is " +
                                     std::to_string(spec.max_input_chars_per_word) + ", at most " +
                                     std::to_string(max_word_chars) + " is supported");
}

inline void check(const wordpiece_spec& spec, const token_table& table) {
    check_texts(spec.vocabulary);
    check_limits(spec);
    check_added_tokens(spec.added_tokens, table,
                       [normalizer = normalizer_of(spec)](const std::string& content) {
                           return normalizer.normalize(content);
                       });
    if (table.find(spec.unk_token) == token_table::none)
        throw errors::bad_vocabulary("the unknown token " + errors::quoted(spec.unk_token) +
                                     " is not in the vocabulary");
    check_special_tokens(spec, table);
}

} // namespace text::detail

inline void wordpiece_spec::validate() const {
    const text::token_table table(vocabulary);
    text::detail::check(*this, table);
}

/// The spec without its vocabulary as a JSON object: the model file's metadata "mice.tokenizer".
[[nodiscard]] inline std::string to_metadata(const wordpiece_spec& spec) {
    io::json object = io::json::object();
    object.insert("type", "wordpiece");
    object.insert("vocabulary_size", spec.vocabulary.size());
    object.insert("clean_text", spec.clean_text);
    object.insert("handle_chinese_chars", spec.handle_chinese_chars);
    object.insert("lowercase", spec.lowercase);
    object.insert("strip_accents", spec.strip_accents ? io::json(*spec.strip_accents) : nullptr);
    object.insert("continuing_subword_prefix", spec.continuing_subword_prefix);
    object.insert("max_input_chars_per_word", spec.max_input_chars_per_word);
    text::detail::write_special_tokens(object, spec);
    return io::to_text(object);
}

/// The vocabulary as the model file's U8 tensor "tokenizer.vocabulary" has it.
[[nodiscard]] inline std::vector<std::byte> vocabulary_bytes(const wordpiece_spec& spec) {
    return text::detail::joined_vocabulary(spec.vocabulary);
}

namespace text::detail {

/// Like wordpiece_from_model, from parsed metadata.
[[nodiscard]] inline wordpiece_spec wordpiece_from(const io::json& object,
                                                   std::span<const std::byte> vocabulary) {
    metadata_reader read(object, "'mice.tokenizer'");
    require_type(read, "wordpiece");
    wordpiece_spec spec;
    spec.vocabulary =
        split_vocabulary(vocabulary, read.number("vocabulary_size", token_table::max_tokens));
    spec.clean_text = read.flag("clean_text");
    spec.handle_chinese_chars = read.flag("handle_chinese_chars");
    spec.lowercase = read.flag("lowercase");
    if (const io::json& strip = read.at("strip_accents"); strip.is_boolean())
        spec.strip_accents = strip.boolean();
    else if (!strip.is_null())
        throw read.errors().wrong("strip_accents", "true, false or null", strip);
    read_special_tokens(read, spec);
    spec.continuing_subword_prefix = read.string("continuing_subword_prefix");
    spec.max_input_chars_per_word = read.number("max_input_chars_per_word", max_word_chars);
    spec.added_tokens = read_added_tokens(read);
    read.finish();
    spec.validate();
    return spec;
}

} // namespace text::detail

/// Reads back what to_metadata and vocabulary_bytes wrote, trusting nothing. Throws errc::format
/// for text that is not JSON, errc::unsupported for another type of tokenizer (naming it), else
/// errc::tokenizer. The result is valid (see validate).
[[nodiscard]] inline wordpiece_spec wordpiece_from_model(std::string_view metadata,
                                                         std::span<const std::byte> vocabulary) {
    return text::detail::wordpiece_from(text::detail::parse_metadata(metadata), vocabulary);
}

MICE_NAMESPACE_END
