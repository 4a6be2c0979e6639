// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <mice/codecs/codec.hpp>
#include <mice/index/files/manifest.hpp>
#include <mice/index/files/segment.hpp>
#include <mice/io/checksum.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/mice.hpp>
#include <mice/model.hpp>
#include <nlohmann/json.hpp>

#include "index_fixture.hpp"

// Indexes with changed files and corrected checksums: what an attacker who can write the folder may
// show to a reader.
namespace fixtures {

inline std::span<const std::byte> bytes_in(const std::string& text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

/// A manifest with changed JSON and the right checksum.
inline std::string changed_manifest(const std::string& manifest,
                                    const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json all = nlohmann::json::parse(manifest.substr(0, manifest.find('\n')));
    change(all);
    const std::string line = all.dump() + "\n";
    return line + mice::io::hex_digits(mice::io::checksum128(bytes_in(line))) + "\n";
}

/// A value at a place of a file's bytes.
template <class Value> [[nodiscard]] Value value_at(const std::string& file, std::size_t at) {
    Value value;
    std::memcpy(&value, file.data() + at, sizeof value);
    return value;
}
template <class Value> void put_at(std::string& file, std::size_t at, const Value& value) {
    std::memcpy(file.data() + at, &value, sizeof value);
}

[[nodiscard]] inline mice::store::segment_footer footer_of(const std::string& segment) {
    return value_at<mice::store::segment_footer>(segment, segment.size() -
                                                              sizeof(mice::store::segment_footer));
}

/// Corrects all checksums of the segment; returns that of its footer.
inline std::uint64_t seal_segment(std::string& file, mice::store::segment_footer last) {
    using namespace mice::store;
    const std::size_t data = static_cast<std::size_t>(last.data_bytes);
    const auto sums_of = [](std::span<const std::byte> bytes) {
        std::vector<std::uint64_t> sums;
        for (std::size_t at = 0; at < bytes.size(); at += block_bytes) {
            sums.push_back(
                mice::io::checksum64(bytes.subspan(at, std::min(block_bytes, bytes.size() - at))));
        }
        return sums;
    };
    const auto copy = [&file](std::size_t at, std::span<const std::byte> from) {
        std::memcpy(file.data() + at, from.data(), from.size());
    };
    const std::vector<std::uint64_t> blocks = sums_of(bytes_in(file).first(data));
    const std::vector<std::uint64_t> groups = sums_of(std::as_bytes(std::span(blocks)));
    copy(data, std::as_bytes(std::span(blocks)));
    copy(data + 8 * blocks.size(), std::as_bytes(std::span(groups)));
    last.groups_checksum = mice::io::checksum64(std::as_bytes(std::span(groups)));
    last.checksum = mice::io::checksum64(
        std::as_bytes(std::span(&last, 1)).first(offsetof(segment_footer, checksum)));
    put_at(file, file.size() - sizeof last, last);
    return last.checksum;
}

/// Corrects the checksums of a file of codec parameters or deletions; returns the header's.
inline std::uint64_t seal_blob(std::string& file) {
    auto header = value_at<mice::store::blob_header>(file, 0);
    header.bytes = file.size() - sizeof header;
    header.content_checksum = mice::io::checksum64(bytes_in(file).subspan(sizeof header));
    header.checksum = mice::io::checksum64(
        std::as_bytes(std::span(&header, 1)).first(offsetof(mice::store::blob_header, checksum)));
    put_at(file, 0, header);
    return header.checksum;
}

/// A small index of one segment, some documents of it deleted, of any model and codec; any of its
/// files may be replaced by a forged one.
struct forged_index {
    forged_index(const mice::model_config& config, const mice::index_codec& codec,
                 mice::precision computed = mice::precision::f32)
        : bytes(make_model(config).file()), ranker(std::span<const std::byte>(bytes), computed),
          path(folder.path() / "index") {
        mice::index index = mice::index::create(path, ranker, {.codec = codec});
        put_passages(index, 0, 12);
        index.commit();
        index.erase("doc-3");
        index.commit();
        index.release();
        files = files_in(path);
        for (const auto& [name, text] : files) {
            segment = name.starts_with("segment-") ? name : segment;
            deletions = name.starts_with("deleted-") ? name : deletions;
            parameters = name.starts_with("codec-") ? name : parameters;
            manifest = name.starts_with("manifest-") ? name : manifest; // the newest
        }
    }

    /// Replaces the segment, its deletions or its codec's parameters by forged bytes.
    void put_segment(std::string file, const mice::store::segment_footer& footer) {
        const std::uint64_t sum = seal_segment(file, footer);
        replace(segment, file, [&](nlohmann::json& all) {
            all["segments"][0]["checksum"] = mice::io::hex_digits(sum);
            all["segments"][0]["bytes"] = file.size();
        });
    }
    void put_segment(const std::string& file) { put_segment(file, footer_of(file)); }
    void put_parameters(std::string file) {
        const std::uint64_t sum = seal_blob(file);
        replace(parameters, file, [&](nlohmann::json& all) {
            all["codec"]["parameters"]["checksum"] = mice::io::hex_digits(sum);
            all["codec"]["parameters"]["bytes"] = file.size();
        });
    }
    void put_deletions(std::string file) {
        const std::uint64_t sum = seal_blob(file);
        replace(deletions, file, [&](nlohmann::json& all) {
            all["segments"][0]["deletions"]["checksum"] = mice::io::hex_digits(sum);
            all["segments"][0]["deletions"]["bytes"] = file.size();
        });
    }

    /// Where the table entry of a document lies in the segment's bytes.
    [[nodiscard]] std::size_t entry_at(std::uint32_t document) const {
        const auto place = footer_of(files.at(segment)).places[1];
        return static_cast<std::size_t>(place.offset) +
               sizeof(mice::store::document_entry) * document;
    }
    /// Where the token ids of a document lie.
    [[nodiscard]] std::size_t ids_at(std::uint32_t document) const {
        const std::string& file = files.at(segment);
        const auto entry = value_at<mice::store::document_entry>(file, entry_at(document));
        const auto place = footer_of(file).places[2];
        return static_cast<std::size_t>(
            place.offset +
            mice::store::aligned(entry.texts + entry.id_bytes + entry.metadata_bytes, 4));
    }

    /// Reads everything in an index. Throws mice::error for damage, and std::runtime_error for a
    /// state or score that is not finite.
    void use() const {
        const mice::index index = mice::index::open(path, ranker);
        for (const mice::index_hit& each : index.rank(question, {.threads = 1})) {
            if (!std::isfinite(each.score) || each.tokens_seen > longest()) {
                throw std::runtime_error("a hit that is not whole");
            }
        }
        for (const mice::index_candidate& each : index.candidates(question, 10)) {
            if (!std::isfinite(each.score)) {
                throw std::runtime_error("a candidate's score that is not finite");
            }
        }
        for (const mice::stored_document& each : index.documents()) {
            (void)index.contains(each.id);
            if (const auto states = index.states(each.id)) {
                for (const float value : states->values) {
                    if (!std::isfinite(value)) {
                        throw std::runtime_error("a state that is not finite");
                    }
                }
            }
        }
        (void)index.stats();
    }
    /// What verify() finds.
    [[nodiscard]] std::vector<mice::index_finding> findings() const {
        return mice::index::open(path, ranker).verify();
    }
    /// Rewrites the folder without its deleted documents, as a writer does.
    void rewrite() const {
        mice::index index = mice::index::open(path, ranker);
        index.compact();
    }
    void restore() const {
        std::filesystem::remove_all(path);
        std::filesystem::create_directory(path);
        for (const auto& [name, text] : files) {
            write_file(path / name, text);
        }
    }

    std::vector<std::byte> bytes;
    mice::reranker ranker;
    temporary_folder folder;
    std::filesystem::path path;
    std::map<std::string, std::string> files; ///< as they were written
    std::string segment, deletions, parameters, manifest;

  private:
    [[nodiscard]] std::size_t longest() const { return ranker.config().max_position_embeddings; }
    void replace(const std::string& name, const std::string& file,
                 const std::function<void(nlohmann::json&)>& change) const {
        std::filesystem::remove(path / name); // what is mapped stays as it is
        write_file(path / name, file);
        write_file(path / manifest, changed_manifest(files.at(manifest), change));
    }
};

/// A small model of every kind that reads stored documents in its own way.
inline std::vector<named_config> every_reader() {
    std::vector<named_config> list;
    for (named_config& each : every_kind()) {
        for (const char* name :
             {"default", "exact-match heads", "adapter", "ModernBERT, default",
              "ModernBERT, lexical bias", "ModernBERT, exact-match heads", "cross-encoder, default",
              "cross-encoder, longest first", "cross-encoder, ModernBERT", "cross-encoder, window",
              "cross-encoder, split, stored", "cross-encoder, document alone, stored",
              "cross-encoder, RoBERTa, split, stored"}) {
            if (each.name == name) {
                list.push_back(std::move(each));
                break;
            }
        }
    }
    list.push_back({"late interaction", late_interaction_config()});
    return list;
}

/// Every codec that the model takes, and every option once.
inline std::vector<mice::index_codec> every_codec(const mice::reranker& ranker) {
    std::vector<mice::index_codec> list;
    for (const mice::store::codec_kind& kind : mice::store::codec_kinds) {
        std::string name(kind.name);
        if (kind.takes != nullptr) { // N stands for a number, which suits small models here
            name.replace(name.find('N'), 1, "10");
        }
        for (const mice::index_codec& each :
             {mice::index_codec{.name = name}, mice::index_codec{.name = name, .pool = 2},
              mice::index_codec{.name = name, .drop = mice::dropped_tokens::punctuation}}) {
            if (!catch_error([&] { mice::store::validate(each, *ranker.shared_model()); }).thrown) {
                list.push_back(each);
            }
        }
    }
    return list;
}

} // namespace fixtures
