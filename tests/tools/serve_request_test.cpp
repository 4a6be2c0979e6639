// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "serve/request_form.hpp"

using Catch::Matchers::Contains;
using mice::activation;
using mice::serve::parse_request;
using mice::serve::request_error;
using mice::serve::request_form;
using mice::serve::rerank_request;
using nlohmann::json;

namespace {

rerank_request parsed_request(const std::string& body) {
    return parse_request(body, {.body_bytes = 5000, .documents = 4, .document_bytes = 1000});
}

/// Checks that a body is refused with this status and message.
void check_refused(const std::string& body, int status, const std::string& says,
                   request_form form = request_form::documents) {
    INFO(body.substr(0, 200));
    try {
        (void)parsed_request(body);
        FAIL("it was taken");
    } catch (const request_error& problem) {
        CHECK(problem.status() == status);
        CHECK(problem.form() == form);
        CHECK_THAT(problem.what(), Contains(says));
    }
}

} // namespace

TEST_CASE("a request of documents is read") {
    const rerank_request all = parsed_request(
        R"({"model":"m","query":"q","documents":["a",{"text":"b","id":7},""],"top_n":2,)"
        R"("return_documents":true,"max_tokens_per_doc":4096,"unknown":[1,{"x":null}]})");
    CHECK(all.form == request_form::documents);
    CHECK(all.model == "m");
    CHECK(all.query == "q");
    CHECK(all.documents == std::vector<std::string>{"a", "b", ""});
    CHECK(all.top_n == 2U);
    CHECK(all.return_documents);

    const rerank_request least = parsed_request(R"({"query":"","documents":["a"]})");
    CHECK_FALSE(least.top_n.has_value());
    CHECK_FALSE(least.return_documents);
    CHECK(least.model.empty());
    const rerank_request nulls = parsed_request(
        R"({"query":"q","documents":["a"],"top_n":null,"return_documents":null,"model":null,)"
        R"("texts":null,"rank_fields":null})");
    CHECK_FALSE(nulls.top_n.has_value());
    CHECK_FALSE(nulls.return_documents);
}

TEST_CASE("return_documents may be a word") {
    for (const auto& [text, value] : {std::pair("\"true\"", true), std::pair("\"True\"", true),
                                      std::pair("\"false\"", false), std::pair("false", false)}) {
        const rerank_request got = parsed_request(
            std::string(R"({"query":"q","documents":["a"],"return_documents":)") + text + "}");
        CHECK(got.return_documents == value);
    }
    check_refused(R"({"query":"q","documents":["a"],"return_documents":"yes"})", 400,
                  "'return_documents'");
    check_refused(R"({"query":"q","documents":["a"],"return_documents":1})", 400, "true or false");
}

TEST_CASE("top_n is a whole number from 1 up") {
    const auto with = [](const std::string& top_n) {
        return R"({"query":"q","documents":["a","b"],"top_n":)" + top_n + "}";
    };
    CHECK(parsed_request(with("1")).top_n == 1U);
    for (const char* const many :
         {"2", "3", "1e30", "18446744073709551615", "2.0", "100000000000000000000000000"}) {
        INFO(many);
        CHECK(parsed_request(with(many)).top_n == 2U);
    }
    for (const char* const bad :
         {"0", "-1", "0.5", "1.5", "-1e30", "\"1\"", "true", "[]", "{}", "\"all\"", "-0.0"}) {
        check_refused(with(bad), 400, "'top_n'");
    }
    check_refused(with("NaN"), 400, "the body");
    check_refused(with("1e999"), 400, "the body");
}

TEST_CASE("a request of texts is read in its own form") {
    const rerank_request got = parsed_request(
        R"({"query":"q","texts":["a","b"],"raw_scores":true,"return_text":true,"truncate":true})");
    CHECK(got.form == request_form::texts);
    CHECK(got.documents.size() == 2);
    CHECK(got.raw_scores == true);
    CHECK(got.return_documents);
    CHECK_FALSE(parsed_request(R"({"query":"q","texts":["a"]})").raw_scores.has_value());

    const auto form = request_form::texts;
    check_refused(R"({"query":"q","texts":[]})", 400, "empty", form);
    check_refused(R"({"query":"q","texts":[{"text":"a"}]})", 422, "texts[0]", form);
    check_refused(R"({"query":"q","texts":["a"],"truncate":"no"})", 422, "'truncate'", form);
    check_refused(R"({"texts":["a"]})", 422, "'query' is missing", form);
    check_refused(R"({"query":"q","texts":["1","2","3","4","5"]})", 413, "5 entries", form);
}

TEST_CASE("what is wrong with a request is said") {
    for (const char* const broken :
         {"", "{", "nonsense", "{\"query\":\"q\",\"documents\":[\"a\"]} x", "\"\xff\"",
          "{\"query\":\"a\xc3\",\"documents\":[\"a\"]}", "{\"query\":\"q\",\"query\":\"q\"}",
          "{\"query\":\"q\",\"documents\":[\"a\"],\"documents\":[\"b\"]}"}) {
        check_refused(broken, 400, "the body");
    }
    check_refused(std::string(1000, '['), 400, "the body");
    check_refused(R"({"query":"q","documents":["a"],"x":)" + std::string(500, '[') +
                      std::string(500, ']') + "}",
                  400, "the body");
    check_refused("[]", 400, "expected a JSON object");
    check_refused("null", 400, "expected a JSON object");
    check_refused(R"({"documents":["a"]})", 400, "'query' is missing");
    check_refused(R"({"query":["q"],"documents":["a"]})", 400, "'query' is a list");
    check_refused(R"({"query":"q"})", 400, "'documents' is missing");
    check_refused(R"({"query":"q","documents":"a"})", 400, "'documents' is of type string");
    check_refused(R"({"query":"q","documents":[]})", 400, "empty");
    check_refused(R"({"query":"q","documents":["a",7]})", 400, "documents[1] is of type number");
    check_refused(R"({"query":"q","documents":[{"title":"a"}]})", 400, "without 'text'");
    check_refused(R"({"query":"q","documents":[{"text":1}]})", 400, "documents[0].text");
    check_refused(R"({"query":"q","documents":[null]})", 400, "documents[0] is null");
    check_refused(R"({"query":"q","documents":["a"],"texts":["a"]})", 400, "both");
    check_refused(R"({"query":"q","documents":["a"],"model":1})", 400, "'model'");
    check_refused(R"({"query":"q","documents":["a"],"rank_fields":["title"]})", 400,
                  "'rank_fields'");
    check_refused(R"({"query":"q","documents":["1","2","3","4","5"]})", 413, "5 entries");
    check_refused(json{{"query", "q"}, {"documents", {std::string(1001, 'a')}}}.dump(), 413,
                  "1001 bytes");
    check_refused(json{{"query", std::string(1001, 'a')}, {"documents", {"a"}}}.dump(), 413,
                  "'query' has 1001 bytes");
    check_refused(std::string(5001, ' '), 413, "5001 bytes");
}

TEST_CASE("answers have the shape of their form") {
    const mice::serve::ranked_texts found{{{1, 2.5F}, {0, 0.0F}, {2, -3.0F}}, true, 40};
    rerank_request request = parsed_request(
        R"({"model":"theirs","query":"q","documents":["a","b\"","c"],"return_documents":true})");
    json got =
        json::parse(answer_text(request, found, activation::sigmoid, {"ours", "rerank-1", "2"}));
    CHECK(got["model"] == "theirs");
    CHECK(got["id"] == "rerank-1");
    CHECK(got["usage"]["total_tokens"] == 40);
    CHECK(got["meta"]["api_version"]["version"] == "2");
    CHECK(got["meta"]["billed_units"]["search_units"] == 1);
    REQUIRE(got["results"].size() == 3);
    CHECK(got["results"][0] == json{{"index", 1},
                                    {"relevance_score", got["results"][0]["relevance_score"]},
                                    {"document", {{"text", "b\""}}}});
    CHECK(got["results"][1]["relevance_score"] == 0.5); // of 0, applied once
    CHECK_FALSE(got.contains("partial"));

    request.top_n = 1;
    request.return_documents = false;
    request.model.clear();
    got = json::parse(answer_text(request, found, activation::logit, {"ours", "i", "1"}));
    CHECK(got["model"] == "ours");
    CHECK(got["results"] == json::array({{{"index", 1}, {"relevance_score", 2.5}}}));

    request = parsed_request(R"({"query":"q","texts":["a","b","c"],"return_text":true})");
    got = json::parse(answer_text(request, found, activation::sigmoid, {"ours", "i", "1"}));
    CHECK(got[1] == json{{"index", 0}, {"score", 0.5}, {"text", "a"}});
    request.raw_scores = true;
    got = json::parse(answer_text(request, found, activation::sigmoid, {"ours", "i", "1"}));
    CHECK(got[0]["score"] == 2.5);
    request.raw_scores = false; // asked for, so the server's choice does not count
    got = json::parse(answer_text(request, found, activation::logit, {"ours", "i", "1"}));
    CHECK(got[1]["score"] == 0.5);
}

TEST_CASE("errors have the shape of their form") {
    const json documents = json::parse(error_text(request_form::documents, 429, "full \"up\""));
    CHECK(documents["message"] == "full \"up\"");
    CHECK(documents["error"] ==
          json{{"code", 429}, {"message", "full \"up\""}, {"type", "rate_limit_error"}});
    const json texts = json::parse(error_text(request_form::texts, 429, "full"));
    CHECK(texts == json{{"error", "full"}, {"error_type", "Overloaded"}});
}
