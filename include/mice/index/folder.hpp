// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include <mice/index/files/open_commit.hpp>
#include <mice/index_results.hpp>

// Facts about an index: whether there is one, what it holds, what its files take.
MICE_NAMESPACE_BEGIN
namespace detail {

[[nodiscard]] inline io::file_system& files_of(const index_access& access) {
    return access.files == nullptr ? io::system_files() : *access.files;
}

/// What a commit holds, without what its folder takes.
[[nodiscard]] inline index_stats stats_of(const store::opened_commit& opened) {
    const store::manifest& commit = opened.commit->commit();
    index_stats made;
    made.generation = commit.generation;
    made.documents = opened.commit->documents();
    made.passages = opened.commit->entries();
    made.segments = commit.segments.size();
    made.files = commit.files().size() + 1;
    made.codec = commit.codec;
    made.codec_alias = store::codec_alias(commit.codec.name);
    made.codec_waits = opened.commit->coder() == nullptr;
    made.precisions = opened.commit->precisions();
    made.words = commit.words;
    made.words_form =
        commit.words == index_words::none ? 0 : static_cast<std::uint32_t>(commit.form);
    made.model = commit.model.name;
    made.fingerprint = commit.model.fingerprint;
    made.recovered = opened.recovered;
    made.bytes.other = commit.parameters.bytes + store::to_text(commit).size();
    for (const store::live_segment& each : opened.commit->segments()) {
        using store::section;
        const store::segment& file = *each.file;
        const store::deletions_record& deleted = each.record.deletions;
        made.deleted += deleted.documents;
        made.tokens += file.tokens() - deleted.tokens;
        made.rows += file.rows() - deleted.rows;
        made.all_tokens += file.tokens();
        const index_bytes parts{file.bytes(section::codes),
                                file.bytes(section::documents) + file.bytes(section::slots),
                                file.bytes(section::texts), file.bytes(section::words), 0};
        made.bytes.codes += parts.codes;
        made.bytes.documents += parts.documents;
        made.bytes.texts += parts.texts;
        made.bytes.words += parts.words;
        made.bytes.other += file.bytes() - parts.total() + deleted.bytes;
    }
    return made;
}

/// The bytes of all files of a folder. A file that goes meanwhile counts as 0.
inline void measure_folder(io::file_system& files, const std::filesystem::path& folder,
                           index_stats& into) {
    std::vector<std::string> names;
    try {
        names = files.list(folder);
    } catch (const error&) { // a folder that is gone counts as 0; its files stay mapped
    }
    for (const std::string& name : names) {
        std::error_code gone;
        if (std::filesystem::is_regular_file(folder / name, gone)) {
            const std::uintmax_t bytes = std::filesystem::file_size(folder / name, gone);
            into.disk_bytes += gone ? 0 : static_cast<std::uint64_t>(bytes);
            ++into.disk_files;
        }
    }
}

/// Whether a folder holds an index, readable or not. Throws errc::io where that cannot be told.
[[nodiscard]] inline bool holds_index(const std::filesystem::path& folder,
                                      const index_access& access) {
    try {
        return store::manifests_in(files_of(access), folder) != store::manifest_list();
    } catch (const error& e) {
        std::error_code code;
        const std::filesystem::file_status status = std::filesystem::status(folder, code);
        if (!std::filesystem::status_known(status)) { // "there is none" would be a guess
            throw errors::cannot_open(folder.string(), code.message());
        }
        if (e.code() != errc::io || std::filesystem::is_directory(status)) {
            throw;
        }
        return false;
    }
}

} // namespace detail

MICE_NAMESPACE_END
