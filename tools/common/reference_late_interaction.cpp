// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "common/reference_scorer.hpp"

// Late interaction (ColBERT) in the oracle.
namespace mice::tools {
namespace {

std::vector<std::int32_t> with_marker(std::span<const std::int32_t> ids, std::int32_t marker) {
    std::vector<std::int32_t> marked(ids.begin(), ids.end());
    marked.insert(marked.begin() + (ids.empty() ? 0 : 1), marker);
    return marked;
}

} // namespace

reference_matrix reference_scorer::vectors(std::span<const std::int32_t> ids, std::size_t seen,
                                           const attention_observer& observer) const {
    reference_matrix x = embed({{ids.begin(), ids.end()}, ids.size()});
    for (std::size_t i = 0; i < config_.layers; ++i) {
        const std::string layer = "layers." + std::to_string(i);
        attention_block block = self_block(layer, i, config_.num_attention_heads);
        block.hidden = [seen](std::size_t, std::size_t column) { return column >= seen; };
        attend(x, nullptr, block, observer);
        feed_forward(x, layer);
    }
    reference_matrix y = linear(x, {"linear"});
    for (auto vector : y.rowwise()) {
        vector /= std::max(vector.norm(), 1e-12);
    }
    return y;
}

/// sum_i max_j q_i . d_j, over the document's tokens that are not skipped
double reference_scorer::late_interaction(std::span<const std::int32_t> query_ids,
                                          std::span<const std::int32_t> document_ids,
                                          const attention_observer& observer) const {
    std::vector<std::int32_t> query = with_marker(query_ids, config_.query_marker);
    const std::size_t given = query.size();
    query.resize(std::max(given, config_.max_query_length), config_.filler);
    const std::vector<std::int32_t> document = with_marker(document_ids, config_.document_marker);
    const reference_matrix q =
        vectors(query, config_.attend_to_filler ? query.size() : given, observer);
    const reference_matrix d = vectors(document, document.size(), {});
    reference_matrix similarities = q * d.transpose();
    for (std::size_t j = 0; j < document.size(); ++j) {
        if (config_.skips(document[j])) {
            similarities.col(index_of(j)).setConstant(-std::numeric_limits<double>::infinity());
        }
    }
    return similarities.rowwise().maxCoeff().sum();
}

} // namespace mice::tools
