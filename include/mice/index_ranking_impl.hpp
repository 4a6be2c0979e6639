// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/index.hpp>
#include <mice/index/highlight.hpp>
#include <mice/index/long_texts.hpp>
#include <mice/index/scoring.hpp>
#include <mice/index/state.hpp>
#include <mice/scoring/encoded_query.hpp>
#include <mice/scoring/highlighter.hpp>
#include <mice/scoring/scoring.hpp>
#include <mice/system/float_mode.hpp>

MICE_NAMESPACE_BEGIN

// ---- ranking ----

MICE_INLINE std::vector<index_ranking> index::ranked(std::span<const mice::query> queries,
                                                     const rank_options& options,
                                                     bool in_time) const {
    detail::check_texts_of(options);
    std::vector<const detail::encoded_query*> encoded;
    for (const mice::query& each : queries) {
        if (each.owner_ != state_->ranker().shared_model()) {
            throw detail::errors::foreign_query();
        }
        encoded.push_back(each.encoded_.get());
    }
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    return detail::in_default_float_mode([&] {
        std::vector<index_ranking> made = detail::rank_commit(*commit, encoded, options, in_time);
        for (std::size_t q = 0; q < made.size() && options.highlights; ++q) {
            detail::highlight_ranking(*commit, *encoded[q], options, made[q]);
        }
        return made;
    });
}
MICE_INLINE std::vector<index_ranking> index::rank_batch(std::span<const mice::query> queries,
                                                         const rank_options& options) const {
    return ranked(queries, options, detail::begins_in_time(options));
}
MICE_INLINE index_ranking index::rank(const mice::query& query, const rank_options& options) const {
    return std::move(rank_batch({&query, 1}, options)[0]);
}
MICE_INLINE index_ranking index::rank(std::string_view query, const rank_options& options) const {
    const bool in_time = detail::begins_in_time(options);
    const mice::query encoded = ranker().encode_query(query, options);
    return std::move(ranked({&encoded, 1}, options, in_time)[0]);
}

MICE_INLINE index_ranking index::ranked(const mice::query& query,
                                        std::span<const std::string_view> ids,
                                        const rank_options& options, unknown_ids unknown,
                                        bool in_time) const {
    detail::check_texts_of(options);
    if (query.owner_ != state_->ranker().shared_model()) {
        throw detail::errors::foreign_query();
    }
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    detail::ranked_places found = detail::places_of(*commit, ids, unknown);
    index_ranking made = detail::in_default_float_mode([&] {
        index_ranking ranked =
            detail::rank_places(*commit, *query.encoded_, found, options, in_time);
        if (options.highlights) {
            detail::highlight_ranking(*commit, *query.encoded_, options, ranked);
        }
        return ranked;
    });
    made.unknown = std::move(found.unknown);
    return made;
}
MICE_INLINE index_ranking index::rank(std::string_view query, std::span<const std::string_view> ids,
                                      const rank_options& options, unknown_ids unknown) const {
    const bool in_time = detail::begins_in_time(options);
    return ranked(ranker().encode_query(query, options), ids, options, unknown, in_time);
}
MICE_INLINE index_ranking index::rank(const mice::query& query,
                                      std::span<const std::string_view> ids,
                                      const rank_options& options, unknown_ids unknown) const {
    return ranked(query, ids, options, unknown, detail::begins_in_time(options));
}

MICE_INLINE highlights index::highlight(const mice::query& query, std::string_view id,
                                        std::string_view text, const rank_options& options) const {
    if (query.owner_ != state_->ranker().shared_model()) {
        throw detail::errors::foreign_query();
    }
    detail::check_encoding(text, options.on_invalid,
                           [id] { return "the text of document " + detail::errors::quoted(id); });
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    const auto found = commit->find_document(id);
    if (!found) {
        throw detail::errors::unknown_document(id);
    }
    return detail::in_default_float_mode([&] {
        const rank_options asked = detail::with_highlights(options);
        return detail::highlight_document(*commit, *query.encoded_, asked, *found, text);
    });
}
MICE_INLINE highlights index::highlight(std::string_view query, std::string_view id,
                                        std::string_view text, const rank_options& options) const {
    return highlight(ranker().encode_query(query, options), id, text, options);
}

MICE_INLINE std::vector<index_candidate>
index::candidates(std::string_view query, std::size_t depth, const bm25_options& options) const {
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    if (commit->commit().words != index_words::keep) {
        throw detail::errors::index_without_words();
    }
    return detail::candidates_in(*commit, query, depth, options);
}

MICE_NAMESPACE_END
