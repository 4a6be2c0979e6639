// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/json.hpp>
#include <mice/text/added_tokens.hpp>
#include <mice/text/bert_normalizer.hpp>
#include <mice/text/token_table.hpp>

MICE_NAMESPACE_BEGIN

/// Everything that defines a WordPiece tokenizer: plain data, what a model file stores.
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

    /// Throws errc::tokenizer, naming the token, unless a tokenizer can be made of this.
    void validate() const;
};

namespace text::detail {

inline constexpr std::size_t max_added_tokens = std::size_t{1} << 16;
inline constexpr std::size_t max_added_bytes = 256;
inline constexpr std::size_t max_prefix_bytes = 64;
inline constexpr std::size_t max_word_chars = 65536;

[[nodiscard]] inline bert_normalizer normalizer_of(const wordpiece_spec& spec) {
    return bert_normalizer({.clean_text = spec.clean_text,
                            .handle_chinese_chars = spec.handle_chinese_chars,
                            .lowercase = spec.lowercase,
                            .strip_accents = spec.strip_accents});
}

/// The id of a token in the vocabulary or among the added tokens, or token_table::none.
[[nodiscard]] inline std::int32_t find_token(const wordpiece_spec& spec, const token_table& table,
                                             std::string_view token) {
    const std::int32_t id = table.find(token);
    if (id != token_table::none)
        return id;
    for (const added_token& added : spec.added_tokens)
        if (added.content == token)
            return added.id;
    return token_table::none;
}

inline void check_vocabulary(const wordpiece_spec& spec) {
    for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
        const std::string& token = spec.vocabulary[id];
        if (first_invalid_utf8(token) != std::string_view::npos)
            throw errors::bad_vocabulary("token " + std::to_string(id) + " is not valid UTF-8");
        if (token.find('\0') != std::string::npos)
            throw errors::bad_vocabulary("token " + std::to_string(id) + " contains a NUL byte");
    }
    if (spec.continuing_subword_prefix.size() > max_prefix_bytes ||
        first_invalid_utf8(spec.continuing_subword_prefix) != std::string_view::npos)
        throw errors::bad_vocabulary("continuing_subword_prefix must be UTF-8 of at most " +
                                     std::to_string(max_prefix_bytes) + " bytes");
    if (spec.max_input_chars_per_word > max_word_chars)
        throw errors::bad_vocabulary("max_input_chars_per_word is " +
                                     std::to_string(spec.max_input_chars_per_word) + ", at most " +
                                     std::to_string(max_word_chars) + " is supported");
}

inline void check_added(const added_token& added, const token_table& table) {
    const std::string name = "added token " + errors::quoted(added.content);
    if (added.content.empty() || added.content.size() > max_added_bytes ||
        first_invalid_utf8(added.content) != std::string_view::npos)
        throw errors::bad_vocabulary(name + " must be UTF-8 of 1 to " +
                                     std::to_string(max_added_bytes) + " bytes");
    if (added.id < 0 || static_cast<std::size_t>(added.id) >= token_table::max_tokens)
        throw errors::bad_vocabulary(name + " has the id " + std::to_string(added.id));
    const std::int32_t known = table.find(added.content);
    if (known != token_table::none && known != added.id)
        throw errors::bad_vocabulary(name + " has the id " + std::to_string(added.id) +
                                     ", but the vocabulary has it as " + std::to_string(known));
    const std::string_view other = table.token(added.id);
    if (!other.empty() && other != added.content)
        throw errors::bad_vocabulary(name + " has the id " + std::to_string(added.id) +
                                     ", which is " + errors::quoted(other) + " in the vocabulary");
}

/// Which of two added tokens that look the same is meant is undefined in the reference, too.
inline void check_distinct(std::vector<std::pair<std::string, std::string_view>>& looks) {
    std::sort(looks.begin(), looks.end());
    for (std::size_t i = 0; i < looks.size(); ++i) {
        if (looks[i].first.empty())
            throw errors::bad_vocabulary("the added token " + errors::quoted(looks[i].second) +
                                         " is empty once it is normalized");
        if (i > 0 && looks[i].first == looks[i - 1].first)
            throw errors::bad_vocabulary("the added tokens " + errors::quoted(looks[i - 1].second) +
                                         " and " + errors::quoted(looks[i].second) +
                                         " are the same once they are normalized");
    }
}

inline void check_added_tokens(const wordpiece_spec& spec, const token_table& table) {
    if (spec.added_tokens.size() > max_added_tokens)
        throw errors::bad_vocabulary("more than " + std::to_string(max_added_tokens) +
                                     " added tokens");
    std::vector<std::pair<std::int32_t, std::string_view>> by_id;
    std::vector<std::string_view> contents;
    std::vector<std::pair<std::string, std::string_view>> looks; // normalized text and content
    const bert_normalizer normalizer = normalizer_of(spec);
    for (const added_token& added : spec.added_tokens) {
        check_added(added, table);
        by_id.emplace_back(added.id, added.content);
        contents.emplace_back(added.content);
        if (added.normalized)
            looks.emplace_back(normalizer.normalize(added.content), added.content);
    }
    std::sort(by_id.begin(), by_id.end());
    for (std::size_t i = 1; i < by_id.size(); ++i)
        if (by_id[i].first == by_id[i - 1].first)
            throw errors::bad_vocabulary("the added tokens " + errors::quoted(by_id[i - 1].second) +
                                         " and " + errors::quoted(by_id[i].second) +
                                         " have the same id, " + std::to_string(by_id[i].first));
    std::sort(contents.begin(), contents.end());
    const auto twice = std::adjacent_find(contents.begin(), contents.end());
    if (twice != contents.end())
        throw errors::bad_vocabulary("the added token " + errors::quoted(*twice) +
                                     " appears twice");
    check_distinct(looks);
}

inline void check(const wordpiece_spec& spec, const token_table& table) {
    check_vocabulary(spec);
    check_added_tokens(spec, table);
    if (table.find(spec.unk_token) == token_table::none)
        throw errors::bad_vocabulary("the unknown token " + errors::quoted(spec.unk_token) +
                                     " is not in the vocabulary");
    for (const std::string* name :
         {&spec.cls_token, &spec.sep_token, &spec.pad_token, &spec.mask_token}) {
        const bool optional = name == &spec.pad_token || name == &spec.mask_token;
        if ((!optional || !name->empty()) && find_token(spec, table, *name) == token_table::none)
            throw errors::bad_vocabulary("the special token " + errors::quoted(*name) +
                                         " is not in the vocabulary");
    }
}

/// Reads the members of one JSON object and refuses what nobody asked for.
class metadata_reader {
  public:
    metadata_reader(const io::json& object, std::string where)
        : object_(object), where_(std::move(where)) {
        if (!object.is_object())
            throw errors::bad_vocabulary(where_ + " must be a JSON object");
    }

    [[nodiscard]] const io::json& at(const char* key) {
        const auto found = object_.find(key);
        if (found == object_.end())
            throw errors::bad_vocabulary(where_ + " lacks " + errors::quoted(key));
        ++read_;
        keys_.emplace_back(key);
        return *found;
    }
    [[nodiscard]] bool flag(const char* key) {
        const io::json& value = at(key);
        if (!value.is_boolean())
            throw wrong(key, "true or false");
        return value.get<bool>();
    }
    [[nodiscard]] std::string string(const char* key) {
        const io::json& value = at(key);
        if (!value.is_string())
            throw wrong(key, "a string");
        return value.get<std::string>();
    }
    [[nodiscard]] std::uint64_t number(const char* key, std::uint64_t largest) {
        const io::json& value = at(key);
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest)
            throw wrong(key, "a whole number from 0 to " + std::to_string(largest));
        return value.get<std::uint64_t>();
    }
    [[nodiscard]] error wrong(const char* key, const std::string& expected) const {
        return errors::bad_vocabulary(where_ + ": " + errors::quoted(key) + " must be " + expected);
    }
    /// Throws when the object has a member that was not read.
    void finish() const {
        if (read_ == object_.size())
            return;
        for (const auto& [key, value] : object_.items())
            if (std::find(keys_.begin(), keys_.end(), key) == keys_.end())
                throw errors::bad_vocabulary(where_ + " has the unknown key " +
                                             errors::quoted(key));
    }

  private:
    const io::json& object_;
    std::string where_;
    std::vector<std::string> keys_;
    std::size_t read_ = 0;
};

} // namespace text::detail

inline void wordpiece_spec::validate() const {
    const text::token_table table(vocabulary);
    text::detail::check(*this, table);
}

/// The spec without its vocabulary as a JSON object: the model file's metadata "mice.tokenizer".
[[nodiscard]] inline std::string to_metadata(const wordpiece_spec& spec) {
    io::json added = io::json::array();
    for (const added_token& token : spec.added_tokens)
        added.push_back({{"id", token.id},
                         {"content", token.content},
                         {"special", token.special},
                         {"single_word", token.single_word},
                         {"lstrip", token.lstrip},
                         {"rstrip", token.rstrip},
                         {"normalized", token.normalized}});
    io::json object = {{"type", "wordpiece"},
                       {"vocabulary_size", spec.vocabulary.size()},
                       {"clean_text", spec.clean_text},
                       {"handle_chinese_chars", spec.handle_chinese_chars},
                       {"lowercase", spec.lowercase},
                       {"strip_accents", nullptr},
                       {"unk_token", spec.unk_token},
                       {"cls_token", spec.cls_token},
                       {"sep_token", spec.sep_token},
                       {"pad_token", spec.pad_token},
                       {"mask_token", spec.mask_token},
                       {"continuing_subword_prefix", spec.continuing_subword_prefix},
                       {"max_input_chars_per_word", spec.max_input_chars_per_word},
                       {"added_tokens", std::move(added)}};
    if (spec.strip_accents)
        object["strip_accents"] = *spec.strip_accents;
    return io::to_text(object);
}

/// The vocabulary in id order, each token followed by one NUL byte: the model file's U8 tensor
/// "tokenizer.vocabulary" (a token itself never contains NUL, see validate).
[[nodiscard]] inline std::vector<std::byte> vocabulary_bytes(const wordpiece_spec& spec) {
    std::size_t size = 0;
    for (const std::string& token : spec.vocabulary)
        size += token.size() + 1;
    std::vector<std::byte> bytes;
    bytes.reserve(size);
    for (const std::string& token : spec.vocabulary) {
        const auto* data = reinterpret_cast<const std::byte*>(token.data());
        bytes.insert(bytes.end(), data, data + token.size());
        bytes.push_back(std::byte{0});
    }
    return bytes;
}

namespace text::detail {

[[nodiscard]] inline std::vector<std::string> split_vocabulary(std::span<const std::byte> bytes,
                                                               std::size_t expected) {
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto count = static_cast<std::size_t>(std::count(all.begin(), all.end(), '\0'));
    if (count != expected || (!all.empty() && all.back() != '\0'))
        throw errors::bad_vocabulary("the vocabulary tensor has " + std::to_string(count) +
                                     " tokens that end in NUL, 'mice.tokenizer' says " +
                                     std::to_string(expected));
    std::vector<std::string> tokens;
    tokens.reserve(count);
    for (std::size_t start = 0; start < all.size();) {
        const std::size_t stop = all.find('\0', start);
        tokens.emplace_back(all.substr(start, stop - start));
        start = stop + 1;
    }
    return tokens;
}

[[nodiscard]] inline added_token added_from(const io::json& object) {
    metadata_reader read(object, "an added token in 'mice.tokenizer'");
    added_token token;
    token.id = static_cast<std::int32_t>(read.number("id", token_table::max_tokens - 1));
    token.content = read.string("content");
    token.special = read.flag("special");
    token.single_word = read.flag("single_word");
    token.lstrip = read.flag("lstrip");
    token.rstrip = read.flag("rstrip");
    token.normalized = read.flag("normalized");
    read.finish();
    return token;
}

} // namespace text::detail

/// Reads back what to_metadata and vocabulary_bytes wrote, trusting nothing. Throws errc::format
/// for text that is not JSON, errc::unsupported for another type of tokenizer (naming it), else
/// errc::tokenizer. The result is valid (see validate).
[[nodiscard]] inline wordpiece_spec wordpiece_from_model(std::string_view metadata,
                                                         std::span<const std::byte> vocabulary) {
    const io::json object =
        io::parse_json(metadata, "the metadata 'mice.tokenizer'", {.max_bytes = 64U << 20});
    text::detail::metadata_reader read(object, "'mice.tokenizer'");
    if (const std::string type = read.string("type"); type != "wordpiece")
        throw errors::not_supported("a tokenizer of type " + errors::quoted(type));
    wordpiece_spec spec;
    spec.vocabulary = text::detail::split_vocabulary(
        vocabulary, read.number("vocabulary_size", text::token_table::max_tokens));
    spec.clean_text = read.flag("clean_text");
    spec.handle_chinese_chars = read.flag("handle_chinese_chars");
    spec.lowercase = read.flag("lowercase");
    if (const io::json& strip = read.at("strip_accents"); strip.is_boolean())
        spec.strip_accents = strip.get<bool>();
    else if (!strip.is_null())
        throw read.wrong("strip_accents", "true, false or null");
    spec.unk_token = read.string("unk_token");
    spec.cls_token = read.string("cls_token");
    spec.sep_token = read.string("sep_token");
    spec.pad_token = read.string("pad_token");
    spec.mask_token = read.string("mask_token");
    spec.continuing_subword_prefix = read.string("continuing_subword_prefix");
    spec.max_input_chars_per_word =
        read.number("max_input_chars_per_word", text::detail::max_word_chars);
    const io::json& added = read.at("added_tokens");
    if (!added.is_array() || added.size() > text::detail::max_added_tokens)
        throw read.wrong("added_tokens", "an array of added tokens");
    for (const io::json& token : added)
        spec.added_tokens.push_back(text::detail::added_from(token));
    read.finish();
    spec.validate();
    return spec;
}

MICE_NAMESPACE_END
