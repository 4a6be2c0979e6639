// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <mice/index/files/snapshot.hpp>
#include <mice/index/long_texts.hpp>
#include <mice/index/source.hpp>
#include <mice/index_results.hpp>
#include <mice/scoring/scoring.hpp>
#include <mice/texts.hpp>

// Ranking the documents of one commit, a few thousand at a time.
MICE_NAMESPACE_BEGIN
namespace detail {

/// What the passages of one text have got so far.
struct text_best {
    float first = std::numeric_limits<float>::quiet_NaN(); ///< NaN: no score yet, as in `best`
    float best = std::numeric_limits<float>::quiet_NaN();
    /// All passages with the best score, of which the hit names the first in the text.
    std::vector<store::document_place> places;
    std::size_t order = 0; ///< among the documents that were scored
    std::size_t tokens_seen = 0, tokens_cut = 0, replaced = 0;

    void add(const hit& scored, store::document_place place, bool is_first, std::size_t number) {
        if (!(best == best)) { // NaN
            order = number;
        }
        if (is_first) {
            first = scored.score;
        }
        if (!(scored.score <= best)) {
            best = scored.score;
            places.clear();
        }
        if (scored.score == best) {
            places.push_back(place);
        }
        tokens_seen += scored.tokens_seen;
        tokens_cut += scored.tokens_cut;
        replaced += scored.replaced;
    }
    /// As score_of_text with its default options, which needs no more than these two.
    [[nodiscard]] float score() const {
        const float both[] = {first, best};
        return score_of_text(first == first ? std::span<const float>(both)
                                            : std::span(both).last(1),
                             text_options{});
    }
};

/// Keeps the best `top_k` of all documents added, or all of them where top_k is 0.
class best_documents {
  public:
    explicit best_documents(std::size_t top_k) : top_k_(top_k) {}

    void add(float logit, store::document_place place) { add({logit, added_++, place, nullptr}); }
    /// A number for a text that has its first score now.
    [[nodiscard]] std::size_t next_number() noexcept { return added_++; }
    /// A text when all of it was added; it must outlive this object.
    void add_text(const text_best& text) {
        add({text.score(), text.order, text.places.front(), &text});
    }
    [[nodiscard]] std::size_t added() const noexcept { return added_; }

    /// Best first; equal scores stay in the order in which they were added.
    [[nodiscard]] std::vector<index_hit> take(const store::snapshot& commit, activation output) {
        cut();
        std::sort(found_.begin(), found_.end(), better);
        std::vector<index_hit> hits;
        hits.reserve(found_.size());
        for (const entry& each : found_) {
            const store::segment& file = *commit.segments()[each.place.segment].file;
            const store::document_entry stored = file.entry(each.place.document);
            index_hit& made = hits.emplace_back();
            made.score = activated(each.logit, output);
            if (each.text != nullptr) {
                describe_text(commit, *each.text, output, made);
                continue;
            }
            made.id = file.id(stored);
            made.best_score = made.score;
            made.tokens_seen = stored.tokens_seen;
            made.tokens_cut = stored.tokens_cut;
            made.replaced = stored.replaced;
        }
        return hits;
    }

  private:
    struct entry {
        float logit;
        std::size_t order;
        store::document_place place;
        const text_best* text;
    };
    static bool better(const entry& a, const entry& b) {
        return a.logit != b.logit ? a.logit > b.logit : a.order < b.order;
    }
    void add(entry found) {
        found_.push_back(found);
        if (top_k_ != 0 && found_.size() / 2 >= std::max<std::size_t>(top_k_, 4096)) {
            cut();
        }
    }
    void cut() {
        if (top_k_ != 0 && found_.size() > top_k_) {
            std::nth_element(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(top_k_),
                             found_.end(), better);
            found_.resize(top_k_);
        }
    }
    /// Finds the best passage in the text's record. Throws errc::format where it is not there.
    static void describe_text(const store::snapshot& commit, const text_best& text,
                              activation output, index_hit& made) {
        const store::segment& file = *commit.segments()[text.places.front().segment].file;
        const store::document_entry stored = file.entry(text.places.front().document);
        made.id = stored.kind == store::entry_kind::text ? file.id(stored) : file.metadata(stored);
        const auto whole = commit.find_document(made.id);
        if (!whole || commit.entry(*whole).kind != store::entry_kind::text) {
            throw errors::bad_index_file(file.name(), "a passage is of no text");
        }
        const store::text_record record = commit.record(*whole);
        made.best_score = activated(text.best, output);
        made.passages = record.parts.size();
        made.best_index = record.parts.size();
        for (const store::document_place& place : text.places) {
            const store::segment& of = *commit.segments()[place.segment].file;
            const store::document_entry each = of.entry(place.document);
            const std::string_view id = of.id(each);
            std::size_t i = 0;
            const auto is_here = [&](const store::text_part& part) {
                return part.content == each.content && store::id_of_passage(made.id, part) == id;
            };
            while (each.kind != store::entry_kind::text && ++i < record.parts.size() &&
                   !is_here(record.parts[i])) {
            }
            made.best_index = std::min(made.best_index, i);
        }
        if (made.best_index == record.parts.size()) {
            throw errors::bad_index_file(file.name(), "a passage is not in its text's record");
        }
        made.best = record.parts[made.best_index].place();
        made.tokens_seen = text.tokens_seen;
        made.tokens_cut = text.tokens_cut;
        made.replaced = text.replaced;
    }

    std::size_t top_k_;
    std::size_t added_ = 0;
    std::vector<entry> found_;
};

/// Ranks documents of a commit for a few queries. Documents are loaded in slices, so memory does
/// not grow with the collection, but for a few numbers for each text of several passages.
class index_call {
  public:
    static constexpr std::size_t slice = 4096; ///< entries

    /// Of so many documents with so many entries; `in_time`: as in scoring_call.
    index_call(const store::snapshot& commit, const std::vector<const encoded_query*>& queries,
               const rank_options& options, std::size_t documents, std::size_t entries,
               bool in_time)
        : commit_(commit), queries_(queries), asked_(options), documents_(documents),
          total_(entries), in_time_(in_time), best_(queries.size(), best_documents(options.top_k)),
          texts_(queries.size()), scored_(queries.size()) {
        options_ = as_logits(options);
        if (asked_.progress) {
            options_.progress = [this](std::size_t done, std::size_t) {
                asked_.progress(done_ + done, total_);
            };
        }
    }

    /// Scores the next entries; false when the call was told to stop. `texts`: the number of the
    /// text that each belongs to, or not_of_a_text.
    bool add(std::span<const store::document_place> places, std::span<const std::uint32_t> texts) {
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
                    ++scored_[q];
                    take(q, each, places[each.index], texts[each.index]);
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
            made.unscored = documents_ - best_[q].added();
            made.complete = scored_[q] == total_;
            for (const text_best& each : texts_[q]) {
                if (!each.places.empty()) {
                    best_[q].add_text(each);
                }
            }
            made.hits = best_[q].take(commit_, asked_.output);
            made.query_tokens_seen = queries_[q]->prepared.ids.size();
            made.query_tokens_cut = queries_[q]->origin.tokens_cut;
            made.query_replaced = queries_[q]->origin.replaced;
        }
        return rankings;
    }

  private:
    void take(std::size_t q, const hit& scored, store::document_place place, std::uint32_t text) {
        if (text == not_of_a_text) {
            best_[q].add(scored.score, place);
            return;
        }
        if (texts_[q].size() <= text) {
            texts_[q].resize(std::size_t{text} + 1);
        }
        text_best& into = texts_[q][text];
        const std::size_t number = into.places.empty() ? best_[q].next_number() : into.order;
        into.add(scored, place, commit_.entry(place).kind == store::entry_kind::text, number);
    }

    const store::snapshot& commit_;
    const std::vector<const encoded_query*>& queries_;
    const rank_options& asked_;
    rank_options options_;
    std::size_t documents_, total_;
    bool in_time_;
    std::size_t done_ = 0;
    std::vector<best_documents> best_;
    std::vector<std::vector<text_best>> texts_; ///< of each query
    std::vector<std::size_t> scored_;           ///< entries, of each query
};

/// Ranks all documents of a commit, in index order.
[[nodiscard]] inline std::vector<index_ranking>
rank_commit(const store::snapshot& commit, const std::vector<const encoded_query*>& queries,
            const rank_options& options, bool in_time) {
    index_call call(commit, queries, options, static_cast<std::size_t>(commit.documents()),
                    static_cast<std::size_t>(commit.entries()), in_time);
    std::vector<store::document_place> places;
    std::vector<std::uint32_t> texts;
    places.reserve(index_call::slice);
    texts.reserve(index_call::slice);
    std::unordered_map<std::string, std::uint32_t> numbers; // of texts
    const auto text_of = [&](const store::segment& file, std::uint32_t document) {
        const store::document_entry entry = file.entry(document);
        if (entry.kind == store::entry_kind::document) {
            return not_of_a_text;
        }
        const std::string_view id =
            entry.kind == store::entry_kind::text ? file.id(entry) : file.metadata(entry);
        return numbers.emplace(id, static_cast<std::uint32_t>(numbers.size())).first->second;
    };
    bool going = true;
    for (std::uint32_t s = 0; s < commit.segments().size() && going; ++s) {
        const store::live_segment& segment = commit.segments()[s];
        for (std::uint32_t document = 0; document < segment.file->documents() && going;
             ++document) {
            if (segment.live(document)) {
                places.push_back({s, document});
                texts.push_back(commit.commit().passages == 0 ? not_of_a_text
                                                              : text_of(*segment.file, document));
            }
            if (places.size() == index_call::slice) {
                going = call.add(places, texts);
                places.clear();
                texts.clear();
            }
        }
    }
    if (going && !places.empty()) {
        call.add(places, texts);
    }
    return call.take();
}

/// Ranks the given documents of a commit; equal scores stay in the given order.
[[nodiscard]] inline index_ranking rank_places(const store::snapshot& commit,
                                               const encoded_query& query,
                                               const ranked_places& given,
                                               const rank_options& options, bool in_time) {
    const std::vector<const encoded_query*> queries(1, &query);
    const std::span<const store::document_place> places(given.places);
    const std::span<const std::uint32_t> texts(given.texts);
    index_call call(commit, queries, options, given.documents, places.size(), in_time);
    for (std::size_t first = 0; first < places.size(); first += index_call::slice) {
        const std::size_t count = std::min(index_call::slice, places.size() - first);
        if (!call.add(places.subspan(first, count), texts.subspan(first, count))) {
            break;
        }
    }
    return std::move(call.take()[0]);
}

} // namespace detail
MICE_NAMESPACE_END
