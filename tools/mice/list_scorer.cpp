// SPDX-License-Identifier: Apache-2.0
#include "mice/list_scorer.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <string_view>
#include <thread>
#include <utility>

#include <mice/parallel/parallel_for.hpp>

#include "common/progress.hpp"
#include "mice/losses.hpp"

namespace mice::cli {
namespace {

using steady_clock = std::chrono::steady_clock;

constexpr std::size_t block_passages = 1024; // 256 tokens of 384 floats each: 0.4 GB

/// A pair: its list, and its place in it.
struct pair_place {
    std::uint32_t list;
    std::uint32_t entry;
};

/// The pairs of one document, and its passages.
struct document_pairs {
    std::uint32_t document;
    std::vector<pair_place> pairs;
    std::vector<best_passage> passages; ///< known when it is its turn
};

/// A passage of a document, by its place in the list of documents.
struct passage_place {
    std::uint32_t document;
    std::uint32_t passage;
};

/// The distinct documents, in the order in which the lists name them: documents of one list are
/// close together.
std::vector<document_pairs> by_document(std::span<const candidate_list> lists,
                                        std::size_t documents) {
    constexpr auto unseen = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> place(documents, unseen);
    std::vector<document_pairs> result;
    for (std::size_t list = 0; list < lists.size(); ++list) {
        for (std::size_t entry = 0; entry < lists[list].documents.size(); ++entry) {
            const std::uint32_t document = lists[list].documents[entry];
            if (place[document] == unseen) {
                place[document] = result.size();
                result.push_back({document, {}, {}});
            }
            result[place[document]].pairs.push_back(
                {static_cast<std::uint32_t>(list), static_cast<std::uint32_t>(entry)});
        }
    }
    return result;
}

class list_scorer {
  public:
    list_scorer(const reranker& ranker, std::span<const candidate_list> lists,
                const tools::passage_list& passages, const rank_options& options,
                const std::optional<text_options>& texts, const std::string& label)
        : ranker_(ranker), lists_(lists), passages_(passages), options_(options), texts_(texts),
          documents_(by_document(lists, passages.size())), bar_(label, total_work()) {
        result_.tokens_seen.resize(passages.size());
        result_.tokens_cut.resize(passages.size());
        for (const candidate_list& list : lists) {
            result_.scores.emplace_back(list.documents.size(),
                                        std::numeric_limits<float>::quiet_NaN());
            if (texts) {
                result_.best.emplace_back(list.documents.size());
            }
        }
        if (texts_) {
            texts_->cut.specials = options.specials;
        }
    }

    scored_lists run() {
        if (ranker_.stores_documents()) {
            score_documents();
        } else {
            score_texts();
        }
        for (const std::vector<float>& scores : result_.scores) {
            for (const float score : scores) {
                result_.pairs += score == score ? 1 : 0; // NaN: the time ran out
                result_.complete = result_.complete && score == score;
            }
        }
        result_.complete = result_.complete && whole_;
        return std::move(result_);
    }

  private:
    [[nodiscard]] bool past_deadline() const {
        return options_.deadline && steady_clock::now() >= *options_.deadline;
    }
    /// A call that begins in time goes on until one pair has a score.
    [[nodiscard]] bool out_of_time() const {
        return (options_.cancel != nullptr && options_.cancel->requested()) ||
               (!unhurried_ && past_deadline());
    }

    /// Encodes every passage once, block by block.
    void score_documents() {
        result_.query_tokens_cut.resize(lists_.size());
        queries_.resize(lists_.size());
        passage_scores_.resize(lists_.size());
        for (std::size_t i = 0; i < lists_.size(); ++i) {
            passage_scores_[i].resize(lists_[i].documents.size());
        }
        unhurried_ = !past_deadline();
        std::size_t block = options_.deadline ? 1 : block_passages;
        for (cut_more(block); !waiting_.empty() && !out_of_time(); cut_more(block)) {
            const steady_clock::time_point begin = steady_clock::now();
            const std::size_t count = std::min(block, waiting_.size());
            const std::vector<passage_place> wanted(
                waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
            waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
            const std::vector<document> encoded = encode_block(wanted);
            score_block(std::span(wanted).first(encoded.size()), encoded);
            if (options_.deadline &&
                (steady_clock::now() - begin) * 20 < *options_.deadline - begin) {
                block = std::min(2 * block, block_passages);
            }
        }
        join_passages();
        for (std::size_t i = 0; i < lists_.size() && !out_of_time(); ++i) {
            if (lists_[i].documents.empty()) { // no document asked for its query
                result_.query_tokens_cut[i] =
                    ranker_.encode_query(lists_[i].query.text, options_).tokens_cut();
            }
        }
    }

    /// Cuts documents until a block's passages wait, or there are no more.
    void cut_more(std::size_t block) {
        const std::size_t cores =
            parallel::threads_for({options_.threads, nullptr}, documents_.size());
        while (waiting_.size() < block && next_document_ < documents_.size()) {
            const std::size_t first = next_document_;
            const std::size_t count = std::min(documents_.size() - first,
                                               block == 1 ? 1 : std::max<std::size_t>(64, cores));
            parallel::parallel_for(count, {options_.threads, nullptr}, [&](std::size_t i) {
                document_pairs& each = documents_[first + i];
                if (!texts_) {
                    each.passages.emplace_back();
                    return;
                }
                const std::string text = passages_[each.document].joined();
                const std::vector<passage> found = passages_of_text(ranker_, text, texts_->cut);
                for (const passage& one : found) {
                    each.passages.emplace_back(one, found.size());
                }
            });
            next_document_ += count;
            for (std::size_t i = first; i < next_document_; ++i) {
                for (std::size_t k = 0; k < documents_[i].passages.size(); ++k) {
                    waiting_.push_back(
                        {static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(k)});
                }
            }
        }
    }

    /// The scores of texts, from those of their passages.
    void join_passages() {
        for (const document_pairs& each : documents_) {
            for (const pair_place& pair : each.pairs) {
                const auto& scores = passage_scores_[pair.list][pair.entry];
                if (scores.empty()) {
                    continue;
                }
                std::vector<float> known;
                std::size_t best = 0;
                for (std::size_t k = 0; k < scores.size(); ++k) {
                    if (scores[k] == scores[k]) {
                        best = known.empty() || scores[k] > scores[best] ? k : best;
                        known.push_back(scores[k]);
                    }
                }
                whole_ = whole_ && known.size() == scores.size();
                if (known.empty()) {
                    continue;
                }
                result_.scores[pair.list][pair.entry] =
                    texts_ ? score_of_text(known, *texts_) : known.front();
                if (texts_) {
                    result_.best[pair.list][pair.entry] = each.passages[best];
                }
            }
        }
    }

    /// Pair by pair, list after list, for a model that reads query and document together.
    void score_texts() {
        result_.query_tokens_cut.resize(lists_.size());
        for (std::size_t i = 0; i < lists_.size() && !out_of_time(); ++i) {
            const candidate_list& list = lists_[i];
            std::vector<std::string> texts;
            for (const std::uint32_t document : list.documents) {
                texts.push_back(passages_[document].joined());
            }
            rank_options options = options_;
            options.progress = [this](std::size_t done, std::size_t) { bar_.update(done_ + done); };
            const auto take = [&](const hit& each) {
                const std::uint32_t document = list.documents[each.index];
                result_.scores[i][each.index] = each.score;
                result_.tokens_seen[document] = each.tokens_seen;
                std::size_t& cut = result_.tokens_cut[document]; // depends on the query, too
                cut = std::max(cut, each.tokens_cut);
            };
            if (texts_) {
                options.progress = [this, &texts](std::size_t done, std::size_t all) {
                    bar_.update(done_ + texts.size() * done / std::max(all, done));
                };
                const text_ranking scored =
                    rank_texts(ranker_, list.query.text, texts, options, *texts_);
                result_.query_tokens_cut[i] = scored.query_tokens_cut;
                for (const text_hit& each : scored) {
                    take(each);
                    whole_ = whole_ && each.whole;
                    result_.passages += each.passages;
                    result_.best[i][each.index] = best_passage(each.best, each.passages);
                }
            } else {
                const ranking scored = ranker_.score(list.query.text, texts, options);
                result_.query_tokens_cut[i] = scored.query_tokens_cut;
                for (const hit& each : scored) {
                    if (each.scored) {
                        take(each);
                        ++result_.passages;
                    }
                }
            }
            advance(texts.size());
        }
    }

    /// Encoding a document costs far more than scoring a pair.
    static constexpr std::uint64_t encoding_weight = 16;

    [[nodiscard]] std::uint64_t total_work() const {
        std::uint64_t work = ranker_.stores_documents() ? documents_.size() * encoding_weight : 0;
        for (const document_pairs& each : documents_) {
            work += each.pairs.size();
        }
        return work;
    }

    void advance(std::uint64_t work) {
        done_ += work;
        bar_.update(done_);
    }

    /// The block's passages, or as many as the time allows.
    std::vector<document> encode_block(std::span<const passage_place> block) {
        const std::size_t cores = parallel::threads_for({options_.threads, nullptr}, block.size());
        const std::size_t step = std::max<std::size_t>(64, 8 * cores);
        rank_options whole_step = options_; // the time is checked between steps
        whole_step.deadline.reset();
        std::vector<document> encoded;
        encoded.reserve(block.size());
        for (std::size_t first = 0; first < block.size() && !out_of_time(); first += step) {
            std::vector<std::string> texts;
            std::uint64_t work = 0;
            for (const passage_place& each :
                 block.subspan(first, std::min(step, block.size() - first))) {
                const document_pairs& of = documents_[each.document];
                const best_passage& place = of.passages[each.passage];
                texts.emplace_back(place.in(passages_[of.document].joined()));
                work += each.passage + 1 == of.passages.size() ? encoding_weight : 0;
            }
            const std::vector<std::string_view> views(texts.begin(), texts.end());
            for (document& each : ranker_.encode_all(views, whole_step)) {
                const std::uint32_t place = documents_[block[encoded.size()].document].document;
                result_.tokens_seen[place] += each.tokens();
                result_.tokens_cut[place] += each.tokens_cut();
                encoded.push_back(std::move(each));
            }
            result_.passages += texts.size();
            advance(work);
        }
        return encoded;
    }

    struct list_work {
        std::uint32_t list;
        std::vector<const document*> documents;
        std::vector<float*> scores; ///< where they go
        std::uint64_t pairs = 0;    ///< whose last passage is among them
    };

    void score_block(std::span<const passage_place> block, const std::vector<document>& encoded) {
        std::vector<list_work> work;
        std::vector<std::size_t> place(lists_.size(), std::numeric_limits<std::size_t>::max());
        for (std::size_t i = 0; i < block.size(); ++i) {
            const document_pairs& of = documents_[block[i].document];
            for (const pair_place& pair : of.pairs) {
                if (place[pair.list] >= work.size()) {
                    place[pair.list] = work.size();
                    work.push_back({pair.list, {}, {}, 0});
                }
                std::vector<float>& scores = passage_scores_[pair.list][pair.entry];
                scores.resize(of.passages.size(), std::numeric_limits<float>::quiet_NaN());
                list_work& one = work[place[pair.list]];
                one.documents.push_back(&encoded[i]);
                one.scores.push_back(&scores[block[i].passage]);
                one.pairs += block[i].passage + 1 == of.passages.size() ? 1 : 0;
            }
        }
        // Many lists are scored in parallel; few lists share the threads one after the other.
        const std::size_t cores = parallel::threads_for({options_.threads, nullptr}, work.size());
        rank_options each = options_;
        each.threads = work.size() >= 2 * cores ? 1 : options_.threads;
        const std::size_t lists_at_once = each.threads == 1 ? options_.threads : 1;
        const std::size_t step = std::max<std::size_t>(1, 4 * cores);
        for (std::size_t first = 0; first < work.size() && !out_of_time(); first += step) {
            const std::size_t count = std::min(step, work.size() - first);
            if (unhurried_ && options_.deadline) {
                rank_options whole = options_;
                whole.deadline.reset();
                score_list(work[first], whole);
                unhurried_ = false;
            }
            parallel::parallel_for(count, {lists_at_once, nullptr},
                                   [&](std::size_t i) { score_list(work[first + i], each); });
            std::uint64_t pairs = 0;
            for (std::size_t i = first; i < first + count; ++i) {
                pairs += work[i].pairs;
            }
            advance(pairs);
        }
    }

    /// Every list has one thread, so every query is encoded by one thread.
    void score_list(const list_work& work, const rank_options& options) {
        std::optional<query>& asked = queries_[work.list];
        if (!asked) {
            asked = ranker_.encode_query(lists_[work.list].query.text, options_);
            result_.query_tokens_cut[work.list] = asked->tokens_cut();
        }
        const ranking scored =
            ranker_.score(*asked, std::span<const document* const>(work.documents), options);
        for (const hit& each : scored) {
            if (each.scored) {
                *work.scores[each.index] = each.score;
            }
        }
    }

    const reranker& ranker_;
    std::span<const candidate_list> lists_;
    const tools::passage_list& passages_;
    rank_options options_;
    std::optional<text_options> texts_;
    std::vector<document_pairs> documents_;
    std::size_t next_document_ = 0;      ///< the first that is not cut
    std::vector<passage_place> waiting_; ///< cut and not encoded, in order
    /// By list and entry, the scores of a text's passages.
    std::vector<std::vector<std::vector<float>>> passage_scores_;
    bool whole_ = true; ///< no text lacks the score of a passage
    std::vector<std::optional<query>> queries_;
    scored_lists result_;
    std::uint64_t done_ = 0;
    bool unhurried_ = false; ///< began in time, and no pair has a score
    tools::progress_bar bar_;
};

} // namespace

std::size_t scored_lists::documents_cut() const {
    return static_cast<std::size_t>(std::count_if(tokens_cut.begin(), tokens_cut.end(),
                                                  [](std::size_t cut) { return cut > 0; }));
}

void report_losses(std::span<const candidate_list> lists, const scored_lists& scored) {
    text_losses queries("queries");
    for (std::size_t i = 0; i < lists.size(); ++i) {
        queries.cut(detail::errors::quoted(lists[i].query.id), scored.query_tokens_cut[i]);
    }
    queries.report();
    text_losses documents("documents");
    for (const std::size_t tokens : scored.tokens_cut) {
        documents.cut("", tokens);
    }
    documents.report();
}

scored_lists score_lists(const reranker& ranker, std::span<const candidate_list> lists,
                         const tools::passage_list& passages, const rank_options& options,
                         const std::optional<text_options>& texts, const std::string& label) {
    return list_scorer(ranker, lists, passages, options, texts, label).run();
}

} // namespace mice::cli
