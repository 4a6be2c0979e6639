// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <mice/index/files/open_commit.hpp>
#include <mice/index/files/stored_entry.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Reads every byte of the files of the last two commits and compares all checksums.
class verifier {
  public:
    verifier(io::file_system& files, std::filesystem::path folder, const index_progress& progress)
        : files_(files), folder_(std::move(folder)), progress_(progress) {}

    /// The list of what is damaged. Starts again when a writer removes files in between. Throws
    /// errc::io for a file that cannot be opened now: that is no damage.
    [[nodiscard]] std::vector<index_finding> run() {
        constexpr int attempts = 100;
        for (int attempt = 0;; ++attempt) {
            const manifest_list there = manifests_in(files_, folder_);
            const auto changed = [&] {
                return attempt < attempts && !(manifests_in(files_, folder_) == there);
            };
            try {
                check(there);
            } catch (const error& e) {
                if (e.code() != errc::io || !changed()) {
                    throw;
                }
                continue;
            }
            if (findings_.empty() || !changed()) {
                return std::move(findings_);
            }
        }
    }

  private:
    void check(const manifest_list& there) {
        const std::vector<std::uint64_t>& generations = there.generations;
        findings_.clear();
        seen_.clear();
        done_ = all_ = 0;
        if (generations.empty()) {
            findings_.push_back({manifest_name(1), "there is no manifest at all"});
        }
        if (there.lacks_one()) {
            findings_.push_back(
                {manifest_name(generations.front()), errors::lone_commit(generations.front())});
        }
        for (const std::string& name : there.strays) {
            findings_.push_back({name, "it has a number that no commit has"});
        }
        std::vector<manifest> commits;
        // a killed writer may leave an older manifest whose files it was removing
        constexpr std::size_t kept = 2;
        for (std::size_t i = 0; i < generations.size(); ++i) {
            guard(manifest_name(generations[i]), [&] {
                manifest read = read_manifest(files_, folder_, generations[i]);
                if (i < kept) {
                    commits.push_back(std::move(read));
                }
            });
        }
        for (const manifest& each : commits) {
            for (const segment_record& record : each.segments) {
                all_ += record.bytes;
            }
        }
        for (const manifest& each : commits) {
            check_files(each);
        }
        if (progress_) {
            progress_(all_, all_);
        }
    }

    void check_files(const manifest& commit) {
        if (commit.parameters.file != 0 && first_time(codec_name(commit.parameters.file))) {
            const std::string name = codec_name(commit.parameters.file);
            guard(name, [&] {
                const blob_file checked(folder_, name, commit.parameters,
                                        blob_kind::codec_parameters, files_);
            });
        }
        for (const segment_record& record : commit.segments) {
            const std::string name = segment_name(record.file);
            if (!first_time(name)) {
                advance(record.bytes);
            } else {
                guard(name, [&] { check_segment(record, name); });
            }
            if (record.deletions.file != 0 && first_time(deletions_name(record.deletions.file))) {
                guard(deletions_name(record.deletions.file),
                      [&] { const deletions checked(folder_, record, files_); });
            }
        }
    }
    void check_segment(const segment_record& record, const std::string& name) {
        const segment file(folder_, record, files_);
        file.verify(
            [&](std::string what) {
                findings_.push_back({name, std::move(what)});
            },
            [this](std::uint64_t bytes) { advance(bytes); });
    }

    bool first_time(const std::string& name) { return seen_.insert(name).second; }
    void advance(std::uint64_t bytes) {
        done_ += bytes;
        if (progress_) {
            progress_(std::min(done_, all_), all_);
        }
    }
    template <class Check> void guard(const std::string& name, Check&& check) {
        try {
            check();
        } catch (const error& e) {
            if (e.code() != errc::io) {
                findings_.push_back({name, e.what()});
                return;
            }
            const std::vector<std::string> names = files_.list(folder_);
            if (std::find(names.begin(), names.end(), name) != names.end()) {
                throw;
            }
            findings_.push_back({name, "it is missing"});
        }
    }

    io::file_system& files_;
    std::filesystem::path folder_;
    const index_progress& progress_;
    std::vector<index_finding> findings_;
    std::set<std::string> seen_;
    std::uint64_t done_ = 0;
    std::uint64_t all_ = 0;
};

/// Throws errc::format where a segment's tables contradict the format or the model, although every
/// checksum may be right.
inline void check_documents(const snapshot& commit, const segment& file) {
    const bool with_ids = needs_token_ids(commit.engine().config());
    for (std::uint32_t document = 0; document < file.documents(); ++document) {
        const document_entry entry = stored_entry(commit.engine(), file, document);
        (void)file.codes(document, entry, commit.coder()->bytes(entry.rows));
        if (with_ids) {
            (void)stored_ids(commit.engine(), file, entry);
        }
    }
}

/// Throws errc::format where the texts of a commit and their passages do not belong together: a
/// passage is missing, there twice, or of no text.
inline void check_texts(const snapshot& commit) {
    std::uint64_t named = 0, there = 0;
    for (std::uint32_t s = 0; s < commit.segments().size(); ++s) {
        const live_segment& each = commit.segments()[s];
        for (std::uint32_t document = 0; document < each.file->documents(); ++document) {
            if (!each.live(document)) {
                continue;
            }
            const document_entry entry = each.file->entry(document);
            if (entry.kind == entry_kind::passage) {
                ++there;
            } else if (entry.kind == entry_kind::text) {
                const document_place text{s, document};
                const std::string_view id = each.file->id(entry);
                const text_record record = commit.record(text);
                for (std::size_t i = 1; i < record.parts.size(); ++i) {
                    const document_place at = commit.find_passage(text, id, record, i);
                    const segment& file = *commit.segments()[at.segment].file;
                    if (file.metadata(file.entry(at.document)) != id) {
                        throw errors::bad_index_file(file.name(),
                                                     "a passage is of another text than it says");
                    }
                }
                named += record.parts.size() - 1;
            }
        }
    }
    if (named != there || there != commit.commit().passages) {
        throw errors::bad_index_file(manifest_name(commit.commit().generation),
                                     "it counts " + std::to_string(commit.commit().passages) +
                                         " passages of texts, " + std::to_string(named) +
                                         " are named and " + std::to_string(there) + " there");
    }
}

/// What check_documents and check_texts find in a commit.
[[nodiscard]] inline std::vector<index_finding> contradictions(const snapshot& commit) {
    std::vector<index_finding> found;
    for (const live_segment& each : commit.segments()) {
        try {
            check_documents(commit, *each.file);
        } catch (const error& e) {
            found.push_back({each.file->name(), e.what()});
        }
    }
    if (found.empty()) {
        try {
            check_texts(commit);
        } catch (const error& e) {
            found.push_back({manifest_name(commit.commit().generation), e.what()});
        }
    }
    return found;
}

/// Why the last commit of a folder does not open with its model, although every checksum may be
/// right: such as a manifest that names another codec than the segments were written with.
[[nodiscard]] inline std::vector<index_finding>
refused_commit(io::file_system& files, const std::filesystem::path& folder,
               const std::shared_ptr<const model>& engine) {
    const manifest_list there = manifests_in(files, folder);
    try {
        (void)open_newest(files, folder, engine, cut_manifest::refuse);
    } catch (const error& e) {
        if (e.code() == errc::io || there.generations.empty()) {
            throw;
        }
        return {{manifest_name(there.generations.front()), e.what()}};
    }
    return {};
}

} // namespace store
MICE_NAMESPACE_END
