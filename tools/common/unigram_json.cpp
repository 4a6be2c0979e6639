// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/json_members.hpp"
#include "common/tokenizer_json.hpp"

namespace mice::tools {
namespace {

using detail::errors::bad_vocabulary;
using detail::errors::not_supported;

constexpr std::string_view where_model = "'model'";
constexpr std::string_view where_normalizer = "'normalizer'";
constexpr std::string_view where_splitter = "'pre_tokenizer'";

/// Refuses members of a component that a later library may have added.
void check_members(const json& component, std::string_view where,
                   std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : component.items())
        if (key != "type" && std::find(known.begin(), known.end(), key) == known.end())
            throw not_supported(
                detail::errors::quoted(key) + " of " +
                (component.contains("type") ? type_of(component, where) + " in " : std::string()) +
                std::string(where) + " in tokenizer.json");
}

// ---- model ----

/// The number that Hugging Face's JSON reader (serde_json) makes of a score's shortest digits. It
/// divides once by a power of ten instead of rounding well, so one score in eight is another by a
/// unit in its last place; that decides between ways of equal scores.
double as_read_there(double score) {
    if (score == 0 || !std::isfinite(score))
        return score;
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), std::abs(score),
                                   std::chars_format::scientific)
                         .ptr;
    std::uint64_t digits = 0;
    int exponent = 0;
    bool fraction = false;
    const char* at = text.data();
    for (; at != end && *at != 'e'; ++at) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        digits = 10 * digits + static_cast<std::uint64_t>(*at - '0');
        exponent -= fraction ? 1 : 0;
    }
    exponent += at != end ? std::atoi(at + 1) : 0;
    if (exponent >= 0 && std::abs(score) < 1e16) // a whole number is written with ".0"
        for (; exponent >= 0; --exponent)
            digits *= 10;
    constexpr int largest = 308;
    auto value = static_cast<double>(digits);
    for (; exponent < -largest; exponent += largest)
        value /= 1e308;
    const double power = std::strtod(("1e" + std::to_string(std::abs(exponent))).c_str(), nullptr);
    value = exponent >= 0 ? value * power : value / power;
    return std::copysign(value, score);
}

double read_score(const json& value, std::size_t id) {
    if (!value.is_number())
        throw bad_vocabulary("'vocab' of 'model': the score of piece " + std::to_string(id) +
                             " must be a number");
    const auto score = value.get<double>();
    return value.is_number_float() ? as_read_there(score) : score;
}

void read_pieces(const json& vocabulary, unigram_spec& spec) {
    if (!vocabulary.is_array() || vocabulary.empty())
        throw wrong_type("vocab", where_model, "an array of pieces with scores");
    if (vocabulary.size() > text::token_table::max_tokens)
        throw bad_vocabulary("the vocabulary has " + std::to_string(vocabulary.size()) +
                             " entries, at most " + std::to_string(text::token_table::max_tokens) +
                             " are supported");
    spec.vocabulary.reserve(vocabulary.size());
    spec.scores.reserve(vocabulary.size());
    for (const json& entry : vocabulary) {
        if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string())
            throw bad_vocabulary("'vocab' of 'model': piece " +
                                 std::to_string(spec.vocabulary.size()) + " must be [text, score]");
        spec.scores.push_back(read_score(entry[1], spec.vocabulary.size()));
        spec.vocabulary.push_back(entry[0].get<std::string>());
    }
}

void read_model(const json& model, unigram_spec& spec) {
    check_members(model, where_model, {"vocab", "unk_id", "byte_fallback"});
    read_pieces(member(model, "vocab", where_model), spec);
    const json& unknown = member(model, "unk_id", where_model);
    if (unknown.is_null())
        throw not_supported(
            "a Unigram model without 'unk_id' in tokenizer.json, as it has no token "
            "for unknown characters,");
    if (!unknown.is_number_unsigned() || unknown.get<std::uint64_t>() >= spec.vocabulary.size())
        throw bad_vocabulary("'unk_id' of 'model' must be the place of a piece, below " +
                             std::to_string(spec.vocabulary.size()));
    spec.unk_token = spec.vocabulary[unknown.get<std::size_t>()];
    if (model.contains("byte_fallback"))
        spec.byte_fallback = flag(model, "byte_fallback", where_model);
}

// ---- normalizer ----

/// Reads base64 as strictly as Hugging Face does.
std::vector<std::byte> from_base64(std::string_view text) {
    const auto damaged = [] {
        return bad_vocabulary("'normalizer': 'precompiled_charsmap' is no base64; download the "
                              "file again, or save the tokenizer again");
    };
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array<int, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < digits.size(); ++i)
        values[static_cast<unsigned char>(digits[i])] = static_cast<int>(i);
    if (text.size() % 4 != 0)
        throw damaged();
    std::size_t padding = 0;
    for (; padding < 2 && text.ends_with('='); ++padding)
        text.remove_suffix(1);
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char digit : text) {
        const int value = values[static_cast<unsigned char>(digit)];
        if (value < 0)
            throw damaged();
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes.push_back(static_cast<std::byte>(bits >> count));
        }
    }
    if ((bits & ((1U << count) - 1)) != 0)
        throw damaged();
    return bytes;
}

text_step read_replace(const json& component) {
    check_members(component, where_normalizer, {"pattern", "content"});
    text_step step;
    step.content = string(component, "content", where_normalizer);
    const json& pattern = member(component, "pattern", where_normalizer);
    const char* kind = pattern.is_object() && pattern.contains("Regex") ? "Regex" : "String";
    step.kind = *kind == 'R' ? text_step_kind::replace_regex : text_step_kind::replace;
    step.pattern = string(pattern, kind, "'pattern' of Replace");
    return step;
}

void read_precompiled(const json& component, unigram_spec& spec) {
    check_members(component, where_normalizer, {"precompiled_charsmap"});
    std::vector<std::byte> rules =
        from_base64(string(component, "precompiled_charsmap", where_normalizer));
    if (rules.empty())
        throw bad_vocabulary("'normalizer': 'precompiled_charsmap' is empty; leave the step out if "
                             "there are no rules");
    spec.charsmap = std::move(rules);
}

void read_normalizer(const json& component, unigram_spec& spec) {
    const std::string type = type_of(component, where_normalizer);
    if (type.empty())
        return;
    if (type == "Sequence") {
        const json& list = member(component, "normalizers", where_normalizer);
        if (!list.is_array())
            throw wrong_type("normalizers", where_normalizer, "an array");
        for (const json& each : list)
            read_normalizer(each, spec);
        return;
    }
    constexpr std::array<std::pair<std::string_view, text_step_kind>, 7> plain = {
        {{"Lowercase", text_step_kind::lowercase},
         {"StripAccents", text_step_kind::strip_accents},
         {"Nmt", text_step_kind::nmt},
         {"NFC", text_step_kind::nfc},
         {"NFD", text_step_kind::nfd},
         {"NFKC", text_step_kind::nfkc},
         {"NFKD", text_step_kind::nfkd}}};
    text_step step;
    if (const auto* known = std::find_if(plain.begin(), plain.end(),
                                         [&](const auto& each) { return each.first == type; });
        known != plain.end()) {
        check_members(component, where_normalizer, {});
        step.kind = known->second;
    } else if (type == "Precompiled") {
        read_precompiled(component, spec);
    } else if (type == "Replace") {
        step = read_replace(component);
    } else if (type == "Strip") {
        check_members(component, where_normalizer, {"strip_left", "strip_right"});
        step.kind = text_step_kind::strip;
        step.left = flag(component, "strip_left", where_normalizer);
        step.right = flag(component, "strip_right", where_normalizer);
    } else if (type == "Prepend") {
        check_members(component, where_normalizer, {"prepend"});
        step.kind = text_step_kind::prepend;
        step.content = string(component, "prepend", where_normalizer);
    } else {
        throw unsupported("normalizer", type);
    }
    spec.normalizer.push_back(std::move(step));
}

// ---- pre-tokenizer ----

/// Metaspace as newer libraries write it (prepend_scheme, split) and older ones (add_prefix_space,
/// str_rep); where both are there, the newer members decide.
split_step read_metaspace(const json& component) {
    check_members(component, where_splitter,
                  {"replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
    split_step step;
    step.replacement = string(component, "replacement", where_splitter);
    if (component.contains("split"))
        step.split = flag(component, "split", where_splitter);
    const bool older =
        component.contains("add_prefix_space") && !component["add_prefix_space"].is_null();
    const bool prefix = !older || flag(component, "add_prefix_space", where_splitter);
    step.prefix = prefix ? metaspace_prefix::always : metaspace_prefix::never;
    if (!component.contains("prepend_scheme"))
        return step;
    const std::string scheme = string(component, "prepend_scheme", where_splitter);
    const auto& names = text::detail::metaspace_prefix_names;
    const auto place = std::find(names.begin(), names.end(), scheme);
    if (place == names.end())
        throw not_supported("Metaspace's prepend_scheme " + detail::errors::quoted(scheme) +
                            " in tokenizer.json");
    step.prefix = static_cast<metaspace_prefix>(place - names.begin());
    if (older && !prefix && step.prefix != metaspace_prefix::never)
        throw bad_vocabulary("'pre_tokenizer': Metaspace's add_prefix_space is false, but its "
                             "prepend_scheme is " +
                             detail::errors::quoted(scheme) + "; correct one of them");
    return step;
}

void read_splitter(const json& component, unigram_spec& spec) {
    const std::string type = type_of(component, where_splitter);
    if (type.empty())
        return;
    if (type == "Sequence") {
        const json& list = member(component, "pretokenizers", where_splitter);
        if (!list.is_array())
            throw wrong_type("pretokenizers", where_splitter, "an array");
        for (const json& each : list)
            read_splitter(each, spec);
        return;
    }
    split_step step;
    if (type == "Metaspace") {
        step = read_metaspace(component);
    } else if (type == "WhitespaceSplit") {
        check_members(component, where_splitter, {});
        step.kind = split_step_kind::whitespace;
    } else if (type == "Punctuation") {
        check_members(component, where_splitter, {"behavior"});
        step.kind = split_step_kind::punctuation;
        if (component.contains("behavior") && component["behavior"] != "Isolated")
            throw not_supported("Punctuation's behavior " +
                                detail::errors::quoted(component["behavior"].dump()) +
                                " in tokenizer.json");
    } else {
        throw unsupported("pre-tokenizer", type);
    }
    spec.splitter.push_back(std::move(step));
}

} // namespace

unigram_spec unigram_from_json(const json& root) {
    unigram_spec spec;
    read_model(member(root, "model", "the file"), spec);
    read_normalizer(member(root, "normalizer", "the file"), spec);
    read_splitter(member(root, "pre_tokenizer", "the file"), spec);
    spec.added_tokens = read_added_tokens(root);
    marker_names names = read_markers(root, {spec.vocabulary, spec.added_tokens});
    spec.cls_token = std::move(names.cls);
    spec.sep_token = std::move(names.sep);
    spec.pairs = names.pairs;
    spec.trim = names.trim;
    return spec;
}

} // namespace mice::tools
