// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer_config.hpp"

#include <algorithm>
#include <cstdint>
#include <system_error>

#include <mice/io/json.hpp>
#include <mice/io/mapped_file.hpp>

#include "common/json_members.hpp"

namespace mice::tools {
namespace {

using errors::bad_vocabulary;
using errors::not_supported;
using io::json;

std::optional<bool> optional_flag(const json& root, const char* key) {
    const auto found = root.find(key);
    if (found == root.end() || found->is_null())
        return std::nullopt;
    return flag(root, key, "tokenizer_config.json");
}

/// A token is its text or an object with "content"; null is none.
std::optional<std::string> optional_token(const json& root, const char* key) {
    const auto found = root.find(key);
    if (found == root.end() || found->is_null())
        return std::nullopt;
    return found->is_object() ? string(*found, "content", "tokenizer_config.json")
                              : string(root, key, "tokenizer_config.json");
}

/// Whether a member is there and says something.
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

side_config parse_side_config(const std::string& text) {
    const json root = io::parse_json(text, "the file", {.max_bytes = max_tokenizer_file_bytes});
    if (!root.is_object())
        throw bad_vocabulary("the file must be a JSON object");
    check_fields(root);
    side_config config;
    config.tokenizer_class = optional_token(root, "tokenizer_class");
    config.add_prefix_space = optional_flag(root, "add_prefix_space");
    config.lowercase = optional_flag(root, "do_lower_case");
    config.handle_chinese_chars = optional_flag(root, "tokenize_chinese_chars");
    config.says_strip_accents = root.contains("strip_accents");
    config.strip_accents = optional_flag(root, "strip_accents");
    config.split_by_punct = optional_flag(root, "split_by_punct").value_or(false);
    config.sp_model_kwargs = filled(root, "sp_model_kwargs");
    config.unk = optional_token(root, "unk_token");
    config.cls = optional_token(root, "cls_token");
    config.sep = optional_token(root, "sep_token");
    config.pad = optional_token(root, "pad_token");
    config.mask = optional_token(root, "mask_token");
    const auto added = root.find("added_tokens_decoder");
    if (added == root.end())
        return config;
    for (const auto& [key, token] : added->items()) {
        if (key.empty() || key.size() > 9 ||
            !std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; }))
            throw bad_vocabulary("'added_tokens_decoder' has the key " + errors::quoted(key) +
                                 ", expected an id");
        config.added.push_back(read_added(token, static_cast<std::int32_t>(std::stol(key))));
    }
    return config;
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
    const std::filesystem::path path = tokenizer.parent_path() / "tokenizer_config.json";
    std::error_code failure;
    if (!std::filesystem::exists(path, failure))
        return {};
    return named(path, [&path] { return parse_side_config(read_text(path)); });
}

void check_class(const side_config& side, std::span<const std::string_view> known) {
    if (side.tokenizer_class &&
        std::find(known.begin(), known.end(), *side.tokenizer_class) == known.end())
        throw not_supported("the tokenizer_class " + errors::quoted(*side.tokenizer_class) +
                            " in tokenizer_config.json");
}

} // namespace mice::tools
