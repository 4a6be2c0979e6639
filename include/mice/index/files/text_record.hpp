// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <mice/index/files/segment_format.hpp>
#include <mice/index_results.hpp>
#include <mice/io/checksum.hpp>
#include <mice/io/text_bytes.hpp>

// What a segment says of a text that is longer than the model's limit; docs/format.md describes it.
// The text's own document has its id, the codes of its first passage, and a record in the place of
// metadata. Its other passages are documents of their own, which are found by what they say, so
// that they keep their codes when the text around them changes.
MICE_NAMESPACE_BEGIN
namespace store {

/// The first bytes of a record.
struct text_head {
    std::uint32_t version = 1;
    std::uint32_t passages = 0; ///< at least 2
    std::uint32_t metadata_bytes = 0;
    std::uint32_t zero = 0;
};
static_assert(sizeof(text_head) == 16);

/// One passage of a text.
struct text_part {
    std::uint64_t begin = 0, end = 0; ///< bytes of the text
    std::uint64_t first_line = 1, last_line = 1;
    io::hash128 content;          ///< of its text; zero for the first passage
    std::uint32_t occurrence = 0; ///< among the text's passages of equal content, from 0
    std::uint32_t zero = 0;

    [[nodiscard]] stored_passage place() const { return {begin, end, first_line, last_line}; }
};
static_assert(sizeof(text_part) == 56 && std::is_trivially_copyable_v<text_part>);

/// A record as it is read.
struct text_record {
    std::vector<text_part> parts;
    std::string_view metadata; ///< the user's, inside of the bytes that were read
};

/// Whether a record of so many passages leaves room for the metadata.
[[nodiscard]] constexpr std::uint64_t record_bytes(std::uint64_t passages, std::uint64_t metadata) {
    return sizeof(text_head) + passages * sizeof(text_part) + metadata;
}

[[nodiscard]] inline std::string to_bytes(std::span<const text_part> parts,
                                          std::string_view metadata) {
    text_head head;
    head.passages = static_cast<std::uint32_t>(parts.size());
    head.metadata_bytes = static_cast<std::uint32_t>(metadata.size());
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    bytes.append(reinterpret_cast<const char*>(parts.data()), parts.size_bytes());
    return bytes.append(metadata);
}

/// Reads what to_bytes wrote, of the segment of that name. Throws errc::format; trusts nothing in
/// the bytes.
[[nodiscard]] inline text_record parse_text_record(std::string_view bytes,
                                                   const std::string& file) {
    const auto damaged = [&file](std::string_view what) {
        return errors::bad_index_file(file, "the record of a text " + std::string(what));
    };
    text_head head;
    if (bytes.size() < sizeof head) {
        throw damaged("is shorter than its head");
    }
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.version != 1 || head.zero != 0) {
        throw damaged("is of a form that mice does not know");
    }
    if (head.passages < 2 || record_bytes(head.passages, head.metadata_bytes) != bytes.size()) {
        throw damaged("has another size than it says");
    }
    text_record made;
    made.parts.resize(head.passages);
    std::memcpy(made.parts.data(), bytes.data() + sizeof head,
                made.parts.size() * sizeof(text_part));
    made.metadata = bytes.substr(bytes.size() - head.metadata_bytes);
    const text_part* before = nullptr;
    for (const text_part& each : made.parts) {
        if (each.begin > each.end || each.first_line == 0 || each.first_line > each.last_line ||
            each.zero != 0 ||
            (before != nullptr &&
             (each.begin < before->begin || each.first_line < before->first_line))) {
            throw damaged("names an impossible passage");
        }
        before = &each;
    }
    return made;
}

/// The id of the document of a passage but the first. It begins with a control character, which no
/// id of a user holds.
[[nodiscard]] inline std::string id_of_passage(std::string_view text_id, const text_part& part) {
    return "\x01" + io::hex_digits(io::checksum128(io::text_bytes(text_id))) +
           io::hex_digits(part.content) + "-" + std::to_string(part.occurrence);
}

} // namespace store
MICE_NAMESPACE_END
