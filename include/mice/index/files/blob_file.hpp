// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <mice/error.hpp>
#include <mice/io/checksum.hpp>
#include <mice/io/file_system.hpp>
#include <mice/io/mapped_file.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// What a small file of an index holds.
enum class blob_kind : std::uint32_t { codec_parameters = 1, deletions = 2 };

/// The first bytes of a small file; its content follows.
struct blob_header {
    std::array<char, 8> magic{'M', 'I', 'C', 'E', 'B', 'L', 'O', 'B'};
    std::uint32_t version = 1;
    blob_kind kind{};
    std::uint64_t bytes = 0;            ///< of the content
    std::uint64_t content_checksum = 0; ///< XXH3-64
    std::array<std::uint64_t, 3> zeros{};
    std::uint64_t checksum = 0; ///< XXH3-64 of everything before it in this header
};
static_assert(sizeof(blob_header) == 64);

/// Size and checksum of a file as a manifest names them.
struct blob_record {
    std::uint64_t file = 0; ///< 0: there is none
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0; ///< of its header

    friend bool operator==(const blob_record&, const blob_record&) = default;
};

/// Writes a small file and returns when it is on the medium; an incomplete file is removed. Does
/// not synchronise the folder. Throws errc::io.
inline blob_record write_blob(io::file_system& files, const std::filesystem::path& path,
                              std::uint64_t number, blob_kind kind,
                              std::span<const std::byte> content) {
    blob_header header;
    header.kind = kind;
    header.bytes = content.size();
    header.content_checksum = io::checksum64(content);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(&header, 1));
    header.checksum = io::checksum64(bytes.first(offsetof(blob_header, checksum)));
    std::unique_ptr<io::output_file> out = files.create(path);
    try {
        out->append(bytes);
        out->append(content);
        out->sync();
        out->close();
    } catch (...) {
        out.reset();
        try {
            files.remove(path);
        } catch (const error&) { // the next writer removes it: it belongs to no commit
        }
        throw;
    }
    return {number, sizeof header + content.size(), header.checksum};
}

/// A small file, mapped and compared with its checksums. Immutable, safe from many threads.
class blob_file {
  public:
    /// Throws errc::io, or errc::format where the file is not the one that the manifest names.
    blob_file(const std::filesystem::path& folder, const std::string& name,
              const blob_record& expected, blob_kind kind,
              io::file_system& files = io::system_files())
        : file_(files.map(folder / name)) {
        const std::span<const std::byte> bytes = file_.bytes();
        blob_header header;
        if (bytes.size() != expected.bytes || bytes.size() < sizeof header) {
            throw errors::bad_index_file(name, "it has " + std::to_string(bytes.size()) +
                                                   " bytes, the manifest says " +
                                                   std::to_string(expected.bytes));
        }
        std::memcpy(&header, bytes.data(), sizeof header);
        content_ = bytes.subspan(sizeof header);
        const std::uint64_t made = io::checksum64(bytes.first(offsetof(blob_header, checksum)));
        if (made != header.checksum || header.bytes != content_.size() ||
            io::checksum64(content_) != header.content_checksum) {
            throw errors::bad_index_file(name, "it does not have its checksum");
        }
        if (header.magic != blob_header().magic || header.version != 1 || header.kind != kind ||
            header.checksum != expected.checksum) {
            throw errors::bad_index_file(name, "it is not the file that the manifest names");
        }
    }

    /// Valid while this object lives, at a multiple of 64 bytes.
    [[nodiscard]] std::span<const std::byte> content() const noexcept { return content_; }

  private:
    io::mapped_file file_;
    std::span<const std::byte> content_;
};

} // namespace store
MICE_NAMESPACE_END
