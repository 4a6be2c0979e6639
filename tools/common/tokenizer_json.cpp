// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer_json.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/json_members.hpp"

namespace mice::tools {
namespace {

using detail::errors::bad_vocabulary;
using detail::errors::not_supported;

constexpr std::string_view where_post = "'post_processor'";

void check_marker_id(const known_tokens& known, const std::string& token, const json& value) {
    const std::int32_t stated = token_id(value, token);
    if (const std::int32_t id = known_id(known.vocabulary, known.added, token); id != stated)
        throw bad_vocabulary("'post_processor' gives " + detail::errors::quoted(token) +
                             " the id " + std::to_string(stated) + ", the vocabulary " +
                             std::to_string(id));
}

/// [name, id], as BertProcessing states its markers.
std::string read_marker(const json& component, const char* key, const known_tokens& known) {
    const json& pair = member(component, key, where_post);
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string())
        throw wrong_type(key, where_post, "[token, id]");
    auto name = pair[0].get<std::string>();
    check_marker_id(known, name, pair[1]);
    return name;
}

json special_item(const std::string& name, int type_id) {
    return {{"SpecialToken", {{"id", name}, {"type_id", type_id}}}};
}

json text_item(const char* name, int type_id) {
    return {{"Sequence", {{"id", name}, {"type_id", type_id}}}};
}

/// The form of two texts in a template: under the names of its markers, one of pair_form's.
std::optional<pair_form> form_of(const json& pair, const std::string& cls, const std::string& sep) {
    if (pair == json::array({special_item(cls, 0), text_item("A", 0), special_item(sep, 0),
                             text_item("B", 1), special_item(sep, 1)}))
        return pair_form::bert;
    if (pair == json::array({special_item(cls, 0), text_item("A", 0), special_item(sep, 0),
                             special_item(sep, 0), text_item("B", 0), special_item(sep, 0)}))
        return pair_form::roberta;
    return std::nullopt;
}

/// Accepts [CLS] A [SEP] and the pairs of form_of, under any names.
marker_names read_template(const json& component, const known_tokens& known) {
    const json& single = member(component, "single", where_post);
    const auto other = not_supported(
        "a template other than [CLS] A [SEP] and [CLS] A [SEP] B [SEP] in tokenizer.json");
    const auto name_at = [&](std::size_t index) {
        if (!single.is_array() || single.size() != 3 || !single[index].contains("SpecialToken"))
            throw other;
        return string(single[index]["SpecialToken"], "id", where_post);
    };
    marker_names names{name_at(0), name_at(2), pair_form::bert};
    const auto form = form_of(member(component, "pair", where_post), names.cls, names.sep);
    if (!form || single != json::array({special_item(names.cls, 0), text_item("A", 0),
                                        special_item(names.sep, 0)}))
        throw other;
    names.pairs = *form;
    const json& tokens = member(component, "special_tokens", where_post);
    for (const std::string* name : {&names.cls, &names.sep}) {
        const json& ids = member(member(tokens, name->c_str(), where_post), "ids", where_post);
        if (!ids.is_array() || ids.size() != 1)
            throw other;
        check_marker_id(known, *name, ids[0]);
    }
    return names;
}

/// What stands for a component: itself, or the only member of a sequence that matters. ByteLevel
/// behind the model changes offsets alone.
const json& only_component(const json& component, const char* members, std::string_view where) {
    if (type_of(component, where) != "Sequence")
        return component;
    const json& list = member(component, members, where);
    const json* only = nullptr;
    if (list.is_array())
        for (const json& each : list) {
            if (where == where_post && type_of(each, where) == "ByteLevel")
                continue;
            if (only != nullptr)
                return component;
            only = &each;
        }
    return only == nullptr ? component : *only;
}

/// What a post-processor, or one of a sequence, takes off offsets.
offset_trim read_trim(const json& component) {
    const std::string type = type_of(component, where_post);
    offset_trim trim = offset_trim::none;
    if (type == "Sequence") {
        const json& list = member(component, "processors", where_post);
        for (auto each = list.begin(); each != list.end() && trim == offset_trim::none; ++each)
            trim = read_trim(*each);
        return trim;
    }
    const auto set = [&component](const char* key) {
        return !component.contains(key) || flag(component, key, where_post);
    };
    if ((type == "ByteLevel" || type == "RobertaProcessing") && set("trim_offsets"))
        trim = set("add_prefix_space") ? offset_trim::all_but_prefix : offset_trim::spaces;
    return trim;
}

} // namespace

std::string type_of(const json& component, std::string_view where) {
    return component.is_null() ? std::string() : string(component, "type", where);
}

error unsupported(std::string_view part, std::string_view type) {
    return not_supported("the " + std::string(part) + " " +
                         (type.empty() ? "null" : detail::errors::quoted(type)) +
                         " in tokenizer.json");
}

std::vector<std::string> read_vocabulary(const json& vocabulary) {
    if (!vocabulary.is_object() || vocabulary.empty())
        throw wrong_type("vocab", "'model'", "an object of tokens with ids");
    std::int32_t last = 0;
    for (const auto& [token, id] : vocabulary.items())
        last = std::max(last, token_id(id, token));
    // A single huge id must not create a huge table.
    const auto size = static_cast<std::size_t>(last) + 1;
    if (size > 2 * vocabulary.size() + 1024)
        throw bad_vocabulary("the ids of the " + std::to_string(vocabulary.size()) +
                             " tokens reach up to " + std::to_string(last) +
                             ": most of them are missing");
    std::vector<std::string> tokens(size);
    for (const auto& [token, id] : vocabulary.items()) {
        if (token.empty())
            throw bad_vocabulary("the vocabulary has an empty token");
        std::string& place = tokens[id.get<std::size_t>()];
        if (!place.empty())
            throw bad_vocabulary("the tokens " + detail::errors::quoted(place) + " and " +
                                 detail::errors::quoted(token) + " have the same id, " + id.dump());
        place = token;
    }
    return tokens;
}

std::vector<added_token> read_added_tokens(const json& root) {
    const json& added = member(root, "added_tokens", "the file");
    if (!added.is_array())
        throw wrong_type("added_tokens", "the file", "an array");
    if (added.size() > text::detail::max_added_tokens)
        throw bad_vocabulary("more than " + std::to_string(text::detail::max_added_tokens) +
                             " added tokens");
    std::vector<added_token> tokens;
    for (const json& token : added)
        tokens.push_back(
            read_added(token, token_id(member(token, "id", "an added token"), "an added token")));
    return tokens;
}

const json& normalizer_of(const json& root) {
    return only_component(member(root, "normalizer", "the file"), "normalizers", "'normalizer'");
}

const json& splitter_of(const json& root) {
    return only_component(member(root, "pre_tokenizer", "the file"), "pretokenizers",
                          "'pre_tokenizer'");
}

marker_names read_markers(const json& root, const known_tokens& known) {
    const json& post = member(root, "post_processor", "the file");
    const json& component = only_component(post, "processors", where_post);
    const std::string type = type_of(component, where_post);
    marker_names names;
    if (type == "TemplateProcessing")
        names = read_template(component, known);
    else if (type == "BertProcessing" || type == "RobertaProcessing")
        names = {read_marker(component, "cls", known), read_marker(component, "sep", known),
                 type == "BertProcessing" ? pair_form::bert : pair_form::roberta};
    else
        throw unsupported("post-processor", type);
    names.trim = read_trim(post);
    return names;
}

namespace {

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

void read_model(const json& model, wordpiece_spec& spec) {
    constexpr std::string_view where = "'model'";
    spec.unk_token = string(model, "unk_token", where);
    spec.continuing_subword_prefix = string(model, "continuing_subword_prefix", where);
    const json& longest = member(model, "max_input_chars_per_word", where);
    if (!longest.is_number_unsigned())
        throw wrong_type("max_input_chars_per_word", where, "a whole number");
    spec.max_input_chars_per_word = longest.get<std::size_t>();
    spec.vocabulary = read_vocabulary(member(model, "vocab", where));
}

wordpiece_spec wordpiece_from_json(const json& root) {
    wordpiece_spec spec;
    read_model(member(root, "model", "the file"), spec);
    read_normalizer(normalizer_of(root), spec);
    const std::string splitter = type_of(splitter_of(root), "'pre_tokenizer'");
    if (splitter != "BertPreTokenizer")
        throw unsupported("pre-tokenizer", splitter);
    spec.added_tokens = read_added_tokens(root);
    marker_names names = read_markers(root, {spec.vocabulary, spec.added_tokens});
    if (names.pairs != pair_form::bert)
        throw not_supported("RoBERTa's form of pairs for a WordPiece tokenizer in tokenizer.json");
    spec.cls_token = std::move(names.cls);
    spec.sep_token = std::move(names.sep);
    return spec;
}

} // namespace

tokenizer_spec tokenizer_from_json(const json& root) {
    const json& model = member(root, "model", "the file");
    if (!model.is_object())
        throw bad_vocabulary("'model' must be a JSON object");
    // Files of early library versions have no type.
    const bool untyped = !model.contains("type");
    const bool has_merges = model.contains("merges");
    if (untyped && has_merges && model.contains("vocab"))
        return byte_bpe_from_json(root);
    if (untyped && !has_merges && model.contains("continuing_subword_prefix"))
        return wordpiece_from_json(root);
    if (untyped && !has_merges && model.contains("unk_id") && model.contains("vocab"))
        return unigram_from_json(root);
    const std::string type = type_of(model, "'model'");
    if (type == "BPE")
        return byte_bpe_from_json(root);
    if (type == "WordPiece")
        return wordpiece_from_json(root);
    if (type == "Unigram")
        return unigram_from_json(root);
    throw unsupported("model", type);
}

} // namespace mice::tools
