// SPDX-License-Identifier: Apache-2.0
#include "common/byte_bpe_files.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/json.hpp"
#include "common/json_members.hpp"
#include "common/tokenizer_json.hpp"

namespace mice::tools {
namespace {

using detail::errors::bad_vocabulary;
using detail::errors::not_supported;

/// Classes that put RoBERTa's markers around texts.
constexpr std::array<std::string_view, 4> classes = {
    "RobertaTokenizer", "RobertaTokenizerFast", "LongformerTokenizer", "LongformerTokenizerFast"};

json read_object(const std::filesystem::path& path) {
    json root = parse_json(read_text(path), "the file", {.max_bytes = max_tokenizer_file_bytes});
    if (!root.is_object())
        throw bad_vocabulary("the file must be a JSON object");
    return root;
}

/// Throws unless the files beside the vocabulary say that RoBERTa's tokenizer reads it.
void check_reader(const std::filesystem::path& path, const side_config& side) {
    if (side.tokenizer_class) {
        check_class(side, classes);
        return;
    }
    const std::filesystem::path config = path.parent_path() / "config.json";
    std::error_code failure;
    if (std::filesystem::exists(config, failure)) {
        const json root = named(config, [&config] { return read_object(config); });
        if (root.value("model_type", json()) == "roberta")
            return;
    }
    throw not_supported("a vocab.json without a file that names its tokenizer: neither "
                        "tokenizer_class in tokenizer_config.json nor model_type in config.json "
                        "is RoBERTa's;");
}

/// The lines of a merges.txt; the first may name the version.
json read_merge_lines(std::string_view text) {
    json merges = json::array();
    for (std::size_t number = 0; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.empty() || (number == 0 && line.starts_with("#version")))
            continue;
        merges.push_back(std::string(line));
    }
    return merges;
}

/// [name, id] of a marker.
json marker_of(const json& vocabulary, const std::string& name) {
    const auto found = vocabulary.find(name);
    if (found == vocabulary.end())
        throw bad_vocabulary("the special token " + detail::errors::quoted(name) +
                             " is not in the vocabulary");
    return json::array({name, *found});
}

json special_of(const json& vocabulary, const side_config& side, const std::string& name,
                bool lstrip) {
    const added_token* described = find_added(side.named, name);
    const added_token token = described != nullptr
                                  ? *described
                                  : added_token{.content = name, .special = true, .lstrip = lstrip};
    return {{"id", vocabulary.at(name)},        {"content", name},        {"special", true},
            {"single_word", token.single_word}, {"lstrip", token.lstrip}, {"rstrip", token.rstrip},
            {"normalized", token.normalized}};
}

} // namespace

bool is_byte_bpe_vocabulary(const std::filesystem::path& path) {
    return path.filename() == "vocab.json";
}

byte_bpe_spec read_byte_bpe_files(const std::filesystem::path& path, const side_config& side) {
    check_reader(path, side);
    const json vocabulary = read_object(path);
    const std::filesystem::path merges = path.parent_path() / "merges.txt";
    const std::string cls = side.cls.value_or("<s>");
    const std::string sep = side.sep.value_or("</s>");
    const bool prefix_space = side.add_prefix_space.value_or(false);
    // as the class writes a tokenizer.json
    json root = {{"model", {{"type", "BPE"}, {"vocab", vocabulary}}},
                 {"normalizer", nullptr},
                 {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", prefix_space}}},
                 {"post_processor",
                  {{"type", "RobertaProcessing"},
                   {"cls", marker_of(vocabulary, cls)},
                   {"sep", marker_of(vocabulary, sep)},
                   {"trim_offsets", true},
                   {"add_prefix_space", prefix_space}}},
                 {"added_tokens", json::array()}};
    root["model"]["merges"] = named(merges, [&] { return read_merge_lines(read_text(merges)); });
    const std::string mask = side.mask.value_or("<mask>");
    for (const std::string& name :
         {cls, side.pad.value_or("<pad>"), sep, side.unk.value_or("<unk>"), mask})
        if (vocabulary.contains(name) && find_added(side.added, name) == nullptr)
            root["added_tokens"].push_back(special_of(vocabulary, side, name, name == mask));
    byte_bpe_spec spec = byte_bpe_from_json(root);
    const std::string unknown = side.unk.value_or("<unk>");
    spec.unk_token = vocabulary.contains(unknown) ? unknown : std::string();
    return spec;
}

} // namespace mice::tools
