// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <mice/index/files/segment_format.hpp>
#include <mice/index_results.hpp>
#include <mice/io/byte_reader.hpp>
#include <mice/io/file_system.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// A segment file, mapped and read in place. Opening reads its footer and one checksum for every 32
/// MiB; a block of 16 KiB is compared with its checksum the first time that it is used. Nothing in
/// the file is trusted. Immutable but for the marks of checked blocks; safe from many threads.
class segment {
  public:
    /// Throws errc::io, or errc::format where the file is not the one that the manifest names.
    segment(const std::filesystem::path& folder, const segment_record& expected,
            io::file_system& files = io::system_files())
        : name_(segment_name(expected.file)), file_(files.map(folder / name_)) {
        if (file_.bytes().size() != expected.bytes) {
            throw damaged("it has " + std::to_string(file_.bytes().size()) +
                          " bytes, the manifest says " + std::to_string(expected.bytes));
        }
        file_.expect_small_reads();
        read_footer(expected);
        check_places();
        const std::uint64_t blocks = block_checksums_bytes() / sizeof(std::uint64_t);
        const std::uint64_t groups = group_checksums_bytes() / sizeof(std::uint64_t);
        checked_blocks_ = marks(blocks);
        checked_groups_ = marks(groups);
        const segment_header header = load<segment_header>(0);
        if (header.magic != segment_magic || header.version != segment_version) {
            throw damaged("its header is not that of a segment");
        }
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::uint32_t documents() const noexcept { return footer_.documents; }
    /// Encoded tokens and stored rows of all its documents.
    [[nodiscard]] std::uint64_t tokens() const noexcept { return footer_.tokens; }
    [[nodiscard]] std::uint64_t rows() const noexcept { return footer_.rows; }
    /// What its documents were encoded in; never empty.
    [[nodiscard]] precision_set precisions() const noexcept {
        return footer_.precisions == 0 ? precision_set::unrecorded()
                                       : precision_set::from_bits(footer_.precisions);
    }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return file_.bytes().size(); }
    [[nodiscard]] std::uint64_t bytes(section part) const noexcept { return place(part).bytes; }

    /// The table entry of a document below documents(). It shares no bytes with the next one's, so
    /// all of them together never take more than the file. Whether a model can have produced it is
    /// for the caller to check (stored_entry).
    [[nodiscard]] document_entry entry(std::uint32_t document) const {
        if (document >= documents()) {
            throw damaged("a document beyond its table");
        }
        const document_entry found = table_entry(document);
        const std::uint64_t end = ends_of(document).texts;
        if (found.rows == 0 || found.rows > found.tokens_seen || found.id_bytes == 0 ||
            found.id_bytes > longest_id || found.metadata_bytes > largest_metadata ||
            found.codes % alignment != 0 || found.texts % 4 != 0 || found.texts > end ||
            text_bytes(found) > end - found.texts ||
            (found.token_id_count != 0 && found.token_id_count != found.rows) ||
            found.kind > entry_kind::passage) {
            throw damaged("the entry of document " + std::to_string(document) +
                          " contradicts the format");
        }
        return found;
    }
    /// Views that are valid while this object lives.
    [[nodiscard]] std::string_view id(const document_entry& entry) const {
        return text(entry.texts, entry.id_bytes);
    }
    [[nodiscard]] std::string_view metadata(const document_entry& entry) const {
        return text(entry.texts + entry.id_bytes, entry.metadata_bytes);
    }
    /// Empty where the model needs none.
    [[nodiscard]] std::span<const std::int32_t> token_ids(const document_entry& entry) const {
        const std::uint64_t begin =
            aligned(entry.texts + entry.id_bytes + entry.metadata_bytes, sizeof(std::int32_t));
        const std::span<const std::byte> bytes =
            read(section::texts, begin, sizeof(std::int32_t) * std::size_t{entry.token_id_count});
        // The section and all of its parts are aligned to four bytes.
        return {reinterpret_cast<const std::int32_t*>(bytes.data()), entry.token_id_count};
    }
    /// The codes of a document, which take `bytes` bytes: all of its place but for what aligns the
    /// next one's, so that no part of a document is left behind where it is copied.
    [[nodiscard]] std::span<const std::byte>
    codes(std::uint32_t document, const document_entry& entry, std::size_t bytes) const {
        const std::uint64_t end = ends_of(document).codes;
        if (entry.codes > end || bytes > end - entry.codes) {
            throw damaged("the codes of document " + std::to_string(document) +
                          " are longer than their place");
        }
        const std::uint64_t used = entry.codes + bytes;
        if (document + 1 < documents() ? aligned(used) < end : used != end) {
            throw damaged("the codes of document " + std::to_string(document) +
                          " are shorter than their place");
        }
        return read(section::codes, entry.codes, bytes);
    }
    /// Throws errc::format unless the codes of all documents, of which a row takes `row_bytes`
    /// bytes, fill their section: the codec is the one that they were written with.
    void check_codec(std::size_t row_bytes, std::string_view codec) const {
        const std::uint64_t there = bytes(section::codes);
        const std::uint64_t between = (alignment - 1) * std::uint64_t{documents()};
        const bool fits = rows() <= there / std::max<std::size_t>(row_bytes, 1) &&
                          there - rows() * row_bytes <= between;
        if (row_bytes != 0 && !fits) {
            throw damaged("its " + std::to_string(rows()) + " rows take " + std::to_string(there) +
                          " bytes; in codec " + std::string(codec) +
                          ", which the manifest names, "
                          "a row takes " +
                          std::to_string(row_bytes));
        }
    }

    /// The number of the document with that id (and its hash_of_id) that `accepts(number)`.
    template <class Accept>
    [[nodiscard]] std::optional<std::uint32_t> find(std::string_view id, std::uint64_t hash,
                                                    Accept&& accepts) const {
        const std::uint64_t slots = place(section::slots).bytes / sizeof(id_slot);
        for (std::uint64_t probe = 0; probe < slots; ++probe) {
            id_slot slot;
            const std::uint64_t at = (hash + probe) & (slots - 1);
            std::memcpy(&slot, read(section::slots, sizeof slot * at, sizeof slot).data(),
                        sizeof slot);
            if (slot.document == 0) {
                break;
            }
            if (slot.document > documents()) {
                throw damaged("a slot of the table of ids is of no document");
            }
            if (slot.tag == tag_of(hash) && accepts(slot.document - 1) &&
                this->id(entry(slot.document - 1)) == id) {
                return slot.document - 1;
            }
        }
        return std::nullopt;
    }

    /// Reads the words; size 0 where the index keeps none. Valid while this object lives.
    [[nodiscard]] byte_reader words() const {
        return {place(section::words).bytes, [this](std::uint64_t offset, std::size_t bytes) {
                    return read(section::words, offset, bytes);
                }};
    }

    /// Compares every block with its checksum, also those checked before. Calls found(what) for a
    /// block that differs, and step(bytes) after every block.
    template <class Found, class Step> void verify(Found&& found, Step&& step) const;

  private:
    using mark_words = std::unique_ptr<std::atomic<std::uint64_t>[]>;

    static mark_words marks(std::uint64_t count) {
        return std::make_unique<std::atomic<std::uint64_t>[]>(
            static_cast<std::size_t>(count / 64 + 1));
    }
    [[nodiscard]] error damaged(std::string_view what) const {
        return errors::bad_index_file(name_, what);
    }
    [[nodiscard]] const section_place& place(section part) const noexcept {
        return footer_.places[static_cast<std::size_t>(part)];
    }
    [[nodiscard]] std::uint64_t block_checksums_bytes() const {
        return checksums_for(footer_.data_bytes);
    }
    [[nodiscard]] std::uint64_t group_checksums_bytes() const {
        return checksums_for(block_checksums_bytes());
    }

    /// Where the codes and the texts of a document end at the latest.
    struct document_ends {
        std::uint64_t codes, texts;
    };
    [[nodiscard]] document_entry table_entry(std::uint32_t document) const {
        document_entry found;
        std::memcpy(
            &found,
            read(section::documents, sizeof found * std::uint64_t{document}, sizeof found).data(),
            sizeof found);
        return found;
    }
    [[nodiscard]] document_ends ends_of(std::uint32_t document) const {
        if (document + 1 >= documents()) {
            return {bytes(section::codes), bytes(section::texts)};
        }
        const document_entry next = table_entry(document + 1);
        return {std::min(next.codes, bytes(section::codes)),
                std::min(next.texts, bytes(section::texts))};
    }

    void read_footer(const segment_record& expected);
    void check_places() const;

    [[nodiscard]] std::string_view text(std::uint64_t offset, std::size_t bytes) const {
        const std::span<const std::byte> found = read(section::texts, offset, bytes);
        return {reinterpret_cast<const char*>(found.data()), found.size()};
    }
    template <class Value> [[nodiscard]] Value load(std::uint64_t offset) const {
        Value value;
        std::memcpy(&value, read(offset, sizeof value).data(), sizeof value);
        return value;
    }
    [[nodiscard]] std::span<const std::byte> read(section part, std::uint64_t offset,
                                                  std::size_t bytes) const {
        const section_place& where = place(part);
        if (offset > where.bytes || bytes > where.bytes - offset) {
            throw damaged("a part of it lies outside its section");
        }
        return read(where.offset + offset, bytes);
    }
    /// Bytes of the data, checked.
    [[nodiscard]] std::span<const std::byte> read(std::uint64_t offset, std::size_t bytes) const {
        if (offset > footer_.data_bytes || bytes > footer_.data_bytes - offset) {
            throw damaged("a part of it lies outside the file");
        }
        const std::uint64_t end = offset + bytes;
        bool expected = false;
        for (std::uint64_t block = offset / block_bytes; block * block_bytes < end; ++block) {
            if (!marked(checked_blocks_, block)) {
                if (!expected) { // the rest comes in one go
                    prefetch(block * block_bytes, aligned(end, block_bytes));
                    expected = true;
                }
                check_block(block);
            }
        }
        return file_.bytes().subspan(static_cast<std::size_t>(offset), bytes);
    }

    // A mark only says that comparing again is useless, so it needs no order with other memory.
    static bool marked(const mark_words& words, std::uint64_t i) {
        return (words[i / 64].load(std::memory_order_relaxed) >> i % 64 & 1U) != 0;
    }
    static void mark(const mark_words& words, std::uint64_t i) {
        words[i / 64].fetch_or(std::uint64_t{1} << i % 64, std::memory_order_relaxed);
    }

    /// Tells the system to read ahead from `begin`, at most up to `end`.
    void prefetch(std::uint64_t begin, std::uint64_t end) const {
        file_.prefetch(static_cast<std::size_t>(begin),
                       static_cast<std::size_t>(std::min(end, footer_.data_bytes) - begin));
    }

    /// Piece `index` of block_bytes bytes of the part of the file from `begin` to `end`.
    [[nodiscard]] std::span<const std::byte> piece(std::uint64_t begin, std::uint64_t end,
                                                   std::uint64_t index) const {
        const std::uint64_t first = begin + index * block_bytes;
        return file_.bytes().subspan(
            static_cast<std::size_t>(first),
            static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes, end - first)));
    }
    [[nodiscard]] std::uint64_t checksum_at(std::uint64_t offset) const {
        std::uint64_t value = 0;
        std::memcpy(&value, file_.bytes().data() + offset, sizeof value);
        return value;
    }
    [[nodiscard]] bool intact_block(std::uint64_t block) const {
        return io::checksum64(piece(0, footer_.data_bytes, block)) ==
               checksum_at(footer_.data_bytes + block * sizeof(std::uint64_t));
    }
    [[nodiscard]] bool intact_group(std::uint64_t group) const {
        const std::uint64_t begin = footer_.data_bytes;
        const std::uint64_t end = begin + block_checksums_bytes();
        return io::checksum64(piece(begin, end, group)) ==
               checksum_at(end + group * sizeof(std::uint64_t));
    }
    void check_block(std::uint64_t block) const {
        const std::uint64_t group = block / (block_bytes / sizeof(std::uint64_t));
        if (!marked(checked_groups_, group)) {
            if (!intact_group(group)) {
                throw damaged("its checksums are damaged");
            }
            mark(checked_groups_, group);
        }
        if (!intact_block(block)) {
            throw damaged("bytes from " + std::to_string(block * block_bytes) +
                          " on do not have their checksum");
        }
        mark(checked_blocks_, block);
    }

    std::string name_;
    io::mapped_file file_;
    segment_footer footer_;
    mark_words checked_blocks_;
    mark_words checked_groups_;
};

inline void segment::read_footer(const segment_record& expected) {
    const std::span<const std::byte> bytes = file_.bytes();
    if (bytes.size() < sizeof footer_ + sizeof(segment_header)) {
        throw damaged("it is shorter than its header and footer");
    }
    const std::span<const std::byte> last = bytes.last(sizeof footer_);
    std::memcpy(&footer_, last.data(), sizeof footer_);
    if (io::checksum64(last.first(offsetof(segment_footer, checksum))) != footer_.checksum) {
        throw damaged("its footer does not have its checksum");
    }
    if (footer_.magic != footer_magic || footer_.version != segment_version) {
        throw damaged("its footer is not that of a segment");
    }
    if (footer_.checksum != expected.checksum || footer_.documents != expected.documents) {
        throw damaged("it is not the file that the manifest names");
    }
    if (footer_.precisions >= precision_set::known_bits) {
        throw damaged("it names precisions that mice does not know");
    }
    std::uint64_t left = bytes.size() - sizeof footer_;
    const bool fits = footer_.data_bytes >= sizeof(segment_header) &&
                      footer_.data_bytes % alignment == 0 && footer_.data_bytes <= left &&
                      block_checksums_bytes() <= (left -= footer_.data_bytes) &&
                      group_checksums_bytes() == left - block_checksums_bytes();
    if (!fits) {
        throw damaged("its parts do not add up to its size");
    }
    if (io::checksum64(bytes.subspan(
            static_cast<std::size_t>(footer_.data_bytes + block_checksums_bytes()),
            static_cast<std::size_t>(group_checksums_bytes()))) != footer_.groups_checksum) {
        throw damaged("its checksums are damaged");
    }
}

inline void segment::check_places() const {
    std::uint64_t end = sizeof(segment_header);
    for (const section_place& where : footer_.places) {
        if (where.offset < end || where.offset % alignment != 0 ||
            where.offset > footer_.data_bytes || where.bytes > footer_.data_bytes - where.offset) {
            throw damaged("a section lies outside the file or over another");
        }
        end = where.offset + where.bytes;
    }
    const std::uint64_t slots = bytes(section::slots) / sizeof(id_slot);
    if (documents() == 0 || documents() == std::numeric_limits<std::uint32_t>::max() ||
        bytes(section::documents) != sizeof(document_entry) * std::uint64_t{documents()} ||
        bytes(section::slots) % sizeof(id_slot) != 0 || !std::has_single_bit(slots) ||
        slots <= documents() || footer_.rows < documents()) {
        throw damaged("its sections do not fit its number of documents");
    }
}

template <class Found, class Step> void segment::verify(Found&& found, Step&& step) const {
    const std::uint64_t groups = group_checksums_bytes() / sizeof(std::uint64_t);
    for (std::uint64_t group = 0; group < groups; ++group) {
        if (!intact_group(group)) {
            found("checksums of the bytes from " +
                  std::to_string(group * block_bytes / sizeof(std::uint64_t) * block_bytes) +
                  " on are damaged");
        }
    }
    const std::uint64_t blocks = block_checksums_bytes() / sizeof(std::uint64_t);
    constexpr std::uint64_t ahead = 256;
    for (std::uint64_t block = 0; block < blocks; ++block) {
        if (block % ahead == 0) {
            prefetch(block * block_bytes, (block + ahead) * block_bytes);
        }
        if (!intact_block(block)) {
            found("bytes " + std::to_string(block * block_bytes) + " to " +
                  std::to_string((block + 1) * block_bytes - 1) + " do not have their checksum");
        }
        step(piece(0, footer_.data_bytes, block).size());
    }
}

} // namespace store
MICE_NAMESPACE_END
