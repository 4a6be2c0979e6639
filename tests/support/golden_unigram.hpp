// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "sentencepiece_file.hpp"
#include "wordpiece_folder.hpp"

#include <mice/text/sentencepiece/model.hpp>
#include <nlohmann/json.hpp>

namespace test {

inline std::string base64(std::string_view bytes) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t bits = 0;
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        for (std::size_t byte = 0; byte < 3; ++byte)
            bits = bits << 8 | (byte < count ? static_cast<unsigned char>(bytes[i + byte]) : 0U);
        for (std::size_t digit = 0; digit < 4; ++digit)
            text += digit <= count ? digits[bits >> (18 - 6 * digit) & 63] : '=';
    }
    return text;
}

/// The normalization rules of the golden sentencepiece model.
inline const std::string& golden_rules() {
    static const std::string rules = [] {
        const auto spec = fixtures::sentencepiece_file::spec_of(
            test::golden_text("tokenizers/spm_unigram/spm.model"));
        return base64(mice::text::read_sentencepiece_model(spec.model).charsmap);
    }();
    return rules;
}

/// The golden tokenizer.json files by name, with their pieces and rules.
inline nlohmann::json golden_tokenizers() {
    const nlohmann::json lists = test::golden_lines("tokenizers/unigram/pieces.json").at(0);
    nlohmann::json roots = test::golden_lines("tokenizers/unigram/tokenizers.json").at(0);
    for (nlohmann::json& root : roots) {
        nlohmann::json pieces = nlohmann::json::array();
        for (const nlohmann::json& entry : root["model"]["vocab"]) {
            const auto name = entry.get<std::string>();
            if (name == "@bytes")
                for (std::size_t byte = 0; byte < 256; ++byte)
                    pieces.push_back({mice::text::detail::byte_piece(byte), 0.0});
            else if (name.starts_with('@'))
                pieces.insert(pieces.end(), lists[name.substr(1)].begin(),
                              lists[name.substr(1)].end());
            else
                pieces.push_back({name, 0.0});
        }
        root["model"]["vocab"] = std::move(pieces);
        for (nlohmann::json& step : root["normalizer"]["normalizers"])
            if (step["type"] == "Precompiled")
                step["precompiled_charsmap"] = golden_rules();
    }
    return roots;
}

} // namespace test
