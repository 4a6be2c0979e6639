// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/mice.hpp>

#include "random_model.hpp"
#include "random_numbers.hpp"
#include "temporary_folder.hpp"

namespace fixtures {

/// A ranker over a small random model in memory.
struct model_in_memory {
    explicit model_in_memory(const mice::model_config& config = tiny_config(),
                             const model_recipe& recipe = {})
        : bytes(make_model(config, recipe).file()) {}

    std::vector<std::byte> bytes;
    mice::reranker ranker{std::span<const std::byte>(bytes), mice::precision::f32};
};

/// A query that some of the passages answer.
inline constexpr std::string_view question = "the old river mill";

/// A few words that the small tokenizer knows, the same for the same number.
inline std::string passage(std::uint64_t number) {
    static const std::vector<std::string> words{"river", "old",   "mill", "stone", "the",  "bridge",
                                                "of",    "and",   "zq",   "7",     "day!", "sing",
                                                "new",   "light", "x-y",  "under"};
    random_numbers random(1000 + number);
    std::string text;
    for (std::size_t left = 1 + random.below(9); left > 0; --left) {
        text += words[random.below(words.size())] + " ";
    }
    return text;
}

inline std::string id_of(std::uint64_t number) {
    return "doc-" + std::to_string(number);
}

/// Adds documents first..last-1 with metadata of their own.
inline void put_passages(mice::index& into, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; ++i) {
        into.put(id_of(i), passage(i), "m" + std::to_string(i));
    }
}

/// Hits as (id, bits of the score), so that equality means the same bits.
inline std::vector<std::pair<std::string, std::uint32_t>>
hit_bits(const mice::index_ranking& ranking) {
    std::vector<std::pair<std::string, std::uint32_t>> bits;
    for (const mice::index_hit& each : ranking) {
        bits.emplace_back(each.id, std::bit_cast<std::uint32_t>(each.score));
    }
    return bits;
}

/// Ids in index order.
inline std::vector<std::string> ids_of(const mice::index& of) {
    std::vector<std::string> ids;
    for (const mice::stored_document& each : of.documents()) {
        ids.push_back(each.id);
    }
    return ids;
}

/// The bytes of every file of a folder by name.
inline std::map<std::string, std::string> files_in(const std::filesystem::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& each : std::filesystem::directory_iterator(folder)) {
        std::ifstream in(each.path(), std::ios::binary);
        files[each.path().filename().string()] =
            std::string(std::istreambuf_iterator<char>(in), {});
    }
    return files;
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

} // namespace fixtures
