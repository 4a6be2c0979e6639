// SPDX-License-Identifier: Apache-2.0
#include "serve/text_ranker.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include <mice/error.hpp>
#include <mice/parallel/parallel_for.hpp>

namespace mice::serve {
namespace {

using clock = std::chrono::steady_clock;
using kept_document = std::shared_ptr<const document_cache::entry>;

bool should_stop(const rank_options& options) {
    return (options.cancel != nullptr && options.cancel->requested()) ||
           (options.deadline && clock::now() >= *options.deadline);
}

/// Best first; the scores that are NaN are left out.
void order(ranked_texts& found, std::span<const float> logits) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
        if (logits[i] == logits[i]) {
            found.hits.push_back({i, logits[i]});
        }
    }
    std::stable_sort(found.hits.begin(), found.hits.end(),
                     [](const ranked_text& a, const ranked_text& b) { return a.logit > b.logit; });
    found.complete = found.hits.size() == logits.size();
}

/// Ranks texts by documents that are remembered, or encoded and then remembered.
class remembering_call {
  public:
    remembering_call(const reranker& ranker, document_cache& cache, const query& asked,
                     std::span<const std::string> texts, const rank_options& options,
                     const std::optional<text_options>& of_texts)
        : ranker_(ranker), cache_(cache), query_(asked), texts_(texts), options_(options),
          of_texts_(of_texts), passages_(texts.size()), scores_(texts.size()),
          most_new_(std::max<std::size_t>(
              32, 8 * parallel::threads_for({options.threads, nullptr}, most_pieces))),
          unhurried_(!should_stop(options)) {}

    [[nodiscard]] ranked_texts run() {
        cut();
        std::vector<piece> block;
        std::size_t fresh = 0;                                    // of the block: to be encoded
        std::size_t most_new = options_.deadline ? 1 : most_new_; // grows while there is time
        for (std::size_t i = 0; i < texts_.size(); ++i) {
            scores_[i].resize(passages_[i].size(), std::numeric_limits<float>::quiet_NaN());
            for (std::size_t k = 0; k < passages_[i].size(); ++k) {
                const std::string_view bytes = passages_[i][k];
                block.push_back({i, k, bytes, cache_.find(bytes)});
                fresh += block.back().kept ? 0 : 1;
                if (fresh == most_new || block.size() == most_pieces) {
                    score(block);
                    block.clear();
                    fresh = 0;
                    most_new = std::min(2 * most_new, most_new_);
                }
            }
        }
        score(block);
        return take();
    }

  private:
    static constexpr std::size_t most_pieces = 1024;

    /// A passage of a text, and its document when there is one.
    struct piece {
        std::size_t text, passage;
        std::string_view bytes;
        kept_document kept;
    };

    void cut() {
        parallel::parallel_for(texts_.size(), {options_.threads, nullptr}, [this](std::size_t i) {
            const std::string_view text = texts_[i];
            if (!of_texts_ || cache_.knows_whole(text)) {
                passages_[i] = {text};
            } else if ((i == 0 && unhurried_) || !should_stop(options_)) {
                const std::vector<passage> all = passages_of_text(ranker_, text, of_texts_->cut);
                for (std::size_t k = 0; k < all.size(); ++k) {
                    passages_[i].push_back(passage_text(text, all, k));
                }
            }
        });
    }

    /// Encodes those of a block that have no document; equal ones once.
    void encode(std::vector<piece>& block, const rank_options& options) {
        std::vector<std::string_view> fresh;
        std::unordered_map<std::string_view, std::size_t> places;
        for (const piece& each : block) {
            if (!each.kept && places.try_emplace(each.bytes, fresh.size()).second) {
                fresh.push_back(each.bytes);
            }
        }
        std::vector<document> made = ranker_.encode_all(std::span(std::as_const(fresh)), options);
        std::vector<kept_document> kept(made.size());
        for (piece& each : block) {
            if (each.kept) {
                continue;
            }
            const std::size_t place = places.at(each.bytes);
            if (!kept[place]) {
                kept[place] = std::make_shared<document_cache::entry>(document_cache::entry{
                    std::move(made[place]), passages_[each.text].size() == 1});
                cache_.put(each.bytes, kept[place]);
            }
            each.kept = kept[place];
        }
    }

    void score(std::vector<piece>& block) {
        rank_options options = options_;
        if (unhurried_) { // a call that begins in time gives one passage a score at least
            options.deadline.reset();
        }
        if (block.empty() || should_stop(options)) {
            return;
        }
        unhurried_ = false;
        try {
            encode(block, options);
        } catch (const error& problem) {
            if (problem.code() != errc::stopped) {
                throw;
            }
            return;
        }
        std::vector<const document*> documents;
        documents.reserve(block.size());
        for (const piece& each : block) {
            documents.push_back(&each.kept->encoded);
        }
        const ranking found =
            ranker_.score(query_, std::span<const document* const>(documents), options);
        for (const hit& each : found) {
            if (each.scored) {
                const piece& of = block[each.index];
                scores_[of.text][of.passage] = each.score;
                tokens_ += each.tokens_seen;
            }
        }
    }

    [[nodiscard]] ranked_texts take() const {
        std::vector<float> logits(texts_.size(), std::numeric_limits<float>::quiet_NaN());
        for (std::size_t i = 0; i < texts_.size(); ++i) {
            const std::vector<float>& scores = scores_[i];
            const bool whole = !scores.empty() && std::all_of(scores.begin(), scores.end(),
                                                              [](float s) { return s == s; });
            if (whole) {
                logits[i] = of_texts_ ? score_of_text(scores, *of_texts_) : scores.front();
            }
        }
        ranked_texts found;
        found.tokens = query_.tokens() + tokens_;
        order(found, logits);
        return found;
    }

    const reranker& ranker_;
    document_cache& cache_;
    const query& query_;
    std::span<const std::string> texts_;
    const rank_options& options_;
    const std::optional<text_options>& of_texts_;
    std::vector<std::vector<std::string_view>> passages_; // none: there was no time to cut the text
    std::vector<std::vector<float>> scores_;              // of the passages
    std::size_t most_new_;                                // documents encoded at once
    bool unhurried_; // began in time, and nothing has a score yet
    std::size_t tokens_ = 0;
};

} // namespace

text_ranker::text_ranker(const reranker& ranker, const rank_options& options,
                         const std::optional<text_options>& texts, std::size_t cache_bytes)
    : ranker_(ranker), options_(options), texts_(texts),
      // a cross-encoder's passages leave room for the query, so they are not those of another one
      remembers_(cache_bytes > 0 && ranker.stores_documents() &&
                 ranker.config().kind != model_kind::cross_encoder),
      cache_(remembers_ ? cache_bytes : 0) {
    options_.top_k = 0;
    options_.output = activation::logit;
    if (texts_) {
        texts_->cut.specials = options.specials;
    }
}

ranked_texts text_ranker::rank(std::string_view asked, std::span<const std::string> texts,
                               const call_limits& limits) {
    rank_options options = options_;
    options.deadline = limits.deadline;
    options.cancel = limits.cancel;
    const query encoded = ranker_.encode_query(asked, options);
    if (remembers_) {
        return remembering_call(ranker_, cache_, encoded, texts, options, texts_).run();
    }
    return rank_at_once(encoded, texts, options);
}

ranked_texts text_ranker::rank_at_once(const query& asked, std::span<const std::string> texts,
                                       const rank_options& options) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    std::vector<float> logits(texts.size(), std::numeric_limits<float>::quiet_NaN());
    ranked_texts found;
    found.tokens = asked.tokens();
    const auto take = [&](const hit& each) {
        logits[each.index] = each.score;
        found.tokens += each.tokens_seen;
    };
    try {
        if (texts_) {
            for (const text_hit& each :
                 rank_texts(ranker_, asked, std::span(views), options, *texts_)) {
                if (each.whole) {
                    take(each);
                }
            }
        } else {
            const std::vector<ranking> ranked = ranker_.rank_batch({&asked, 1}, views, options);
            for (const hit& each : ranked.front()) {
                take(each);
            }
        }
    } catch (const error& problem) {
        if (problem.code() != errc::stopped) {
            throw;
        }
    }
    order(found, logits);
    return found;
}

} // namespace mice::serve
