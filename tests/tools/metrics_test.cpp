// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cmath>
#include <vector>

#include <mice/error.hpp>

#include "common/metrics.hpp"

using namespace mice::tools;
using grades = std::vector<int>;
using values = std::vector<double>;

TEST_CASE("nDCG has linear gains and the ideal order of all judged documents") {
    // 2/log2(2) + 0 + 1/log2(4) = 2.5 over 3/log2(2) + 2/log2(3) + 1/log2(4).
    const double ideal = 3 + 2 / std::log2(3.0) + 0.5;
    CHECK(ndcg(grades{2, 0, 1}, grades{1, 3, 2}) == Approx(2.5 / ideal));
    CHECK(ndcg(grades{3, 2, 1}, grades{1, 3, 2}) == Approx(1.0));
    CHECK(ndcg(grades{0, 0}, grades{1}) == 0);
}

TEST_CASE("nDCG is cut at its depth on both sides") {
    const grades list{0, 1, 1};
    CHECK(ndcg(list, grades{1, 1}, 2) == Approx((1 / std::log2(3.0)) / (1 + 1 / std::log2(3.0))));
    CHECK(ndcg(grades{1}, grades(30, 1), 10) < 1);
    grades late(11, 0);
    late[10] = 1;
    CHECK(ndcg(late, grades{1}) == 0);
}

TEST_CASE("negative grades and queries without relevant documents count nothing") {
    CHECK(ndcg(grades{-2, 1}, grades{1, -2}) == Approx(1 / std::log2(3.0)));
    CHECK(ndcg(grades{0}, grades{0, -1}) == 0);
    CHECK(recall(grades{0}, grades{0}) == 0);
    CHECK(reciprocal_rank(grades{-1, 0}) == 0);
    CHECK(ndcg(grades{}, grades{}) == 0);
}

TEST_CASE("reciprocal rank and recall look no deeper than they should") {
    CHECK(reciprocal_rank(grades{0, 0, 2, 1}) == Approx(1.0 / 3));
    grades late(11, 0);
    late[10] = 1;
    CHECK(reciprocal_rank(late) == 0);
    CHECK(reciprocal_rank(late, 11) == Approx(1.0 / 11));
    CHECK(recall(grades{1, 0, 2}, grades{1, 2, 1, 1}) == Approx(0.5));
    CHECK(recall(grades{0, 0, 2}, grades{1, 2}, 2) == 0);
}

TEST_CASE("the mean of nothing is 0") {
    CHECK(mean(values{}) == 0);
    CHECK(mean(values{1, 2, 6}) == Approx(3));
}

TEST_CASE("the bootstrap interval is near the normal one and the same every time") {
    values sample;
    for (int i = 0; i < 400; ++i) {
        sample.push_back(i % 2 == 0 ? 0.0 : 1.0);
    }
    const interval first = bootstrap_interval(sample);
    const interval second = bootstrap_interval(sample);
    CHECK(first.low == second.low);
    CHECK(first.high == second.high);
    const double half = 1.96 * 0.5 / std::sqrt(400.0);
    CHECK(first.low == Approx(0.5 - half).margin(0.01));
    CHECK(first.high == Approx(0.5 + half).margin(0.01));
    values uneven;
    for (int i = 0; i < 50; ++i) {
        uneven.push_back(std::sqrt(static_cast<double>(i)));
    }
    CHECK(bootstrap_interval(uneven, {.rounds = 1000, .seed = 1}).low !=
          bootstrap_interval(uneven, {.rounds = 1000, .seed = 3}).low);
    CHECK(bootstrap_interval(values{0.25}).low == 0.25);
    CHECK(bootstrap_interval(values{}).high == 0);
}

TEST_CASE("the paired test tells a real difference from noise") {
    values before;
    values better;
    values noisy;
    for (int i = 0; i < 60; ++i) {
        before.push_back(0.5);
        better.push_back(0.55 + 0.001 * (i % 7));
        noisy.push_back(i % 2 == 0 ? 0.6 : 0.4);
    }
    CHECK(paired_randomisation_test(before, better) < 0.001);
    CHECK(paired_randomisation_test(better, before) < 0.001);
    CHECK(paired_randomisation_test(before, noisy) > 0.9);
    CHECK(paired_randomisation_test(before, before) == 1);
    CHECK(paired_randomisation_test(values{}, values{}) == 1);
    CHECK_THROWS_AS(paired_randomisation_test(values{1}, values{}), mice::error);
}

TEST_CASE("the paired test agrees with counting all sign assignments") {
    // Differences 1, 2, 3: of the 8 signed sums only +6 and -6 are as far out: p = 1/4.
    CHECK(paired_randomisation_test(values{0, 0, 0}, values{1, 2, 3}) == Approx(0.25).margin(0.02));
    // Differences 1, 1, -1: every sum is at least as far out as 1.
    CHECK(paired_randomisation_test(values{0, 0, 1}, values{1, 1, 0}) == Approx(1.0));
}
