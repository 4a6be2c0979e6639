// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <mice/error.hpp>
#include <mice/io/checksum.hpp>
#include <mice/io/text_bytes.hpp>

// The bytes of a segment file; docs/format.md describes them.
MICE_NAMESPACE_BEGIN
namespace store {

static_assert(std::endian::native == std::endian::little, "index files are little-endian");

/// Bytes that one checksum covers.
inline constexpr std::size_t block_bytes = 16384;
/// Sections, and the codes of every document, begin at a multiple of this.
inline constexpr std::size_t alignment = 64;
inline constexpr std::uint32_t segment_version = 1;
inline constexpr std::array<char, 8> segment_magic{'M', 'I', 'C', 'E', 'S', 'E', 'G', 'M'};
inline constexpr std::array<char, 8> footer_magic{'M', 'I', 'C', 'E', 'F', 'O', 'O', 'T'};

/// Limits of a document's id, metadata and text.
inline constexpr std::size_t longest_id = 1024;
inline constexpr std::size_t largest_metadata = std::size_t{16} << 20;
inline constexpr std::size_t largest_text = std::size_t{1} << 30;

/// The first bytes of a segment.
struct segment_header {
    std::array<char, 8> magic = segment_magic;
    std::uint32_t version = segment_version;
    std::uint32_t reserved = 0;
    std::array<std::uint64_t, 6> zeros{};
};
static_assert(sizeof(segment_header) == alignment);

/// Parts of a segment, in the order of the file.
enum class section : std::size_t { codes, documents, texts, slots, words };
inline constexpr std::size_t sections = 5;

/// Where a section lies in its file.
struct section_place {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

/// The last bytes of a segment.
struct segment_footer {
    std::array<char, 8> magic = footer_magic;
    std::uint32_t version = segment_version;
    std::uint32_t documents = 0;
    std::uint64_t tokens = 0;     ///< encoded
    std::uint64_t rows = 0;       ///< stored
    std::uint64_t data_bytes = 0; ///< before the checksums of the blocks
    std::array<section_place, sections> places{};
    std::uint64_t groups_checksum = 0; ///< XXH3-64 of the second level of checksums
    /// precision_set::bits() of its documents; 0: a writer that did not record it.
    std::uint64_t precisions = 0;
    std::array<std::uint64_t, 6> zeros{};
    std::uint64_t checksum = 0; ///< XXH3-64 of everything before it in this footer
};
static_assert(sizeof(segment_footer) == 192);

/// What an entry of a segment's table is.
enum class entry_kind : std::uint32_t {
    document, ///< of one passage
    text,     ///< a text of several passages: the first, and in place of metadata a text_record
    passage   ///< another passage of a text; its metadata is the text's id
};

/// One document in a segment's table.
struct document_entry {
    std::uint64_t codes = 0; ///< offset in the section of codes, a multiple of 64
    std::uint64_t texts = 0; ///< offset in the section of texts, a multiple of 4: id, metadata,
                             ///< zeros to a multiple of 4, token ids
    io::hash128 content;     ///< of text and metadata
    std::uint32_t rows = 0;  ///< states stored, at least 1
    std::uint32_t tokens_seen = 0;
    std::uint32_t tokens_cut = 0;
    std::uint32_t replaced = 0;
    std::uint32_t id_bytes = 0;
    std::uint32_t metadata_bytes = 0;
    std::uint32_t token_id_count = 0; ///< tokens_seen where the model needs ids, else 0
    entry_kind kind = entry_kind::document;
};
static_assert(sizeof(document_entry) == 64);

/// One slot of the hash table of ids: a document is at the first free slot from hash % slots on.
struct id_slot {
    std::uint32_t tag = 0;      ///< upper half of the id's hash
    std::uint32_t document = 0; ///< number + 1; 0: free
};
static_assert(sizeof(id_slot) == 8);

/// XXH3-64 of an id.
[[nodiscard]] inline std::uint64_t hash_of_id(std::string_view id) {
    return io::checksum64(io::text_bytes(id));
}
[[nodiscard]] inline std::uint32_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 32);
}

/// Slots for a number of documents: a power of two, at least half of them free.
[[nodiscard]] inline std::size_t slots_for(std::size_t documents) {
    return std::bit_ceil(2 * documents + 1);
}

/// The next multiple of `unit`, a power of two, from `value` on.
template <class Number>
[[nodiscard]] constexpr Number aligned(Number value, std::size_t unit = alignment) {
    const auto mask = static_cast<Number>(unit - 1);
    return (value + mask) & ~mask;
}

/// Bytes of the two levels of checksums over `data_bytes` bytes.
[[nodiscard]] constexpr std::uint64_t checksums_for(std::uint64_t bytes) {
    return (bytes / block_bytes + (bytes % block_bytes != 0 ? 1 : 0)) * sizeof(std::uint64_t);
}

/// Bytes that a document takes in the section of texts.
[[nodiscard]] constexpr std::uint64_t text_bytes(const document_entry& entry) {
    return aligned(std::uint64_t{entry.id_bytes} + entry.metadata_bytes, 4) +
           std::uint64_t{4} * entry.token_id_count;
}

/// What a manifest says of a file of deletions; file 0: there is none.
struct deletions_record {
    std::uint64_t file = 0;
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0;
    std::uint64_t documents = 0; ///< deleted, and their tokens and rows
    std::uint64_t tokens = 0;
    std::uint64_t rows = 0;

    friend bool operator==(const deletions_record&, const deletions_record&) = default;
};

/// What a manifest says of a segment.
struct segment_record {
    std::uint64_t file = 0;
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0; ///< of its footer
    std::uint64_t documents = 0;
    deletions_record deletions;

    [[nodiscard]] std::uint64_t live() const noexcept { return documents - deletions.documents; }
    friend bool operator==(const segment_record&, const segment_record&) = default;
};

[[nodiscard]] inline std::string segment_name(std::uint64_t file) {
    return "segment-" + std::to_string(file);
}
[[nodiscard]] inline std::string deletions_name(std::uint64_t file) {
    return "deleted-" + std::to_string(file);
}
[[nodiscard]] inline std::string codec_name(std::uint64_t file) {
    return "codec-" + std::to_string(file);
}

} // namespace store
MICE_NAMESPACE_END
