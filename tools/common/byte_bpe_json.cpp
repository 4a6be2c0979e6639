// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/json_members.hpp"
#include "common/tokenizer_json.hpp"

namespace mice::tools {
namespace {

using detail::errors::bad_vocabulary;
using detail::errors::not_supported;

constexpr std::string_view where_model = "'model'";

error refused_option(const std::string& key, const json& value) {
    return not_supported(detail::errors::quoted(key) + " " + detail::errors::quoted(value.dump()) +
                         " of the BPE model in tokenizer.json");
}

/// Refuses what would change ids, and every key that a later library may have added. Every byte has
/// a token, so unk_token and fuse_unk do not matter.
void check_options(const json& model) {
    constexpr std::array<std::string_view, 5> harmless = {"type", "vocab", "merges", "unk_token",
                                                          "fuse_unk"};
    constexpr std::array<std::string_view, 5> must_be_off = {"dropout", "continuing_subword_prefix",
                                                             "end_of_word_suffix", "byte_fallback",
                                                             "ignore_merges"};
    for (const auto& [key, value] : model.items()) {
        if (std::find(harmless.begin(), harmless.end(), key) != harmless.end())
            continue;
        const bool off = value.is_null() || value == false || value == "" || value == 0;
        const bool known =
            std::find(must_be_off.begin(), must_be_off.end(), key) != must_be_off.end();
        if (!known || !off)
            throw refused_option(key, value);
    }
}

/// [left, right], or "left right" as older library versions wrote it.
std::pair<std::string_view, std::string_view> merge_texts(const json& merge, std::size_t index) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
        return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
    if (merge.is_string()) {
        const std::string_view text = merge.get_ref<const std::string&>();
        const std::size_t space = text.find(' ');
        if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos)
            return {text.substr(0, space), text.substr(space + 1)};
    }
    throw bad_vocabulary("merge " + std::to_string(index) + " must be two tokens");
}

std::vector<token_merge> read_merges(const json& merges,
                                     const std::vector<std::string>& vocabulary) {
    if (!merges.is_array())
        throw wrong_type("merges", where_model, "an array of merges");
    std::unordered_map<std::string_view, std::int32_t> ids;
    for (std::size_t id = 0; id < vocabulary.size(); ++id)
        if (!vocabulary[id].empty())
            ids.emplace(vocabulary[id], static_cast<std::int32_t>(id));
    const auto id_of = [&ids](std::string_view token, std::size_t index) {
        const auto found = ids.find(token);
        if (found == ids.end())
            throw bad_vocabulary("merge " + std::to_string(index) + " names " +
                                 detail::errors::quoted(token) +
                                 ", which is not in the vocabulary");
        return found->second;
    };
    std::vector<token_merge> result;
    result.reserve(merges.size());
    for (std::size_t i = 0; i < merges.size(); ++i) {
        const auto [left, right] = merge_texts(merges[i], i);
        result.push_back({id_of(left, i), id_of(right, i)});
    }
    return result;
}

void read_model(const json& model, byte_bpe_spec& spec) {
    check_options(model);
    const auto unknown = model.find("unk_token");
    if (unknown != model.end() && !unknown->is_null())
        spec.unk_token = string(model, "unk_token", where_model);
    spec.vocabulary = read_vocabulary(member(model, "vocab", where_model));
    spec.merges = read_merges(member(model, "merges", where_model), spec.vocabulary);
}

} // namespace

byte_bpe_spec byte_bpe_from_json(const json& root) {
    byte_bpe_spec spec;
    const json& splitter = splitter_of(root);
    if (const std::string type = type_of(splitter, "'pre_tokenizer'"); type != "ByteLevel")
        throw unsupported("pre-tokenizer", type);
    spec.add_prefix_space = flag(splitter, "add_prefix_space", "'pre_tokenizer'");
    if (splitter.contains("use_regex") && !flag(splitter, "use_regex", "'pre_tokenizer'"))
        spec.split = bpe_split::none;
    const std::string normalizer = type_of(normalizer_of(root), "'normalizer'");
    if (!normalizer.empty() && normalizer != "NFC")
        throw unsupported("normalizer", normalizer);
    spec.normalizer = normalizer.empty() ? bpe_normalizer::none : bpe_normalizer::nfc;
    read_model(member(root, "model", "the file"), spec);
    spec.added_tokens = read_added_tokens(root);
    marker_names names = read_markers(root, {spec.vocabulary, spec.added_tokens});
    spec.cls_token = std::move(names.cls);
    spec.sep_token = std::move(names.sep);
    spec.pairs = names.pairs;
    spec.trim = names.trim;
    return spec;
}

} // namespace mice::tools
