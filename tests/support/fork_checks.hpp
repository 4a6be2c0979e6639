// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "forked_child.hpp"
#include "index_fixture.hpp"

#include <mice/parallel/shared_loop.hpp>
#include <mice/system/processors.hpp>

// The checks of a forked process, for files that are compiled with OpenMP and without.
namespace fixtures {

/// Whether a loop on three threads, of which no machine has too few, runs each task once.
inline bool loop_is_whole() {
    std::vector<std::atomic<int>> counts(50);
    const std::function<void(std::size_t)> task = [&](std::size_t i) { counts[i].fetch_add(1); };
    mice::detail::shared_loop loop(counts.size(), task);
    mice::detail::work_with_own_threads(loop, 3);
    loop.finish();
    return std::vector<int>(counts.begin(), counts.end()) == std::vector<int>(50, 1);
}

inline void check_forked_children() {
    CHECK_FALSE(mice::detail::is_forked());
    REQUIRE(loop_is_whole()); // OpenMP has threads now
    CHECK(holds_in_child([] { return mice::detail::is_forked() && loop_is_whole(); }));
    // and a child of the child
    CHECK(holds_in_child(
        [] { return loop_is_whole() && holds_in_child([] { return loop_is_whole(); }); }));
    CHECK_FALSE(mice::detail::is_forked());
    CHECK(loop_is_whole());

    const model_in_memory model;
    const temporary_folder folder;
    std::vector<std::string> texts;
    for (std::uint64_t i = 0; i < 80; ++i) {
        texts.push_back(passage(i));
    }
    const auto rank = [&] {
        std::vector<float> scores;
        for (const mice::hit& each : model.ranker.rank(question, texts)) {
            scores.push_back(each.score);
        }
        return scores;
    };
    const std::vector<float> expected = rank();
    CHECK(holds_in_child([&] { return rank() == expected && rank() == expected; }));
    CHECK(holds_in_child([&] {
        const mice::reranker loaded{std::span<const std::byte>(model.bytes)};
        mice::index made = mice::index::create(folder.path() / "index", loaded);
        put_passages(made, 0, 300);
        made.commit();
        return made.rank(question).size() == 300;
    }));
    CHECK(rank() == expected);
    CHECK(mice::index::open(folder.path() / "index", model.ranker).size() == 300);
}

} // namespace fixtures
