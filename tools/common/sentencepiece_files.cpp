// SPDX-License-Identifier: Apache-2.0
#include "common/sentencepiece_files.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/json.hpp"
#include "common/json_members.hpp"
#include "common/side_tokens.hpp"
#include "common/tokenizer_json.hpp"

namespace mice::tools {
namespace {

using detail::errors::bad_vocabulary;
using detail::errors::not_supported;

using text::sentencepiece_model;

constexpr std::array<std::string_view, 4> file_names = {"sentencepiece.bpe.model", "spiece.model",
                                                        "spm.model", "tokenizer.model"};
constexpr std::array<std::string_view, 6> classes = {
    "XLMRobertaTokenizer",    "XLMRobertaTokenizerFast", "DebertaV2Tokenizer",
    "DebertaV2TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"};

/// A JSON file beside the model; null where there is none.
json read_beside(const std::filesystem::path& model, const char* name) {
    const std::filesystem::path path = model.parent_path() / name;
    std::error_code failure;
    if (!std::filesystem::exists(path, failure))
        return {};
    return named(path, [&path] {
        json root =
            parse_json(read_text(path), "the file", {.max_bytes = max_tokenizer_file_bytes});
        if (!root.is_object())
            throw bad_vocabulary("the file must be a JSON object");
        return root;
    });
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// ---- tokenizer.json that belongs to the model ----

/// The token of each id.
std::vector<std::string> names_in(const json& root) {
    const json& model = member(root, "model", "the file");
    const std::string type = type_of(model, "'model'");
    const json& vocabulary = member(model, "vocab", "'model'");
    if (type == "BPE")
        return read_vocabulary(vocabulary);
    if (type != "Unigram")
        throw bad_vocabulary("its model is of type " + detail::errors::quoted(type) +
                             ", but a sentencepiece model is beside it; name the one to use with "
                             "--tokenizer");
    if (!vocabulary.is_array())
        throw wrong_type("vocab", "'model'", "an array of pieces with scores");
    std::vector<std::string> names;
    for (const json& entry : vocabulary) {
        if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string())
            throw wrong_type("vocab", "'model'", "an array of pieces with scores");
        names.push_back(entry[0].get<std::string>());
    }
    return names;
}

/// Which ids the pieces have there.
piece_ids ids_of(const std::vector<std::string>& names, const sentencepiece_model& model) {
    const auto follow = [&](std::size_t first, std::size_t moved) {
        if (names.size() < model.pieces.size() + moved)
            return false;
        for (std::size_t place = first; place < model.pieces.size(); ++place)
            if (names[place + moved] != model.pieces[place].text)
                return false;
        return true;
    };
    if (follow(0, 0))
        return piece_ids::plain;
    if (model.pieces.size() >= 3 && follow(3, 1) && names[0] == model.pieces[1].text &&
        names[2] == model.pieces[2].text && names[3] == model.pieces[0].text)
        return piece_ids::xlmr;
    throw bad_vocabulary("its tokens are not those of the sentencepiece model beside it, under "
                         "their places or XLM-R's ids; name the one to use with --tokenizer");
}

/// Whether a tokenizer.json was generated from the model.
bool made_of(const json& root, const sentencepiece_model& model) {
    try {
        (void)ids_of(names_in(root), model);
        return true;
    } catch (const error&) {
        return false;
    }
}

/// Calls `step` for a component, or for each member of a sequence.
template <typename Step>
void each_component(const json& component, const char* members, std::string_view where,
                    Step&& step) {
    if (type_of(component, where) != "Sequence") {
        step(component, type_of(component, where));
        return;
    }
    for (const json& each : member(component, members, where))
        each_component(each, members, where, step);
}

/// The error of a step that the sentencepiece model does not take by itself.
error beyond_model(std::string_view part, std::string_view type) {
    return not_supported("the " + std::string(part) + " " + detail::errors::quoted(type) +
                         " in tokenizer.json beside a sentencepiece model (--tokenizer with the "
                         "tokenizer.json reads that alone)");
}

/// Refuses steps that the sentencepiece model does not do by itself.
void check_steps(const json& root) {
    const auto is = [](std::string_view type, const auto& known) {
        return std::find(std::begin(known), std::end(known), type) != std::end(known);
    };
    constexpr std::array<std::string_view, 4> steps = {"", "Precompiled", "Prepend", "Strip"};
    constexpr std::array<std::string_view, 3> cuts = {"", "Metaspace", "WhitespaceSplit"};
    each_component(
        member(root, "normalizer", "the file"), "normalizers", "'normalizer'",
        [&](const json& step, const std::string& type) {
            bool spaces = false; // ALBERT replaces quotation marks, too
            if (type == "Replace") {
                const json& pattern = member(step, "pattern", "'normalizer'");
                spaces = pattern == json{{"Regex", " {2,}"}} || pattern == json{{"String", " "}};
            }
            if (!spaces && !is(type, steps))
                throw beyond_model("normalizer", type);
        });
    each_component(member(root, "pre_tokenizer", "the file"), "pretokenizers", "'pre_tokenizer'",
                   [&](const json&, const std::string& type) {
                       if (!is(type, cuts))
                           throw beyond_model("pre-tokenizer", type);
                   });
}

/// The name of a special token: the one in tokenizer_config.json, else a usual one that exists.
std::string name_of(const std::optional<std::string>& said, const std::vector<std::string>& names,
                    const std::array<const char*, 2>& usual) {
    if (said)
        return *said;
    for (const char* name : usual)
        if (contains(names, name))
            return name;
    return {};
}

std::string unknown_of(const sentencepiece_model& model) {
    for (const sentencepiece_model::piece& piece : model.pieces)
        if (piece.kind == text::piece_kind::unknown)
            return std::string(piece.text);
    return {}; // refused before
}

void read_converted(const json& root, const side_config& side, std::size_t rows,
                    const sentencepiece_model& model, sentencepiece_spec& spec) {
    std::vector<std::string> names = names_in(root);
    spec.ids = ids_of(names, model);
    check_steps(root);
    spec.added_tokens = read_added_tokens(root);
    {
        const id_index ids(names);
        add_listed(side, ids, spec.added_tokens);
        add_unlisted(side, ids, rows, spec.added_tokens);
    }
    marker_names markers = read_markers(root, {names, spec.added_tokens});
    for (const added_token& added : spec.added_tokens)
        names.push_back(added.content);
    must_agree("cls_token", side.cls, markers.cls, side.names_file);
    must_agree("sep_token", side.sep, markers.sep, side.names_file);
    spec.cls_token = std::move(markers.cls);
    spec.sep_token = std::move(markers.sep);
    spec.pairs = markers.pairs;
    spec.pad_token =
        spec.ids == piece_ids::xlmr ? names[1] : name_of(side.pad, names, {"<pad>", "[PAD]"});
    spec.mask_token = name_of(side.mask, names, {"<mask>", "[MASK]"});
}

// ---- without one ----

/// Adds a special token under its id, unless tokenizer_config.json has listed it.
void add_special(sentencepiece_spec& spec, const std::string& name, std::size_t id,
                 bool lstrip = false) {
    const auto listed = [&name](const added_token& added) { return added.content == name; };
    if (!name.empty() && std::none_of(spec.added_tokens.begin(), spec.added_tokens.end(), listed))
        spec.added_tokens.push_back({.id = static_cast<std::int32_t>(id),
                                     .content = name,
                                     .special = true,
                                     .lstrip = lstrip});
}

void use_xlmr(const side_config& side, const sentencepiece_model& model, sentencepiece_spec& spec) {
    spec.ids = piece_ids::xlmr;
    spec.pairs = pair_form::roberta;
    spec.cls_token = side.cls.value_or("<s>");
    spec.sep_token = side.sep.value_or("</s>");
    spec.pad_token = side.pad.value_or("<pad>");
    spec.mask_token = side.mask.value_or("<mask>");
    const std::array<const std::string*, 4> first = {&spec.cls_token, &spec.pad_token,
                                                     &spec.sep_token, &spec.unk_token};
    for (std::size_t id = 0; id < first.size(); ++id)
        add_special(spec, *first[id], id);
    add_special(spec, spec.mask_token, model.pieces.size() + 1, true);
}

void use_plain(const side_config& side, const sentencepiece_model& model,
               sentencepiece_spec& spec) {
    std::vector<std::string> names;
    for (const sentencepiece_model::piece& piece : model.pieces)
        names.emplace_back(piece.text);
    const std::size_t pieces = names.size();
    for (const added_token& added : spec.added_tokens)
        names.push_back(added.content);
    spec.cls_token = name_of(side.cls, names, {"[CLS]", "<s>"});
    spec.sep_token = name_of(side.sep, names, {"[SEP]", "</s>"});
    spec.pad_token = name_of(side.pad, names, {"[PAD]", "<pad>"});
    spec.mask_token = name_of(side.mask, names, {"[MASK]", "<mask>"});
    for (const std::string* name :
         {&spec.unk_token, &spec.cls_token, &spec.sep_token, &spec.pad_token, &spec.mask_token})
        for (std::size_t id = 0; id < pieces; ++id)
            if (names[id] == *name)
                add_special(spec, *name, id);
}

/// The token of each id of the pieces.
std::vector<std::string> names_of(const sentencepiece_model& model, piece_ids ids) {
    std::vector<std::string> names;
    if (ids == piece_ids::xlmr && model.pieces.size() >= 3) // else refused later
        names = {std::string(model.pieces[1].text), "<pad>", std::string(model.pieces[2].text),
                 std::string(model.pieces[0].text)};
    for (std::size_t place = names.empty() ? 0 : 3; place < model.pieces.size(); ++place)
        names.emplace_back(model.pieces[place].text);
    return names;
}

bool is_xlmr(const std::filesystem::path& path, const side_config& side) {
    if (side.tokenizer_class)
        return side.tokenizer_class->starts_with("XLMRoberta");
    const json config = read_beside(path, "config.json");
    return config.is_object() && config.contains("model_type") &&
           (config["model_type"] == "xlm-roberta" || config["model_type"] == "xlm-roberta-xl");
}

} // namespace

std::optional<std::filesystem::path> find_sentencepiece(const std::filesystem::path& folder) {
    std::error_code failure;
    for (const std::string_view name : file_names)
        if (std::filesystem::exists(folder / name, failure))
            return folder / name;
    return std::nullopt;
}

sentencepiece_spec read_sentencepiece(const std::filesystem::path& path, const side_config& side,
                                      const tokenizer_request& request) {
    check_class(side, classes);
    if (side.lowercase.value_or(false))
        throw not_supported("do_lower_case with a sentencepiece model");
    if (side.split_by_punct)
        throw not_supported("split_by_punct with a sentencepiece model");
    if (side.sp_model_kwargs)
        throw not_supported("sp_model_kwargs in tokenizer_config.json");
    const std::string bytes = read_text(path);
    const auto all = std::as_bytes(std::span(bytes));
    sentencepiece_spec spec;
    spec.model.assign(all.begin(), all.end());
    const sentencepiece_model model = text::read_sentencepiece_model(spec.model);
    spec.unk_token = unknown_of(model);
    must_agree("unk_token", side.unk, spec.unk_token, side.names_file);
    const json root = read_beside(path, "tokenizer.json");
    if (!root.is_null() && !(request.chosen && !made_of(root, model))) {
        named(path.parent_path() / "tokenizer.json",
              [&] { read_converted(root, side, request.rows, model, spec); });
        return spec;
    }
    spec.added_tokens = side.added;
    if (is_xlmr(path, side))
        use_xlmr(side, model, spec);
    else
        use_plain(side, model, spec);
    const std::vector<std::string> names = names_of(model, spec.ids);
    add_unlisted(side, id_index(names), request.rows, spec.added_tokens);
    return spec;
}

} // namespace mice::tools
