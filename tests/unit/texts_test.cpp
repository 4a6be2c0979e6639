// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"
#include "../support/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <mice/texts.hpp>

namespace {

using fixtures::catch_error;
using fixtures::model_in_memory;
using fixtures::question;
using mice::text_hit;
using mice::text_options;
using mice::text_score;
using texts = std::vector<std::string>;

/// Lines of a few words each.
std::string lines(std::uint64_t seed, std::size_t count) {
    static const texts words{"river", "old", "mill", "stone", "the", "bridge", "and", "new"};
    fixtures::random_numbers random(seed);
    std::string made;
    for (std::size_t i = 0; i < count; ++i) {
        made += "The";
        for (std::size_t left = 2 + random.below(6); left > 0; --left) {
            made += " " + words[random.below(words.size())];
        }
        made += i % 4 == 3 ? ".\n\n" : ".\n";
    }
    return made;
}

/// Texts of one passage and of many, and two without any word.
texts some_texts() {
    texts made;
    for (std::uint64_t i = 0; i < 12; ++i) {
        made.push_back(lines(i, i % 3 == 0 ? 1 : 4 * static_cast<std::size_t>(i)));
    }
    made.emplace_back();
    made.emplace_back(" \n\t\n ");
    return made;
}

/// The score of each passage by itself, as rank() gives it.
std::vector<float> passage_scores(const mice::reranker& ranker, std::string_view query,
                                  const std::string& text,
                                  const std::vector<mice::passage>& found) {
    std::vector<float> scores;
    for (std::size_t k = 0; k < found.size(); ++k) {
        scores.push_back(
            ranker.score(query, {mice::passage_text(text, found, k)}).hits.at(0).score);
    }
    return scores;
}

/// What must not differ between two calls.
struct outcome {
    std::size_t index;
    float score, best;
    std::uint64_t begin, end;
    std::size_t passage, of, seen;
    friend bool operator==(const outcome&, const outcome&) = default;
};

std::vector<outcome> outcomes(const mice::text_ranking& ranked) {
    std::vector<outcome> made;
    for (const text_hit& each : ranked) {
        REQUIRE(each.scored);
        REQUIRE(each.whole);
        made.push_back({each.index, each.score, each.best_score, each.best.begin, each.best.end,
                        each.best.index, each.passages, each.tokens_seen});
    }
    return made;
}

} // namespace

TEST_CASE("texts within the limit are scored as rank scores them") {
    const model_in_memory model(fixtures::small_config());
    texts list;
    for (std::uint64_t i = 0; i < 20; ++i) {
        list.push_back((i % 2 == 0 ? " \n" : "") + lines(100 + i, 2) + "  ");
    }
    list.emplace_back();
    list.emplace_back(" \n ");
    const mice::ranking expected = model.ranker.rank(question, list, {.top_k = 15});
    const mice::text_ranking ranked = rank_texts(model.ranker, question, list, {.top_k = 15});
    CHECK(ranked.complete);
    CHECK(ranked.query_tokens_seen == expected.query_tokens_seen);
    REQUIRE(ranked.size() == expected.size());
    for (std::size_t i = 0; i < ranked.size(); ++i) {
        INFO(i);
        CHECK(ranked[i].index == expected[i].index);
        CHECK(ranked[i].score == expected[i].score);
        CHECK(ranked[i].best_score == expected[i].score);
        CHECK(ranked[i].tokens_seen == expected[i].tokens_seen);
        CHECK(ranked[i].tokens_cut == 0);
        CHECK(ranked[i].passages == 1);
        CHECK(ranked[i].best.index == 0);
    }
}

TEST_CASE("a long text has its best passage's score and place, mixed with its first one's") {
    const model_in_memory model(fixtures::small_config());
    const texts list = some_texts();
    for (const text_options& options :
         {text_options{}, text_options{.first_share = 0},
          text_options{.score = text_score::soft_max, .temperature = 0.25, .first_share = 0.5}}) {
        const mice::text_ranking ranked = rank_texts(model.ranker, question, list, {}, options);
        REQUIRE(ranked.size() == list.size());
        CHECK(std::is_sorted(ranked.begin(), ranked.end(),
                             [](const auto& a, const auto& b) { return a.score > b.score; }));
        std::size_t cut = 0;
        for (const text_hit& each : ranked) {
            const std::string& text = list[each.index];
            const auto found = mice::passages_of_text(model.ranker, text);
            const std::vector<float> scores = passage_scores(model.ranker, question, text, found);
            const auto best = std::max_element(scores.begin(), scores.end());
            const mice::passage& there = found[static_cast<std::size_t>(best - scores.begin())];
            INFO(each.index);
            CHECK(each.passages == found.size());
            CHECK(each.best_score == *best);
            CHECK(each.best.index == there.index);
            CHECK(each.best.begin == there.begin);
            CHECK(each.best.end == there.end);
            CHECK(each.best.first_line == there.first_line);
            CHECK(each.best.last_line == there.last_line);
            CHECK(each.score == mice::score_of_text(scores, options));
            CHECK(each.tokens_cut == 0);
            cut += found.size() > 1 ? 1 : 0;
        }
        CHECK(cut >= 6);
    }
}

TEST_CASE("the first passage of a long text reads on up to the limit") {
    const model_in_memory model(fixtures::small_config());
    std::string glued; // no space to end at
    while (glued.size() < 600) {
        glued += "\u6CB3";
    }
    std::size_t lengthened = 0;
    for (const std::string& text : {lines(1, 40), lines(2, 40), lines(3, 9), " \n" + lines(4, 50),
                                    glued, lines(5, 3) + glued, std::string(3000, 'x')}) {
        const auto plain = mice::passages(text, model.ranker);
        const auto found = mice::passages_of_text(model.ranker, text);
        REQUIRE(found.size() == plain.size());
        REQUIRE(found.size() > 1);
        const mice::passage& first = found[0];
        const std::string_view read = mice::passage_text(text, found, 0);
        CHECK(first.begin == plain[0].begin);
        CHECK(first.end >= plain[0].end);
        CHECK(first.tokens <= 40);
        CHECK(first.tokens == model.ranker.encode(read).tokens());
        CHECK(model.ranker.encode(read).tokens_cut() == 0);
        CHECK(static_cast<std::size_t>(std::count(read.begin(), read.end(), '\n')) ==
              first.last_line - first.first_line);
        CHECK((static_cast<unsigned char>(text[first.end]) & 0xC0) != 0x80);
        // as much as the model reads of the whole text, but for the word at its end
        CHECK(first.tokens + 12 >= model.ranker.encode(text).tokens());
        lengthened += first.end > plain[0].end ? 1 : 0;
        for (std::size_t i = 1; i < found.size(); ++i) {
            CHECK(found[i].begin == plain[i].begin);
            CHECK(found[i].end == plain[i].end);
        }
    }
    CHECK(lengthened >= 3);
}

TEST_CASE("scores of passages become a text's as documented") {
    const std::vector<float> scores{-1, 2, 0.5F};
    CHECK(mice::score_of_text(scores, {.first_share = 0}) == 2);
    CHECK(mice::score_of_text(scores, {.first_share = 1, .first_limit = 9}) == -1);
    CHECK(mice::score_of_text(scores, {.first_share = 0.25}) == 1.25F);
    CHECK(mice::score_of_text(scores, {}) == 1);
    CHECK(mice::score_of_text(scores, {.first_limit = 0.5}) == 1.5F);
    const text_options soft{.score = text_score::soft_max, .temperature = 2, .first_share = 0};
    const double mean = (std::exp(-0.5) + std::exp(1.0) + std::exp(0.25)) / 3;
    CHECK(mice::score_of_text(scores, soft) == Approx(2 * std::log(mean)));
    for (const text_score each : {text_score::max, text_score::soft_max}) {
        const std::vector<float> one{0.1F};
        CHECK(mice::score_of_text(one, {.score = each, .first_share = 0.3}) == 0.1F);
    }
    // no overflow, whatever the scores
    const std::vector<float> far{-1e30F, 1e30F};
    CHECK(mice::score_of_text(
              far, {.score = text_score::soft_max, .temperature = 1e-3, .first_share = 0}) ==
          Approx(1e30F));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const text_options& wrong :
         {text_options{.temperature = 0}, text_options{.temperature = -1},
          text_options{.temperature = nan},
          text_options{.temperature = std::numeric_limits<double>::infinity()},
          text_options{.first_share = -0.1}, text_options{.first_share = 1.1},
          text_options{.first_limit = -1}, text_options{.first_limit = nan},
          text_options{.first_share = nan}}) {
        CHECK(catch_error([&] { (void)mice::score_of_text(scores, wrong); }).code ==
              mice::errc::invalid_argument);
        const model_in_memory model(fixtures::small_config());
        CHECK(catch_error([&] {
                  (void)rank_texts(model.ranker, question, {"mill"}, {}, wrong);
              }).code == mice::errc::invalid_argument);
    }
    CHECK(catch_error([] { (void)mice::score_of_text({}, {}); }).code ==
          mice::errc::invalid_argument);
}

TEST_CASE("texts have the same bits in every company and on every number of threads") {
    const model_in_memory model(fixtures::small_config());
    const texts list = some_texts();
    const std::vector<outcome> expected =
        outcomes(rank_texts(model.ranker, question, list, {.threads = 1}));
    CHECK(outcomes(rank_texts(model.ranker, question, list, {.threads = 3})) == expected);
    fixtures::thread_pool pool(3);
    CHECK(outcomes(rank_texts(model.ranker, question, list, {.pool = &pool})) == expected);
    const mice::query query = model.ranker.encode_query(question);
    const std::vector<std::string_view> views(list.begin(), list.end());
    CHECK(outcomes(rank_texts(model.ranker, query, std::span(views))) == expected);
    const auto soon = std::chrono::steady_clock::now() + std::chrono::hours(1);
    CHECK(outcomes(rank_texts(model.ranker, question, list, {.deadline = soon})) == expected);
    for (outcome each : expected) {
        const auto alone = outcomes(rank_texts(model.ranker, question, {list[each.index]}));
        each.index = 0;
        CHECK(alone == std::vector<outcome>{each});
    }
}

TEST_CASE("options of passages and of the call hold for texts") {
    const model_in_memory model(fixtures::small_config());
    const texts list = some_texts();
    const text_options small{.cut = {.max_tokens = 20}};
    for (const text_hit& each : rank_texts(model.ranker, question, list, {}, small)) {
        CHECK(each.passages ==
              mice::passages_of_text(model.ranker, list[each.index], {.max_tokens = 20}).size());
    }
    const mice::text_ranking sigmoids =
        rank_texts(model.ranker, question, list, {.top_k = 3, .output = mice::activation::sigmoid});
    const mice::text_ranking logits = rank_texts(model.ranker, question, list);
    REQUIRE(sigmoids.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(sigmoids[i].index == logits[i].index);
        CHECK(sigmoids[i].score == Approx(1 / (1 + std::exp(-logits[i].score))));
        CHECK(sigmoids[i].best_score == Approx(1 / (1 + std::exp(-logits[i].best_score))));
    }
    CHECK(catch_error([&] {
              (void)rank_texts(model.ranker, question, list, {}, {.cut = {.max_tokens = 5000}});
          }).code == mice::errc::invalid_argument);
    const std::string broken = lines(1, 40) + "\xFF";
    CHECK(rank_texts(model.ranker, question, {broken})[0].replaced == 1);
    const auto refused = catch_error([&] {
        (void)rank_texts(model.ranker, question, {"mill", broken},
                         {.on_invalid = mice::invalid_utf8::refuse});
    });
    CHECK(refused.code == mice::errc::encoding);
    CHECK(refused.says("text 1"));
    const std::vector<const char*> null{"mill", nullptr};
    CHECK(catch_error([&] { (void)rank_texts(model.ranker, question, null); }).code ==
          mice::errc::invalid_argument);
    CHECK(rank_texts(model.ranker, question, texts{}).empty());
}

TEST_CASE("a model whose limit is too small to cut texts reads their beginnings") {
    const model_in_memory model(fixtures::tiny_config());
    const texts list = some_texts();
    const mice::ranking expected = model.ranker.rank(question, list);
    const mice::text_ranking ranked = rank_texts(model.ranker, question, list);
    REQUIRE(ranked.size() == expected.size());
    for (std::size_t i = 0; i < ranked.size(); ++i) {
        CHECK(ranked[i].index == expected[i].index);
        CHECK(ranked[i].score == expected[i].score);
        CHECK(ranked[i].tokens_cut == expected[i].tokens_cut);
        CHECK(ranked[i].passages == 1);
    }
}

TEST_CASE("passages of a cross-encoder leave room for the query") {
    const model_in_memory model(fixtures::small_cross_encoder());
    const texts list = some_texts();
    const mice::text_ranking ranked = rank_texts(model.ranker, question, list);
    REQUIRE(ranked.size() == list.size());
    std::size_t cut = 0;
    for (const text_hit& each : ranked) {
        CHECK(each.tokens_cut == 0);
        cut += each.passages > 1 ? 1 : 0;
    }
    CHECK(cut >= 6);
    const std::string long_query = "old river mill stone the bridge and new old river mill stone";
    for (const text_hit& each : rank_texts(model.ranker, long_query, list)) {
        CHECK(each.tokens_cut == 0);
    }
}

TEST_CASE("a late-interaction model ranks texts") {
    const model_in_memory model(fixtures::late_interaction_config());
    const texts list = some_texts();
    for (const text_hit& each : rank_texts(model.ranker, question, list)) {
        CHECK(each.tokens_cut == 0);
        CHECK(std::isfinite(each.score));
    }
}

TEST_CASE("a call of texts that is told to stop says what it left out") {
    const model_in_memory model(fixtures::small_config());
    texts list;
    for (std::uint64_t i = 0; i < 60; ++i) {
        list.push_back(lines(i, 30));
    }
    SECTION("before it begins") {
        const mice::text_ranking late =
            rank_texts(model.ranker, question, list,
                       {.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)});
        CHECK(late.empty());
        CHECK(!late.complete);
        CHECK(late.unscored == list.size());
        mice::cancellation stop;
        stop.request();
        CHECK(rank_texts(model.ranker, question, list, {.cancel = &stop}).unscored == list.size());
    }
    SECTION("while it runs") {
        const std::vector<outcome> expected =
            outcomes(rank_texts(model.ranker, question, list, {.threads = 1}));
        mice::cancellation stop;
        const mice::text_ranking part = rank_texts(
            model.ranker, question, list,
            {.threads = 1, .cancel = &stop, .progress = [&](std::size_t done, std::size_t) {
                 if (done >= 60) {
                     stop.request();
                 }
             }});
        CHECK(!part.complete);
        CHECK(part.size() + part.unscored == list.size());
        CHECK(part.unscored > 0);
        std::size_t whole = 0;
        for (const text_hit& each : part) {
            const auto same = std::find_if(expected.begin(), expected.end(),
                                           [&](const outcome& o) { return o.index == each.index; });
            REQUIRE(same != expected.end());
            if (each.whole) {
                ++whole;
                CHECK(each.score == same->score);
            } else {
                CHECK(each.best_score <= same->best);
            }
        }
        CHECK(whole >= 1);
    }
    SECTION("by a deadline that passes while texts are cut") {
        texts far{lines(7, 4000)};
        const mice::text_ranking part = rank_texts(
            model.ranker, question, far,
            {.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(50)});
        CHECK(part.complete == (part.size() == 1 && part[0].whole));
        CHECK(part.size() + part.unscored == 1);
    }
}

TEST_CASE("progress of texts counts their passages") {
    const model_in_memory model(fixtures::small_config());
    const texts list = some_texts();
    std::size_t last = 0, all = 0;
    const mice::text_ranking ranked = rank_texts(
        model.ranker, question, list, {.progress = [&](std::size_t done, std::size_t in) {
            CHECK(done > last);
            CHECK(done <= in);
            last = done;
            all = in;
        }});
    std::size_t passages = 0;
    for (const text_hit& each : ranked) {
        passages += each.passages;
    }
    CHECK(last == passages);
    CHECK(all == passages);
}
