// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mice/index_ranking.hpp>
#include <mice/index_source.hpp>
#include <mice/scoring.hpp>
#include <mice/store/snapshot.hpp>

// Ranking the documents of one commit, a few thousand at a time.
MICE_NAMESPACE_BEGIN
namespace detail {

/// Keeps the best documents of all that are added: `top_k`, or all where that is 0.
class best_documents {
  public:
    explicit best_documents(std::size_t top_k) : top_k_(top_k) {}

    void add(float logit, store::document_place place) {
        found_.push_back({logit, added_++, place});
        if (top_k_ != 0 && found_.size() / 2 >= std::max<std::size_t>(top_k_, 4096)) {
            cut();
        }
    }
    [[nodiscard]] std::size_t added() const noexcept { return added_; }

    /// Best first, equal scores in the order of their addition.
    [[nodiscard]] std::vector<index_hit> take(const store::snapshot& commit, activation output) {
        cut();
        std::sort(found_.begin(), found_.end(), better);
        std::vector<index_hit> hits;
        hits.reserve(found_.size());
        for (const entry& each : found_) {
            const store::segment& file = *commit.segments()[each.place.segment].file;
            const store::document_entry stored = file.entry(each.place.document);
            hits.push_back({std::string(file.id(stored)), activated(each.logit, output),
                            stored.tokens_seen, stored.tokens_cut, stored.replaced});
        }
        return hits;
    }

  private:
    struct entry {
        float logit;
        std::size_t order;
        store::document_place place;
    };
    static bool better(const entry& a, const entry& b) {
        return a.logit != b.logit ? a.logit > b.logit : a.order < b.order;
    }
    void cut() {
        if (top_k_ != 0 && found_.size() > top_k_) {
            std::nth_element(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(top_k_),
                             found_.end(), better);
            found_.resize(top_k_);
        }
    }

    std::size_t top_k_;
    std::size_t added_ = 0;
    std::vector<entry> found_;
};

/// Ranks documents of a commit for a few queries. Places come in slices, so that memory does not
/// grow with the collection.
class index_call {
  public:
    static constexpr std::size_t slice = 4096; ///< documents

    /// `in_time`: as in scoring_call.
    index_call(const store::snapshot& commit, std::span<const encoded_query* const> queries,
               const rank_options& options, std::size_t total, bool in_time)
        : commit_(commit), queries_(queries), asked_(options), total_(total), in_time_(in_time),
          best_(queries.size(), best_documents(options.top_k)) {
        options_ = as_logits(options);
        if (asked_.progress) {
            options_.progress = [this](std::size_t done, std::size_t) {
                asked_.progress(done_ + done, total_);
            };
        }
    }

    /// Scores the next documents; false when the call was told to stop.
    bool add(std::span<const store::document_place> places) {
        if (!in_time_ && should_stop(options_)) {
            return false;
        }
        const index_source source(commit_, places);
        const std::vector<ranking> scored =
            scoring_call(commit_.engine(), queries_, source, options_, in_time_).run();
        in_time_ = false; // one document of the first slice is enough
        for (std::size_t q = 0; q < scored.size(); ++q) {
            for (const hit& each : scored[q].hits) {
                if (each.scored) {
                    best_[q].add(each.score, places[each.index]);
                }
            }
        }
        done_ += places.size();
        return true;
    }

    /// One ranking for each query.
    [[nodiscard]] std::vector<index_ranking> take() {
        std::vector<index_ranking> rankings(queries_.size());
        for (std::size_t q = 0; q < rankings.size(); ++q) {
            index_ranking& made = rankings[q];
            made.unscored = total_ - best_[q].added();
            made.complete = made.unscored == 0;
            made.hits = best_[q].take(commit_, asked_.output);
            made.query_tokens_seen = queries_[q]->prepared.ids.size();
            made.query_tokens_cut = queries_[q]->origin.tokens_cut;
            made.query_replaced = queries_[q]->origin.replaced;
        }
        return rankings;
    }

  private:
    const store::snapshot& commit_;
    std::span<const encoded_query* const> queries_;
    const rank_options& asked_;
    rank_options options_;
    std::size_t total_;
    bool in_time_;
    std::size_t done_ = 0;
    std::vector<best_documents> best_;
};

/// Ranks all documents of a commit, in index order.
[[nodiscard]] inline std::vector<index_ranking>
rank_commit(const store::snapshot& commit, std::span<const encoded_query* const> queries,
            const rank_options& options, bool in_time) {
    index_call call(commit, queries, options, static_cast<std::size_t>(commit.documents()),
                    in_time);
    std::vector<store::document_place> places;
    places.reserve(index_call::slice);
    bool going = true;
    for (std::uint32_t s = 0; s < commit.segments().size() && going; ++s) {
        const store::live_segment& segment = commit.segments()[s];
        for (std::uint32_t document = 0; document < segment.file->documents() && going;
             ++document) {
            if (segment.live(document)) {
                places.push_back({s, document});
            }
            if (places.size() == index_call::slice) {
                going = call.add(places);
                places.clear();
            }
        }
    }
    if (going && !places.empty()) {
        call.add(places);
    }
    return call.take();
}

/// Ranks the given documents of a commit, equal scores in the order given.
[[nodiscard]] inline index_ranking rank_places(const store::snapshot& commit,
                                               const encoded_query& query,
                                               std::span<const store::document_place> places,
                                               const rank_options& options, bool in_time) {
    const encoded_query* const queries[] = {&query};
    index_call call(commit, queries, options, places.size(), in_time);
    for (std::size_t first = 0; first < places.size(); first += index_call::slice) {
        if (!call.add(places.subspan(first, std::min(index_call::slice, places.size() - first)))) {
            break;
        }
    }
    return std::move(call.take()[0]);
}

} // namespace detail
MICE_NAMESPACE_END
