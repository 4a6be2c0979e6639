// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <mice/index/words/view.hpp>
#include <mice/io/text_bytes.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

namespace detail {

/// The postings of one word, in the code that posting_reader reads.
class posting_writer {
  public:
    /// The next document, above all before it.
    void add(posting next) {
        const std::uint64_t gap = next.document - next_document_;
        put(gap << 1 | (next.count == 1 ? 1U : 0U));
        if (next.count != 1) {
            put(next.count);
        }
        next_document_ = std::uint64_t{next.document} + 1;
        ++documents_;
    }
    [[nodiscard]] std::uint32_t documents() const noexcept { return documents_; }
    [[nodiscard]] const std::string& codes() const noexcept { return codes_; }

  private:
    void put(std::uint64_t number) {
        for (; number >= 0x80; number >>= 7) {
            codes_ += static_cast<char>((number & 0x7F) | 0x80);
        }
        codes_ += static_cast<char>(number);
    }

    std::string codes_;
    std::uint64_t next_document_ = 0;
    std::uint32_t documents_ = 0;
};

/// Writes a words section from its words in ascending order; keeps 16 bytes a word in memory.
class words_writer {
  public:
    words_writer(const byte_sink& sink, text::word_form form) : sink_(sink) {
        trailer_.version = static_cast<std::uint32_t>(form);
    }

    void term(std::string_view text, const posting_writer& postings) {
        entries_.push_back(
            {trailer_.record_bytes, postings.documents(), static_cast<std::uint32_t>(text.size())});
        write(io::text_bytes(text));
        write(std::as_bytes(std::span(postings.codes())));
        trailer_.record_bytes += text.size() + postings.codes().size();
    }

    void finish(std::span<const std::uint32_t> lengths) {
        trailer_.magic = words_magic;
        trailer_.documents = static_cast<std::uint32_t>(lengths.size());
        trailer_.terms = entries_.size();
        for (const std::uint32_t length : lengths) {
            trailer_.total_length += length;
        }
        entries_.push_back({trailer_.record_bytes, 0, 0});
        write(std::as_bytes(std::span(entries_)));
        write(std::as_bytes(lengths));
        write(std::as_bytes(std::span(&trailer_, 1)));
    }

  private:
    void write(std::span<const std::byte> bytes) {
        if (!bytes.empty()) {
            sink_(bytes);
        }
    }

    const byte_sink& sink_;
    words_trailer trailer_{};
    std::vector<words_entry> entries_;
};

} // namespace detail

/// Collects the words of documents and writes them as a words section. Not thread-safe.
class words_builder {
  public:
    explicit words_builder(text::word_form form = text::word_form::current) : form_(form) {}

    /// Adds the next document; a document without text still counts. Throws
    /// errc::invalid_argument beyond 2^32 - 1 documents.
    void add(std::string_view text) {
        if (lengths_.size() == std::numeric_limits<std::uint32_t>::max()) {
            throw errors::bad_argument("a words section holds at most 4294967295 documents");
        }
        const auto document = static_cast<std::uint32_t>(lengths_.size());
        const std::size_t length =
            text::each_word(text, text::word_use::document, form_,
                            [this, document](const std::string& word) { count(word, document); });
        constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
        lengths_.push_back(static_cast<std::uint32_t>(std::min(length, most)));
    }

    /// Documents added so far.
    [[nodiscard]] std::size_t documents() const noexcept { return lengths_.size(); }
    /// Roughly the memory of the words, in bytes.
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        constexpr std::size_t node = 64; // of the map, with its share of the buckets
        return places_.size() * (node + sizeof(std::string) + sizeof(list)) + heap_bytes_ +
               lengths_.size() * sizeof(std::uint32_t);
    }

    /// Writes the section in pieces.
    void write(const byte_sink& sink) const {
        std::vector<const std::pair<const std::string, std::uint32_t>*> order;
        order.reserve(places_.size());
        for (const auto& place : places_) {
            order.push_back(&place);
        }
        std::sort(order.begin(), order.end(),
                  [](const auto* a, const auto* b) { return a->first < b->first; });
        detail::words_writer writer(sink, form_);
        for (const auto* place : order) {
            detail::posting_writer all = lists_[place->second].written;
            all.add(lists_[place->second].open);
            writer.term(place->first, all);
        }
        writer.finish(lengths_);
    }
    /// The section in one piece.
    [[nodiscard]] std::vector<std::byte> finish() const {
        std::vector<std::byte> bytes;
        write([&bytes](std::span<const std::byte> piece) {
            bytes.insert(bytes.end(), piece.begin(), piece.end());
        });
        return bytes;
    }
    /// Forgets all documents.
    void clear() { *this = words_builder(form_); }

  private:
    struct list {
        detail::posting_writer written;
        posting open; ///< the document that is being counted
    };

    void count(const std::string& word, std::uint32_t document) {
        const auto [place, fresh] =
            places_.try_emplace(word, static_cast<std::uint32_t>(lists_.size()));
        if (fresh) {
            lists_.push_back({{}, {document, 1}});
            heap_bytes_ += word.size();
            return;
        }
        list& found = lists_[place->second];
        if (found.open.document == document) {
            ++found.open.count;
            return;
        }
        heap_bytes_ -= found.written.codes().capacity();
        found.written.add(found.open);
        heap_bytes_ += found.written.codes().capacity();
        found.open = {document, 1};
    }

    text::word_form form_;
    std::unordered_map<std::string, std::uint32_t> places_;
    std::vector<list> lists_;
    std::vector<std::uint32_t> lengths_;
    std::size_t heap_bytes_ = 0;
};

/// One section of a merge and which of its documents stay.
struct words_part {
    const words_view* words = nullptr;
    std::function<bool(std::uint32_t document)> keeps; ///< none: all stay
};

namespace detail {

/// The new numbers of the documents that stay, in one and a half bits a document.
class kept_documents {
  public:
    kept_documents(const words_part& part, std::uint64_t first)
        : bits_((std::size_t{part.words->documents()} + 63) / 64) {
        std::uint64_t next = first;
        for (std::uint32_t document = 0; document < part.words->documents(); ++document) {
            if (document % 64 == 0) {
                before_.push_back(static_cast<std::uint32_t>(next));
            }
            if (!part.keeps || part.keeps(document)) {
                bits_[document / 64] |= std::uint64_t{1} << document % 64;
                ++next;
            }
            if (next > std::numeric_limits<std::uint32_t>::max()) {
                throw errors::bad_argument("a words section holds at most 4294967295 documents");
            }
        }
        end_ = next;
    }

    [[nodiscard]] bool keeps(std::uint32_t document) const {
        return (bits_[document / 64] >> document % 64 & 1) != 0;
    }
    [[nodiscard]] std::uint32_t number(std::uint32_t document) const {
        const std::uint64_t below =
            bits_[document / 64] & ((std::uint64_t{1} << document % 64) - 1);
        return before_[document / 64] + static_cast<std::uint32_t>(std::popcount(below));
    }
    [[nodiscard]] std::uint64_t end() const noexcept { return end_; }

  private:
    std::vector<std::uint64_t> bits_;
    std::vector<std::uint32_t> before_;
    std::uint64_t end_ = 0;
};

/// Walks through the words of one section.
class term_cursor {
  public:
    explicit term_cursor(const words_view& words) : words_(&words) { load(); }

    [[nodiscard]] bool done() const noexcept { return place_ == words_->terms(); }
    [[nodiscard]] const word_record& record() const noexcept { return record_; }
    void step() {
        const std::string_view before = record_.text;
        ++place_;
        load();
        if (!done() && record_.text <= before) {
            throw errors::bad_words("words out of order");
        }
    }

  private:
    void load() {
        if (!done()) {
            record_ = words_->term(place_);
        }
    }

    const words_view* words_;
    std::uint64_t place_ = 0;
    word_record record_;
};

inline void append_kept(posting_writer& into, const words_view& words, const word_record& record,
                        const kept_documents& kept) {
    posting_reader reader = words.postings(record);
    for (posting each; reader.next(each);) {
        if (kept.keeps(each.document)) {
            into.add({kept.number(each.document), each.count});
        }
    }
}

inline std::vector<std::uint32_t> kept_lengths(std::span<const words_part> parts,
                                               std::span<const kept_documents> kept) {
    std::vector<std::uint32_t> lengths;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::span<const std::byte> all = parts[i].words->lengths();
        for (std::uint32_t document = 0; document < parts[i].words->documents(); ++document) {
            if (kept[i].keeps(document)) {
                std::memcpy(&lengths.emplace_back(), &all[std::size_t{4} * document], 4);
            }
        }
    }
    return lengths;
}

} // namespace detail

/// Joins words sections: the documents that stay, in the order of the parts, become numbers from 0
/// up. The result is byte for byte what a words_builder would write for the same documents, if it
/// cuts their texts alike. Memory: 16 bytes a word, 4 bytes a document and the longest list. Throws
/// errc::format for damaged sections and for those of two forms.
inline void merge_words(std::span<const words_part> parts, const byte_sink& sink) {
    std::vector<detail::kept_documents> kept;
    std::vector<detail::term_cursor> cursors;
    for (const words_part& part : parts) {
        kept.emplace_back(part, kept.empty() ? 0 : kept.back().end());
        cursors.emplace_back(*part.words);
    }
    detail::words_writer writer(sink, form_of(parts));
    while (true) {
        const word_record* least = nullptr;
        for (const detail::term_cursor& cursor : cursors) {
            if (!cursor.done() && (least == nullptr || cursor.record().text < least->text)) {
                least = &cursor.record();
            }
        }
        if (least == nullptr) {
            break;
        }
        const std::string_view text = least->text; // lies in its file, not in the cursor
        detail::posting_writer postings;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (!cursors[i].done() && cursors[i].record().text == text) {
                detail::append_kept(postings, *parts[i].words, cursors[i].record(), kept[i]);
                cursors[i].step();
            }
        }
        if (postings.documents() > 0) {
            writer.term(text, postings);
        }
    }
    writer.finish(detail::kept_lengths(parts, kept));
}

} // namespace store
MICE_NAMESPACE_END
