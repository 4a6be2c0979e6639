// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"

#include <mice/index.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/reranker.hpp>
#include <mice/scoring/encoded_query.hpp>
#include <mice/scoring/scoring.hpp>

#include <chrono>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../support/temporary_folder.hpp"

namespace {

using namespace std::chrono_literals;
using mice::detail::paced_pieces;
using clock_type = std::chrono::steady_clock;

/// A ranker over a model file in memory.
struct small_model {
    explicit small_model(const mice::model_config& config)
        : bytes(fixtures::make_model(config).file()) {}
    std::vector<std::byte> bytes;
    mice::reranker ranker{std::span<const std::byte>(bytes), mice::precision::f32};
};

std::vector<std::string> paced_texts(std::size_t count) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
        std::string text = "old mill";
        for (std::size_t k = 0; k < i % 9; ++k) {
            text += i % 2 == 0 ? " river" : " stone";
        }
        texts.push_back(text);
    }
    return texts;
}

std::size_t scored(const mice::ranking& answer) {
    return static_cast<std::size_t>(
        std::count_if(answer.begin(), answer.end(), [](const mice::hit& h) { return h.scored; }));
}

} // namespace

TEST_CASE("fault 24: pieces begin with one document and grow as their cost allows") {
    paced_pieces quick(1000, 32, 1, clock_type::now() + 1h);
    std::size_t expected = 1;
    for (std::size_t at = 0; at < 500;) {
        const auto [first, last] = quick.take();
        REQUIRE(first == at);
        REQUIRE(last - first == expected);
        quick.finished(last - first, 1ms);
        at = last;
        expected = std::min<std::size_t>(2 * expected, 32);
    }
    // a document that takes the twentieth of the time, or more, is a piece of its own
    paced_pieces slow(1000, 32, 1, clock_type::now() + 1h);
    for (std::size_t at = 0; at < 50; ++at) {
        const auto [first, last] = slow.take();
        REQUIRE(first == at);
        REQUIRE(last == at + 1);
        slow.finished(1, 10min);
    }
    // growth ends where a piece would take longer than a twentieth of an hour: 3 minutes
    paced_pieces middling(1000, 32, 1, clock_type::now() + 1h);
    std::size_t largest = 0;
    for (std::size_t i = 0; i < 50; ++i) {
        const auto [first, last] = middling.take();
        largest = std::max(largest, last - first);
        middling.finished(last - first, (last - first) * 30s);
    }
    CHECK((largest == 5 || largest == 6));
}

TEST_CASE("fault 24: pieces cover every document once whatever the threads and the deadline") {
    for (const auto deadline : {clock_type::time_point::min(), clock_type::now(),
                                clock_type::now() + 1h, clock_type::time_point::max()}) {
        for (const std::size_t threads : {1, 3, 64}) {
            paced_pieces pieces(101, 32, threads, deadline);
            std::size_t next = 0;
            for (auto piece = pieces.take(); piece.first != piece.last; piece = pieces.take()) {
                REQUIRE(piece.first == next);
                next = piece.last;
                pieces.finished(piece.last - piece.first, 1us);
            }
            CHECK(next == 101);
        }
    }
    paced_pieces dropped(100, 32, 2, clock_type::now() + 1h);
    CHECK(dropped.take().last == 1);
    dropped.drop_rest();
    const auto none = dropped.take();
    CHECK(none.first == none.last);
}

TEST_CASE("fault 24: the first result of a call with a deadline is that of one document") {
    const std::vector<std::string> texts = paced_texts(64);
    for (const auto& [name, config] : fixtures::every_kind()) {
        INFO(name);
        const small_model model(config);
        std::vector<std::size_t> done;
        const mice::rank_options options{
            .threads = 1,
            .deadline = clock_type::now() + 1h,
            .progress = [&](std::size_t documents, std::size_t) { done.push_back(documents); }};
        const mice::ranking paced = model.ranker.score("the old mill", texts, options);
        CHECK(paced.complete);
        REQUIRE(!done.empty());
        CHECK(done.front() == 1);
        CHECK(done.back() == texts.size());
        // and the bits are those of a call without one
        const mice::ranking plain = model.ranker.score("the old mill", texts);
        for (const std::size_t threads : {1, 3}) {
            const mice::ranking again = model.ranker.score(
                "the old mill", texts, {.threads = threads, .deadline = clock_type::now() + 1h});
            for (std::size_t i = 0; i < texts.size(); ++i) {
                REQUIRE(again[i].score == plain[i].score);
                REQUIRE(again[i].tokens_seen == plain[i].tokens_seen);
            }
        }
    }
}

TEST_CASE("fault 24: a call that began in time scores one document however late it is") {
    const std::vector<std::string> texts = paced_texts(40);
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    for (const auto& [name, config] : fixtures::every_kind()) {
        INFO(name);
        const small_model model(config);
        const std::shared_ptr<const mice::model>& engine = model.ranker.shared_model();
        const std::vector<mice::document> documents = model.ranker.encode_all(texts);
        std::vector<const mice::document*> pointers;
        for (const mice::document& each : documents) {
            pointers.push_back(&each);
        }
        mice::detail::work_memory memory;
        const mice::encoding ids = engine->tokenize_query(
            "the old mill", mice::special_tokens::plain, mice::invalid_utf8::replace);
        const mice::detail::encoded_query query{
            engine->network().prepare_query(ids.ids, memory.space), {}};
        const std::vector<const mice::detail::encoded_query*> queries(2, &query);
        const mice::ranking plain = model.ranker.score("the old mill", texts);
        const auto check = [&](const auto& source, std::size_t threads, bool in_time) {
            const mice::rank_options late{.threads = threads, .deadline = clock_type::now() - 1s};
            const std::vector<mice::ranking> got =
                mice::detail::scoring_call(*engine, queries, source, late, in_time).run();
            REQUIRE(scored(got[0]) == (in_time ? 1 : 0));
            CHECK(scored(got[1]) == 0); // of the second query nothing was promised
            CHECK(got[0].unscored == texts.size() - scored(got[0]));
            CHECK_FALSE(got[0].complete);
            if (in_time) {
                CHECK(got[0][0].score == plain[0].score);
            }
        };
        for (const std::size_t threads : {1, 3}) {
            for (const bool in_time : {true, false}) {
                check(mice::detail::text_source(*engine, views), threads, in_time);
                check(mice::detail::document_source(*engine, pointers), threads, in_time);
            }
        }
    }
}

TEST_CASE("fault 24: an index works to its deadline in pieces and scores one document at least") {
    const small_model model(fixtures::small_config());
    const temporary_folder folder;
    mice::index index =
        mice::index::create(folder.path() / "i", model.ranker, {.codec = {.name = "f32"}});
    const std::vector<std::string> texts = paced_texts(50);
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        ids.push_back("d" + std::to_string(i));
        index.put(ids.back(), texts[i]);
    }
    index.commit();
    std::vector<std::size_t> done;
    const mice::rank_options options{
        .threads = 1,
        .deadline = clock_type::now() + 1h,
        .progress = [&](std::size_t documents, std::size_t) { done.push_back(documents); }};
    const mice::index_ranking paced = index.rank("the old mill", options);
    REQUIRE(!done.empty());
    CHECK(done.front() == 1);
    done.clear();
    CHECK(index.rank("the old mill", ids, options).complete);
    CHECK(done.front() == 1);
    const mice::index_ranking plain = index.rank("the old mill");
    REQUIRE(paced.size() == plain.size());
    for (std::size_t i = 0; i < plain.size(); ++i) {
        CHECK(paced[i].id == plain[i].id);
        CHECK(paced[i].score == plain[i].score);
    }
    const mice::rank_options late{.deadline = clock_type::now() - 1s};
    CHECK(index.rank("the old mill", late).empty()); // it was late when it was called
    CHECK(index.rank("the old mill", late).unscored == 50);
}

TEST_CASE("fault 24: queries that no time was left for have rankings that say so") {
    const small_model model(fixtures::small_config());
    const std::vector<std::string> texts = paced_texts(5);
    const std::vector<std::string> queries{"old", "mill", "river"};
    const std::vector<mice::ranking> late =
        model.ranker.rank_batch(queries, texts, {.deadline = clock_type::now() - 1s});
    REQUIRE(late.size() == 3);
    for (const mice::ranking& each : late) {
        CHECK(each.empty());
        CHECK(each.unscored == 5);
        CHECK_FALSE(each.complete);
    }
    CHECK(model.ranker.rank_batch(queries, texts, {.deadline = clock_type::now() + 1h})[2].size() ==
          5);
}

TEST_CASE("fault 24: an error in a call with a deadline reaches the caller") {
    const small_model model(fixtures::small_config());
    std::vector<std::string> texts = paced_texts(60);
    texts[40] += '\xff';
    for (const std::size_t threads : {1, 3}) {
        const fixtures::caught_error wrong = fixtures::catch_error([&] {
            static_cast<void>(model.ranker.rank("river", texts,
                                                {.threads = threads,
                                                 .on_invalid = mice::invalid_utf8::refuse,
                                                 .deadline = clock_type::now() + 1h}));
        });
        CHECK(wrong.code == mice::errc::encoding);
    }
}
