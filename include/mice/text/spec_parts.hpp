// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the specs of all kinds of tokenizers have in common: checks and the form in a model file.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/json.hpp>
#include <mice/io/members.hpp>
#include <mice/io/text_bytes.hpp>
#include <mice/text/added_tokens.hpp>
#include <mice/text/offset_trim.hpp>
#include <mice/text/pair_form.hpp>
#include <mice/text/token_table.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN

namespace text::detail {

inline constexpr std::array<std::string_view, 2> pair_form_names = {"bert", "roberta"};

/// More than any tokenizer has (a few thousand), few enough that every list is refused quickly.
inline constexpr std::size_t max_added_tokens = std::size_t{1} << 14;
inline constexpr std::size_t max_added_bytes = 256;

/// The id of a token in the vocabulary or among the added tokens, or token_table::none.
[[nodiscard]] inline std::int32_t find_token(const std::vector<added_token>& added,
                                             const token_table& table, std::string_view token) {
    const std::int32_t id = table.find(token);
    if (id != token_table::none)
        return id;
    for (const added_token& each : added)
        if (each.content == token)
            return each.id;
    return token_table::none;
}

inline void check_texts(const std::vector<std::string>& vocabulary) {
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

/// How a tokenizer normalizes the text of an added token.
using content_normalizer = std::function<std::string(const std::string&)>;

/// Two added tokens that look the same: the reference does not define which is meant either.
inline void check_distinct(const std::vector<added_token>& added_tokens,
                           const content_normalizer& normalized) {
    std::map<std::string, std::string, std::less<>> looks; // normalized text and content
    for (const added_token& added : added_tokens) {
        if (!added.normalized)
            continue;
        std::string look = normalized(added.content);
        std::string_view content = added.content;
        if (look.empty())
            throw errors::bad_vocabulary("the added token " + errors::quoted(content) +
                                         " is empty once it is normalized");
        std::string& other = looks[look]; // empty where it is new: no content is
        if (!other.empty())
            throw errors::bad_vocabulary("the added tokens " + errors::quoted(other) + " and " +
                                         errors::quoted(content) +
                                         " are the same once they are normalized");
        other = content;
    }
}

inline void check_added_tokens(const std::vector<added_token>& added_tokens,
                               const token_table& table, const content_normalizer& normalized) {
    if (added_tokens.size() > max_added_tokens)
        throw errors::bad_vocabulary("more than " + std::to_string(max_added_tokens) +
                                     " added tokens");
    std::vector<std::pair<std::int32_t, std::string_view>> by_id;
    std::vector<std::string_view> contents;
    for (const added_token& added : added_tokens) {
        check_added(added, table);
        by_id.emplace_back(added.id, added.content);
        contents.emplace_back(added.content);
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
    check_distinct(added_tokens, normalized);
}

/// The names of the special tokens that a spec has.
template <class Spec> [[nodiscard]] std::vector<std::string_view> special_names(const Spec& spec) {
    std::vector<std::string_view> names;
    for (const std::string* name :
         {&spec.unk_token, &spec.cls_token, &spec.sep_token, &spec.pad_token, &spec.mask_token})
        if (!name->empty())
            names.emplace_back(*name);
    return names;
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

/// The errors of members of a tokenizer's metadata; `where` names the object.
struct metadata_errors {
    static constexpr std::string_view flag = "true or false";
    static constexpr std::string_view string = "a string";
    static std::string count(std::uint64_t largest) {
        return "a whole number from 0 to " + std::to_string(largest);
    }

    [[nodiscard]] error no_object() const {
        return errors::bad_vocabulary(where + " must be a JSON object");
    }
    [[nodiscard]] error missing(std::string_view key) const {
        return errors::bad_vocabulary(where + " lacks " + errors::quoted(key));
    }
    [[nodiscard]] error unknown(std::string_view key) const {
        return errors::bad_vocabulary(where + " has the unknown key " + errors::quoted(key));
    }
    [[nodiscard]] error wrong(std::string_view key, std::string_view expected,
                              const io::json& /*value*/) const {
        return errors::bad_vocabulary(where + ": " + errors::quoted(key) + " must be " +
                                      std::string(expected));
    }

    std::string where;
};

/// Reads one object of a tokenizer's metadata.
class metadata_reader : public io::members<metadata_errors> {
  public:
    metadata_reader(const io::json& object, std::string where)
        : members(object, {std::move(where)}) {}

    /// The items of a list; `what` says what it is a list of.
    [[nodiscard]] const std::vector<io::json>& list(const char* key, std::size_t longest,
                                                    const std::string& what) {
        const io::json& value = at(key);
        if (!value.is_array() || value.items().size() > longest)
            throw errors().wrong(key, "an array of " + what, value);
        return value.items();
    }
    /// The place of a text in `names`. Another text is refused by name, as it may come from a later
    /// version.
    [[nodiscard]] std::size_t choice(const char* key, std::span<const std::string_view> names) {
        const std::string& name = string(key);
        const auto place = std::find(names.begin(), names.end(), name);
        if (place == names.end())
            throw errors::not_supported(errors::quoted(key) + " " + errors::quoted(name) + " in " +
                                        errors().where);
        return static_cast<std::size_t>(place - names.begin());
    }
};

[[nodiscard]] inline io::json added_to_json(const std::vector<added_token>& tokens) {
    io::json added = io::json::array();
    for (const added_token& token : tokens) {
        io::json& object = added.push_back(io::json::object());
        object.insert("id", token.id);
        object.insert("content", token.content);
        object.insert("special", token.special);
        object.insert("single_word", token.single_word);
        object.insert("lstrip", token.lstrip);
        object.insert("rstrip", token.rstrip);
        object.insert("normalized", token.normalized);
    }
    return added;
}

/// The tokens in id order, each followed by one NUL byte (a token itself has none, see
/// check_texts).
[[nodiscard]] inline std::vector<std::byte>
joined_vocabulary(const std::vector<std::string>& vocabulary) {
    std::size_t size = 0;
    for (const std::string& token : vocabulary)
        size += token.size() + 1;
    std::vector<std::byte> bytes;
    bytes.resize(size);
    std::byte* end = bytes.data();
    for (const std::string& token : vocabulary)
        end = std::copy_n(io::text_bytes(token).data(), token.size(), end) + 1;
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

/// The special tokens that every kind of tokenizer names, and its added ones.
template <class Spec> void write_special_tokens(io::json& object, const Spec& spec) {
    object.insert("unk_token", spec.unk_token);
    object.insert("cls_token", spec.cls_token);
    object.insert("sep_token", spec.sep_token);
    object.insert("pad_token", spec.pad_token);
    object.insert("mask_token", spec.mask_token);
    object.insert("added_tokens", added_to_json(spec.added_tokens));
}

/// The special tokens as write_special_tokens writes them; the added ones are read on their own.
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
    std::vector<added_token> tokens;
    for (const io::json& token : read.list("added_tokens", max_added_tokens, "added tokens"))
        tokens.push_back(added_from(token));
    return tokens;
}

inline constexpr std::array<std::string_view, 3> offset_trim_names = {"none", "spaces",
                                                                      "all_but_prefix"};

/// Writes "trim_offsets", which only a tokenizer that trims has.
inline void write_trim(io::json& object, offset_trim trim) {
    if (trim != offset_trim::none)
        object.insert("trim_offsets",
                      std::string(offset_trim_names[static_cast<std::size_t>(trim)]));
}

[[nodiscard]] inline offset_trim read_trim(metadata_reader& read) {
    return read.has("trim_offsets")
               ? static_cast<offset_trim>(read.choice("trim_offsets", offset_trim_names))
               : offset_trim::none;
}

/// The metadata "mice.tokenizer" as JSON; throws errc::format for text that is not, and stops at
/// more added tokens than any tokenizer may have.
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
