// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/parallel/parallel_for.hpp>
#include <mice/ranking.hpp>
#include <mice/scoring/by_score.hpp>
#include <mice/scoring/encoded_query.hpp>
#include <mice/scoring/pacing.hpp>
#include <mice/scoring/source.hpp>
#include <mice/system/float_mode.hpp>

// How one call's documents are cut into pieces of work, and what one thread does with a piece.
MICE_NAMESPACE_BEGIN
namespace detail {

/// Whether a call that begins now is in time, and so scores at least one document.
[[nodiscard]] inline bool begins_in_time(const rank_options& options) {
    return !should_stop(options);
}

/// Counts finished documents and tells the caller.
class progress_counter {
  public:
    progress_counter(const rank_options& options, std::size_t total)
        : options_(options), total_(total) {}
    void add(std::size_t documents) {
        if (options_.progress) {
            const std::lock_guard lock(mutex_);
            done_ += documents;
            // the callback may change the mode; the work goes on in its own
            in_default_float_mode([this] { options_.progress(done_, total_); });
        }
    }

  private:
    const rank_options& options_;
    std::size_t total_;
    std::size_t done_ = 0;
    std::mutex mutex_;
};

[[nodiscard]] inline float activated(float logit, activation output) {
    if (output == activation::logit) {
        return logit;
    }
    return static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(logit))));
}

/// Scores every document of a source for every query. Each document is loaded once.
class scoring_call {
  public:
    /// `in_time`: whether the call began before its deadline. One document then has a score,
    /// however short the time was.
    scoring_call(const model& engine, const std::vector<const encoded_query*>& queries,
                 const source& documents, const rank_options& options, bool in_time)
        : model_(engine), queries_(queries), source_(documents), options_(options),
          in_time_(in_time), progress_(options, documents.size()), rankings_(queries.size()),
          loaded_(documents.size()) {
        for (std::size_t i = 0; i < loaded_.size(); ++i) {
            loaded_[i].index = i;
            loaded_[i].score = std::numeric_limits<float>::quiet_NaN();
        }
    }

    /// One ranking a query, hits in input order.
    [[nodiscard]] std::vector<ranking> run() {
        for (std::size_t q = 0; q < queries_.size(); ++q) {
            rankings_[q].hits = loaded_;
            rankings_[q].query_tokens_seen = queries_[q]->prepared.ids.size();
            rankings_[q].query_tokens_cut = queries_[q]->origin.tokens_cut;
            rankings_[q].query_replaced = queries_[q]->origin.replaced;
        }
        if (!queries_.empty()) {
            options_.deadline ? work_in_time() : work_at_leisure();
        }
        for (ranking& answer : rankings_) {
            answer.unscored = static_cast<std::size_t>(std::count_if(
                answer.hits.begin(), answer.hits.end(), [](const hit& h) { return !h.scored; }));
            answer.complete = answer.unscored == 0;
        }
        return std::move(rankings_);
    }

  private:
    void work_at_leisure() {
        const parallel_options where{options_.threads, options_.pool};
        const std::size_t documents = source_.size();
        const std::size_t pieces = piece_count(parallel::threads_for(where, documents));
        parallel::parallel_for(pieces, where, [this, documents, pieces](std::size_t i) {
            work(first_of_piece(i, documents, pieces), first_of_piece(i + 1, documents, pieces),
                 options_);
        });
    }

    void work_in_time() {
        rank_options unhurried = options_;
        unhurried.deadline.reset();
        const parallel_options where{options_.threads, options_.pool};
        const std::size_t threads = parallel::threads_for(where, source_.size());
        paced_pieces pieces(source_.size(), filling(), threads, *options_.deadline);
        const auto next_piece = [&] {
            const auto begin = paced_pieces::clock::now();
            const auto [first, last] = pieces.take();
            const bool assured = in_time_ && first == 0;
            if (first == last || (!assured && should_stop(options_))) {
                return false;
            }
            work(first, last, assured ? unhurried : options_);
            pieces.finished(last - first, paced_pieces::clock::now() - begin);
            return true;
        };
        parallel::parallel_for(threads, where, [&](std::size_t) {
            try {
                while (next_piece()) {
                }
            } catch (...) {
                pieces.drop_rest();
                throw;
            }
        });
    }

    /// Documents that fill the products of a piece.
    [[nodiscard]] std::size_t filling() const {
        std::size_t rows = 1;
        for (const encoded_query* query : queries_) {
            rows = std::max(rows, query->prepared.rows);
        }
        return std::clamp<std::size_t>(full_rows / rows, 1, 32);
    }
    /// Pieces of work: large enough to fill the products, and the same number for every thread. No
    /// score depends on it.
    [[nodiscard]] std::size_t piece_count(std::size_t threads) const {
        const std::size_t documents = source_.size();
        const std::size_t enough = filling();
        const std::size_t filled = (documents + enough - 1) / enough;
        const std::size_t fair = threads == 1 ? filled : std::max(filled, 4 * threads);
        return std::min(documents, (fair + threads - 1) / threads * threads);
    }
    /// Of `pieces` pieces whose sizes differ by at most one.
    static std::size_t first_of_piece(std::size_t i, std::size_t documents, std::size_t pieces) {
        return i * (documents / pieces) + std::min(i, documents % pieces);
    }

    /// `loading`: the call's options, or those without a deadline for what is assured a score.
    void work(std::size_t first, std::size_t last, const rank_options& loading) {
        if (should_stop(loading)) {
            return;
        }
        const work_memory_pool::lease lease(model_.work_memories());
        work_memory& memory = *lease;
        if (!source_.load(first, last, loading, memory, loaded_.data())) {
            return;
        }
        nn::document_batch documents({memory.views.data(), memory.views.size()},
                                     model_.network().packing(), memory.packed, source_.decoder(),
                                     &memory.scratch);
        memory.scores.resize(last - first);
        for (std::size_t q = 0; q < queries_.size(); ++q) {
            if (q > 0 && should_stop(options_)) {
                return;
            }
            model_.network().score(queries_[q]->prepared, documents, memory.scores.data(),
                                   memory.space);
            for (std::size_t i = first; i < last; ++i) {
                hit& target = rankings_[q].hits[i];
                take(target, loaded_[i], memory.scores[i - first]);
                const std::size_t unread =
                    model_.network().unread(queries_[q]->prepared, memory.views[i - first].tokens);
                target.tokens_seen -= unread;
                target.tokens_cut += unread;
            }
        }
        progress_.add(last - first);
    }

    void take(hit& target, const hit& loaded, float logit) const {
        if (!std::isfinite(logit)) {
            throw errors::not_finite("the score of document " + std::to_string(loaded.index));
        }
        target = loaded;
        target.score = activated(logit, options_.output);
        target.scored = true;
    }

    const model& model_;
    const std::vector<const encoded_query*>& queries_;
    const source& source_;
    const rank_options& options_;
    bool in_time_;
    progress_counter progress_;
    std::vector<ranking> rankings_;
    std::vector<hit> loaded_; // what loading tells of each document
};

/// The options with scores left as logits: sort_hits sorts those.
[[nodiscard]] inline rank_options as_logits(rank_options options) {
    options.output = activation::logit;
    return options;
}

/// Sorts logits, best first, equal ones in input order, and drops unscored documents and those
/// below top_k. Only then applies the sigmoid, if asked for: large logits all round to a sigmoid of
/// 1.
inline void sort_hits(ranking& answer, const rank_options& options) {
    const default_float_mode mode;
    std::erase_if(answer.hits, [](const hit& h) { return !h.scored; });
    sort_by_score(answer.hits);
    if (options.top_k != 0 && options.top_k < answer.hits.size()) {
        answer.hits.resize(options.top_k);
    }
    for (hit& h : answer.hits) {
        h.score = activated(h.score, options.output);
    }
}

} // namespace detail
MICE_NAMESPACE_END
