// SPDX-License-Identifier: Apache-2.0
#include "mice/compare_results.hpp"

#include <algorithm>
#include <cmath>

namespace mice::cli {
namespace {

/// The quotient; nothing for a division without a result.
std::optional<double> ratio(double of, double to) {
    return to > 0 ? std::optional<double>(of / to) : std::nullopt;
}

/// A quantile of the sorted values, interpolated between two of them.
double quantile(std::span<const double> sorted, double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - std::floor(place));
}

void add_share(model_result& mean, const model_result& of, double share) {
    add_share(mean.reranked, of.reranked, share);
    mean.to_first_stage.ndcg += of.to_first_stage.ndcg * share;
    mean.to_baseline.ndcg += of.to_baseline.ndcg * share;
    mean.pairs += of.pairs;
    mean.documents_cut += of.documents_cut;
    mean.seconds += of.seconds;
    mean.not_stored.median += of.not_stored.median * share;
    if (of.stored) {
        latency& stored = mean.stored ? *mean.stored : mean.stored.emplace();
        stored.median += of.stored->median * share;
    }
    if (of.storage) {
        storage_cost& storage = mean.storage ? *mean.storage : mean.storage.emplace();
        storage.documents += of.storage->documents;
        storage.tokens += of.storage->tokens;
        storage.state_bytes += of.storage->state_bytes;
        storage.code_bytes += of.storage->code_bytes;
        storage.index_bytes += of.storage->index_bytes;
        storage.seconds += of.storage->seconds;
    }
}

} // namespace

double storage_cost::per_document(std::uint64_t bytes) const noexcept {
    return documents == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(documents);
}

double storage_cost::bytes_per_token() const noexcept {
    return tokens == 0 ? 0 : static_cast<double>(code_bytes) / static_cast<double>(tokens);
}

double storage_cost::documents_per_second() const noexcept {
    return seconds > 0 ? static_cast<double>(documents) / seconds : 0;
}

ratios ratios_of(const model_result& each, const model_result& baseline) {
    ratios result;
    result.ndcg = ratio(each.reranked.ndcg, baseline.reranked.ndcg);
    result.not_stored = ratio(baseline.not_stored.median, each.not_stored.median);
    if (each.stored) {
        const latency& beside = baseline.stored ? *baseline.stored : baseline.not_stored;
        result.stored = ratio(beside.median, each.stored->median);
    }
    if (each.storage && baseline.storage) {
        result.bytes = ratio(each.storage->per_document(each.storage->code_bytes),
                             baseline.storage->per_document(baseline.storage->code_bytes));
    }
    return result;
}

latency latency_of(std::vector<double> milliseconds) {
    std::sort(milliseconds.begin(), milliseconds.end());
    return {quantile(milliseconds, 0.5), quantile(milliseconds, 0.25), quantile(milliseconds, 0.75),
            milliseconds.front(), milliseconds.back()};
}

collection_result mean_of(std::span<const collection_result> all) {
    collection_result mean;
    mean.name = "mean";
    mean.first_stage = all.front().first_stage;
    mean.models.resize(all.front().models.size());
    const double share = 1.0 / static_cast<double>(all.size());
    for (const collection_result& each : all) {
        mean.queries += each.queries;
        mean.documents += each.documents;
        mean.timed_queries += each.timed_queries;
        mean.timed_candidates += each.timed_candidates * share;
        add_share(mean.before, each.before, share);
        for (std::size_t i = 0; i < mean.models.size(); ++i) {
            add_share(mean.models[i], each.models[i], share);
        }
    }
    return mean;
}

} // namespace mice::cli
