// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/tokenizer.hpp>
#include <mice/text/wordpiece/spec.hpp>
#include <nlohmann/json.hpp>

namespace test {

/// A file under tests/golden/data as text; throws when it is missing.
inline std::string golden_text(const std::string& name) {
    std::ifstream file(std::string(MICE_TEST_DATA) + "/" + name, std::ios::binary);
    if (!file)
        throw std::runtime_error("missing test data: " + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The lines of a JSON Lines file under tests/golden/data.
inline std::vector<nlohmann::json> golden_lines(const std::string& name) {
    const std::string all = golden_text(name);
    std::vector<nlohmann::json> lines;
    for (std::size_t start = 0; start < all.size();) {
        const std::size_t stop = all.find('\n', start);
        lines.push_back(nlohmann::json::parse(std::string_view(all).substr(start, stop - start)));
        start = stop == std::string::npos ? all.size() : stop + 1;
    }
    return lines;
}

/// An added token as tokenizer.json writes it.
inline mice::added_token added_token_of(const nlohmann::json& token) {
    return {.id = token.at("id").get<std::int32_t>(),
            .content = token.at("content").get<std::string>(),
            .special = token.at("special").get<bool>(),
            .single_word = token.at("single_word").get<bool>(),
            .lstrip = token.at("lstrip").get<bool>(),
            .rstrip = token.at("rstrip").get<bool>(),
            .normalized = token.at("normalized").get<bool>()};
}

/// The WordPiece tokenizer of a folder's tokenizer.json, read without the tools.
inline mice::wordpiece_spec wordpiece_folder(const std::string& folder) {
    const auto root = nlohmann::json::parse(golden_text(folder + "/tokenizer.json"));
    mice::wordpiece_spec spec;
    const auto& normalizer = root.at("normalizer");
    spec.clean_text = normalizer.at("clean_text").get<bool>();
    spec.handle_chinese_chars = normalizer.at("handle_chinese_chars").get<bool>();
    spec.lowercase = normalizer.at("lowercase").get<bool>();
    if (!normalizer.at("strip_accents").is_null())
        spec.strip_accents = normalizer.at("strip_accents").get<bool>();
    const auto& vocabulary = root.at("model").at("vocab");
    spec.vocabulary.resize(vocabulary.size());
    for (const auto& [token, id] : vocabulary.items())
        spec.vocabulary.at(id.get<std::size_t>()) = token;
    for (const auto& token : root.at("added_tokens"))
        spec.added_tokens.push_back(added_token_of(token));
    return spec;
}

} // namespace test
