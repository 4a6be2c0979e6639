// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"
#include "../support/temporary_file.hpp"
#include "../support/thread_pool.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <initializer_list>
#include <mutex>
#include <set>
#include <thread>

#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/scoring/scoring.hpp>

namespace {

/// A list of numbers to loop over.
using sizes = std::initializer_list<std::size_t>;

using namespace std::string_literals;
using fixtures::catch_error;
using fixtures::caught_error;

/// A ranker over a model file in memory.
struct loaded_model {
    explicit loaded_model(const fixtures::model_file_parts& parts) : bytes(parts.file()) {}
    explicit loaded_model(const mice::model_config& config = fixtures::small_config(),
                          const fixtures::model_recipe& recipe = {})
        : loaded_model(fixtures::make_model(config, recipe)) {}

    std::vector<std::byte> bytes;
    mice::reranker ranker{std::span<const std::byte>(bytes), mice::precision::f32};
};

std::vector<std::string> some_passages(std::size_t count) {
    static const std::vector<std::string> words{"river", "old",   "mill", "stone", "the",  "bridge",
                                                "of",    "and",   "zq",   "7",     "day!", "sing",
                                                "new",   "light", "x-y",  "under"};
    fixtures::random_numbers random(21);
    std::vector<std::string> passages(count);
    for (std::string& passage : passages) {
        for (std::size_t left = 1 + random.below(20); left > 0; --left) {
            passage += words[random.below(words.size())] + " ";
        }
    }
    return passages;
}

std::vector<float> scores_of(const mice::ranking& answer) {
    std::vector<float> scores;
    for (const mice::hit& one : answer) {
        REQUIRE(one.scored);
        REQUIRE(std::isfinite(one.score));
        scores.push_back(one.score);
    }
    return scores;
}

float score_of(const mice::reranker& ranker, std::string_view query, std::string_view passage,
               const mice::rank_options& options = {}) {
    return scores_of(ranker.score(query, {passage}, options)).at(0);
}

/// The order that rank() promises, made from the scores in input order.
std::vector<std::size_t> expected_order(const std::vector<float>& scores) {
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = i;
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    return order;
}

void check_ranked(const mice::ranking& ranked, const std::vector<float>& scores) {
    const std::vector<std::size_t> order = expected_order(scores);
    REQUIRE(ranked.size() == order.size());
    CHECK(ranked.complete);
    CHECK(ranked.unscored == 0);
    for (std::size_t i = 0; i < order.size(); ++i) {
        REQUIRE(ranked[i].index == order[i]);
        REQUIRE(ranked[i].score == scores[order[i]]);
    }
}

const mice::rank_options parsing{.specials = mice::special_tokens::parse};

} // namespace

TEST_CASE("ranking, scoring, encoding and batches agree bit for bit in every kind of model") {
    const std::vector<std::string> passages = some_passages(23);
    const std::vector<std::string> queries{"the old mill", "", "river bridge stone light day night",
                                           "x"};
    for (const auto& [name, config] : fixtures::every_kind()) {
        INFO(name);
        const loaded_model model(config);
        const mice::reranker& ranker = model.ranker;
        const std::vector<mice::document> documents = ranker.encode_all(passages);
        const std::vector<mice::ranking> batch = ranker.rank_batch(queries, passages);
        const std::vector<mice::ranking> stored_batch =
            ranker.rank_batch(queries, std::span<const mice::document>(documents));
        REQUIRE(batch.size() == queries.size());
        for (std::size_t q = 0; q < queries.size(); ++q) {
            const std::vector<float> scores = scores_of(ranker.score(queries[q], passages));
            REQUIRE(scores.size() == passages.size());
            CHECK(std::set<float>(scores.begin(), scores.end()).size() > 15);
            check_ranked(ranker.rank(queries[q], passages), scores);
            check_ranked(ranker.rank(queries[q], std::span<const mice::document>(documents)),
                         scores);
            check_ranked(batch[q], scores);
            check_ranked(stored_batch[q], scores);
            const mice::query encoded = ranker.encode_query(queries[q]);
            for (std::size_t i = 0; i < passages.size(); i += 7) {
                CHECK(score_of(ranker, queries[q], passages[i]) == scores[i]);
                const mice::document again = ranker.encode(passages[i]);
                CHECK(ranker.score(encoded, std::span(&again, 1))[0].score == scores[i]);
                const mice::document from_ids = ranker.encode_ids(again.ids());
                const mice::query query_from_ids = ranker.encode_query_ids(encoded.ids());
                CHECK(ranker.score(query_from_ids, std::span(&from_ids, 1))[0].score == scores[i]);
            }
        }
    }
}

TEST_CASE("weights stored as f16, bf16 or int8 give the same bits as the same values in f32") {
    const std::vector<std::string> passages = some_passages(9);
    for (const auto& [name, config] : fixtures::every_kind()) {
        INFO(name);
        const std::vector<float> plain =
            scores_of(loaded_model(config).ranker.score("old mill", passages));
        for (const fixtures::storage kind :
             {fixtures::storage::f16, fixtures::storage::bf16, fixtures::storage::i8}) {
            const loaded_model stored(config, {.weights = kind});
            CHECK(scores_of(stored.ranker.score("old mill", passages)) == plain);
        }
    }
}

TEST_CASE("equal scores keep the input order") {
    const loaded_model model;
    const std::vector<std::string> passages{"river", "stone", "river", "stone",
                                            "river", "stone", "river"};
    const mice::ranking ranked = model.ranker.rank("water", passages);
    const float river = score_of(model.ranker, "water", "river");
    const float stone = score_of(model.ranker, "water", "stone");
    REQUIRE(river != stone);
    std::vector<std::size_t> order;
    for (const mice::hit& one : ranked) {
        order.push_back(one.index);
    }
    const std::vector<std::size_t> rivers_first{0, 2, 4, 6, 1, 3, 5};
    const std::vector<std::size_t> stones_first{1, 3, 5, 0, 2, 4, 6};
    CHECK(order == (river > stone ? rivers_first : stones_first));
}

TEST_CASE("top_k keeps the best and may be larger than the list") {
    const loaded_model model;
    const std::vector<std::string> passages = some_passages(12);
    const mice::ranking all = model.ranker.rank("old mill", passages);
    REQUIRE(all.size() == 12);
    for (const std::size_t k : sizes{1, 3, 12, 13, 1000000}) {
        const mice::ranking top = model.ranker.rank("old mill", passages, {.top_k = k});
        REQUIRE(top.size() == std::min<std::size_t>(k, 12));
        CHECK(top.complete);
        for (std::size_t i = 0; i < top.size(); ++i) {
            CHECK(top[i].index == all[i].index);
        }
        CHECK(model.ranker.score("old mill", passages, {.top_k = k}).size() == 12);
    }
}

TEST_CASE("no passages give an empty, complete ranking") {
    const loaded_model model;
    const std::vector<std::string> none;
    std::size_t calls = 0;
    const mice::ranking ranked =
        model.ranker.rank("river", none, {.progress = [&](std::size_t, std::size_t) { ++calls; }});
    CHECK(ranked.empty());
    CHECK(ranked.complete);
    CHECK(ranked.query_tokens_seen == 3);
    CHECK(calls == 0);
    CHECK(model.ranker.rank("river", std::span<const mice::document>{}).empty());
    CHECK(model.ranker.encode_all(none).empty());
    CHECK(model.ranker.rank_batch(none, some_passages(3)).empty());
    const std::vector<mice::ranking> batch =
        model.ranker.rank_batch(std::vector<std::string>{"a", "b"}, none);
    CHECK(batch.size() == 2);
    CHECK(batch[1].empty());
}

TEST_CASE("empty queries and passages are their markers alone") {
    const loaded_model model;
    const mice::ranking answer = model.ranker.score("", {"", " \t\n", "river"});
    CHECK(answer.query_tokens_seen == 2);
    CHECK(scores_of(answer)[0] == scores_of(answer)[1]);
    CHECK(answer[0].tokens_seen == 2);
    CHECK(answer[1].tokens_seen == 2);
    CHECK(answer[2].tokens_seen == 3);
    CHECK(answer[0].tokens_cut == 0);
}

TEST_CASE("NUL bytes in a text are dropped as the tokenizer's reference drops them") {
    const loaded_model model;
    CHECK(score_of(model.ranker, "ri\0ver"s, "the\0 old\0\0 mill"s) ==
          score_of(model.ranker, "river", "the old mill"));
    CHECK(model.ranker.score("a", {"\0\0"s})[0].tokens_seen == 2);
}

TEST_CASE("invalid UTF-8 is replaced and counted, or refused with its position") {
    const loaded_model model;
    const std::string bad = "river \xff stone \xe2\x82 mill \xed\xa0\x80";
    const std::string repaired =
        "river \xef\xbf\xbd stone \xef\xbf\xbd mill \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";
    const mice::ranking answer = model.ranker.score("w\xc0ter", {bad, "river"});
    CHECK(answer.query_replaced == 1);
    CHECK(answer[0].replaced == 5);
    CHECK(answer[1].replaced == 0);
    CHECK(answer[0].score == score_of(model.ranker, "w\xef\xbf\xbdter", repaired));
    CHECK(model.ranker.encode(bad).replaced() == 5);
    CHECK(model.ranker.encode_query(bad).replaced() == 5);

    const mice::rank_options refusing{.on_invalid = mice::invalid_utf8::refuse};
    const caught_error passage = catch_error([&] {
        static_cast<void>(model.ranker.rank("river", {"stone", bad}, refusing));
    });
    CHECK(passage.code == mice::errc::encoding);
    CHECK(passage.says("byte 6"));
    CHECK(catch_error([&] {
              static_cast<void>(model.ranker.rank(bad, {"stone"}, refusing));
          }).code == mice::errc::encoding);
    CHECK(catch_error([&] { static_cast<void>(model.ranker.encode(bad, refusing)); }).code ==
          mice::errc::encoding);
    CHECK(score_of(model.ranker, "river", repaired, refusing) ==
          score_of(model.ranker, "river", repaired));
}

TEST_CASE("a passage of ten megabytes is cut at the limit and says exactly how much") {
    const loaded_model model;
    const std::size_t words = 10'000'000 / 2;
    std::string passage;
    passage.reserve(words * 2);
    for (std::size_t i = 0; i < words; ++i) {
        passage += i % 3 == 0 ? "a " : "b ";
    }
    const mice::ranking answer = model.ranker.score(passage, {passage, "a"});
    const std::size_t limit = model.ranker.config().max_document_length;
    CHECK(answer[0].tokens_seen == limit);
    CHECK(answer[0].tokens_cut == words - (limit - 2));
    CHECK(answer[1].tokens_cut == 0);
    CHECK(answer.query_tokens_seen == model.ranker.config().max_query_length);
    CHECK(answer.query_tokens_cut == words - (model.ranker.config().max_query_length - 2));
    CHECK(answer[0].score ==
          score_of(model.ranker, passage.substr(0, 200), passage.substr(0, 200)));
    CHECK(model.ranker.encode(passage).tokens_cut() == words - (limit - 2));
}

TEST_CASE("special tokens written in a text cannot forge structure") {
    const loaded_model model;
    const std::string written = "river [SEP] stone";
    const float plain = score_of(model.ranker, "water", written);
    CHECK(plain == score_of(model.ranker, "water", "river [ sep ] stone"));
    CHECK(plain != score_of(model.ranker, "water", written, parsing));
    CHECK(score_of(model.ranker, "a [CLS] b", "c") == score_of(model.ranker, "a [ cls ] b", "c"));
    const auto has_marker_inside = [](std::span<const std::int32_t> ids) {
        return std::any_of(ids.begin() + 1, ids.end() - 1,
                           [](std::int32_t id) { return id >= 2 && id <= 4; });
    };
    for (const char* text :
         {"[SEP]", "[CLS]", "[MASK]", "a[SEP]b", "[SEP][SEP]", "[ SEP]", "[[SEP]]"}) {
        INFO(text);
        CHECK(!has_marker_inside(model.ranker.encode(text).ids()));
        CHECK(!has_marker_inside(model.ranker.encode_query(text).ids()));
    }
    CHECK(has_marker_inside(model.ranker.encode("a[SEP]b", parsing).ids()));
}

TEST_CASE("a deadline in the past scores nothing and says so") {
    const loaded_model model;
    const std::vector<std::string> passages = some_passages(50);
    const mice::rank_options late{.deadline =
                                      std::chrono::steady_clock::now() - std::chrono::seconds(1)};
    const mice::ranking ranked = model.ranker.rank("river", passages, late);
    CHECK(!ranked.complete);
    CHECK(ranked.empty());
    CHECK(ranked.unscored == 50);
    const mice::ranking scored = model.ranker.score("river", passages, late);
    CHECK(!scored.complete);
    REQUIRE(scored.size() == 50);
    for (std::size_t i = 0; i < scored.size(); ++i) {
        REQUIRE(scored[i].index == i);
        REQUIRE(!scored[i].scored);
        REQUIRE(std::isnan(scored[i].score));
    }
    CHECK(catch_error([&] { static_cast<void>(model.ranker.encode_all(passages, late)); }).code ==
          mice::errc::stopped);
    mice::rank_options ample{.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1)};
    CHECK(model.ranker.rank("river", passages, ample).complete);
}

TEST_CASE("cancelling while a call runs leaves whole scores and marks the rest") {
    const loaded_model model;
    const std::vector<std::string> passages = some_passages(400);
    const std::vector<float> expected = scores_of(model.ranker.score("old river", passages));
    mice::cancellation stop;
    const mice::rank_options options{
        .threads = 1, .cancel = &stop, .progress = [&](std::size_t done, std::size_t) {
            if (done >= 100) {
                stop.request();
            }
        }};
    const mice::ranking part = model.ranker.score("old river", passages, options);
    CHECK(!part.complete);
    REQUIRE(part.size() == passages.size());
    std::size_t scored = 0;
    for (std::size_t i = 0; i < part.size(); ++i) {
        REQUIRE(part[i].index == i);
        if (part[i].scored) {
            ++scored;
            REQUIRE(part[i].score == expected[i]);
        } else {
            REQUIRE(std::isnan(part[i].score));
        }
    }
    CHECK(scored >= 100);
    CHECK(scored < 200); // one piece of work more at most
    CHECK(part.unscored == passages.size() - scored);
    const mice::ranking nothing = model.ranker.rank("old river", passages, {.cancel = &stop});
    CHECK(nothing.empty());
    CHECK(nothing.unscored == passages.size());
}

TEST_CASE("another thread may cancel a call") {
    const loaded_model model;
    const std::vector<std::string> passages = some_passages(20000);
    mice::cancellation stop;
    std::atomic<bool> begun{false};
    std::thread other([&] {
        while (!begun) {
            std::this_thread::yield();
        }
        stop.request();
    });
    const mice::ranking part = model.ranker.rank(
        "old river", passages,
        {.threads = 2, .cancel = &stop, .progress = [&](std::size_t, std::size_t) {
             begun = true;
         }});
    other.join();
    CHECK(!part.complete);
    CHECK(part.size() >= 1);
    CHECK(part.size() + part.unscored == passages.size());
    for (std::size_t i = 1; i < part.size(); ++i) {
        REQUIRE(part[i - 1].score >= part[i].score);
    }
}

TEST_CASE("progress counts up to the number of documents, on any number of threads") {
    const loaded_model model;
    const std::vector<std::string> passages = some_passages(100);
    for (const std::size_t threads : sizes{1, 3}) {
        std::vector<std::size_t> seen; // the calls come one at a time
        bool right_total = true;
        const mice::rank_options options{.threads = threads,
                                         .progress = [&](std::size_t done, std::size_t total) {
                                             seen.push_back(done);
                                             right_total = right_total && total == 100;
                                         }};
        CHECK(model.ranker.rank("river", passages, options).complete);
        CHECK(right_total);
        REQUIRE(!seen.empty());
        CHECK(seen.back() == 100);
        CHECK(std::is_sorted(seen.begin(), seen.end()));
        CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
        seen.clear();
        CHECK(model.ranker.encode_all(passages, options).size() == 100);
        CHECK(seen.size() == 100);
        CHECK(seen.back() == 100);
    }
}

TEST_CASE("every number of threads and the caller's executor give the same bits") {
    const loaded_model model;
    const std::vector<std::string> passages = some_passages(150);
    const std::vector<float> expected =
        scores_of(model.ranker.score("the old mill", passages, {.threads = 1}));
    for (const std::size_t threads : sizes{2, 3, 4}) {
        CHECK(scores_of(model.ranker.score("the old mill", passages, {.threads = threads})) ==
              expected);
    }
    fixtures::thread_pool pool(3);
    std::mutex mutex;
    bool no_other = true;
    const std::thread::id caller = std::this_thread::get_id();
    const mice::rank_options on_pool{.pool = &pool, .progress = [&](std::size_t, std::size_t) {
                                         const std::lock_guard lock(mutex);
                                         const std::thread::id here = std::this_thread::get_id();
                                         no_other = no_other && (here == caller || pool.owns(here));
                                     }};
    CHECK(scores_of(model.ranker.score("the old mill", passages, on_pool)) == expected);
    CHECK(pool.submitted() == 2);
    CHECK(no_other);
    const std::vector<mice::document> documents = model.ranker.encode_all(passages, on_pool);
    CHECK(no_other);
    CHECK(scores_of(model.ranker.score("the old mill", std::span<const mice::document>(documents),
                                       {.threads = 4})) == expected);
}

TEST_CASE("several threads may use one reranker at once") {
    const loaded_model model;
    const std::vector<std::string> passages = some_passages(30);
    const std::vector<std::string> queries{"river", "the old mill", "stone bridge", "x"};
    std::vector<std::vector<float>> expected;
    for (const std::string& query : queries) {
        expected.push_back(scores_of(model.ranker.score(query, passages, {.threads = 1})));
    }
    const mice::query shared = model.ranker.encode_query(queries[1]);
    const std::vector<mice::document> documents = model.ranker.encode_all(passages);
    std::atomic<int> wrong{0};
    const auto scores_differ = [](const mice::ranking& answer, const std::vector<float>& scores) {
        for (const mice::hit& one : answer) {
            if (one.score != scores[one.index]) {
                return true;
            }
        }
        return answer.size() != scores.size();
    };
    std::vector<std::thread> users;
    for (std::size_t user = 0; user < 4; ++user) {
        users.emplace_back([&, user] {
            const mice::reranker copy = model.ranker;
            for (std::size_t round = 0; round < 6; ++round) {
                const std::size_t q = (user + round) % queries.size();
                wrong += scores_differ(copy.rank(queries[q], passages, {.threads = 1 + round % 3}),
                                       expected[q]);
                wrong += scores_differ(
                    model.ranker.score(shared, std::span<const mice::document>(documents),
                                       {.threads = 2}),
                    expected[1]);
            }
        });
    }
    for (std::thread& user : users) {
        user.join();
    }
    CHECK(wrong == 0);
}

TEST_CASE("an exception on another thread arrives at the caller") {
    const loaded_model model;
    std::vector<std::string> passages = some_passages(60);
    passages[40] += '\xff';
    const mice::rank_options refusing{.threads = 3, .on_invalid = mice::invalid_utf8::refuse};
    CHECK(catch_error([&] {
              static_cast<void>(model.ranker.rank("river", passages, refusing));
          }).code == mice::errc::encoding);
    CHECK(catch_error([&] {
              static_cast<void>(model.ranker.encode_all(passages, refusing));
          }).code == mice::errc::encoding);
}

TEST_CASE("a model file on disk and the same bytes in memory give the same scores") {
    const loaded_model model;
    const fixtures::temporary_file file("mice-reranker-test.mice", model.bytes);
    const std::vector<std::string> passages = some_passages(10);
    const mice::reranker mapped(file.path(), mice::precision::f32);
    CHECK(scores_of(mapped.score("old mill", passages)) ==
          scores_of(model.ranker.score("old mill", passages)));
    CHECK(mapped.fingerprint() == model.ranker.fingerprint());
    CHECK(mapped.memory_bytes() == model.ranker.memory_bytes());
    // a query belongs to the model that encoded it, documents to any model of the fingerprint
    const mice::document document = model.ranker.encode("river");
    CHECK(mapped.rank("old mill", std::span(&document, 1)).complete);
    const mice::query query = model.ranker.encode_query("old mill");
    CHECK(catch_error([&] {
              static_cast<void>(mapped.rank(query, std::span(&document, 1)));
          }).code == mice::errc::mismatch);
    CHECK(catch_error([] { const mice::reranker none("/nonexistent/model.mice"); }).code ==
          mice::errc::io);
    const caught_error folder =
        catch_error([&] { const mice::reranker none(file.path().parent_path()); });
    CHECK(folder.code == mice::errc::io);
    CHECK(catch_error([] {
              const mice::reranker none(std::shared_ptr<const mice::model>{});
          }).code == mice::errc::invalid_argument);
}

TEST_CASE("a model may lie at any address in memory") {
    const loaded_model model;
    const float expected = score_of(model.ranker, "river", "stone");
    for (std::size_t shift = 1; shift < 8; ++shift) {
        std::vector<std::byte> moved(model.bytes.size() + shift);
        std::memcpy(moved.data() + shift, model.bytes.data(), model.bytes.size());
        const mice::reranker ranker{std::span<const std::byte>(moved).subspan(shift),
                                    mice::precision::f32};
        CHECK(score_of(ranker, "river", "stone") == expected);
    }
}

TEST_CASE("a model without a tokenizer scores ids and refuses text clearly") {
    const loaded_model with_text;
    const loaded_model model(fixtures::small_config(), {.with_tokenizer = false});
    CHECK(!model.ranker.has_tokenizer());
    CHECK(with_text.ranker.has_tokenizer());
    const std::vector<std::int32_t> query_ids{2, 80, 81, 3};
    const mice::document document = model.ranker.encode_ids(std::vector<std::int32_t>{2, 90, 3});
    const mice::query query = model.ranker.encode_query_ids(query_ids);
    CHECK(scores_of(model.ranker.score(query, std::span(&document, 1))) ==
          scores_of(with_text.ranker.score(with_text.ranker.encode_query_ids(query_ids),
                                           std::span(&document, 1))));
    const auto refuses = [](auto&& call) {
        const caught_error wrong = catch_error(call);
        INFO(wrong.text);
        CHECK(wrong.code == mice::errc::invalid_argument);
        CHECK(wrong.says("without a tokenizer"));
        CHECK(wrong.says("tokenizer.json or vocab.txt"));
    };
    refuses([&] { static_cast<void>(model.ranker.rank("river", {"stone"})); });
    refuses([&] { static_cast<void>(model.ranker.encode("stone")); });
    refuses([&] { static_cast<void>(model.ranker.encode_query("stone")); });
    refuses([&] { static_cast<void>(model.ranker.text_tokenizer()); });
}

TEST_CASE("ids outside the vocabulary or the model's lengths are refused with both numbers") {
    const loaded_model model;
    const auto refused = [&](const std::vector<std::int32_t>& ids, const std::string& part) {
        for (const bool as_query : {false, true}) {
            const caught_error wrong = catch_error([&] {
                if (as_query) {
                    static_cast<void>(model.ranker.encode_query_ids(ids));
                } else {
                    static_cast<void>(model.ranker.encode_ids(ids));
                }
            });
            INFO(wrong.text);
            CHECK(wrong.code == mice::errc::invalid_argument);
            CHECK(wrong.says(part));
        }
    };
    refused({2, 128, 3}, "token id 128");
    refused({2, 128, 3}, "vocabulary of 128");
    refused({-1}, "token id -1");
    refused({std::numeric_limits<std::int32_t>::min()}, "token id -2147483648");
    refused({std::numeric_limits<std::int32_t>::max()}, "token id 2147483647");
    refused({}, "0 token ids");
    refused(std::vector<std::int32_t>(49, 7), "from 1 to 48");
    CHECK(model.ranker.encode_ids(std::vector<std::int32_t>(48, 127)).tokens() == 48);
}

TEST_CASE("copied and moved rerankers share the model") {
    loaded_model model;
    const float expected = score_of(model.ranker, "river", "stone");
    mice::reranker copy = model.ranker;
    const mice::query query = model.ranker.encode_query("river");
    const mice::document document = copy.encode("stone");
    CHECK(copy.score(query, std::span(&document, 1))[0].score == expected);
    const mice::reranker moved = std::move(copy);
    copy = moved;
    CHECK(score_of(moved, "river", "stone") == expected);
    CHECK(score_of(copy, "river", "stone") == expected);
    // a query keeps its model alive
    auto temporary = std::make_unique<mice::reranker>(moved);
    const mice::query kept = temporary->encode_query("river");
    temporary.reset();
    CHECK(moved.score(kept, std::span(&document, 1))[0].score == expected);
}

TEST_CASE("a sigmoid is the logistic function of the logit and keeps the order") {
    const loaded_model model;
    const std::vector<std::string> passages = some_passages(40);
    const std::vector<float> logits = scores_of(model.ranker.score("old mill", passages));
    const mice::rank_options bounded{.output = mice::activation::sigmoid};
    const std::vector<float> values = scores_of(model.ranker.score("old mill", passages, bounded));
    for (std::size_t i = 0; i < logits.size(); ++i) {
        REQUIRE(values[i] ==
                static_cast<float>(1 / (1 + std::exp(-static_cast<double>(logits[i])))));
        REQUIRE(values[i] >= 0);
        REQUIRE(values[i] <= 1);
    }
    check_ranked(model.ranker.rank("old mill", passages, bounded), values);
    CHECK(mice::detail::activated(1000, mice::activation::sigmoid) == 1);
    CHECK(mice::detail::activated(-1000, mice::activation::sigmoid) == 0);
    CHECK(mice::detail::activated(0, mice::activation::sigmoid) == 0.5F);
}

TEST_CASE("sigmoids that round to the same value keep the order of their logits") {
    fixtures::model_file_parts parts = fixtures::make_model(fixtures::small_config());
    const float shift = 60;
    std::memcpy(parts.tensor("classifier.bias").bytes.data(), &shift, sizeof shift);
    const loaded_model model(parts);
    const std::vector<std::string> passages = some_passages(20);
    const mice::ranking by_logit = model.ranker.rank("old mill", passages);
    const mice::ranking by_sigmoid =
        model.ranker.rank("old mill", passages, {.output = mice::activation::sigmoid});
    for (std::size_t i = 0; i < passages.size(); ++i) {
        CHECK(by_sigmoid[i].score == 1);
        CHECK(by_sigmoid[i].index == by_logit[i].index);
    }
}

TEST_CASE("weights that overflow give an error and no score") {
    fixtures::model_file_parts parts = fixtures::make_model(fixtures::small_config());
    const float huge = 3e38F;
    fixtures::stored_tensor& classifier = parts.tensor("classifier.weight");
    for (std::size_t i = 0; i < 32; ++i) {
        std::memcpy(classifier.bytes.data() + i * sizeof huge, &huge, sizeof huge);
    }
    fixtures::stored_tensor& pooler = parts.tensor("pooler.dense.bias");
    for (std::size_t i = 0; i < 32; ++i) {
        std::memcpy(pooler.bytes.data() + i * sizeof huge, &huge, sizeof huge);
    }
    const loaded_model model(parts);
    const caught_error wrong =
        catch_error([&] { static_cast<void>(model.ranker.rank("river", {"stone"})); });
    CHECK(wrong.code == mice::errc::tensor);
    CHECK(wrong.says("not finite"));
}

TEST_CASE("texts may come as strings, views, literals and arrays") {
    const loaded_model model;
    const float expected = score_of(model.ranker, "river", "stone");
    const std::vector<std::string> strings{"stone"};
    const std::vector<std::string_view> views{"stone"};
    const std::vector<const char*> literals{"stone"};
    const std::array<std::string, 1> array{"stone"};
    const char* const c_array[] = {"stone"};
    CHECK(scores_of(model.ranker.score("river", strings))[0] == expected);
    CHECK(scores_of(model.ranker.score("river", views))[0] == expected);
    CHECK(scores_of(model.ranker.score("river", literals))[0] == expected);
    CHECK(scores_of(model.ranker.score("river", array))[0] == expected);
    CHECK(scores_of(model.ranker.score("river", c_array))[0] == expected);
    CHECK(scores_of(model.ranker.rank("river", {"stone"}))[0] == expected);
}

TEST_CASE("fault 26: refused invalid UTF-8 names the passage or query") {
    const loaded_model model(fixtures::small_config());
    const mice::rank_options refusing{.threads = 1, .on_invalid = mice::invalid_utf8::refuse};
    std::vector<std::string> texts(40, "the mill");
    texts[23] = "the old \xff mill";
    const auto says = [](const caught_error& found, std::string_view what) {
        return found.code == mice::errc::encoding && found.says(what) && found.says("at byte 8");
    };
    CHECK(says(catch_error([&] { (void)model.ranker.rank("mill", texts, refusing); }),
               "passage 23 (the first is 0)"));
    CHECK(says(catch_error([&] { (void)model.ranker.score("mill", texts, refusing); }),
               "passage 23 "));
    CHECK(
        says(catch_error([&] { (void)model.ranker.encode_all(texts, refusing); }), "passage 23 "));
    CHECK(says(catch_error([&] {
                   (void)model.ranker.rank_batch(std::vector<std::string>{"mill", texts[23]},
                                                 std::vector<std::string>{"mill"}, refusing);
               }),
               "query 1 "));
    CHECK(says(catch_error([&] {
                   (void)model.ranker.rank_batch(std::vector<std::string>{"mill"}, texts, refusing);
               }),
               "passage 23 "));
    CHECK(says(catch_error([&] { (void)model.ranker.rank(texts[23], texts, refusing); }),
               "the query is"));
    CHECK(model.ranker.rank("mill", texts).complete);
}

TEST_CASE("fault 26: a null pointer among texts is an error that names its place") {
    const loaded_model model(fixtures::small_config());
    const char* none = nullptr;
    const auto says = [](const caught_error& found, std::string_view what) {
        return found.code == mice::errc::invalid_argument && found.says(what) &&
               found.says("null pointer");
    };
    const std::vector<const char*> texts{"river", "stone", none, "mill"};
    const char* const array[] = {"river", none};
    const std::vector<const char*> whole{"river", "old mill"};
    CHECK(says(catch_error([&] { (void)model.ranker.rank("mill", texts); }), "passage 2 "));
    CHECK(says(catch_error([&] { (void)model.ranker.score("mill", texts); }), "passage 2 "));
    CHECK(says(catch_error([&] { (void)model.ranker.rank("mill", array); }), "passage 1 "));
    CHECK(says(catch_error([&] {
                   (void)model.ranker.rank("mill", {"river", none});
               }),
               "passage 1 "));
    CHECK(says(catch_error([&] { (void)model.ranker.score("mill", {none}); }), "passage 0 "));
    CHECK(says(catch_error([&] { (void)model.ranker.encode_all(texts); }), "passage 2 "));
    CHECK(says(catch_error([&] { (void)model.ranker.rank_batch(texts, whole); }), "query 2 "));
    CHECK(says(catch_error([&] { (void)model.ranker.rank_batch(whole, texts); }), "passage 2 "));
    CHECK(says(catch_error([&] { (void)model.ranker.encode(none); }), "the passage"));
    CHECK(says(catch_error([&] { (void)model.ranker.encode_query(none); }), "the query"));
    CHECK(model.ranker.rank("mill", whole).size() == 2);
    CHECK(model.ranker.rank("mill", {"river", "old mill"}).size() == 2);
    CHECK(model.ranker.rank("mill", {"river", std::string("old mill")}).size() == 2);
    CHECK(model.ranker.rank("mill", {}).empty());
    CHECK(model.ranker.encode({}).tokens() == 2);
}
