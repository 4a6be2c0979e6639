// SPDX-License-Identifier: Apache-2.0
#include "mice/compare_measures.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <mice/error.hpp>

#include "common/progress.hpp"
#include "common/scratch_folder.hpp"
#include "mice/index_commands.hpp"
#include "mice/list_scorer.hpp"

namespace mice::cli {
namespace {

using steady_clock = std::chrono::steady_clock;

double seconds_since(steady_clock::time_point start) {
    return std::chrono::duration<double>(steady_clock::now() - start).count();
}

/// The timed queries, with the texts of their candidates.
struct timed_sample {
    struct query {
        std::string_view text;
        std::vector<std::string_view> passages, ids; ///< of the candidates
    };
    std::vector<std::string> texts, ids; ///< of the distinct candidates
    std::vector<query> queries;
};

/// Queries spread over the collection, so that a sorted file does no harm.
timed_sample sample_of(const judged_lists& judged, std::size_t wanted) {
    std::vector<const candidate_list*> lists;
    for (const candidate_list& each : judged.lists) {
        if (!each.documents.empty()) {
            lists.push_back(&each);
        }
    }
    const std::size_t count = std::min(wanted, lists.size());
    std::vector<const candidate_list*> chosen;
    std::unordered_map<std::uint32_t, std::size_t> places;
    timed_sample sample;
    for (std::size_t i = 0; i < count; ++i) {
        chosen.push_back(lists[i * lists.size() / count]);
        for (const std::uint32_t document : chosen.back()->documents) {
            if (places.emplace(document, sample.texts.size()).second) {
                sample.texts.push_back(judged.data.corpus[document].joined());
                sample.ids.push_back(std::to_string(document)); // a corpus allows ids that an
                                                                // index refuses
            }
        }
    }
    for (const candidate_list* list : chosen) { // after the texts have their final places
        timed_sample::query& query = sample.queries.emplace_back();
        query.text = list->query.text;
        for (const std::uint32_t document : list->documents) {
            query.passages.emplace_back(sample.texts[places.at(document)]);
            query.ids.emplace_back(sample.ids[places.at(document)]);
        }
    }
    return sample;
}

/// One model's documents of the sample, in an index of their own that is removed with this object.
class stored_sample {
  public:
    stored_sample(const compared_model& model, const timed_sample& sample,
                  const measuring_options& options)
        : index_(index::create(folder_.path() / "index", model.ranker, options.stored,
                               access_of(options.library))) {
        constexpr std::size_t step = 128; // documents in memory: 256 tokens of 384 floats are 50 MB
        tools::progress_bar bar("storing: " + model.name, sample.texts.size());
        const std::vector<std::string_view> texts(sample.texts.begin(), sample.texts.end());
        for (std::size_t first = 0; first < texts.size(); first += step) {
            const std::size_t count = std::min(step, texts.size() - first);
            const auto start = steady_clock::now();
            const std::vector<document> encoded = model.ranker.encode_all(
                std::span<const std::string_view>(texts).subspan(first, count), options.library);
            cost_.seconds += seconds_since(start);
            for (std::size_t i = 0; i < count; ++i) {
                cost_.state_bytes += encoded[i].states().size_bytes();
                (void)index_.put_encoded(sample.ids[first + i], encoded[i]);
            }
            bar.update(first + count);
        }
        (void)index_.commit();
        const index_stats stats = index_.stats();
        cost_.documents = static_cast<std::size_t>(stats.documents);
        cost_.tokens = static_cast<std::size_t>(stats.tokens);
        cost_.code_bytes = stats.bytes.codes;
        cost_.index_bytes = stats.bytes.total();
    }

    [[nodiscard]] const index& documents() const noexcept { return index_; }
    [[nodiscard]] const storage_cost& cost() const noexcept { return cost_; }

  private:
    tools::scratch_folder folder_{"mice-compare"}; // outlives the open index
    index index_;
    storage_cost cost_;
};

/// One way of ranking that is timed.
struct timed_way {
    const compared_model* model;
    const index* stored; ///< null: from texts
    std::vector<double> milliseconds;

    void run(const timed_sample::query& query, const rank_options& options) {
        const auto start = steady_clock::now();
        const bool complete =
            stored != nullptr
                ? stored->rank(query.text, std::span<const std::string_view>(query.ids), options)
                      .complete
                : model->ranker
                      .rank(query.text, std::span<const std::string_view>(query.passages), options)
                      .complete;
        milliseconds.push_back(1000 * seconds_since(start));
        if (!complete) {
            throw detail::errors::stopped("timing");
        }
    }
};

/// All ways take turns, query by query, so that a machine that slows down does so for all. The
/// first one changes, too.
void time_in_turn(std::vector<timed_way>& ways, const timed_sample& sample,
                  const rank_options& options) {
    tools::progress_bar bar("timing", (sample.queries.size() + 1) * ways.size());
    std::uint64_t done = 0;
    for (timed_way& each : ways) { // the first call of each grows its work memory
        each.run(sample.queries.front(), options);
        each.milliseconds.clear();
        bar.update(++done);
    }
    for (std::size_t q = 0; q < sample.queries.size(); ++q) {
        for (std::size_t i = 0; i < ways.size(); ++i) {
            ways[(q + i) % ways.size()].run(sample.queries[q], options);
            bar.update(++done);
        }
    }
}

void measure_costs(std::span<const compared_model> models, const judged_lists& judged,
                   const measuring_options& options, collection_result& into) {
    const timed_sample sample = sample_of(judged, options.timed_queries);
    if (sample.queries.empty()) {
        throw detail::errors::bad_argument("no query of " + detail::errors::quoted(judged.name) +
                                           " has candidates to rank");
    }
    std::size_t candidates = 0;
    for (const timed_sample::query& each : sample.queries) {
        candidates += each.passages.size();
    }
    into.timed_queries = sample.queries.size();
    into.timed_candidates =
        static_cast<double>(candidates) / static_cast<double>(sample.queries.size());

    std::vector<std::unique_ptr<stored_sample>> stored(models.size());
    std::vector<timed_way> ways;
    for (std::size_t m = 0; m < models.size(); ++m) {
        ways.push_back({&models[m], nullptr, {}});
        if (models[m].ranker.stores_documents()) {
            stored[m] = std::make_unique<stored_sample>(models[m], sample, options);
            ways.push_back({&models[m], &stored[m]->documents(), {}});
            into.models[m].storage = stored[m]->cost();
        }
    }
    time_in_turn(ways, sample, options.library);
    for (const timed_way& each : ways) {
        model_result& result = into.models[static_cast<std::size_t>(each.model - models.data())];
        if (each.stored != nullptr) {
            result.stored = latency_of(each.milliseconds);
        } else {
            result.not_stored = latency_of(each.milliseconds);
        }
    }
}

/// The scores of all pairs. Every error names the model.
scored_lists scores_of(const compared_model& model, const judged_lists& judged,
                       const rank_options& options) {
    try {
        scored_lists scored = score_lists(model.ranker, judged.lists, judged.data.corpus, options,
                                          std::nullopt, judged.name + ": " + model.name);
        if (!scored.complete) {
            throw detail::errors::stopped("scoring");
        }
        return scored;
    } catch (const error& problem) {
        throw problem.code() == errc::stopped ? problem : model.failure(problem);
    }
}

} // namespace

void check_storable(std::span<const compared_model> models, const index_options& stored) {
    for (const compared_model& each : models) {
        if (!each.ranker.stores_documents()) {
            continue;
        }
        const tools::scratch_folder folder("mice-compare");
        try {
            (void)index::create(folder.path() / "index", each.ranker, stored);
        } catch (const error& problem) {
            throw each.failure(problem);
        }
    }
}

collection_result measure(std::span<const compared_model> models, const judged_lists& judged,
                          const measuring_options& options) {
    collection_result result;
    result.name = judged.name;
    result.first_stage = judged.first_stage;
    result.queries = judged.lists.size();
    result.documents = judged.data.corpus.size();
    const figures before = first_stage_figures(judged);
    result.before = summary(before);
    std::vector<figures> after;
    for (const compared_model& each : models) {
        const auto start = steady_clock::now();
        const scored_lists scored = scores_of(each, judged, options.library);
        model_result& one = result.models.emplace_back();
        one.seconds = seconds_since(start);
        one.pairs = scored.pairs;
        one.documents_cut = scored.documents_cut();
        after.push_back(reranked_figures(judged, scored.scores));
        one.reranked = summary(after.back());
        one.to_first_stage = difference_of(before, after.back());
    }
    for (std::size_t m = 0; m < models.size(); ++m) {
        result.models[m].to_baseline = difference_of(after[options.baseline], after[m]);
    }
    measure_costs(models, judged, options, result);
    return result;
}

} // namespace mice::cli
