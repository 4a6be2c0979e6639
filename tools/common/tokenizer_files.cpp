// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer_files.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <mice/io/json.hpp>
#include <mice/io/mapped_file.hpp>

namespace mice::tools {
namespace {

using errors::bad_vocabulary;
using errors::not_supported;
using io::json;
using text::token_table;

constexpr std::size_t max_file_bytes = std::size_t{64} << 20;

std::string read_text(const std::filesystem::path& path) {
    const io::mapped_file file(path);
    const auto bytes = file.bytes();
    if (bytes.size() > max_file_bytes)
        throw bad_vocabulary("the file has " + std::to_string(bytes.size()) + " bytes, at most " +
                             std::to_string(max_file_bytes) + " are read");
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// ---- typed access to JSON members ----

const json& member(const json& object, const char* key, std::string_view where) {
    if (!object.is_object())
        throw bad_vocabulary(std::string(where) + " must be a JSON object");
    const auto found = object.find(key);
    if (found == object.end())
        throw bad_vocabulary(std::string(where) + " lacks " + errors::quoted(key));
    return *found;
}

error wrong_type(const char* key, std::string_view where, std::string_view expected) {
    return bad_vocabulary(std::string(where) + ": " + errors::quoted(key) + " must be " +
                          std::string(expected));
}

bool flag(const json& object, const char* key, std::string_view where) {
    const json& value = member(object, key, where);
    if (!value.is_boolean())
        throw wrong_type(key, where, "true or false");
    return value.get<bool>();
}

std::string string(const json& object, const char* key, std::string_view where) {
    const json& value = member(object, key, where);
    if (!value.is_string())
        throw wrong_type(key, where, "a string");
    return value.get<std::string>();
}

std::int32_t token_id(const json& value, std::string_view token) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= token_table::max_tokens)
        throw bad_vocabulary("the id of " + errors::quoted(token) +
                             " must be a whole number below " +
                             std::to_string(token_table::max_tokens));
    return static_cast<std::int32_t>(value.get<std::uint64_t>());
}

/// The type of a component, "" for null.
std::string type_of(const json& component, std::string_view where) {
    return component.is_null() ? std::string() : string(component, "type", where);
}

error unsupported(std::string_view part, std::string_view type) {
    return not_supported("the " + std::string(part) + " " +
                         (type.empty() ? "null" : errors::quoted(type)) + " in tokenizer.json");
}

// ---- tokenizer.json ----

void read_normalizer(const json& component, wordpiece_spec& spec) {
    constexpr std::string_view where = "'normalizer'";
    const std::string type = type_of(component, where);
    if (type.empty()) { // nothing is normalized
        spec.clean_text = spec.handle_chinese_chars = spec.lowercase = false;
        spec.strip_accents = false;
        return;
    }
    if (type != "BertNormalizer")
        throw unsupported("normalizer", type);
    spec.clean_text = flag(component, "clean_text", where);
    spec.handle_chinese_chars = flag(component, "handle_chinese_chars", where);
    spec.lowercase = flag(component, "lowercase", where);
    const auto strip = component.find("strip_accents");
    if (strip != component.end() && !strip->is_null())
        spec.strip_accents = flag(component, "strip_accents", where);
}

void read_vocabulary(const json& vocabulary, wordpiece_spec& spec) {
    if (!vocabulary.is_object() || vocabulary.empty())
        throw wrong_type("vocab", "'model'", "an object of tokens with ids");
    std::int32_t last = 0;
    for (const auto& [token, id] : vocabulary.items())
        last = std::max(last, token_id(id, token));
    // A single huge id must not make a huge table.
    const auto size = static_cast<std::size_t>(last) + 1;
    if (size > 2 * vocabulary.size() + 1024)
        throw bad_vocabulary("the ids of the " + std::to_string(vocabulary.size()) +
                             " tokens reach up to " + std::to_string(last) +
                             ": most of them are missing");
    spec.vocabulary.resize(size);
    for (const auto& [token, id] : vocabulary.items()) {
        if (token.empty())
            throw bad_vocabulary("the vocabulary has an empty token");
        std::string& place = spec.vocabulary[id.get<std::size_t>()];
        if (!place.empty())
            throw bad_vocabulary("the tokens " + errors::quoted(place) + " and " +
                                 errors::quoted(token) + " have the same id, " + id.dump());
        place = token;
    }
}

void read_model(const json& model, wordpiece_spec& spec) {
    constexpr std::string_view where = "'model'";
    if (!model.is_object())
        throw bad_vocabulary("'model' must be a JSON object");
    // Files of early library versions have no type; only WordPiece has this key without merges.
    const bool untyped = !model.contains("type") && model.contains("continuing_subword_prefix") &&
                         !model.contains("merges");
    const std::string type = untyped ? "WordPiece" : type_of(model, where);
    if (type != "WordPiece")
        throw unsupported("model", type);
    spec.unk_token = string(model, "unk_token", where);
    spec.continuing_subword_prefix = string(model, "continuing_subword_prefix", where);
    const json& longest = member(model, "max_input_chars_per_word", where);
    if (!longest.is_number_unsigned())
        throw wrong_type("max_input_chars_per_word", where, "a whole number");
    spec.max_input_chars_per_word = longest.get<std::size_t>();
    read_vocabulary(member(model, "vocab", where), spec);
}

added_token read_added(const json& object, std::int32_t id) {
    constexpr std::string_view where = "an added token";
    added_token token;
    token.id = id;
    token.content = string(object, "content", where);
    token.special = flag(object, "special", where);
    token.single_word = flag(object, "single_word", where);
    token.lstrip = flag(object, "lstrip", where);
    token.rstrip = flag(object, "rstrip", where);
    token.normalized = flag(object, "normalized", where);
    return token;
}

/// The id of a token that a spec read so far knows.
std::int32_t known_id(const wordpiece_spec& spec, const std::string& token) {
    const auto found = std::find(spec.vocabulary.begin(), spec.vocabulary.end(), token);
    if (found != spec.vocabulary.end())
        return static_cast<std::int32_t>(found - spec.vocabulary.begin());
    for (const added_token& added : spec.added_tokens)
        if (added.content == token)
            return added.id;
    throw bad_vocabulary("the special token " + errors::quoted(token) +
                         " is not in the vocabulary");
}

void check_marker_id(const wordpiece_spec& spec, const std::string& token, const json& id) {
    const std::int32_t stated = token_id(id, token);
    if (const std::int32_t known = known_id(spec, token); known != stated)
        throw bad_vocabulary("'post_processor' gives " + errors::quoted(token) + " the id " +
                             std::to_string(stated) + ", the vocabulary " + std::to_string(known));
}

/// [name, id], as BertProcessing states its markers.
std::string read_marker(const json& component, const char* key, const wordpiece_spec& spec) {
    const json& pair = member(component, key, "'post_processor'");
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string())
        throw wrong_type(key, "'post_processor'", "[token, id]");
    auto name = pair[0].get<std::string>();
    check_marker_id(spec, name, pair[1]);
    return name;
}

json special_item(const std::string& name, int type_id) {
    return {{"SpecialToken", {{"id", name}, {"type_id", type_id}}}};
}

json text_item(const char* name, int type_id) {
    return {{"Sequence", {{"id", name}, {"type_id", type_id}}}};
}

/// Accepts exactly [CLS] A [SEP] and [CLS] A [SEP] B:1 [SEP]:1, under any names.
void read_template(const json& component, wordpiece_spec& spec) {
    constexpr std::string_view where = "'post_processor'";
    const json& single = member(component, "single", where);
    const auto other = not_supported(
        "a template other than [CLS] A [SEP] and [CLS] A [SEP] B [SEP] in tokenizer.json");
    const auto name_at = [&](std::size_t index) {
        if (!single.is_array() || single.size() != 3 || !single[index].contains("SpecialToken"))
            throw other;
        return string(single[index]["SpecialToken"], "id", where);
    };
    const std::string cls = name_at(0), sep = name_at(2);
    if (single != json::array({special_item(cls, 0), text_item("A", 0), special_item(sep, 0)}) ||
        member(component, "pair", where) !=
            json::array({special_item(cls, 0), text_item("A", 0), special_item(sep, 0),
                         text_item("B", 1), special_item(sep, 1)}))
        throw other;
    const json& tokens = member(component, "special_tokens", where);
    for (const std::string* name : {&cls, &sep}) {
        const json& ids = member(member(tokens, name->c_str(), where), "ids", where);
        if (!ids.is_array() || ids.size() != 1)
            throw other;
        check_marker_id(spec, *name, ids[0]);
    }
    spec.cls_token = cls;
    spec.sep_token = sep;
}

void read_post_processor(const json& component, wordpiece_spec& spec) {
    const std::string type = type_of(component, "'post_processor'");
    if (type == "BertProcessing") {
        spec.cls_token = read_marker(component, "cls", spec);
        spec.sep_token = read_marker(component, "sep", spec);
    } else if (type == "TemplateProcessing") {
        read_template(component, spec);
    } else {
        throw unsupported("post-processor", type);
    }
}

wordpiece_spec parse_tokenizer_json(const std::string& text) {
    const json root = io::parse_json(text, "the file", {.max_bytes = max_file_bytes});
    constexpr std::string_view where = "the file";
    wordpiece_spec spec;
    // The model first: its type says best what kind of tokenizer this is.
    read_model(member(root, "model", where), spec);
    read_normalizer(member(root, "normalizer", where), spec);
    const std::string splitter = type_of(member(root, "pre_tokenizer", where), "'pre_tokenizer'");
    if (splitter != "BertPreTokenizer")
        throw unsupported("pre-tokenizer", splitter);
    const json& added = member(root, "added_tokens", where);
    if (!added.is_array())
        throw wrong_type("added_tokens", where, "an array");
    for (const json& token : added)
        spec.added_tokens.push_back(
            read_added(token, token_id(member(token, "id", "an added token"), "an added token")));
    read_post_processor(member(root, "post_processor", where), spec);
    return spec;
}

// ---- tokenizer_config.json ----

/// What tokenizer_config.json may say about a WordPiece tokenizer; absent = not said.
struct side_config {
    std::optional<bool> lowercase, handle_chinese_chars;
    bool says_strip_accents = false;
    std::optional<bool> strip_accents;
    std::optional<std::string> unk, cls, sep, pad, mask;
    std::vector<added_token> added;
};

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

void check_class(const json& root) {
    constexpr std::array<std::string_view, 8> known = {
        "BertTokenizer",        "BertTokenizerFast",      "ElectraTokenizer",
        "ElectraTokenizerFast", "DistilBertTokenizer",    "DistilBertTokenizerFast",
        "MobileBertTokenizer",  "PreTrainedTokenizerFast"};
    const auto name = optional_token(root, "tokenizer_class");
    if (name && std::find(known.begin(), known.end(), *name) == known.end())
        throw not_supported("the tokenizer_class " + errors::quoted(*name) +
                            " in tokenizer_config.json");
    if (optional_flag(root, "do_basic_tokenize") == false)
        throw not_supported("do_basic_tokenize = false in tokenizer_config.json");
    const auto never = root.find("never_split");
    if (never != root.end() && !never->is_null() && !never->empty())
        throw not_supported("never_split in tokenizer_config.json");
}

side_config parse_side_config(const std::string& text) {
    const json root = io::parse_json(text, "the file", {.max_bytes = max_file_bytes});
    if (!root.is_object())
        throw bad_vocabulary("the file must be a JSON object");
    check_class(root);
    side_config config;
    config.lowercase = optional_flag(root, "do_lower_case");
    config.handle_chinese_chars = optional_flag(root, "tokenize_chinese_chars");
    config.says_strip_accents = root.contains("strip_accents");
    config.strip_accents = optional_flag(root, "strip_accents");
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

/// Runs `step` and puts the file's name in front of its errors.
template <typename Step> auto named(const std::filesystem::path& path, Step&& step) {
    try {
        return step();
    } catch (const error& problem) {
        if (problem.code() == errc::io) // these name the path already
            throw;
        throw error(problem.code(), path.string() + ": " + problem.what());
    }
}

side_config read_side_config(const std::filesystem::path& tokenizer) {
    const std::filesystem::path path = tokenizer.parent_path() / "tokenizer_config.json";
    std::error_code failure;
    if (!std::filesystem::exists(path, failure))
        return {};
    return named(path, [&path] { return parse_side_config(read_text(path)); });
}

template <typename Value>
void must_agree(const char* key, const std::optional<Value>& said, const Value& actual) {
    if (said && *said != actual)
        throw bad_vocabulary("tokenizer_config.json beside it says another " + errors::quoted(key) +
                             "; correct one of them");
}

/// The library reads tokenizer.json alone, transformers lets tokenizer_config.json win: where the
/// two differ nobody can tell what the model was trained with.
void check_agreement(const side_config& side, const wordpiece_spec& spec) {
    must_agree("do_lower_case", side.lowercase, spec.lowercase);
    must_agree("tokenize_chinese_chars", side.handle_chinese_chars, spec.handle_chinese_chars);
    if (side.says_strip_accents &&
        side.strip_accents.value_or(spec.lowercase) != spec.strip_accents.value_or(spec.lowercase))
        must_agree("strip_accents", std::optional<bool>(true), false);
    must_agree("unk_token", side.unk, spec.unk_token);
    must_agree("cls_token", side.cls, spec.cls_token);
    must_agree("sep_token", side.sep, spec.sep_token);
}

bool contains(const wordpiece_spec& spec, const std::string& token) {
    return std::find(spec.vocabulary.begin(), spec.vocabulary.end(), token) !=
               spec.vocabulary.end() ||
           std::any_of(spec.added_tokens.begin(), spec.added_tokens.end(),
                       [&token](const added_token& added) { return added.content == token; });
}

/// [PAD] and [MASK] are optional: the name that is configured, else BERT's if it is there.
void read_optional_tokens(const side_config& side, wordpiece_spec& spec) {
    const auto choose = [&spec](const std::optional<std::string>& said, const char* usual) {
        if (said)
            return *said;
        return contains(spec, usual) ? std::string(usual) : std::string();
    };
    spec.pad_token = choose(side.pad, "[PAD]");
    spec.mask_token = choose(side.mask, "[MASK]");
}

// ---- vocab.txt ----

std::vector<std::string> parse_vocabulary(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF"))
        text.remove_prefix(3);
    std::vector<std::string> tokens;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (tokens.size() == token_table::max_tokens)
            throw bad_vocabulary("more than " + std::to_string(token_table::max_tokens) +
                                 " lines; is this a vocabulary?");
        if (line.find('\r') != std::string_view::npos)
            throw bad_vocabulary("line " + std::to_string(tokens.size() + 1) +
                                 " contains a carriage return; save the file with one kind of "
                                 "line ends");
        if (line.size() > token_table::max_token_bytes)
            throw bad_vocabulary("line " + std::to_string(tokens.size() + 1) + " has " +
                                 std::to_string(line.size()) + " bytes; is this a vocabulary?");
        tokens.emplace_back(line);
    }
    while (!tokens.empty() && tokens.back().empty()) // blank lines at the end are no ids
        tokens.pop_back();
    if (tokens.empty())
        throw bad_vocabulary("the file is empty");
    return tokens;
}

wordpiece_spec parse_vocab_txt(std::string_view text, const side_config& side) {
    wordpiece_spec spec;
    spec.vocabulary = parse_vocabulary(text);
    spec.lowercase = side.lowercase.value_or(true);
    spec.handle_chinese_chars = side.handle_chinese_chars.value_or(true);
    spec.strip_accents = side.strip_accents;
    spec.unk_token = side.unk.value_or(spec.unk_token);
    spec.cls_token = side.cls.value_or(spec.cls_token);
    spec.sep_token = side.sep.value_or(spec.sep_token);
    spec.added_tokens = side.added;
    read_optional_tokens(side, spec);
    for (const std::string* name :
         {&spec.unk_token, &spec.cls_token, &spec.sep_token, &spec.pad_token, &spec.mask_token}) {
        const bool listed =
            std::any_of(spec.added_tokens.begin(), spec.added_tokens.end(),
                        [name](const auto& token) { return token.content == *name; });
        if (!name->empty() && !listed)
            spec.added_tokens.push_back(
                {.id = known_id(spec, *name), .content = *name, .special = true});
    }
    return spec;
}

wordpiece_spec read_file(const std::filesystem::path& path) {
    const side_config side = read_side_config(path);
    return named(path, [&] {
        const std::string text = read_text(path);
        wordpiece_spec spec;
        if (path.extension() == ".json") {
            spec = parse_tokenizer_json(text);
            check_agreement(side, spec);
            read_optional_tokens(side, spec);
        } else {
            spec = parse_vocab_txt(text, side);
        }
        spec.validate();
        return spec;
    });
}

} // namespace

std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& folder) {
    std::error_code failure;
    for (const char* name : {"tokenizer.json", "vocab.txt"})
        if (std::filesystem::exists(folder / name, failure))
            return folder / name;
    return std::nullopt;
}

wordpiece_spec read_tokenizer(const std::filesystem::path& path) {
    std::error_code failure;
    if (!std::filesystem::is_directory(path, failure))
        return read_file(path);
    const auto file = find_tokenizer(path);
    if (!file)
        throw errors::cannot_open(path.string(), "the folder has no tokenizer.json or vocab.txt");
    return read_file(*file);
}

} // namespace mice::tools
