// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <string>

#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

using Catch::Matchers::Contains;
using fixtures::content;
using fixtures::result;
using fixtures::workplace;
using nlohmann::json;

TEST_CASE("attention shows what each group attends to, and its shares sum to one") {
    const workplace place;
    const result got = place.mice("attention --json --svg map.svg 'w5 w6' 'w7 w5 w8 w9'");
    INFO(got.err);
    REQUIRE(got.code == 0);
    const json object = json::parse(got.out);
    CHECK(object["pairs"] == 1);
    REQUIRE(object["blocks"].size() == 6); // three interaction layers, cross- and self-attention
    CHECK(object["blocks"][0]["name"] == "top_layers.0.crossattention");
    CHECK(object["blocks"][1]["name"] == "top_layers.0");
    for (const json& block : object["blocks"]) {
        for (const json& head : block["heads"]) {
            for (std::size_t from = 0; from < 2; ++from) { // no row is a document's
                double sum = 0;
                for (const json& share : head[from]) {
                    sum += share.get<double>();
                }
                CHECK(sum == Approx(1));
            }
            CHECK(head[2][0].is_null());
        }
    }
    // the query's other rows do not see [CLS] in this model
    CHECK(object["blocks"][1]["mean"][1][0] == 0);
    CHECK(object["blocks"][1]["mean"][0][0].get<double>() > 0);
    CHECK(object["blocks"][0]["mean"][0][2].get<double>() == Approx(1));
    const std::string map = content(place.path("map.svg"));
    CHECK_THAT(map, Contains("top_layers.1.crossattention") && Contains("</svg>"));
    CHECK_THAT(place.mice("attention 'w5 w6' 'w7 w5'").out,
               Contains("CLS > document") && Contains("100.0") && Contains("top_layers.1"));
}

TEST_CASE("attention averages pairs and says what is wrong with them") {
    const workplace place;
    place.write("pairs.jsonl", "{\"query\":\"w5\",\"document\":\"w6 w7\"}\n"
                               "{\"query\":\"w8\",\"document\":\"w9\"}\n");
    const json both = json::parse(place.mice("attention --json --pairs pairs.jsonl").out);
    CHECK(both["pairs"] == 2);
    const json first = json::parse(place.mice("attention --json w5 'w6 w7'").out);
    const json second = json::parse(place.mice("attention --json w8 w9").out);
    const auto share = [](const json& of) { return of["blocks"][1]["mean"][0][0].get<double>(); };
    CHECK(share(both) == Approx((share(first) + share(second)) / 2));
    place.write("bad.jsonl", "{\"query\":\"w5\"}\n");
    CHECK_THAT(place.mice("attention --pairs bad.jsonl").err,
               Contains("bad.jsonl:1") && Contains("document"));
    place.write("empty.jsonl", "\n");
    CHECK_THAT(place.mice("attention --pairs empty.jsonl").err, Contains("no pair"));
    CHECK(place.mice("attention w5").code == 64);
    CHECK(place.mice("attention").code == 64);
}
