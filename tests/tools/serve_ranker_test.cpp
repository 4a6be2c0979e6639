// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <bit>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "index_fixture.hpp"

#include "serve/text_ranker.hpp"

using fixtures::model_in_memory;
using mice::serve::document_cache;
using mice::serve::ranked_texts;
using mice::serve::text_ranker;

namespace {

using scored_bits = std::vector<std::pair<std::size_t, std::uint32_t>>;

/// Texts within the limit, and texts that are longer; some twice, two without a word.
std::vector<std::string> served_texts() {
    std::vector<std::string> made;
    for (std::uint64_t i = 0; i < 30; ++i) {
        std::string text;
        for (std::uint64_t k = 0; k <= (i % 4 == 0 ? 3 * i : 0); ++k) {
            text += fixtures::passage(100 * i + k) + ".\n";
        }
        made.push_back(text);
    }
    made.push_back(made[4]);
    made.push_back(made[5]);
    made.emplace_back();
    made.emplace_back(" \n\t ");
    return made;
}

scored_bits bits_of(const ranked_texts& found) {
    scored_bits bits;
    for (const auto& each : found.hits) {
        bits.emplace_back(each.index, std::bit_cast<std::uint32_t>(each.logit));
    }
    return bits;
}

template <class Ranking> scored_bits bits_of_ranking(const Ranking& found) {
    scored_bits bits;
    for (const auto& each : found) {
        bits.emplace_back(each.index, std::bit_cast<std::uint32_t>(each.score));
    }
    return bits;
}

document_cache::entry some_entry(std::size_t rows, bool whole = true) {
    return {mice::document(std::vector<float>(rows * 4), std::vector<std::int32_t>(rows), "f"),
            whole};
}

} // namespace

TEST_CASE("served scores have the same bits with and without a cache, of every kind of model") {
    const std::vector<std::string> texts = served_texts();
    for (const fixtures::named_config& each : fixtures::every_kind()) {
        INFO(each.name);
        const model_in_memory model(each.config);
        const scored_bits whole =
            bits_of_ranking(mice::rank_texts(model.ranker, fixtures::question, texts));
        const scored_bits first = bits_of_ranking(model.ranker.rank(fixtures::question, texts));
        for (const std::size_t bytes : {std::size_t{0}, std::size_t{3000}, std::size_t{1} << 24}) {
            INFO(bytes);
            text_ranker of_all(model.ranker, {}, mice::text_options{}, bytes);
            text_ranker of_beginnings(model.ranker, {.threads = 1}, std::nullopt, bytes);
            for (int again = 0; again < 3; ++again) {
                const ranked_texts found = of_all.rank(fixtures::question, texts);
                CHECK(found.complete);
                CHECK(bits_of(found) == whole);
                CHECK(bits_of(of_beginnings.rank(fixtures::question, texts)) == first);
            }
        }
    }
}

TEST_CASE("passages that were encoded once are found again") {
    const model_in_memory model(fixtures::small_config());
    text_ranker ranker(model.ranker, {}, mice::text_options{}, std::size_t{1} << 24);
    const std::vector<std::string> texts = served_texts();
    const ranked_texts first = ranker.rank("the old mill", texts);
    const auto after_one = ranker.cache().counted();
    CHECK(after_one.documents > 0);
    CHECK(after_one.bytes > 0);
    const ranked_texts second = ranker.rank("new light", texts);
    const auto after_two = ranker.cache().counted();
    CHECK(after_two.misses == after_one.misses);
    CHECK(after_two.hits > after_one.hits);
    CHECK(after_two.documents == after_one.documents);
    CHECK(first.tokens > 0);
    CHECK(second.hits.size() == texts.size());
}

TEST_CASE("many threads get the same served scores") {
    const model_in_memory model(fixtures::small_config());
    const std::vector<std::string> texts = served_texts();
    text_ranker ranker(model.ranker, {.threads = 1}, mice::text_options{}, 40000);
    const scored_bits expected =
        bits_of_ranking(mice::rank_texts(model.ranker, fixtures::question, texts));
    std::vector<scored_bits> found(4);
    std::vector<std::thread> threads;
    for (scored_bits& each : found) {
        threads.emplace_back([&] { each = bits_of(ranker.rank(fixtures::question, texts)); });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    for (const scored_bits& each : found) {
        CHECK(each == expected);
    }
}

TEST_CASE("a served call that is stopped says that it is not complete") {
    const model_in_memory model(fixtures::small_config());
    const std::vector<std::string> texts = served_texts();
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1} << 24}) {
        text_ranker ranker(model.ranker, {}, mice::text_options{}, bytes);
        mice::cancellation cancel;
        cancel.request();
        const ranked_texts cancelled = ranker.rank("the mill", texts, {{}, &cancel});
        CHECK_FALSE(cancelled.complete);
        CHECK(cancelled.hits.size() < texts.size());
        const ranked_texts late =
            ranker.rank("the mill", texts, {std::chrono::steady_clock::now(), nullptr});
        CHECK_FALSE(late.complete);
        CHECK(ranker.rank("the mill", texts).complete);
    }
}

TEST_CASE("the cache of documents stays within its bytes and forgets the oldest") {
    const auto made = std::make_shared<document_cache::entry>(some_entry(10));
    const std::size_t one = document_cache::bytes_of("a", made->encoded);
    document_cache cache(2 * one);
    cache.put("a", made);
    cache.put("b", made);
    CHECK(cache.counted().bytes == 2 * one);
    CHECK(cache.find("a")); // so b is the older one
    cache.put("c", made);
    CHECK(cache.counted().documents == 2);
    CHECK(cache.counted().bytes == 2 * one);
    CHECK(cache.find("a"));
    CHECK_FALSE(cache.find("b"));
    CHECK(cache.find("c"));
    cache.put("large", std::make_shared<document_cache::entry>(some_entry(1000)));
    CHECK_FALSE(cache.find("large"));
    CHECK(cache.counted().documents == 2);
    cache.put("a", made);
    CHECK(cache.counted().documents == 2);

    document_cache none(0);
    none.put("a", made);
    CHECK_FALSE(none.find("a"));
}

TEST_CASE("the cache of documents knows which texts are one passage") {
    document_cache cache(1 << 20);
    cache.put("part", std::make_shared<document_cache::entry>(some_entry(3, false)));
    CHECK_FALSE(cache.knows_whole("part"));
    CHECK_FALSE(cache.knows_whole("other"));
    cache.put("part", std::make_shared<document_cache::entry>(some_entry(3, true)));
    CHECK(cache.knows_whole("part"));
    CHECK(cache.counted().documents == 1);
}
