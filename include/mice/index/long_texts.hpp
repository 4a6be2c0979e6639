// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <mice/index/state.hpp>
#include <mice/index/words/bm25.hpp>
#include <mice/index/words/view.hpp>
#include <mice/system/float_mode.hpp>
#include <mice/texts.hpp>

// Texts of several passages in an index: what put_text() writes, and how documents are found.
MICE_NAMESPACE_BEGIN
namespace detail {

/// What the writer gets for a text of several passages.
struct text_documents {
    store::waiting_document text;
    std::vector<store::waiting_document> passages; ///< but the first
};

/// `text` has the id and the hash of the content, and no text or metadata yet.
[[nodiscard]] inline text_documents documents_of(store::waiting_document text,
                                                 std::string_view whole,
                                                 std::span<const passage> passages,
                                                 std::string_view kind, std::string_view metadata) {
    const std::uint64_t record = store::record_bytes(passages.size(), metadata.size());
    if (record > store::largest_metadata) {
        throw errors::document_too_large(text.id, "the metadata with the list of passages",
                                         static_cast<std::size_t>(record), store::largest_metadata);
    }
    text_documents made;
    std::vector<store::text_part> parts;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> seen;
    for (std::size_t i = 0; i < passages.size(); ++i) {
        const std::string_view part = passage_text(whole, passages, i);
        store::text_part& place = parts.emplace_back(
            store::text_part{passages[i].begin, passages[i].end, passages[i].first_line,
                             passages[i].last_line, io::hash128{}, 0, 0});
        if (i == 0) {
            text.text = part;
            continue;
        }
        place.content = content_hash(kind, io::text_bytes(part), {});
        place.occurrence = seen[{place.content.low, place.content.high}]++;
        store::waiting_document& one = made.passages.emplace_back();
        one.id = store::id_of_passage(text.id, place);
        one.metadata = text.id;
        one.text = part;
        one.content = place.content;
        one.kind = store::entry_kind::passage;
    }
    text.metadata = store::to_bytes(parts, metadata);
    text.kind = store::entry_kind::text;
    made.text = std::move(text);
    return made;
}

/// What is stored about a document, of which `place` is its own entry.
[[nodiscard]] inline stored_document describe_document(const store::snapshot& commit,
                                                       store::document_place place) {
    stored_document made = describe(commit, place);
    if (commit.entry(place).kind != store::entry_kind::text) {
        return made;
    }
    const store::text_record record = commit.record(place);
    for (std::size_t i = 0; i < record.parts.size(); ++i) {
        made.passages.push_back(record.parts[i].place());
        if (i > 0) {
            const stored_document part =
                describe(commit, commit.find_passage(place, made.id, record, i));
            made.tokens_seen += part.tokens_seen;
            made.tokens_cut += part.tokens_cut;
            made.replaced += part.replaced;
            made.rows += part.rows;
            made.bytes += part.bytes;
        }
    }
    made.metadata = record.metadata;
    return made;
}

/// Entries to score.
struct ranked_places {
    std::vector<store::document_place> places;
    std::vector<std::uint32_t> texts; ///< of each, the text that it belongs to; not_of_a_text
    std::size_t documents = 0;
    std::vector<std::string> unknown; ///< ids
};
inline constexpr std::uint32_t not_of_a_text = ~std::uint32_t{0};

/// All entries of the documents of those ids.
[[nodiscard]] inline ranked_places places_of(const store::snapshot& commit,
                                             std::span<const std::string_view> ids,
                                             unknown_ids unknown) {
    ranked_places made;
    made.places.reserve(ids.size());
    std::uint32_t texts = 0;
    for (const std::string_view id : ids) {
        const auto found = commit.find_document(id);
        if (!found) {
            if (unknown == unknown_ids::refuse) {
                throw errors::unknown_document(id);
            }
            made.unknown.emplace_back(id);
            continue;
        }
        ++made.documents;
        made.places.push_back(*found);
        if (commit.entry(*found).kind == store::entry_kind::text) {
            const store::text_record record = commit.record(*found);
            for (std::size_t i = 1; i < record.parts.size(); ++i) {
                made.places.push_back(commit.find_passage(*found, id, record, i));
            }
            made.texts.resize(made.places.size(), texts++);
        } else {
            made.texts.push_back(not_of_a_text);
        }
    }
    return made;
}

/// The words of a commit's segments. Throws errc::format where they contradict the format.
[[nodiscard]] inline std::vector<store::words_view> words_of(const store::snapshot& commit) {
    std::vector<store::words_view> views;
    views.reserve(commit.segments().size());
    for (const store::live_segment& each : commit.segments()) {
        views.emplace_back(each.file->words());
        if (views.back().documents() != each.file->documents()) {
            throw errors::bad_index_file(each.file->name(),
                                         "its words are of another number of documents");
        }
        if (views.back().form() != commit.commit().form) {
            throw errors::bad_index_file(each.file->name(),
                                         "its words are of another form than the index's");
        }
    }
    return views;
}

/// The best documents for a query's words: a text by its best passage.
[[nodiscard]] inline std::vector<index_candidate> candidates_in(const store::snapshot& commit,
                                                                std::string_view query,
                                                                std::size_t depth,
                                                                const bm25_options& options) {
    const std::vector<store::words_view> views = words_of(commit);
    std::vector<store::bm25_part> parts;
    for (std::size_t i = 0; i < views.size(); ++i) {
        parts.push_back({&views[i], [&each = commit.segments()[i]](std::uint32_t document) {
                             return each.live(document);
                         }});
    }
    constexpr std::size_t growth = 4;
    for (std::size_t entries = depth;;) {
        const std::vector<store::bm25_hit> hits = in_default_float_mode(
            [&] { return store::bm25_search(parts, query, entries, options); });
        std::vector<index_candidate> found;
        std::unordered_set<std::string_view> seen;
        for (const store::bm25_hit& each : hits) {
            const store::segment& file = *commit.segments()[each.part].file;
            const store::document_entry entry = file.entry(each.document);
            const std::string_view id =
                entry.kind == store::entry_kind::passage ? file.metadata(entry) : file.id(entry);
            if (found.size() < depth && seen.insert(id).second) {
                found.push_back({std::string(id), each.score});
            }
        }
        const bool all = hits.size() < entries || commit.commit().passages == 0;
        if (all || found.size() == depth) {
            return found;
        }
        entries = entries > commit.entries() ? entries : entries * growth;
    }
}

} // namespace detail
MICE_NAMESPACE_END
