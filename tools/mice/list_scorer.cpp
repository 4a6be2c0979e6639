// SPDX-License-Identifier: Apache-2.0
#include "mice/list_scorer.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <string_view>
#include <thread>
#include <utility>

#include <mice/parallel.hpp>

#include "common/progress.hpp"
#include "mice/losses.hpp"

namespace mice::cli {
namespace {

using steady_clock = std::chrono::steady_clock;

constexpr std::size_t block_documents = 1024; // 256 tokens of 384 floats each: 0.4 GB

/// A pair by its places: which list, and which entry of it.
struct pair_place {
    std::uint32_t list;
    std::uint32_t entry;
};

/// The pairs of one document.
struct document_pairs {
    std::uint32_t document;
    std::vector<pair_place> pairs;
};

/// The distinct documents in the order in which the lists name them, so that the documents of one
/// list are near each other.
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
                result.push_back({document, {}});
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
                const std::string& label)
        : ranker_(ranker), lists_(lists), passages_(passages), options_(options),
          documents_(by_document(lists, passages.size())), bar_(label, total_work()) {
        result_.tokens_seen.resize(passages.size());
        result_.tokens_cut.resize(passages.size());
        for (const candidate_list& list : lists) {
            result_.scores.emplace_back(list.documents.size(),
                                        std::numeric_limits<float>::quiet_NaN());
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
        return std::move(result_);
    }

  private:
    [[nodiscard]] bool past_deadline() const {
        return options_.deadline && steady_clock::now() >= *options_.deadline;
    }
    /// A call that began in time goes on until one pair has a score.
    [[nodiscard]] bool out_of_time() const {
        return (options_.cancel != nullptr && options_.cancel->requested()) ||
               (!unhurried_ && past_deadline());
    }

    /// Each document once, block by block.
    void score_documents() {
        result_.query_tokens_cut.resize(lists_.size());
        queries_.resize(lists_.size());
        unhurried_ = !past_deadline();
        std::size_t block = options_.deadline ? 1 : block_documents;
        for (std::size_t first = 0; first < documents_.size() && !out_of_time();) {
            const steady_clock::time_point begin = steady_clock::now();
            const std::size_t count = std::min(block, documents_.size() - first);
            const std::span<const document_pairs> wanted(documents_.data() + first, count);
            const std::vector<document> encoded = encode_block(wanted);
            score_block(wanted.first(encoded.size()), encoded);
            first += count;
            if (options_.deadline &&
                (steady_clock::now() - begin) * 20 < *options_.deadline - begin) {
                block = std::min(2 * block, block_documents);
            }
        }
        for (std::size_t i = 0; i < lists_.size() && !out_of_time(); ++i) {
            if (lists_[i].documents.empty()) { // no document asked for its query
                result_.query_tokens_cut[i] =
                    ranker_.encode_query(lists_[i].query.text, options_).tokens_cut();
            }
        }
    }

    /// Pair by pair, list after list: for a model that reads query and document together.
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
            const ranking scored = ranker_.score(list.query.text, texts, options);
            result_.query_tokens_cut[i] = scored.query_tokens_cut;
            for (const hit& each : scored) {
                if (each.scored) {
                    const std::uint32_t document = list.documents[each.index];
                    result_.scores[i][each.index] = each.score;
                    result_.tokens_seen[document] = each.tokens_seen;
                    std::size_t& cut = result_.tokens_cut[document]; // depends on the query, too
                    cut = std::max(cut, each.tokens_cut);
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

    /// The block's documents, or as many of them as the time allows.
    std::vector<document> encode_block(std::span<const document_pairs> block) {
        const std::size_t cores = threads_for({options_.threads, nullptr}, block.size());
        const std::size_t step = std::max<std::size_t>(64, 8 * cores);
        rank_options whole_step = options_; // the time is looked at between steps
        whole_step.deadline.reset();
        std::vector<document> encoded;
        encoded.reserve(block.size());
        for (std::size_t first = 0; first < block.size() && !out_of_time(); first += step) {
            std::vector<std::string> texts;
            for (const document_pairs& each :
                 block.subspan(first, std::min(step, block.size() - first))) {
                texts.push_back(passages_[each.document].joined());
            }
            const std::vector<std::string_view> views(texts.begin(), texts.end());
            for (document& each : ranker_.encode_all(views, whole_step)) {
                const std::uint32_t place = block[encoded.size()].document;
                result_.tokens_seen[place] = each.tokens();
                result_.tokens_cut[place] = each.tokens_cut();
                encoded.push_back(std::move(each));
            }
            advance(texts.size() * encoding_weight);
        }
        return encoded;
    }

    struct list_work {
        std::uint32_t list;
        std::vector<const document*> documents;
        std::vector<std::uint32_t> entries;
    };

    void score_block(std::span<const document_pairs> block, const std::vector<document>& encoded) {
        std::vector<list_work> work;
        std::vector<std::size_t> place(lists_.size(), std::numeric_limits<std::size_t>::max());
        for (std::size_t i = 0; i < block.size(); ++i) {
            for (const pair_place& pair : block[i].pairs) {
                if (place[pair.list] >= work.size()) {
                    place[pair.list] = work.size();
                    work.push_back({pair.list, {}, {}});
                }
                work[place[pair.list]].documents.push_back(&encoded[i]);
                work[place[pair.list]].entries.push_back(pair.entry);
            }
        }
        // Many lists go in parallel, few lists share the threads within each.
        const std::size_t cores = threads_for({options_.threads, nullptr}, work.size());
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
            parallel_for(count, {lists_at_once, nullptr},
                         [&](std::size_t i) { score_list(work[first + i], each); });
            std::uint64_t pairs = 0;
            for (std::size_t i = first; i < first + count; ++i) {
                pairs += work[i].documents.size();
            }
            advance(pairs);
        }
    }

    /// Lists are worked on one thread each, so a query is encoded by one of them.
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
                result_.scores[work.list][work.entries[each.index]] = each.score;
            }
        }
    }

    const reranker& ranker_;
    std::span<const candidate_list> lists_;
    const tools::passage_list& passages_;
    rank_options options_;
    std::vector<document_pairs> documents_;
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
        queries.cut(errors::quoted(lists[i].query.id), scored.query_tokens_cut[i]);
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
                         const std::string& label) {
    return list_scorer(ranker, lists, passages, options, label).run();
}

} // namespace mice::cli
