// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer_files.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/byte_bpe_files.hpp"
#include "common/json.hpp"
#include "common/json_members.hpp"
#include "common/sentencepiece_files.hpp"
#include "common/side_tokens.hpp"
#include "common/tokenizer_config.hpp"

namespace mice::tools {
namespace {

using detail::errors::bad_vocabulary;
using text::token_table;

constexpr std::array<std::string_view, 9> wordpiece_classes = {
    "BertTokenizer",        "BertTokenizerFast",       "ElectraTokenizer",
    "ElectraTokenizerFast", "DistilBertTokenizer",     "DistilBertTokenizerFast",
    "MobileBertTokenizer",  "PreTrainedTokenizerFast", "TokenizersBackend"};
constexpr std::array<std::string_view, 10> byte_bpe_classes = {
    "PreTrainedTokenizerFast", "TokenizersBackend",      "RobertaTokenizer", "RobertaTokenizerFast",
    "GPT2Tokenizer",           "GPT2TokenizerFast",      "GPTNeoXTokenizer", "GPTNeoXTokenizerFast",
    "LongformerTokenizer",     "LongformerTokenizerFast"};

constexpr std::array<std::string_view, 22> unigram_classes = {
    "XLMRobertaTokenizer",    "XLMRobertaTokenizerFast", "PreTrainedTokenizerFast",
    "TokenizersBackend",      "DebertaV2Tokenizer",      "DebertaV2TokenizerFast",
    "AlbertTokenizer",        "AlbertTokenizerFast",     "CamembertTokenizer",
    "CamembertTokenizerFast", "BarthezTokenizer",        "BarthezTokenizerFast",
    "BigBirdTokenizer",       "BigBirdTokenizerFast",    "RemBertTokenizer",
    "RemBertTokenizerFast",   "FNetTokenizer",           "FNetTokenizerFast",
    "MBartTokenizer",         "MBartTokenizerFast",      "T5Tokenizer",
    "T5TokenizerFast"};

/// The tokenizers library reads tokenizer.json alone; transformers lets tokenizer_config.json win.
/// Where they differ, nobody can tell what the model was trained with.
void check_agreement(const side_config& side, const wordpiece_spec& spec) {
    check_class(side, wordpiece_classes);
    must_agree("do_lower_case", side.lowercase, spec.lowercase);
    must_agree("tokenize_chinese_chars", side.handle_chinese_chars, spec.handle_chinese_chars);
    if (side.says_strip_accents &&
        side.strip_accents.value_or(spec.lowercase) != spec.strip_accents.value_or(spec.lowercase))
        must_agree("strip_accents", std::optional<bool>(true), false);
    must_agree("unk_token", side.unk, spec.unk_token, side.names_file);
    must_agree("cls_token", side.cls, spec.cls_token, side.names_file);
    must_agree("sep_token", side.sep, spec.sep_token, side.names_file);
}

void check_agreement(const side_config& side, const byte_bpe_spec& spec) {
    check_class(side, byte_bpe_classes);
    must_agree("add_prefix_space", side.add_prefix_space, spec.add_prefix_space);
    must_agree("cls_token", side.cls, spec.cls_token, side.names_file);
    must_agree("sep_token", side.sep, spec.sep_token, side.names_file);
}

void check_agreement(const side_config& side, const unigram_spec& spec) {
    check_class(side, unigram_classes);
    const auto has = [](const auto& steps, auto kind) {
        return std::any_of(steps.begin(), steps.end(),
                           [kind](const auto& step) { return step.kind == kind; });
    };
    must_agree("do_lower_case", side.lowercase, has(spec.normalizer, text_step_kind::lowercase));
    if (side.split_by_punct)
        must_agree("split_by_punct", std::optional<bool>(true),
                   has(spec.splitter, split_step_kind::punctuation));
    must_agree("unk_token", side.unk, spec.unk_token, side.names_file);
    must_agree("cls_token", side.cls, spec.cls_token, side.names_file);
    must_agree("sep_token", side.sep, spec.sep_token, side.names_file);
}

template <typename Spec> bool contains(const Spec& spec, const std::string& token) {
    return std::find(spec.vocabulary.begin(), spec.vocabulary.end(), token) !=
               spec.vocabulary.end() ||
           std::any_of(spec.added_tokens.begin(), spec.added_tokens.end(),
                       [&token](const added_token& added) { return added.content == token; });
}

/// [PAD] and [MASK] are optional: the name that is configured, else BERT's or RoBERTa's if it is
/// there.
template <typename Spec> void read_optional_tokens(const side_config& side, Spec& spec) {
    const auto choose = [&spec](const std::optional<std::string>& said,
                                std::initializer_list<const char*> usual) {
        if (said)
            return *said;
        const auto* found = std::find_if(
            usual.begin(), usual.end(), [&spec](const char* name) { return contains(spec, name); });
        return found == usual.end() ? std::string() : std::string(*found);
    };
    spec.pad_token = choose(side.pad, {"[PAD]", "<pad>"});
    spec.mask_token = choose(side.mask, {"[MASK]", "<mask>"});
}

/// Pieces are learned from texts, so one that looks like BERT's special token need not be one.
void read_optional_tokens(const side_config& side, unigram_spec& spec) {
    const auto choose = [&spec](const std::optional<std::string>& said, const char* bert,
                                const char* xlmr) -> std::string {
        if (said)
            return *said;
        const added_token* added = find_added(spec.added_tokens, bert);
        if (added != nullptr && added->special)
            return bert;
        return contains(spec, xlmr) ? xlmr : "";
    };
    spec.pad_token = choose(side.pad, "[PAD]", "<pad>");
    spec.mask_token = choose(side.mask, "[MASK]", "<mask>");
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

wordpiece_spec parse_vocab_txt(std::string_view text, const side_config& side, std::size_t rows) {
    check_class(side, wordpiece_classes);
    wordpiece_spec spec;
    spec.vocabulary = parse_vocabulary(text);
    spec.lowercase = side.lowercase.value_or(true);
    spec.handle_chinese_chars = side.handle_chinese_chars.value_or(true);
    spec.strip_accents = side.strip_accents;
    spec.unk_token = side.unk.value_or(spec.unk_token);
    spec.cls_token = side.cls.value_or(spec.cls_token);
    spec.sep_token = side.sep.value_or(spec.sep_token);
    read_optional_tokens(side, spec);
    const id_index ids(spec.vocabulary);
    add_listed(side, ids, spec.added_tokens);
    for (const std::string* name :
         {&spec.unk_token, &spec.cls_token, &spec.sep_token, &spec.pad_token, &spec.mask_token})
        if (!name->empty() && find_added(spec.added_tokens, *name) == nullptr) {
            const added_token* described = find_added(side.named, *name);
            spec.added_tokens.push_back(
                described != nullptr ? *described : added_token{.content = *name, .special = true});
            spec.added_tokens.back().id = known_id(spec.vocabulary, spec.added_tokens, *name);
        }
    add_unlisted(side, ids, rows, spec.added_tokens);
    return spec;
}

/// Adds what the files beside it say to a tokenizer.json's spec.
template <typename Spec> void complete(const side_config& side, std::size_t rows, Spec& spec) {
    check_agreement(side, spec);
    const id_index ids(spec.vocabulary);
    add_listed(side, ids, spec.added_tokens);
    add_unlisted(side, ids, rows, spec.added_tokens);
    read_optional_tokens(side, spec);
    // Byte-level BPE knows every text; the unknown token is just one more that no text may give.
    if (spec.unk_token.empty() && side.unk && contains(spec, *side.unk))
        spec.unk_token = *side.unk;
}

/// A tokenizer.json is none of these.
void complete(const side_config&, std::size_t, sentencepiece_spec&) {}

tokenizer_spec read_file(const std::filesystem::path& path, const tokenizer_request& request) {
    const side_config side = read_side_config(path);
    return named(path, [&] {
        tokenizer_spec spec;
        if (path.extension() == ".model") {
            spec = read_sentencepiece(path, side, request);
        } else if (is_byte_bpe_vocabulary(path)) {
            byte_bpe_spec bpe = read_byte_bpe_files(path, side);
            complete(side, request.rows, bpe);
            spec = std::move(bpe);
        } else if (path.extension() == ".json") {
            spec = tokenizer_from_json(
                parse_json(read_text(path), "the file", {.max_bytes = max_tokenizer_file_bytes}));
            std::visit([&](auto& kind) { complete(side, request.rows, kind); }, spec);
        } else {
            spec = parse_vocab_txt(read_text(path), side, request.rows);
        }
        std::visit([](const auto& kind) { kind.validate(); }, spec);
        return spec;
    });
}

} // namespace

std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& folder) {
    // A tokenizer.json beside a sentencepiece model was generated from it, and is read with it.
    if (auto model = find_sentencepiece(folder))
        return model;
    std::error_code failure;
    for (const char* name : {"tokenizer.json", "vocab.txt", "vocab.json"})
        if (std::filesystem::exists(folder / name, failure))
            return folder / name;
    return std::nullopt;
}

tokenizer_spec read_tokenizer(const std::filesystem::path& path, const tokenizer_request& request) {
    std::error_code failure;
    if (!std::filesystem::is_directory(path, failure))
        return read_file(path, request);
    const auto file = find_tokenizer(path);
    if (!file)
        throw detail::errors::cannot_open(
            path.string(),
            "the folder has no tokenizer.json, vocab.txt, vocab.json or sentencepiece model");
    return read_file(*file, request);
}

stored_tokenizer to_stored(const tokenizer_spec& spec) {
    stored_tokenizer stored;
    std::visit([&stored](const auto& kind) { stored.metadata = to_metadata(kind); }, spec);
    if (const auto* words = std::get_if<wordpiece_spec>(&spec))
        stored.vocabulary = vocabulary_bytes(*words);
    if (const auto* bpe = std::get_if<byte_bpe_spec>(&spec)) {
        stored.vocabulary = vocabulary_bytes(*bpe);
        stored.merges = merge_bytes(*bpe);
    }
    if (const auto* pieces = std::get_if<sentencepiece_spec>(&spec))
        stored.sentencepiece = pieces->model;
    if (const auto* pieces = std::get_if<unigram_spec>(&spec)) {
        stored.vocabulary = vocabulary_bytes(*pieces);
        stored.scores = score_bytes(*pieces);
        if (!pieces->charsmap.empty())
            stored.charsmap = pieces->charsmap;
    }
    return stored;
}

std::shared_ptr<const tokenizer> make_tokenizer(const tokenizer_spec& spec) {
    return std::visit([](const auto& kind) { return mice::make_tokenizer(kind); }, spec);
}

std::string_view kind_name(const tokenizer_spec& spec) {
    constexpr std::array<std::string_view, 4> names = {"WordPiece", "byte-level BPE",
                                                       "sentencepiece", "Unigram"};
    return names[spec.index()];
}

} // namespace mice::tools
