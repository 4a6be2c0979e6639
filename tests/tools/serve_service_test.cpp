// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "index_fixture.hpp"

#include "serve/service.hpp"

using Catch::Matchers::Contains;
using mice::serve::request_head;
using mice::serve::service;
using mice::serve::service_options;
using mice::serve::work_queue;
using nlohmann::json;

namespace {

/// A service over a random model.
struct served {
    explicit served(service_options settings = {})
        : answers(model.ranker, {}, mice::text_options{}, std::move(settings)) {}

    /// What a request gets, its head looked at first, as a server does.
    mice::serve::answer ask(request_head head, const std::string& body = {}) {
        auto early = answers.answer_head(head);
        return early ? *early : answers.rank(head, body);
    }
    mice::serve::answer get(const std::string& path) {
        return ask({"GET", path, "localhost", {}, {}});
    }
    mice::serve::answer post(const std::string& path, const std::string& body) {
        return ask({"POST", path, "localhost", {}, {}}, body);
    }

    fixtures::model_in_memory model{fixtures::small_config()};
    service answers;
};

std::optional<std::string> header_of(const mice::serve::answer& of, const std::string& name) {
    for (const auto& [each, value] : of.headers) {
        if (each == name) {
            return value;
        }
    }
    return std::nullopt;
}

const std::string small_request = R"({"query":"old mill","documents":["the river","a mill"]})";

} // namespace

TEST_CASE("a service answers at every address, in the form of the request") {
    served with;
    for (const char* const path :
         {"/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking"}) {
        const mice::serve::answer got = with.post(path, small_request);
        INFO(got.body);
        CHECK(got.status == 200);
        CHECK(json::parse(got.body)["results"].size() == 2);
        CHECK(got.documents == 2);
    }
    const json texts =
        json::parse(with.post("/rerank", R"({"query":"mill","texts":["a","b"]})").body);
    REQUIRE(texts.is_array());
    CHECK(texts[0]["score"].get<double>() >= texts[1]["score"].get<double>());
}

TEST_CASE("served scores are those of the library") {
    served with({.scores = mice::activation::logit});
    const std::vector<std::string> texts{"the river", "a mill", "under the old bridge"};
    const auto expected = mice::rank_texts(with.model.ranker, "old mill", texts);
    const json got = json::parse(
        with.post("/rerank", json{{"query", "old mill"}, {"documents", texts}}.dump()).body);
    REQUIRE(got["results"].size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(got["results"][i]["index"] == expected[i].index);
        CHECK(got["results"][i]["relevance_score"].get<float>() == expected[i].score);
    }
}

TEST_CASE("a service tells of its health, its model and its counts") {
    served with({.model = "tiny"});
    CHECK(json::parse(with.get("/health").body)["status"] == "ok");
    CHECK(json::parse(with.get("/v1/models").body)["data"][0]["id"] == "tiny");
    with.answers.note({"POST", "/rerank", {}, {}, {}}, with.post("/rerank", small_request),
                      std::chrono::milliseconds(3));
    with.answers.note({"GET", "/\"\n{evil", {}, {}, {}}, with.get("/nowhere"), {});
    const mice::serve::answer metrics = with.get("/metrics");
    CHECK_THAT(metrics.type, Contains("text/plain"));
    for (const char* const line :
         {"mice_requests_total{path=\"/rerank\",status=\"200\"} 1\n",
          "mice_requests_total{path=\"other\",status=\"404\"} 1\n", "mice_documents_total 2\n",
          "mice_request_seconds_bucket{le=\"0.0025\"} 0\n",
          "mice_request_seconds_bucket{le=\"0.005\"} 1\n",
          "mice_request_seconds_bucket{le=\"+Inf\"} 1\n", "mice_request_seconds_count 1\n",
          "mice_cache_documents 2\n", "mice_waiting 0\n", "mice_running 0\n"}) {
        CHECK_THAT(metrics.body, Contains(line));
    }
}

TEST_CASE("addresses and methods that are not served are refused") {
    served with;
    CHECK(with.get("/").status == 404);
    CHECK(with.get("/rerank/").status == 404);
    const mice::serve::answer got = with.get("/rerank");
    CHECK(got.status == 405);
    CHECK(header_of(got, "Allow") == "POST");
    CHECK(with.post("/health", "").status == 405);
    CHECK(with.ask({"OPTIONS", "/rerank", "localhost", {}, {}}).status == 405);
    CHECK(with.post("/rerank", "{").status == 400);
}

TEST_CASE("a service with a token answers those who have it") {
    served with({.token = "secret"});
    const auto status = [&](const char* method, const char* path,
                            std::optional<std::string> authorization) {
        return with.ask({method, path, "localhost", {}, std::move(authorization)}, small_request)
            .status;
    };
    CHECK(status("POST", "/rerank", {}) == 401);
    CHECK(status("POST", "/rerank", "Bearer wrong") == 401);
    CHECK(status("POST", "/rerank", "Bearer secret") == 200);
    CHECK(status("GET", "/metrics", {}) == 401);
    CHECK(status("GET", "/nowhere", {}) == 401);
    CHECK(status("GET", "/health", {}) == 200);
}

TEST_CASE("names and pages of others are refused") {
    served with;
    const auto status = [&](std::optional<std::string> host, std::optional<std::string> origin) {
        return with.ask({"POST", "/rerank", std::move(host), std::move(origin), {}}, small_request)
            .status;
    };
    CHECK(status("evil.example", {}) == 403);
    CHECK(status({}, {}) == 403);
    CHECK(status("127.0.0.1:8080", {}) == 200);
    CHECK(status("localhost", "https://evil.example") == 403);
    served open({.check_host = false, .allow_origin = "https://good.example"});
    const mice::serve::answer good =
        open.ask({"POST", "/rerank", "any.example", "https://good.example", {}}, small_request);
    CHECK(good.status == 200);
    CHECK(header_of(good, "Access-Control-Allow-Origin") == "https://good.example");
    CHECK(open.ask({"POST", "/rerank", {}, "https://evil.example", {}}, small_request).status ==
          403);
    const mice::serve::answer asked =
        open.ask({"OPTIONS", "/rerank", {}, "https://good.example", {}});
    CHECK(asked.status == 204);
    CHECK(header_of(asked, "Access-Control-Allow-Methods") == "GET, POST");
    CHECK_FALSE(header_of(open.post("/rerank", small_request), "Access-Control-Allow-Origin"));
}

TEST_CASE("a request that has no time left is an error in its own form") {
    served with({.timeout = std::chrono::nanoseconds(1)});
    const mice::serve::answer got = with.post("/rerank", small_request);
    CHECK(got.status == 503);
    CHECK(header_of(got, "Retry-After") == "1");
    const mice::serve::answer texts = with.post("/rerank", R"({"query":"mill","texts":["a","b"]})");
    CHECK(texts.status == 503);
    CHECK(json::parse(texts.body)["error_type"] == "Unhealthy");
    with.answers.stop();
    CHECK(with.post("/rerank", small_request).status == 503);
}

TEST_CASE("work beyond the queue is refused, by the threads that wait") {
    work_queue queue(1);
    std::promise<void> begun, go;
    std::future<mice::serve::outcome> first = std::async(std::launch::async, [&] {
        return queue.run(
            [&](const mice::cancellation&) {
                begun.set_value();
                go.get_future().wait();
            },
            {});
    });
    begun.get_future().wait();
    CHECK(queue.busy());
    bool done = false;
    std::future<mice::serve::outcome> second = std::async(std::launch::async, [&] {
        return queue.run([&](const mice::cancellation&) { done = true; }, {});
    });
    while (queue.waiting() == 0) {
        std::this_thread::yield();
    }
    CHECK(queue.run([](const mice::cancellation&) {}, {}) == mice::serve::outcome::full);
    go.set_value();
    CHECK(first.get() == mice::serve::outcome::done);
    CHECK(second.get() == mice::serve::outcome::done);
    CHECK(done);
    CHECK_THROWS_AS(
        (void)queue.run([](const mice::cancellation&) { throw std::runtime_error("x"); }, {}),
        std::runtime_error);
}

TEST_CASE("work whose time passed or whose client left gives up its place, in threads") {
    work_queue queue(8);
    std::promise<void> begun;
    const work_queue::work until_cancelled = [&](const mice::cancellation& cancel) {
        begun.set_value();
        while (!cancel.requested()) {
            std::this_thread::yield();
        }
    };
    std::future<mice::serve::outcome> first =
        std::async(std::launch::async, [&] { return queue.run(until_cancelled, {}); });
    begun.get_future().wait();
    bool ran = false;
    const work_queue::work task = [&](const mice::cancellation&) { ran = true; };
    CHECK(queue.run(task, work_queue::clock::now()) == mice::serve::outcome::timed_out);
    CHECK(queue.run(task, {}, [] { return true; }) == mice::serve::outcome::deserted);
    CHECK(queue.waiting() == 0);
    std::future<mice::serve::outcome> waiting =
        std::async(std::launch::async, [&] { return queue.run(task, {}); });
    while (queue.waiting() == 0) {
        std::this_thread::yield();
    }
    queue.stop();
    CHECK(first.get() == mice::serve::outcome::done);
    CHECK(waiting.get() == mice::serve::outcome::stopped);
    CHECK_FALSE(ran);
    CHECK(queue.run(task, {}) == mice::serve::outcome::stopped);
}

TEST_CASE("work that is done is cancelled when its client leaves") {
    work_queue queue(0);
    std::atomic<bool> begun{false};
    const mice::serve::outcome became = queue.run(
        [&](const mice::cancellation& cancel) {
            begun = true;
            while (!cancel.requested()) {
                std::this_thread::yield();
            }
        },
        {}, [&] { return begun.load(); });
    CHECK(became == mice::serve::outcome::deserted);
}
