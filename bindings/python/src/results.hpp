// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <mice/error.hpp>
#include <mice/index_results.hpp>
#include <mice/ranking.hpp>
#include <mice/texts.hpp>

// Results of calls as Python sees them.
namespace mice_python {

namespace nb = nanobind;

/// A hit of any ranking, with what is highlighted in it.
template <class Hit> struct shown_hit : Hit { std::optional<mice::highlights> found; };

/// A ranking of passages, of texts or of an index.
template <class Hit> struct shown_ranking {
    using hit_type = Hit;

    std::vector<shown_hit<Hit>> hits;
    std::vector<std::string> unknown; // of an index
    bool complete = true;
    std::size_t unscored = 0;
    std::size_t query_tokens_seen = 0, query_tokens_cut = 0, query_replaced = 0;
};

template <class Ranking> auto shown(Ranking&& made) {
    using hit = std::remove_cvref_t<decltype(made.hits[0])>;
    shown_ranking<hit> all;
    all.hits.reserve(made.hits.size());
    for (std::size_t i = 0; i < made.hits.size(); ++i) {
        shown_hit<hit> each{std::move(made.hits[i]), std::nullopt};
        if (i < made.highlights.size()) {
            each.found = std::move(made.highlights[i]);
        }
        all.hits.push_back(std::move(each));
    }
    if constexpr (requires { made.unknown; }) {
        all.unknown = std::move(made.unknown);
    }
    all.complete = made.complete;
    all.unscored = made.unscored;
    all.query_tokens_seen = made.query_tokens_seen;
    all.query_tokens_cut = made.query_tokens_cut;
    all.query_replaced = made.query_replaced;
    return all;
}

/// A NumPy array of its own, element i of which is value(i).
template <class Element, class Value> auto array_of(std::size_t size, const Value& value) {
    auto* made = new std::vector<Element>(size);
    const nb::capsule owner(
        made, [](void* it) noexcept { delete static_cast<std::vector<Element>*>(it); });
    for (std::size_t i = 0; i < size; ++i) {
        (*made)[i] = value(i);
    }
    return nb::ndarray<nb::numpy, Element, nb::ndim<1>>(made->data(), {size}, owner);
}

void bind_errors(nb::module_& m);
void bind_results(nb::module_& m);
void bind_reranker(nb::module_& m);
void bind_index(nb::module_& m);

} // namespace mice_python
