// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/kernels/buffer.hpp>
#include <mice/nn/packed_matrix.hpp>

// Fewer rows for a document: similar states become their mean (Clavie et al., 2024, arXiv
// 2409.14683, who pool late interaction's vectors in the same way).
MICE_NAMESPACE_BEGIN
namespace store {

/// The stored rows of a document, and a token for each of them.
struct document_rows {
    std::vector<float> states;     ///< [ids, width]
    std::vector<std::int32_t> ids; ///< of the first token of each row
};

namespace detail {

/// Ward's hierarchical clustering of up to a few hundred rows: the two clusters whose union adds
/// the least squared error are joined until `clusters` are left. Ties go to the lower rows.
class ward_clustering {
  public:
    ward_clustering(const float* rows, std::size_t count, std::size_t width)
        : count_(count), costs_(count * count), sizes_(count, 1.0F), cluster_of_(count) {
        std::iota(cluster_of_.begin(), cluster_of_.end(), std::size_t{0});
        products(rows, width);
        join_all();
    }

    /// The lowest row of each row's cluster.
    [[nodiscard]] std::vector<std::size_t> cut(std::size_t clusters) {
        std::stable_sort(joins_.begin(), joins_.end(),
                         [](const join& a, const join& b) { return a.cost < b.cost; });
        for (std::size_t i = 0; i + clusters < count_; ++i) {
            const std::size_t a = root(joins_[i].first);
            const std::size_t b = root(joins_[i].second);
            cluster_of_[std::max(a, b)] = std::min(a, b);
        }
        std::vector<std::size_t> lowest(count_);
        for (std::size_t i = 0; i < count_; ++i) {
            lowest[i] = root(i);
        }
        return lowest;
    }

  private:
    struct join {
        float cost;
        std::size_t first, second; // any row of each cluster
    };

    [[nodiscard]] float& cost(std::size_t a, std::size_t b) { return costs_[a * count_ + b]; }

    /// The cost of joining two single rows is half their squared distance.
    void products(const float* rows, std::size_t width) {
        const nn::matrix_view all = nn::matrix_at(rows, count_, width);
        nn::packed_matrix packed;
        packed.pack_transposed(kernels::product_kind::f32, all);
        kernels::buffer scratch;
        packed.multiply(all, nn::matrix_at(costs_.data(), count_, count_), scratch);
        std::vector<float> squares(count_);
        for (std::size_t i = 0; i < count_; ++i) {
            squares[i] = cost(i, i);
        }
        for (std::size_t i = 0; i < count_; ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                const float distance = squares[i] + squares[j] - 2 * cost(i, j);
                cost(i, j) = cost(j, i) = std::max(0.0F, distance) / 2;
            }
        }
    }

    /// Finds all count - 1 joins by chains of nearest neighbours, without a search over all pairs.
    void join_all() {
        std::vector<bool> gone(count_, false);
        std::vector<std::size_t> chain;
        for (std::size_t left = count_; left > 1;) {
            if (chain.empty()) {
                chain.push_back(static_cast<std::size_t>(
                    std::find(gone.begin(), gone.end(), false) - gone.begin()));
            }
            const std::size_t last = chain.back();
            const std::size_t before = chain.size() > 1 ? chain[chain.size() - 2] : count_;
            std::size_t nearest = before; // wins ties, so that chains end
            float least =
                before == count_ ? std::numeric_limits<float>::infinity() : cost(last, before);
            for (std::size_t i = 0; i < count_; ++i) {
                if (!gone[i] && i != last && (cost(last, i) < least || nearest == count_)) {
                    nearest = i;
                    least = cost(last, i);
                }
            }
            if (nearest != before) {
                chain.push_back(nearest);
                continue;
            }
            chain.resize(chain.size() - 2);
            joins_.push_back({least, std::min(last, before), std::max(last, before)});
            unite(std::min(last, before), std::max(last, before), gone);
            --left;
        }
    }

    /// Puts cluster `other` into `kept`; costs follow by Lance and Williams' formula.
    void unite(std::size_t kept, std::size_t other, std::vector<bool>& gone) {
        const float joined = cost(kept, other);
        gone[other] = true;
        for (std::size_t i = 0; i < count_; ++i) {
            if (!gone[i] && i != kept) {
                const float both = sizes_[kept] + sizes_[other];
                const float sum = (sizes_[kept] + sizes_[i]) * cost(kept, i) +
                                  (sizes_[other] + sizes_[i]) * cost(other, i) - sizes_[i] * joined;
                cost(kept, i) = cost(i, kept) = std::max(0.0F, sum / (both + sizes_[i]));
            }
        }
        sizes_[kept] += sizes_[other];
    }

    [[nodiscard]] std::size_t root(std::size_t row) const {
        while (cluster_of_[row] != row) {
            row = cluster_of_[row];
        }
        return row;
    }

    std::size_t count_;
    std::vector<float> costs_; // [count, count]
    std::vector<float> sizes_; // of each cluster
    std::vector<std::size_t> cluster_of_;
    std::vector<join> joins_;
};

/// Replaces rows first..last-1 by `clusters` means, in the order of their lowest rows.
inline void append_pooled(const document_rows& all, std::size_t width, std::size_t first,
                          std::size_t last, std::size_t clusters, document_rows& out) {
    const float* rows = all.states.data() + first * width;
    const std::vector<std::size_t> lowest =
        ward_clustering(rows, last - first, width).cut(clusters);
    for (std::size_t row = 0; row < lowest.size(); ++row) {
        if (lowest[row] != row) {
            continue;
        }
        const std::size_t begin = out.states.size();
        out.states.resize(begin + width);
        float* mean = out.states.data() + begin;
        float members = 0;
        for (std::size_t i = row; i < lowest.size(); ++i) {
            if (lowest[i] == row) {
                kernels::active().add(rows + i * width, mean, width);
                ++members;
            }
        }
        for (std::size_t i = 0; i < width; ++i) {
            mean[i] /= members;
        }
        out.ids.push_back(all.ids[first + row]);
    }
}

} // namespace detail

/// Roughly one row for every `factor` rows of the document. Row 0 stays, and clusters of the others
/// become their means, 512 rows at a time, so that time and memory stay linear. The same rows give
/// the same bits.
[[nodiscard]] inline document_rows pool_rows(document_rows all, std::size_t width,
                                             std::size_t factor) {
    constexpr std::size_t window = 512;
    if (factor < 2 || all.ids.size() < 3) {
        return all;
    }
    document_rows pooled;
    pooled.states.assign(all.states.begin(),
                         all.states.begin() + static_cast<std::ptrdiff_t>(width));
    pooled.ids.assign(1, all.ids[0]);
    for (std::size_t first = 1; first < all.ids.size(); first += window) {
        const std::size_t last = std::min(all.ids.size(), first + window);
        detail::append_pooled(all, width, first, last, (last - first + factor - 1) / factor,
                              pooled);
    }
    return pooled;
}

} // namespace store
MICE_NAMESPACE_END
