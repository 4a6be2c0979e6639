// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <mice/index/files/blob_file.hpp>
#include <mice/index/files/segment_format.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// The file of the deleted documents of one segment: one bit a document, the lowest first.
/// Immutable, safe from many threads.
class deletions {
  public:
    /// Throws errc::io or errc::format.
    deletions(const std::filesystem::path& folder, const segment_record& of,
              io::file_system& files = io::system_files())
        : file_(folder, deletions_name(of.deletions.file),
                {of.deletions.file, of.deletions.bytes, of.deletions.checksum},
                blob_kind::deletions, files),
          documents_(of.documents) {
        const std::uint64_t words = (of.documents + 63) / 64;
        if (file_.content().size() != words * sizeof(std::uint64_t)) {
            throw errors::bad_index_file(deletions_name(of.deletions.file),
                                         "it is not of as many documents as its segment");
        }
        std::uint64_t deleted = 0;
        for (std::uint64_t i = 0; i < words; ++i) {
            deleted += static_cast<std::uint64_t>(std::popcount(word(i)));
        }
        const std::uint64_t unused =
            of.documents % 64 == 0 || words == 0 ? 0 : word(words - 1) >> of.documents % 64;
        if (deleted != of.deletions.documents || unused != 0) {
            throw errors::bad_index_file(deletions_name(of.deletions.file),
                                         "it does not hold the deletions that the manifest counts");
        }
    }

    /// Whether a document of the segment is deleted; true beyond the last one.
    [[nodiscard]] bool contains(std::uint32_t document) const {
        return document >= documents_ || (word(document / 64) >> document % 64 & 1U) != 0;
    }
    /// All words of 64 documents.
    [[nodiscard]] std::vector<std::uint64_t> words() const {
        std::vector<std::uint64_t> all(file_.content().size() / sizeof(std::uint64_t));
        if (!all.empty()) {
            std::memcpy(all.data(), file_.content().data(), file_.content().size());
        }
        return all;
    }

  private:
    [[nodiscard]] std::uint64_t word(std::uint64_t i) const {
        std::uint64_t value = 0;
        std::memcpy(&value, file_.content().data() + i * sizeof value, sizeof value);
        return value;
    }

    blob_file file_;
    std::uint64_t documents_;
};

/// Deletions that change. For one thread.
class deletion_set {
  public:
    /// A segment of that many documents, none of them deleted.
    explicit deletion_set(std::uint64_t documents = 0)
        : words_(static_cast<std::size_t>((documents + 63) / 64)) {}
    /// Starts from a segment's committed deletions.
    deletion_set(const segment_record& of, const deletions* committed)
        : deletion_set(of.documents) {
        if (committed != nullptr) {
            words_ = committed->words();
            totals_ = of.deletions;
        }
    }

    /// Makes room for one more document.
    void grow(std::uint64_t documents) {
        words_.resize(static_cast<std::size_t>((documents + 63) / 64));
    }
    [[nodiscard]] bool contains(std::uint32_t document) const {
        return (words_[document / 64] >> document % 64 & 1U) != 0;
    }
    /// Deletes a document that is not yet deleted.
    void add(std::uint32_t document, const document_entry& entry) {
        words_[document / 64] |= std::uint64_t{1} << document % 64;
        ++totals_.documents;
        totals_.tokens += entry.tokens_seen;
        totals_.rows += entry.rows;
    }
    [[nodiscard]] std::uint64_t documents() const noexcept { return totals_.documents; }

    /// Writes the set as the file of that number.
    [[nodiscard]] deletions_record
    write(io::file_system& files, const std::filesystem::path& folder, std::uint64_t number) const {
        const blob_record written =
            write_blob(files, folder / deletions_name(number), number, blob_kind::deletions,
                       std::as_bytes(std::span(words_)));
        deletions_record record = totals_;
        record.file = number;
        record.bytes = written.bytes;
        record.checksum = written.checksum;
        return record;
    }

  private:
    std::vector<std::uint64_t> words_;
    deletions_record totals_;
};

} // namespace store
MICE_NAMESPACE_END
