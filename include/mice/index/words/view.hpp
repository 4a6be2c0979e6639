// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <mice/error.hpp>
#include <mice/io/byte_reader.hpp>
#include <mice/text/words/words.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// The trailer of a words section. The section has a record for every word in ascending order (its
/// text, then its postings), an entry for every record and one behind the last, a length for every
/// document, and this. docs/format.md describes the bytes.
struct words_trailer {
    std::array<char, 8> magic{};
    std::uint32_t version = 0; ///< the text::word_form of the words
    std::uint32_t documents = 0;
    std::uint64_t total_length = 0; ///< lengths of all documents together
    std::uint64_t terms = 0;        ///< different words
    std::uint64_t record_bytes = 0;
    std::array<std::byte, 24> reserved{}; ///< zero
};
static_assert(sizeof(words_trailer) == 64);

/// Where a word's record lies.
struct words_entry {
    std::uint64_t offset = 0;
    std::uint32_t documents = 0;  ///< that hold the word
    std::uint32_t text_bytes = 0; ///< the postings begin behind them
};
static_assert(sizeof(words_entry) == 16);
static_assert(std::endian::native == std::endian::little, "index files are little-endian");

inline constexpr std::array<char, 8> words_magic{'M', 'I', 'C', 'E', 'W', 'R', 'D', 'S'};

/// How often a document holds a word.
struct posting {
    std::uint32_t document = 0;
    std::uint32_t count = 0;
};

/// Reads the postings of one word in ascending order of documents, and checks them all.
class posting_reader {
  public:
    /// `count` postings of a section of `documents` documents.
    posting_reader(std::span<const std::byte> codes, std::uint32_t count, std::uint32_t documents)
        : codes_(codes), left_(count), documents_(documents) {}

    /// The next posting; false behind the last. Throws errc::format for bytes that are no postings.
    bool next(posting& into) {
        if (left_ == 0) {
            if (!codes_.empty()) {
                throw errors::bad_words("bytes behind a word's last document");
            }
            return false;
        }
        const std::uint64_t first = number();
        next_document_ += first >> 1;
        if (next_document_ >= documents_) {
            throw errors::bad_words("a word of a document that is not there");
        }
        const std::uint64_t count = (first & 1) != 0 ? 1 : number();
        if (count == 0 || count > std::numeric_limits<std::uint32_t>::max()) {
            throw errors::bad_words("an impossible number of occurrences");
        }
        into = {static_cast<std::uint32_t>(next_document_), static_cast<std::uint32_t>(count)};
        ++next_document_;
        --left_;
        return true;
    }

  private:
    /// A number in groups of seven bits, the lowest first; at most five bytes.
    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 35; shift += 7) {
            if (codes_.empty()) {
                break;
            }
            const auto byte = std::to_integer<std::uint64_t>(codes_.front());
            codes_ = codes_.subspan(1);
            value |= (byte & 0x7F) << shift;
            if (byte < 0x80) {
                return value;
            }
        }
        throw errors::bad_words("a number without an end");
    }

    std::span<const std::byte> codes_;
    std::uint32_t left_;
    std::uint32_t documents_;
    std::uint64_t next_document_ = 0; ///< the smallest that may come next
};

/// A word and its postings.
struct word_record {
    std::string_view text;
    std::uint32_t documents = 0;
    std::span<const std::byte> codes;
};

/// The words of one segment, read in place: opening reads 64 bytes, a search what it needs. Nothing
/// in the bytes is trusted: what contradicts the format throws errc::format. Immutable and safe
/// from many threads, as long as the reader's file is open.
class words_view {
  public:
    /// No words at all.
    words_view() = default;
    /// Throws errc::format, or errc::unsupported for a later version.
    explicit words_view(byte_reader reader) : reader_(std::move(reader)) {
        if (reader_.size < sizeof trailer_) {
            throw errors::bad_words("shorter than its trailer");
        }
        load(trailer_, reader_.size - sizeof trailer_);
        if (trailer_.magic != words_magic) {
            throw errors::bad_words("no trailer at its end");
        }
        if (trailer_.version != static_cast<std::uint32_t>(text::word_form::older) &&
            trailer_.version != static_cast<std::uint32_t>(text::word_form::current)) {
            throw errors::not_supported("version " + std::to_string(trailer_.version) +
                                        " of an index's words");
        }
        check_sizes();
    }

    /// How texts were cut into these words, and queries have to be; current where there are none.
    [[nodiscard]] text::word_form form() const noexcept {
        return trailer_.version == static_cast<std::uint32_t>(text::word_form::older)
                   ? text::word_form::older
                   : text::word_form::current;
    }
    /// Documents of the section, numbered from 0.
    [[nodiscard]] std::uint32_t documents() const noexcept { return trailer_.documents; }
    /// The lengths of all documents together.
    [[nodiscard]] std::uint64_t total_length() const noexcept { return trailer_.total_length; }
    /// How many distinct words there are.
    [[nodiscard]] std::uint64_t terms() const noexcept { return trailer_.terms; }

    /// A document's length in words, see text::each_word; `document` is below documents().
    [[nodiscard]] std::uint32_t length(std::uint32_t document) const {
        std::uint32_t value = 0;
        load(value, lengths_begin() + std::uint64_t{4} * document);
        return value;
    }
    /// The lengths of all documents: documents() numbers of four bytes.
    [[nodiscard]] std::span<const std::byte> lengths() const {
        return trailer_.documents == 0
                   ? std::span<const std::byte>()
                   : reader_.read(lengths_begin(), std::size_t{4} * trailer_.documents);
    }

    /// The word at a place in ascending order; `place` is below terms().
    [[nodiscard]] word_record term(std::uint64_t place) const {
        std::array<words_entry, 2> entries;
        load(entries, trailer_.record_bytes + sizeof(words_entry) * place);
        const auto& [entry, next] = entries;
        if (entry.offset > next.offset || next.offset > trailer_.record_bytes ||
            entry.text_bytes == 0 || entry.text_bytes > text::longest_word ||
            entry.text_bytes > next.offset - entry.offset || entry.documents == 0 ||
            entry.documents > trailer_.documents) {
            throw errors::bad_words("the entry of a word contradicts itself");
        }
        const std::span<const std::byte> record =
            reader_.read(entry.offset, static_cast<std::size_t>(next.offset - entry.offset));
        return {{reinterpret_cast<const char*>(record.data()), entry.text_bytes},
                entry.documents,
                record.subspan(entry.text_bytes)};
    }

    /// The record of an analysed word.
    [[nodiscard]] std::optional<word_record> find(std::string_view word) const {
        std::uint64_t first = 0;
        std::uint64_t last = trailer_.terms;
        while (first < last) {
            const std::uint64_t middle = first + (last - first) / 2;
            const std::string_view found = term_text(middle);
            if (found == word) {
                return term(middle);
            }
            if (found < word) {
                first = middle + 1;
            } else {
                last = middle;
            }
        }
        return std::nullopt;
    }

    /// Reads a record's postings.
    [[nodiscard]] posting_reader postings(const word_record& record) const {
        return {record.codes, record.documents, trailer_.documents};
    }

  private:
    template <class Value> void load(Value& into, std::uint64_t offset) const {
        std::memcpy(&into, reader_.read(offset, sizeof into).data(), sizeof into);
    }

    [[nodiscard]] std::uint64_t lengths_begin() const noexcept {
        return trailer_.record_bytes + sizeof(words_entry) * (trailer_.terms + 1);
    }

    /// A word's text alone, so that a search touches no postings but its own.
    [[nodiscard]] std::string_view term_text(std::uint64_t place) const {
        words_entry entry;
        load(entry, trailer_.record_bytes + sizeof(words_entry) * place);
        if (entry.text_bytes == 0 || entry.text_bytes > text::longest_word ||
            entry.text_bytes > trailer_.record_bytes ||
            entry.offset > trailer_.record_bytes - entry.text_bytes) {
            throw errors::bad_words("the entry of a word leaves the section");
        }
        const std::span<const std::byte> text = reader_.read(entry.offset, entry.text_bytes);
        return {reinterpret_cast<const char*>(text.data()), text.size()};
    }

    void check_sizes() const {
        const std::uint64_t size = reader_.size - sizeof trailer_;
        const std::uint64_t lengths = std::uint64_t{4} * trailer_.documents;
        if (trailer_.record_bytes > size || lengths > size - trailer_.record_bytes) {
            throw errors::bad_words("its parts are larger than the section");
        }
        const std::uint64_t entries = size - trailer_.record_bytes - lengths;
        if (entries % sizeof(words_entry) != 0 ||
            entries / sizeof(words_entry) != trailer_.terms + 1 ||
            trailer_.terms == std::numeric_limits<std::uint64_t>::max()) {
            throw errors::bad_words("its parts do not fill the section");
        }
    }

    byte_reader reader_;
    words_trailer trailer_{};
};

/// The form of the words of all parts (anything with a member `words`); current where there is
/// none. Throws errc::format where two differ: their words mean different things.
template <class Parts> [[nodiscard]] text::word_form form_of(const Parts& parts) {
    for (const auto& part : parts) {
        if (part.words->form() != parts[0].words->form()) {
            throw errors::bad_words("words of two forms side by side");
        }
    }
    return parts.empty() ? text::word_form::current : parts[0].words->form();
}

} // namespace store
MICE_NAMESPACE_END
