// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/index/files/segment_format.hpp>
#include <mice/index_results.hpp>
#include <mice/io/file_system.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// A segment file that is being written, section by section in the order of `section`. The file is
/// removed if this is destroyed before finish(). For one thread; throws errc::io.
class segment_file {
  public:
    segment_file(io::file_system& files, const std::filesystem::path& folder, std::uint64_t number)
        : files_(&files), path_(folder / segment_name(number)), number_(number),
          out_(files.create(path_)) {
        buffer_.reserve(buffer_bytes);
        const segment_header header;
        append(std::as_bytes(std::span(&header, 1)));
    }
    segment_file(const segment_file&) = delete;
    segment_file& operator=(const segment_file&) = delete;
    ~segment_file() { discard(); }

    /// Bytes written so far.
    [[nodiscard]] std::uint64_t bytes() const noexcept { return written_ + buffer_.size(); }

    /// Ends the current section and begins another.
    void begin(section part) {
        end_section();
        align(alignment);
        open_ = &footer_.places[static_cast<std::size_t>(part)];
        open_->offset = bytes();
    }
    /// Offset in the section that is being written.
    [[nodiscard]] std::uint64_t offset() const { return bytes() - open_->offset; }

    void append(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const std::size_t part = std::min(bytes.size(), buffer_bytes - buffer_.size());
            buffer_.insert(buffer_.end(), bytes.begin(),
                           bytes.begin() + static_cast<std::ptrdiff_t>(part));
            bytes = bytes.subspan(part);
            if (buffer_.size() == buffer_bytes) {
                flush();
            }
        }
    }
    template <class Value> void append_value(const Value& value) {
        append(std::as_bytes(std::span(&value, 1)));
    }
    /// Zeros to a multiple of `unit`, a power of two up to `alignment`.
    void align(std::size_t unit) {
        constexpr std::array<std::byte, alignment> zeros{};
        append(std::span(zeros).first(static_cast<std::size_t>(aligned(bytes(), unit) - bytes())));
    }

    /// Writes checksums and footer, and returns when the whole file is on the medium. Does not
    /// synchronise the folder.
    segment_record finish(std::uint32_t documents, std::uint64_t tokens, std::uint64_t rows,
                          precision_set precisions) {
        end_section();
        align(alignment);
        flush();
        footer_.documents = documents;
        footer_.tokens = tokens;
        footer_.rows = rows;
        footer_.precisions = precisions.bits();
        footer_.data_bytes = written_;
        fill_empty_places();
        const std::span<const std::byte> blocks = std::as_bytes(std::span(checksums_));
        std::vector<std::uint64_t> groups;
        for (std::size_t at = 0; at < blocks.size(); at += block_bytes) {
            groups.push_back(
                io::checksum64(blocks.subspan(at, std::min(block_bytes, blocks.size() - at))));
        }
        footer_.groups_checksum = io::checksum64(std::as_bytes(std::span(groups)));
        footer_.checksum = io::checksum64(
            std::as_bytes(std::span(&footer_, 1)).first(offsetof(segment_footer, checksum)));
        const std::span<const std::byte> footer = std::as_bytes(std::span(&footer_, 1));
        for (const auto part : {blocks, std::as_bytes(std::span(groups)), footer}) {
            out_->append(part);
            written_ += part.size();
        }
        out_->sync();
        out_->close();
        out_.reset();
        return {number_, written_, footer_.checksum, documents, {}};
    }

  private:
    static constexpr std::size_t buffer_bytes = 64 * block_bytes;

    void end_section() {
        if (open_ != nullptr) {
            open_->bytes = bytes() - open_->offset;
            open_ = nullptr;
        }
    }
    void fill_empty_places() {
        std::uint64_t end = sizeof(segment_header);
        for (section_place& place : footer_.places) {
            if (place.offset == 0) {
                place.offset = aligned(end);
            }
            end = place.offset + place.bytes;
        }
    }
    void flush() {
        for (std::size_t at = 0; at < buffer_.size(); at += block_bytes) {
            checksums_.push_back(io::checksum64(
                std::span(buffer_).subspan(at, std::min(block_bytes, buffer_.size() - at))));
        }
        out_->append(buffer_);
        written_ += buffer_.size();
        buffer_.clear();
    }
    void discard() noexcept {
        if (out_ == nullptr) {
            return;
        }
        out_.reset();
        try {
            files_->remove(path_);
        } catch (const std::exception&) { // the next writer removes it: it belongs to no commit
        }
    }

    io::file_system* files_;
    std::filesystem::path path_;
    std::uint64_t number_;
    std::unique_ptr<io::output_file> out_;
    std::vector<std::byte> buffer_;
    std::vector<std::uint64_t> checksums_;
    std::uint64_t written_ = 0;
    segment_footer footer_;
    section_place* open_ = nullptr;
};

} // namespace store
MICE_NAMESPACE_END
