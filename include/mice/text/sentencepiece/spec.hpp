// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/sentencepiece/model.hpp>
#include <mice/text/spec_parts.hpp>

MICE_NAMESPACE_BEGIN

/// Which ids the pieces of a sentencepiece model have.
enum class piece_ids {
    plain, ///< their places in the model
    xlmr ///< XLM-R's: start 0, padding 1, end 2, unknown 3, any other piece its place + 1, and the
         ///< mask behind the last piece
};

/// Everything that defines a sentencepiece tokenizer, of type unigram or BPE: plain data, what a
/// model file stores.
struct sentencepiece_spec {
    std::vector<std::byte> model; ///< the sentencepiece model file
    piece_ids ids = piece_ids::plain;
    pair_form pairs = pair_form::bert;
    std::string unk_token = "<unk>"; ///< the model's unknown piece
    std::string cls_token = "<s>";   ///< a piece or added; opens every input
    std::string sep_token = "</s>";  ///< a piece or added; closes every part
    std::string pad_token;           ///< "" = the model has none; xlmr has one
    std::string mask_token;          ///< "" = the model has none
    /// Looked for in the text as it is; those that are pieces keep their id there.
    std::vector<added_token> added_tokens;

    /// Throws errc::tokenizer, naming the piece or token, unless this is safe for the library and
    /// no text gives a special token; errc::unsupported for what mice does not have.
    void validate() const;
};

namespace text::detail {

inline constexpr std::array<std::string_view, 2> piece_ids_names = {"plain", "xlmr"};

/// XLM-R's ids rely on the first three pieces, which are the same in every such model.
inline void check_xlmr(const sentencepiece_spec& spec, const sentencepiece_model& model) {
    const std::array<std::pair<std::string_view, piece_kind>, 3> first = {
        {{spec.unk_token, piece_kind::unknown},
         {spec.cls_token, piece_kind::control},
         {spec.sep_token, piece_kind::control}}};
    for (std::size_t id = 0; id < first.size(); ++id)
        if (id >= model.pieces.size() || model.pieces[id].text != first[id].first ||
            model.pieces[id].kind != first[id].second)
            throw errors::bad_vocabulary("XLM-R's ids need a sentencepiece model whose piece " +
                                         std::to_string(id) + " is " +
                                         errors::quoted(first[id].first) +
                                         (id == 0 ? ", unknown" : ", a control piece"));
    if (spec.pad_token.empty())
        throw errors::bad_vocabulary("XLM-R's ids need the name of the padding token");
    const auto behind = static_cast<std::int32_t>(model.pieces.size() + 1);
    const bool there = std::any_of(
        spec.added_tokens.begin(), spec.added_tokens.end(), [&](const added_token& token) {
            return token.id == behind && token.content == spec.mask_token;
        });
    if (!spec.mask_token.empty() && !there)
        throw errors::bad_vocabulary(
            "with XLM-R's ids the mask token " + errors::quoted(spec.mask_token) +
            " is an added token with the id behind the last piece, " + std::to_string(behind));
}

/// The token of each id.
[[nodiscard]] inline std::vector<std::string> names_of(const sentencepiece_spec& spec,
                                                       const sentencepiece_model& model) {
    std::vector<std::string> names;
    std::size_t first = 0;
    if (spec.ids == piece_ids::xlmr) {
        names = {spec.cls_token, spec.pad_token, spec.sep_token, spec.unk_token};
        first = 3;
    }
    for (std::size_t place = first; place < model.pieces.size(); ++place)
        names.emplace_back(model.pieces[place].text);
    return names;
}

/// No text may give a special token, so a piece that is one has to be structure. A user-defined
/// piece is changed to that here.
inline void take_specials(const sentencepiece_spec& spec, sentencepiece_model& model) {
    std::vector<std::string_view> names = special_names(spec);
    if (std::count(names.begin(), names.end(), spec.unk_token) > 1)
        throw errors::bad_vocabulary("the unknown token " + errors::quoted(spec.unk_token) +
                                     " is another special token, too: a text could make it");
    for (const added_token& added : spec.added_tokens) {
        if (added.special)
            names.push_back(added.content);
        else if (std::find(names.begin(), names.end(), added.content) != names.end())
            throw errors::bad_vocabulary("the special token " + errors::quoted(added.content) +
                                         " is an added token that is not special: a text could "
                                         "make it");
        if (added.normalized)
            throw errors::not_supported("'normalized' of the added token " +
                                        errors::quoted(added.content) +
                                        " with a sentencepiece model");
    }
    std::sort(names.begin(), names.end());
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
        sentencepiece_model::piece& piece = model.pieces[id];
        const bool special = std::binary_search(names.begin(), names.end(), piece.text);
        if (piece.kind == piece_kind::unknown && piece.text != spec.unk_token)
            throw errors::bad_vocabulary("the unknown token is " + errors::quoted(spec.unk_token) +
                                         ", but the sentencepiece model's is " +
                                         errors::quoted(piece.text));
        if (!special || piece.kind == piece_kind::unknown || piece.kind == piece_kind::control)
            continue;
        if (piece.kind != piece_kind::user_defined)
            throw errors::bad_vocabulary("the special token " + errors::quoted(piece.text) +
                                         " is an ordinary piece of the sentencepiece model: a "
                                         "text could make it");
        piece.kind = piece_kind::control;
        check_piece(piece, id, model.bpe);
    }
}

/// The model as the library gets it. Throws as sentencepiece_spec::validate does, except for equal
/// pieces.
[[nodiscard]] inline sentencepiece_model checked_model(const sentencepiece_spec& spec) {
    sentencepiece_model model = read_sentencepiece_model(spec.model);
    if (spec.ids == piece_ids::xlmr)
        check_xlmr(spec, model);
    take_specials(spec, model);
    return model;
}

inline void check(const sentencepiece_spec& spec, const token_table& names) {
    check_added_tokens(spec.added_tokens, names,
                       [](const std::string& content) { return content; });
    check_special_tokens(spec, names);
}

} // namespace text::detail

inline void sentencepiece_spec::validate() const {
    const text::sentencepiece_model checked = text::detail::checked_model(*this);
    text::detail::check(*this, text::token_table(text::detail::names_of(*this, checked)));
}

/// The spec without the sentencepiece model as JSON: the model file's metadata "mice.tokenizer".
/// The sentencepiece model is the U8 tensor "tokenizer.sentencepiece". Throws errc::tokenizer and
/// errc::unsupported where the pieces cannot be counted.
[[nodiscard]] inline std::string to_metadata(const sentencepiece_spec& spec) {
    const std::size_t pieces = text::read_sentencepiece_model(spec.model).pieces.size();
    const auto name = [](const auto& names, auto value) {
        return std::string(names[static_cast<std::size_t>(value)]);
    };
    io::json object = io::json::object();
    object.insert("type", "sentencepiece");
    object.insert("vocabulary_size", pieces);
    object.insert("ids", name(text::detail::piece_ids_names, spec.ids));
    object.insert("pairs", name(text::detail::pair_form_names, spec.pairs));
    text::detail::write_special_tokens(object, spec);
    return io::to_text(object);
}

namespace text::detail {

/// Like sentencepiece_from_model, from parsed metadata.
[[nodiscard]] inline sentencepiece_spec sentencepiece_from(const io::json& object,
                                                           std::span<const std::byte> model) {
    metadata_reader read(object, "'mice.tokenizer'");
    require_type(read, "sentencepiece");
    sentencepiece_spec spec;
    spec.model.resize(model.size());
    std::copy_n(model.data(), model.size(), spec.model.data());
    const std::size_t pieces = read.number("vocabulary_size", token_table::max_tokens);
    spec.ids = static_cast<piece_ids>(read.choice("ids", piece_ids_names));
    spec.pairs = static_cast<pair_form>(read.choice("pairs", pair_form_names));
    read_special_tokens(read, spec);
    spec.added_tokens = read_added_tokens(read);
    read.finish();
    const sentencepiece_model checked = checked_model(spec);
    if (checked.pieces.size() != pieces)
        throw errors::bad_vocabulary("the sentencepiece model has " +
                                     std::to_string(checked.pieces.size()) +
                                     " pieces, 'mice.tokenizer' says " + std::to_string(pieces));
    check(spec, token_table(names_of(spec, checked)));
    return spec;
}

} // namespace text::detail

/// Reads back what to_metadata wrote and the sentencepiece model, trusting nothing. Throws
/// errc::format for text that is not JSON, errc::unsupported for another type, kind of ids or form
/// of pairs (naming it), else errc::tokenizer. The result is valid (see validate).
[[nodiscard]] inline sentencepiece_spec sentencepiece_from_model(std::string_view metadata,
                                                                 std::span<const std::byte> model) {
    return text::detail::sentencepiece_from(text::detail::parse_metadata(metadata), model);
}

MICE_NAMESPACE_END
