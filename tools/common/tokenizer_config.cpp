// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer_config.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <mice/io/mapped_file.hpp>

#include "common/json.hpp"
#include "common/json_members.hpp"

namespace mice::tools {
namespace {

using detail::errors::bad_vocabulary;
using detail::errors::not_supported;

std::optional<bool> optional_flag(const json& root, const char* key) {
    const auto found = root.find(key);
    if (found == root.end() || found->is_null())
        return std::nullopt;
    return flag(root, key, "tokenizer_config.json");
}

/// Whether a member exists and is not null.
bool filled(const json& root, const char* key) {
    const auto found = root.find(key);
    return found != root.end() && !found->is_null() && !found->empty();
}

void check_fields(const json& root) {
    if (optional_flag(root, "do_basic_tokenize") == false)
        throw not_supported("do_basic_tokenize = false in tokenizer_config.json");
    if (filled(root, "never_split"))
        throw not_supported("never_split in tokenizer_config.json");
}

/// A switch of an added token beside the tokenizer, which files of older libraries leave out.
bool switch_or(const json& object, const char* key, bool otherwise) {
    return object.contains(key) ? flag(object, key, "an added token") : otherwise;
}

/// An object with "content" and switches, with Hugging Face's defaults.
added_token read_described(const json& object, bool special) {
    added_token token;
    token.content = string(object, "content", "an added token");
    token.special = special || switch_or(object, "special", false);
    token.single_word = switch_or(object, "single_word", false);
    token.lstrip = switch_or(object, "lstrip", false);
    token.rstrip = switch_or(object, "rstrip", false);
    token.normalized = switch_or(object, "normalized", !token.special);
    return token;
}

/// A special token is its text or an object.
added_token read_special(const json& value, const char* key) {
    if (value.is_object())
        return read_described(value, true);
    if (!value.is_string())
        throw wrong_type(key, "the file", "the text of a token");
    return {.content = value.get<std::string>(), .special = true};
}

constexpr std::array<const char*, 5> named_keys = {"unk_token", "sep_token", "pad_token",
                                                   "cls_token", "mask_token"};

std::optional<std::string>& name_of(side_config& config, std::string_view key) {
    return key == "unk_token"   ? config.unk
           : key == "sep_token" ? config.sep
           : key == "pad_token" ? config.pad
           : key == "cls_token" ? config.cls
                                : config.mask;
}

constexpr std::size_t max_special_tokens = 4096;

/// Refused before time is spent on them.
void check_count(std::size_t tokens, std::size_t most) {
    if (tokens > most)
        throw bad_vocabulary("more than " + std::to_string(most) + " added tokens");
}

/// Replaces the token of the same text, or appends one.
void put(std::vector<added_token>& tokens, added_token token) {
    const auto same = std::find_if(tokens.begin(), tokens.end(), [&token](const auto& each) {
        return each.content == token.content;
    });
    if (same != tokens.end())
        *same = std::move(token);
    else
        tokens.push_back(std::move(token));
}

/// Adds what one file says of special tokens; a later file wins. Returns whether it names one.
bool read_specials(const json& root, side_config& config) {
    bool names = false;
    for (const char* key : named_keys)
        if (const auto found = root.find(key); found != root.end() && !found->is_null()) {
            added_token token = read_special(*found, key);
            name_of(config, key) = token.content;
            put(config.named, std::move(token));
            names = true;
        }
    for (const char* key : {"bos_token", "eos_token"})
        if (const auto found = root.find(key); found != root.end() && !found->is_null())
            put(config.extra, read_special(*found, key));
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
        const auto found = root.find(key);
        if (found == root.end() || found->is_null())
            continue;
        if (!found->is_structured()) // a list, or an object of names and tokens
            throw wrong_type(key, "the file", "a list of tokens");
        check_count(found->size() + config.extra.size(), max_special_tokens);
        for (const json& each : *found)
            put(config.extra, read_special(each, key));
    }
    return names;
}

/// tokenizer_config.json's added_tokens_decoder: an object of ids and tokens.
void read_decoder(const json& decoder, side_config& config) {
    if (!decoder.is_object())
        throw wrong_type("added_tokens_decoder", "the file", "an object of ids and tokens");
    check_count(decoder.size(), text::detail::max_added_tokens);
    for (const auto& [key, token] : decoder.items()) {
        if (key.empty() || key.size() > 9 ||
            !std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; }))
            throw bad_vocabulary("'added_tokens_decoder' has the key " +
                                 detail::errors::quoted(key) + ", expected an id");
        config.added.push_back(read_described(token, false));
        config.added.back().id = static_cast<std::int32_t>(std::stol(key));
    }
}

/// added_tokens.json: an object of tokens and ids.
void read_ids(const json& root, side_config& config) {
    check_count(root.size(), text::detail::max_added_tokens);
    for (const auto& [token, id] : root.items())
        config.added.push_back(
            {.id = token_id(id, token), .content = token, .normalized = true}); // unless special
}

json read_side_object(const std::filesystem::path& path) {
    json root = parse_json(read_text(path), "the file", {.max_bytes = max_tokenizer_file_bytes});
    if (!root.is_object())
        throw bad_vocabulary("the file must be a JSON object");
    return root;
}

void read_settings(const json& root, side_config& config) {
    check_fields(root);
    if (const auto name = root.find("tokenizer_class"); name != root.end() && !name->is_null())
        config.tokenizer_class = string(root, "tokenizer_class", "tokenizer_config.json");
    config.add_prefix_space = optional_flag(root, "add_prefix_space");
    config.lowercase = optional_flag(root, "do_lower_case");
    config.handle_chinese_chars = optional_flag(root, "tokenize_chinese_chars");
    config.says_strip_accents = root.contains("strip_accents");
    config.strip_accents = optional_flag(root, "strip_accents");
    config.split_by_punct = optional_flag(root, "split_by_punct").value_or(false);
    config.sp_model_kwargs = filled(root, "sp_model_kwargs");
}

/// A token that is named as special is special in whatever list it stands, as in Hugging Face.
void mark_specials(side_config& config) {
    std::unordered_set<std::string_view> special;
    for (const auto* tokens : {&config.named, &config.extra})
        for (const added_token& token : *tokens)
            special.insert(token.content);
    for (added_token& token : config.added) {
        if (!token.special && special.contains(token.content)) {
            token.special = true;
            token.normalized = false;
        }
    }
    std::sort(config.added.begin(), config.added.end(),
              [](const added_token& a, const added_token& b) { return a.id < b.id; });
}

} // namespace

std::string read_text(const std::filesystem::path& path) {
    const io::mapped_file file(path);
    const auto bytes = file.bytes();
    if (bytes.size() > max_tokenizer_file_bytes)
        throw bad_vocabulary("the file has " + std::to_string(bytes.size()) + " bytes, at most " +
                             std::to_string(max_tokenizer_file_bytes) + " are read");
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

side_config read_side_config(const std::filesystem::path& tokenizer) {
    side_config config;
    bool listed = false;
    const auto read = [&](const char* name, const auto& step) {
        const std::filesystem::path path = tokenizer.parent_path() / name;
        std::error_code failure;
        if (std::filesystem::exists(path, failure))
            named(path, [&] { step(read_side_object(path)); });
    };
    read("tokenizer_config.json", [&](const json& root) {
        read_settings(root, config);
        read_specials(root, config);
        const auto decoder = root.find("added_tokens_decoder");
        listed = decoder != root.end() && !decoder->is_null();
        if (listed)
            read_decoder(*decoder, config);
    });
    if (!listed) { // otherwise Hugging Face ignores these files
        read("special_tokens_map.json", [&](const json& root) {
            if (read_specials(root, config))
                config.names_file = "special_tokens_map.json";
        });
        read("added_tokens.json", [&](const json& root) { read_ids(root, config); });
    }
    mark_specials(config);
    return config;
}

const added_token* find_added(std::span<const added_token> tokens, std::string_view content) {
    const auto found = std::find_if(tokens.begin(), tokens.end(), [content](const auto& each) {
        return each.content == content;
    });
    return found == tokens.end() ? nullptr : &*found;
}

void check_class(const side_config& side, std::span<const std::string_view> known) {
    if (side.tokenizer_class &&
        std::find(known.begin(), known.end(), *side.tokenizer_class) == known.end())
        throw not_supported("the tokenizer_class " + detail::errors::quoted(*side.tokenizer_class) +
                            " in tokenizer_config.json");
}

} // namespace mice::tools
