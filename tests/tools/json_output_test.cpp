// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "common/id_lines.hpp"
#include "common/json_output.hpp"
#include "random_numbers.hpp"

#include <nlohmann/json.hpp>

using namespace mice::tools;
using nlohmann::json;

TEST_CASE("fault 27: floats and doubles are written so that they read back the same") {
    CHECK(number_text(-2.48342562F) == "-2.4834256");
    CHECK(number_text(0.1F) == "0.1");
    CHECK(number_text(3.0F) == "3.0");
    CHECK(number_text(-0.0F) == "-0.0");
    CHECK(number_text(0.1) == "0.1");
    CHECK(json_line({{"score", json_number(-2.48342562F)}}) == "{\"score\":-2.4834256}\n");
    CHECK(json_line({{"score", json_number(std::nanf(""))}}) == "{\"score\":null}\n");
    CHECK(json_line({1.0, 0.1 + 0.2, 1e300, std::numeric_limits<double>::infinity()}) ==
          "[1.0,0.30000000000000004,1e+300,null]\n");
    fixtures::random_numbers random(5);
    for (int i = 0; i < 20'000; ++i) {
        const auto bits = static_cast<std::uint32_t>(random.below(std::size_t{1} << 32));
        float value = 0;
        std::memcpy(&value, &bits, sizeof value);
        if (!std::isfinite(value)) {
            continue;
        }
        const std::string text = number_text(value);
        REQUIRE(std::strtof(text.c_str(), nullptr) == value);
        const std::string line = json_line(json_number(value));
        REQUIRE(line == text + "\n");
        REQUIRE(json::parse(line).get<float>() == value);
    }
}

TEST_CASE("fault 34: JSON escapes what could steer a terminal and reads back the same") {
    const std::vector<std::string> texts{"plain",
                                         "a\x1b[31m\x07",
                                         "c1 \xC2\x9b 31m \x7f",
                                         "turn \xE2\x80\xAE over",
                                         "lines \xE2\x80\xA8 \xE2\x80\xA9",
                                         "tag \xF3\xA0\x81\x81",
                                         "quote \" back \\ slash",
                                         "caf\xC3\xA9 \xE6\x9D\xB1 \xF0\x9F\x98\x80"};
    for (const std::string& text : texts) {
        INFO(text);
        const std::string line = json_line({{"k", text}});
        CHECK(json::parse(line)["k"] == text);
        for (const char* const raw : {"\x1b", "\x7f", "\xC2\x9b", "\xE2\x80", "\xF3\xA0"}) {
            CHECK(line.find(raw) == std::string::npos);
        }
        CHECK(id_of(id_line(text)) == text);
    }
    CHECK(json_string("caf\xC3\xA9") == "\"caf\xC3\xA9\"");
}

TEST_CASE("fault 34: an id is a line that gives it back") {
    CHECK(id_line("a b") == "a b");
    CHECK(id_line("C:\\u001b") == "C:\\u001b");
    CHECK(id_line("a\x1b") == "\"a\\u001b\"");
    CHECK(id_line("\"a\"") == "\"\\\"a\\\"\"");
    CHECK(id_line(" ") == "\" \"");
    CHECK(id_of("\"unclosed") == "\"unclosed");
    CHECK(id_of("\"a\" b") == "\"a\" b");
    CHECK(id_of("[1]") == "[1]");
}
