// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <mice/index/files/segment_file.hpp>
#include <mice/index/words/words.hpp>
#include <mice/index_results.hpp>
#include <mice/io/text_bytes.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// A document that is ready for a segment; the memory is the caller's.
struct coded_document {
    std::string_view id;
    std::string_view metadata;
    std::string_view text; ///< for the words
    io::hash128 content;
    std::size_t rows = 0; ///< at least 1
    std::size_t tokens_seen = 0;
    std::size_t tokens_cut = 0;
    std::size_t replaced = 0;
    std::span<const std::int32_t> token_ids; ///< empty where the model needs none
    std::span<const std::byte> codes;
    precision_set encoded_in = precision_set::unrecorded();
    entry_kind kind = entry_kind::document;
};

namespace detail {

/// A count of one document; texts are bounded so that it fits.
inline std::uint32_t count32(std::size_t count) {
    if (count > std::numeric_limits<std::uint32_t>::max()) {
        throw errors::index_too_large("a document of " + std::to_string(count) + " tokens");
    }
    return static_cast<std::uint32_t>(count);
}

} // namespace detail

/// Writes new documents as a segment. Codes go to the file at once; ids, metadata, words and the
/// table stay in memory until finish(). For one thread.
class segment_builder {
  public:
    segment_builder(io::file_system& files, const std::filesystem::path& folder,
                    std::uint64_t number, index_words words,
                    text::word_form form = text::word_form::current)
        : file_(files, folder, number), keeps_words_(words == index_words::keep), slots_(8),
          words_(form) {
        file_.begin(section::codes);
    }

    [[nodiscard]] std::uint32_t documents() const noexcept {
        return static_cast<std::uint32_t>(entries_.size());
    }
    [[nodiscard]] const document_entry& entry(std::uint32_t document) const {
        return entries_[document];
    }
    [[nodiscard]] std::string_view id(std::uint32_t document) const { return id_of(document); }
    [[nodiscard]] std::string_view metadata(std::uint32_t document) const {
        const document_entry& of = entries_[document];
        return {reinterpret_cast<const char*>(texts_.data()) + of.texts + of.id_bytes,
                of.metadata_bytes};
    }
    /// Roughly the memory of the tables, in bytes.
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return entries_.size() * sizeof(document_entry) + texts_.size() +
               slots_.size() * sizeof(id_slot) + words_.memory_bytes();
    }

    /// Appends a document. Throws errc::io.
    void add(const coded_document& given) {
        file_.align(alignment);
        document_entry entry;
        entry.codes = file_.offset();
        entry.texts = texts_.size();
        entry.content = given.content;
        entry.rows = detail::count32(given.rows);
        entry.tokens_seen = detail::count32(given.tokens_seen);
        entry.tokens_cut = detail::count32(given.tokens_cut);
        entry.replaced = detail::count32(given.replaced);
        entry.id_bytes = detail::count32(given.id.size());
        entry.metadata_bytes = detail::count32(given.metadata.size());
        entry.token_id_count = detail::count32(given.token_ids.size());
        entry.kind = given.kind;
        file_.append(given.codes);
        append_text(io::text_bytes(given.id));
        append_text(io::text_bytes(given.metadata));
        texts_.resize(aligned(texts_.size(), sizeof(std::int32_t)));
        append_text(std::as_bytes(given.token_ids));
        if (keeps_words_) {
            words_.add(given.text);
        }
        entries_.push_back(entry);
        tokens_ += entry.tokens_seen;
        rows_ += entry.rows;
        precisions_.add(given.encoded_in);
        enter(given.id);
    }

    /// As segment::find.
    template <class Accept>
    [[nodiscard]] std::optional<std::uint32_t> find(std::string_view id, std::uint64_t hash,
                                                    Accept&& accepts) const {
        for (std::size_t at = hash & (slots_.size() - 1); slots_[at].document != 0;
             at = (at + 1) & (slots_.size() - 1)) {
            const std::uint32_t document = slots_[at].document - 1;
            if (slots_[at].tag == tag_of(hash) && accepts(document) && id_of(document) == id) {
                return document;
            }
        }
        return std::nullopt;
    }

    /// Writes the tables and closes the file; at least one document. Throws errc::io.
    segment_record finish() {
        file_.begin(section::documents);
        file_.append(std::as_bytes(std::span(entries_)));
        file_.begin(section::texts);
        file_.append(texts_);
        file_.begin(section::slots);
        file_.append(std::as_bytes(std::span(slots_)));
        if (keeps_words_) {
            file_.begin(section::words);
            words_.write([this](std::span<const std::byte> bytes) { file_.append(bytes); });
        }
        return file_.finish(documents(), tokens_, rows_, precisions_);
    }

  private:
    void append_text(std::span<const std::byte> bytes) {
        texts_.insert(texts_.end(), bytes.begin(), bytes.end());
    }
    [[nodiscard]] std::string_view id_of(std::uint32_t document) const {
        const document_entry& entry = entries_[document];
        return {reinterpret_cast<const char*>(texts_.data()) + entry.texts, entry.id_bytes};
    }
    void enter(std::string_view id) {
        if (slots_for(entries_.size()) > slots_.size()) {
            slots_.assign(slots_for(entries_.size()), {});
            for (std::uint32_t document = 0; document < documents(); ++document) {
                take_slot(hash_of_id(id_of(document)), document);
            }
        } else {
            take_slot(hash_of_id(id), documents() - 1);
        }
    }
    void take_slot(std::uint64_t hash, std::uint32_t document) {
        std::size_t at = hash & (slots_.size() - 1);
        while (slots_[at].document != 0) {
            at = (at + 1) & (slots_.size() - 1);
        }
        slots_[at] = {tag_of(hash), document + 1};
    }

    segment_file file_;
    bool keeps_words_;
    std::vector<document_entry> entries_;
    std::vector<std::byte> texts_;
    std::vector<id_slot> slots_;
    words_builder words_;
    std::uint64_t tokens_ = 0;
    std::uint64_t rows_ = 0;
    precision_set precisions_;
};

} // namespace store
MICE_NAMESPACE_END
