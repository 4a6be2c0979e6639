// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/index/files/snapshot.hpp>
#include <mice/index/files/text_record.hpp>
#include <mice/index_results.hpp>
#include <mice/scoring/highlighter.hpp>
#include <mice/text/unicode/unicode.hpp>

// What answers a query in the documents of a commit, from their stored states where those can tell.
MICE_NAMESPACE_BEGIN
namespace detail {

/// Why the states that a codec stores cannot tell: "" where they can.
[[nodiscard]] inline std::string states_lack(const index_codec& codec, bool key_values) {
    return key_values                           ? "keys and values"
           : codec.pool != 1                    ? "means of several tokens' states"
           : codec.drop != dropped_tokens::none ? "only some tokens' states"
                                                : "";
}

/// Highlights of the document at `place`, whose text is `text`. Throws errc::mismatch where it is
/// another text, as far as its tokens show, and errc::format for damaged files.
[[nodiscard]] inline highlights highlight_place(const store::snapshot& commit,
                                                store::document_place place, const highlighter& of,
                                                std::string_view text) {
    const store::segment& file = *commit.segments()[place.segment].file;
    const store::document_entry entry = store::stored_entry(commit.engine(), file, place.document);
    const store::document_coder& coder = *commit.coder();
    const std::string lack = states_lack(commit.commit().codec, coder.key_values());
    if (!lack.empty() || coder.width() == 0) {
        highlights made = of.of_stored_text(text, entry.tokens_seen);
        if (!lack.empty()) {
            made.note += made.note.empty() ? "" : "; ";
            made.note += "the text was encoded again for this, as the index stores " + lack;
        }
        return made;
    }
    const std::span<const std::byte> codes =
        file.codes(place.document, entry, coder.bytes(entry.rows));
    std::vector<float> states(entry.rows * coder.width());
    kernels::buffer scratch;
    coder.decode(codes, entry.rows, states.data(), scratch);
    return of.of_states(text, states, entry.tokens_seen);
}

/// Whether a text is white space alone.
[[nodiscard]] inline bool is_blank(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const text::decoded next = text::decode_utf8(text, at);
        if (!text::is_whitespace(next.code)) {
            return false;
        }
        at += next.bytes;
    }
    return true;
}

/// Highlights of the document whose own entry is at `place`: of a text of several passages those of
/// all of them. Throws as highlight_place.
[[nodiscard]] inline highlights highlight_document(const store::snapshot& commit,
                                                   const encoded_query& query,
                                                   const rank_options& options,
                                                   store::document_place place,
                                                   std::string_view text) {
    const highlighter of(commit.engine(), query, options);
    const store::document_entry entry = commit.entry(place);
    if (entry.kind != store::entry_kind::text) {
        return highlight_place(commit, place, of, text);
    }
    const store::segment& file = *commit.segments()[place.segment].file;
    const store::text_record record = commit.record(place);
    if (!is_blank(text.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(
                                     record.parts.front().begin, text.size())))) ||
        !is_blank(text.substr(static_cast<std::size_t>(
            std::min<std::uint64_t>(record.parts.back().end, text.size()))))) {
        throw errors::other_text();
    }
    highlight_parts parts(text, options);
    for (std::size_t i = 0; i < record.parts.size(); ++i) {
        const stored_passage where = record.parts[i].place();
        if (where.end > text.size()) {
            throw errors::other_text();
        }
        const store::document_place part =
            i == 0 ? place : commit.find_passage(place, file.id(entry), record, i);
        const auto begin = static_cast<std::size_t>(where.begin);
        const auto bytes = static_cast<std::size_t>(where.end - where.begin);
        if (!parts.add(begin, [&] {
                return highlight_place(commit, part, of, text.substr(begin, bytes));
            })) {
            break;
        }
    }
    return parts.take();
}

/// A hit's entry, and its text: of a text of several passages those of the best one.
struct highlighted_hit {
    store::document_place place;
    std::string text;
    std::size_t begin = 0; ///< of `text` in the document's
};

/// Nothing where the caller has no text. Throws errc::mismatch where it is shorter than the
/// document's.
[[nodiscard]] inline std::optional<highlighted_hit>
hit_to_highlight(const store::snapshot& commit, const index_hit& hit,
                 const highlight_options& asked) {
    highlighted_hit made;
    made.place = commit.find_document(hit.id).value();
    const store::document_entry entry = commit.entry(made.place);
    const store::segment& file = *commit.segments()[made.place.segment].file;
    if (entry.kind != store::entry_kind::text) {
        std::optional<std::string> text = asked.text_of(hit.id, file.metadata(entry));
        if (!text) {
            return std::nullopt;
        }
        made.text = std::move(*text);
        return made;
    }
    const store::text_record record = commit.record(made.place);
    const std::optional<std::string> whole = asked.text_of(hit.id, record.metadata);
    if (!whole) {
        return std::nullopt;
    }
    if (hit.best.end > whole->size()) {
        throw errors::other_text();
    }
    made.begin = static_cast<std::size_t>(hit.best.begin);
    made.text = whole->substr(made.begin, static_cast<std::size_t>(hit.best.end) - made.begin);
    if (hit.best_index > 0) {
        made.place = commit.find_passage(made.place, hit.id, record, hit.best_index);
    }
    return made;
}

/// Highlights of the hits of a ranking of that commit, whose texts options.highlights->text_of
/// gives; of a text of several passages in the best one.
inline void highlight_ranking(const store::snapshot& commit, const encoded_query& query,
                              const rank_options& options, index_ranking& ranking) {
    std::vector<std::optional<highlighted_hit>> hits;
    for (const index_hit& each : ranking.hits) {
        hits.push_back(hit_to_highlight(commit, each, *options.highlights));
    }
    const highlighter of(commit.engine(), query, options);
    ranking.highlights = highlight_hits(hits.size(), options, ranking.complete, [&](std::size_t i) {
        if (!hits[i]) {
            return highlights{{}, highlight_method::none, "the text is not kept"};
        }
        highlights made;
        try {
            made = highlight_place(commit, hits[i]->place, of, hits[i]->text);
        } catch (const error& problem) {
            if (problem.code() != errc::mismatch) {
                throw;
            }
            throw errors::other_text_of(ranking.hits[i].id);
        }
        shift(made, hits[i]->begin, static_cast<std::size_t>(ranking.hits[i].best.first_line) - 1);
        return made;
    });
}

/// Throws errc::invalid_argument for highlights without texts.
inline void check_texts_of(const rank_options& options) {
    if (options.highlights && !options.highlights->text_of) {
        throw errors::no_text_of();
    }
}

} // namespace detail
MICE_NAMESPACE_END
