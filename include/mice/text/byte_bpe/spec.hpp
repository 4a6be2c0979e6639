// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/byte_bpe/byte_alphabet.hpp>
#include <mice/text/byte_bpe/merge_table.hpp>
#include <mice/text/spec_parts.hpp>
#include <mice/text/unicode/nfc.hpp>

MICE_NAMESPACE_BEGIN

/// What byte-level BPE does to a text before it is cut into words.
enum class bpe_normalizer {
    none,
    nfc ///< Unicode's normalization form C
};

/// How byte-level BPE cuts a text into words; no merge crosses their borders.
enum class bpe_split {
    none, ///< the whole text is one word
    gpt2  ///< see text::split_gpt2
};

/// Everything that defines a byte-level BPE tokenizer, as GPT-2, RoBERTa and ModernBERT have it:
/// plain data, what a model file stores.
struct byte_bpe_spec {
    /// Token of each id in the byte alphabet, as tokenizer.json has it (a leading U+0120 is a
    /// space); "" = no token has this id. Each byte alone is a token.
    std::vector<std::string> vocabulary;
    std::vector<token_merge> merges; ///< the first goes first
    bpe_normalizer normalizer = bpe_normalizer::nfc;
    bpe_split split = bpe_split::gpt2;
    bool add_prefix_space = false; ///< puts a space before a text, and behind an added token
    pair_form pairs = pair_form::bert;
    offset_trim trim = offset_trim::none;
    std::string unk_token;                 ///< "" = the model has none; never comes from a text
    std::string cls_token = "[CLS]";       ///< in the vocabulary or added; opens every input
    std::string sep_token = "[SEP]";       ///< in the vocabulary or added; closes every part
    std::string pad_token;                 ///< "" = the model has none
    std::string mask_token;                ///< "" = the model has none
    std::vector<added_token> added_tokens; ///< those in the vocabulary keep their id there

    /// Throws errc::tokenizer, naming the token or merge, unless this is a tokenizer in which no
    /// text gives a special token.
    void validate() const;
};

namespace text::detail {

inline constexpr std::array<std::string_view, 2> bpe_normalizer_names = {"none", "nfc"};
inline constexpr std::array<std::string_view, 2> bpe_split_names = {"none", "gpt2"};

[[nodiscard]] inline std::string normalize(bpe_normalizer how, std::string_view text) {
    return how == bpe_normalizer::nfc ? nfc(text, normalizer_version::unicode_9_0)
                                      : std::string(text);
}

/// The token of each byte; throws errc::tokenizer where one has none.
[[nodiscard]] inline std::array<std::int32_t, 256> byte_tokens(const token_table& table) {
    std::array<std::int32_t, 256> ids{};
    for (std::size_t byte = 0; byte < ids.size(); ++byte) {
        std::string character;
        append_utf8(character, byte_character(static_cast<std::uint8_t>(byte)));
        ids[byte] = table.find(character);
        if (ids[byte] == token_table::none)
            throw errors::bad_vocabulary("the byte " + std::to_string(byte) + ", written " +
                                         errors::quoted(character) + ", is not in the vocabulary");
    }
    return ids;
}

/// No text may give a special token: no byte, no merge and no plain added token is one.
inline void check_forgery(const byte_bpe_spec& spec, const token_table& table,
                          const std::array<std::int32_t, 256>& bytes, const merge_table& merges) {
    std::vector<std::uint8_t> special(table.size());
    const auto mark = [&](std::string_view name) {
        if (const std::int32_t id = table.find(name); id != token_table::none)
            special[static_cast<std::size_t>(id)] = 1;
    };
    const std::vector<std::string_view> names = special_names(spec);
    for (const std::string_view name : names)
        mark(name);
    for (const added_token& added : spec.added_tokens) {
        if (added.special)
            mark(added.content);
        else if (std::find(names.begin(), names.end(), added.content) != names.end())
            throw errors::bad_vocabulary("the special token " + errors::quoted(added.content) +
                                         " is an added token that is not special: a text could "
                                         "make it");
    }
    const auto check = [&](std::int32_t id, const char* what) {
        if (special[static_cast<std::size_t>(id)] != 0)
            throw errors::bad_vocabulary("the special token " + errors::quoted(table.token(id)) +
                                         " is " + what + ": a text could make it");
    };
    for (const std::int32_t id : bytes)
        check(id, "the token of a byte");
    for (std::size_t rank = 0; rank < merges.size(); ++rank)
        check(merges.result(rank), "the result of a merge");
}

/// All checks but those done when `bytes` and `merges` were built.
inline void check(const byte_bpe_spec& spec, const token_table& table,
                  const std::array<std::int32_t, 256>& bytes, const merge_table& merges) {
    check_texts(spec.vocabulary);
    check_added_tokens(spec.added_tokens, table, [&spec](const std::string& content) {
        return normalize(spec.normalizer, content);
    });
    check_special_tokens(spec, table);
    if (!spec.unk_token.empty() &&
        find_token(spec.added_tokens, table, spec.unk_token) == token_table::none)
        throw errors::bad_vocabulary("the unknown token " + errors::quoted(spec.unk_token) +
                                     " is not in the vocabulary");
    check_forgery(spec, table, bytes, merges);
}

[[nodiscard]] inline std::int32_t little_endian(const std::byte* bytes) noexcept {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i)
        value |= std::to_integer<std::uint32_t>(bytes[i]) << 8 * i;
    return std::bit_cast<std::int32_t>(value);
}

[[nodiscard]] inline std::vector<token_merge>
read_merges(std::optional<std::span<const std::byte>> bytes, std::size_t expected) {
    if (!bytes)
        throw errors::bad_vocabulary("a tokenizer of type 'byte_bpe' needs the tensor "
                                     "'tokenizer.merges'");
    if (bytes->size() % 8 != 0 || bytes->size() / 8 != expected)
        throw errors::bad_vocabulary("the merges tensor has " + std::to_string(bytes->size()) +
                                     " bytes, 'mice.tokenizer' says " + std::to_string(expected) +
                                     " merges of 8 bytes");
    std::vector<token_merge> merges(expected);
    for (std::size_t i = 0; i < expected; ++i)
        merges[i] = {little_endian(bytes->data() + 8 * i),
                     little_endian(bytes->data() + 8 * i + 4)};
    return merges;
}

} // namespace text::detail

inline void byte_bpe_spec::validate() const {
    const text::token_table table(vocabulary);
    const std::array<std::int32_t, 256> bytes = text::detail::byte_tokens(table);
    text::detail::check(*this, table, bytes, text::merge_table(merges, table));
}

/// The spec without vocabulary and merges as JSON: the model file's metadata "mice.tokenizer".
[[nodiscard]] inline std::string to_metadata(const byte_bpe_spec& spec) {
    const auto name = [](const auto& names, auto value) {
        return std::string(names[static_cast<std::size_t>(value)]);
    };
    io::json object = io::json::object();
    object.insert("type", "byte_bpe");
    object.insert("vocabulary_size", spec.vocabulary.size());
    object.insert("merges", spec.merges.size());
    object.insert("normalizer", name(text::detail::bpe_normalizer_names, spec.normalizer));
    object.insert("split", name(text::detail::bpe_split_names, spec.split));
    object.insert("add_prefix_space", spec.add_prefix_space);
    object.insert("pairs", name(text::detail::pair_form_names, spec.pairs));
    text::detail::write_trim(object, spec.trim);
    text::detail::write_special_tokens(object, spec);
    return io::to_text(object);
}

/// The vocabulary as the model file's U8 tensor "tokenizer.vocabulary" has it.
[[nodiscard]] inline std::vector<std::byte> vocabulary_bytes(const byte_bpe_spec& spec) {
    return text::detail::joined_vocabulary(spec.vocabulary);
}

/// The merges as the model file's I32 tensor "tokenizer.merges" [merges, 2] has them.
[[nodiscard]] inline std::vector<std::byte> merge_bytes(const byte_bpe_spec& spec) {
    std::vector<std::byte> bytes;
    bytes.reserve(8 * spec.merges.size());
    for (const token_merge& merge : spec.merges)
        for (const std::int32_t id : {merge.left, merge.right})
            for (unsigned i = 0; i < 4; ++i)
                bytes.push_back(static_cast<std::byte>(static_cast<std::uint32_t>(id) >> 8 * i));
    return bytes;
}

namespace text::detail {

/// Like byte_bpe_from_model, from parsed metadata.
[[nodiscard]] inline byte_bpe_spec byte_bpe_from(const io::json& object,
                                                 std::span<const std::byte> vocabulary,
                                                 std::optional<std::span<const std::byte>> merges) {
    metadata_reader read(object, "'mice.tokenizer'");
    require_type(read, "byte_bpe");
    byte_bpe_spec spec;
    spec.vocabulary =
        split_vocabulary(vocabulary, read.number("vocabulary_size", token_table::max_tokens));
    spec.merges = read_merges(merges, read.number("merges", merge_table::max_merges));
    spec.normalizer = static_cast<bpe_normalizer>(read.choice("normalizer", bpe_normalizer_names));
    spec.split = static_cast<bpe_split>(read.choice("split", bpe_split_names));
    spec.add_prefix_space = read.flag("add_prefix_space");
    spec.pairs = static_cast<pair_form>(read.choice("pairs", pair_form_names));
    spec.trim = read_trim(read);
    read_special_tokens(read, spec);
    spec.added_tokens = read_added_tokens(read);
    read.finish();
    spec.validate();
    return spec;
}

} // namespace text::detail

/// Reads back what to_metadata, vocabulary_bytes and merge_bytes wrote, trusting nothing. Throws
/// errc::format for text that is not JSON, errc::unsupported for another type, normalizer, split or
/// form of pairs (naming it), else errc::tokenizer. The result is valid (see validate).
[[nodiscard]] inline byte_bpe_spec
byte_bpe_from_model(std::string_view metadata, std::span<const std::byte> vocabulary,
                    std::optional<std::span<const std::byte>> merges) {
    return text::detail::byte_bpe_from(text::detail::parse_metadata(metadata), vocabulary, merges);
}

MICE_NAMESPACE_END
