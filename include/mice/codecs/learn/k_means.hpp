// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <mice/codecs/learn/algebra.hpp>
#include <mice/codecs/product_quantiser.hpp>
#include <mice/kernels/active.hpp>

MICE_NAMESPACE_BEGIN
namespace store::learn {

/// A generator whose numbers are the same everywhere (splitmix64).
class training_random {
  public:
    explicit training_random(std::uint64_t seed) : state_(seed) {}
    std::size_t below(std::size_t limit) {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t value = state_;
        value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
        value = (value ^ value >> 27) * 0x94d049bb133111ebU;
        return static_cast<std::size_t>((value ^ value >> 31) % limit);
    }

  private:
    std::uint64_t state_;
};

/// k-means (Lloyd, 1982) of columns first..first+columns-1 of `rows` [rows, stride], at least one;
/// centroids [256, columns]. A centroid without members starts again at a row.
[[nodiscard]] inline std::vector<float> k_means(const std::vector<float>& rows, std::size_t stride,
                                                std::size_t first, std::size_t columns) {
    constexpr int rounds = 12;
    constexpr auto clusters = static_cast<int>(centroids_of_part);
    const kernels::kernel_set& kernels = kernels::active();
    // column after column, as nearest_column reads them
    using by_column = Eigen::Array<float, clusters, Eigen::Dynamic, Eigen::ColMajor>;
    const Eigen::Index width = index_of(columns);
    const std::size_t count = rows.size() / stride;
    const auto row_of = [&](std::size_t row) {
        return Eigen::Map<const Eigen::Array<float, 1, Eigen::Dynamic>>(
            rows.data() + row * stride + first, width);
    };
    training_random random(first);
    by_column centroids(clusters, width);
    for (auto centroid : centroids.rowwise()) {
        centroid = row_of(random.below(count));
    }
    for (int round = 0; round < rounds; ++round) {
        Eigen::Array<double, clusters, Eigen::Dynamic, Eigen::RowMajor> sums(clusters, width);
        Eigen::Array<double, clusters, 1> members;
        sums.setZero();
        members.setZero();
        for (std::size_t row = 0; row < count; ++row) {
            const auto x = row_of(row);
            const Eigen::Index nearest =
                index_of(kernels.nearest_column(x.data(), columns, centroids.data()));
            sums.row(nearest) += x.cast<double>();
            ++members(nearest);
        }
        for (Eigen::Index c = 0; c < clusters; ++c) {
            if (members(c) > 0) {
                centroids.row(c) = (sums.row(c) / members(c)).cast<float>();
            } else {
                centroids.row(c) = row_of(random.below(count));
            }
        }
    }
    std::vector<float> values(centroids_of_part * columns);
    Eigen::Map<float_matrix>(values.data(), clusters, width) = centroids.matrix();
    return values;
}

} // namespace store::learn
MICE_NAMESPACE_END
