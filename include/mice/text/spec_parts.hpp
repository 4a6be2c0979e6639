// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the specs of all kinds of tokenizers have in common: checks and the form in a model file.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/json.hpp>
#include <mice/text/added_tokens.hpp>
#include <mice/text/token_table.hpp>
#include <mice/text/utf8.hpp>

MICE_NAMESPACE_BEGIN

/// How the markers stand around two texts.
enum class pair_form {
    bert,   ///< [CLS] a [SEP] b [SEP]; type ids 0 up to the first [SEP], then 1
    roberta ///< [CLS] a [SEP] [SEP] b [SEP]; type ids 0
};

namespace text::detail {

inline constexpr std::array<std::string_view, 2> pair_form_names = {"bert", "roberta"};

/// More than any tokenizer has (some thousand), few enough that no list takes long to refuse.
inline constexpr std::size_t max_added_tokens = std::size_t{1} << 14;
inline constexpr std::size_t max_added_bytes = 256;

/// The id of a token in the vocabulary or among the added tokens, or token_table::none.
[[nodiscard]] inline std::int32_t find_token(std::span<const added_token> added,
                                             const token_table& table, std::string_view token) {
    const std::int32_t id = table.find(token);
    if (id != token_table::none)
        return id;
    for (const added_token& each : added)
        if (each.content == token)
            return each.id;
    return token_table::none;
}

inline void check_texts(std::span<const std::string> vocabulary) {
    for (std::size_t id = 0; id < vocabulary.size(); ++id) {
        const std::string& token = vocabulary[id];
        if (first_invalid_utf8(token) != std::string_view::npos)
            throw errors::bad_vocabulary("token " + std::to_string(id) + " is not valid UTF-8");
        if (token.find('\0') != std::string::npos)
            throw errors::bad_vocabulary("token " + std::to_string(id) + " contains a NUL byte");
    }
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

/// `normalized(content)` is the form in which a normalized added token is looked for.
template <typename Normalized>
void check_added_tokens(std::span<const added_token> added_tokens, const token_table& table,
                        Normalized&& normalized) {
    if (added_tokens.size() > max_added_tokens)
        throw errors::bad_vocabulary("more than " + std::to_string(max_added_tokens) +
                                     " added tokens");
    std::vector<std::pair<std::int32_t, std::string_view>> by_id;
    std::vector<std::string_view> contents;
    std::vector<std::pair<std::string, std::string_view>> looks; // normalized text and content
    for (const added_token& added : added_tokens) {
        check_added(added, table);
        by_id.emplace_back(added.id, added.content);
        contents.emplace_back(added.content);
        if (added.normalized)
            looks.emplace_back(normalized(added.content), added.content);
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

/// `spec` has the tokens' names: the start and end markers must be there, the others may be "".
template <typename Spec> void check_special_tokens(const Spec& spec, const token_table& table) {
    for (const std::string* name :
         {&spec.cls_token, &spec.sep_token, &spec.pad_token, &spec.mask_token}) {
        const bool optional = name == &spec.pad_token || name == &spec.mask_token;
        if ((!optional || !name->empty()) &&
            find_token(spec.added_tokens, table, *name) == token_table::none)
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
    /// The place of a text in `names`; another text is refused by name: it may be of a later
    /// version.
    [[nodiscard]] std::size_t choice(const char* key, std::span<const std::string_view> names) {
        const std::string name = string(key);
        const auto place = std::find(names.begin(), names.end(), name);
        if (place == names.end())
            throw errors::not_supported(errors::quoted(key) + " " + errors::quoted(name) + " in " +
                                        where_);
        return static_cast<std::size_t>(place - names.begin());
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

[[nodiscard]] inline io::json added_to_json(std::span<const added_token> tokens) {
    io::json added = io::json::array();
    for (const added_token& token : tokens)
        added.push_back({{"id", token.id},
                         {"content", token.content},
                         {"special", token.special},
                         {"single_word", token.single_word},
                         {"lstrip", token.lstrip},
                         {"rstrip", token.rstrip},
                         {"normalized", token.normalized}});
    return added;
}

/// The tokens in id order, each followed by one NUL byte (a token itself has none, see
/// check_texts).
[[nodiscard]] inline std::vector<std::byte>
joined_vocabulary(std::span<const std::string> vocabulary) {
    std::size_t size = 0;
    for (const std::string& token : vocabulary)
        size += token.size() + 1;
    std::vector<std::byte> bytes;
    bytes.reserve(size);
    for (const std::string& token : vocabulary) {
        const auto* data = reinterpret_cast<const std::byte*>(token.data());
        bytes.insert(bytes.end(), data, data + token.size());
        bytes.push_back(std::byte{0});
    }
    return bytes;
}

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

/// The special tokens that every kind of tokenizer names.
template <class Spec> void read_special_tokens(metadata_reader& read, Spec& spec) {
    spec.unk_token = read.string("unk_token");
    spec.cls_token = read.string("cls_token");
    spec.sep_token = read.string("sep_token");
    spec.pad_token = read.string("pad_token");
    spec.mask_token = read.string("mask_token");
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

[[nodiscard]] inline std::vector<added_token> read_added_tokens(metadata_reader& read) {
    const io::json& array = read.at("added_tokens");
    if (!array.is_array() || array.size() > max_added_tokens)
        throw read.wrong("added_tokens", "an array of added tokens");
    std::vector<added_token> tokens;
    for (const io::json& token : array)
        tokens.push_back(added_from(token));
    return tokens;
}

/// The metadata "mice.tokenizer" as JSON; throws errc::format for text that is not, and stops
/// where more added tokens begin than any tokenizer may have.
[[nodiscard]] inline io::json parse_metadata(std::string_view metadata) {
    constexpr std::size_t values_of_token = 8; // the object and its members
    return io::parse_json(
        metadata,
        "the metadata 'mice.tokenizer' (at most " + std::to_string(max_added_tokens) +
            " added tokens)",
        {.max_bytes = 64U << 20, .max_values = values_of_token * max_added_tokens + 64});
}

/// Reads "type" and refuses another one by name.
inline void require_type(metadata_reader& read, std::string_view expected) {
    if (const std::string type = read.string("type"); type != expected)
        throw errors::not_supported("a tokenizer of type " + errors::quoted(type));
}

} // namespace text::detail
MICE_NAMESPACE_END
