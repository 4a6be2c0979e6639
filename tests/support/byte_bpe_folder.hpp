// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "wordpiece_folder.hpp"

#include <mice/text/byte_bpe/spec.hpp>
#include <nlohmann/json.hpp>

namespace test {

/// The byte-level BPE tokenizer of a folder's tokenizer.json, read without the tools.
inline mice::byte_bpe_spec byte_bpe_folder(const std::string& folder) {
    const auto root = nlohmann::json::parse(golden_text(folder + "/tokenizer.json"));
    mice::byte_bpe_spec spec;
    const auto& vocabulary = root.at("model").at("vocab");
    std::map<std::string, std::int32_t> ids;
    spec.vocabulary.resize(vocabulary.size());
    for (const auto& [token, id] : vocabulary.items()) {
        spec.vocabulary.at(id.get<std::size_t>()) = token;
        ids.emplace(token, id.get<std::int32_t>());
    }
    for (const auto& merge : root.at("model").at("merges"))
        spec.merges.push_back(
            {ids.at(merge.at(0).get<std::string>()), ids.at(merge.at(1).get<std::string>())});
    for (const auto& token : root.at("added_tokens"))
        spec.added_tokens.push_back(added_token_of(token));
    return spec;
}

} // namespace test
