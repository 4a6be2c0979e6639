// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "catch.hpp"

#include <mice/io/json.hpp>

using mice::errc;
using mice::error;
namespace io = mice::io;

namespace {

/// The message of the error that parsing raises, "" if there is none.
std::string parse_problem(const std::string& text, const io::json_limits& limits = {}) {
    try {
        (void)io::parse_json(text, "the text", limits);
    } catch (const error& raised) {
        CHECK(raised.code() == errc::format);
        return raised.what();
    }
    return "";
}

} // namespace

TEST_CASE("JSON values of every kind are read") {
    const io::json value = io::parse_json(
        R"({"a":[1,-2,2.5,true,false,null,"x\u00e9",{}],"b":{"c":[[]]}})", "the text");
    CHECK(value["a"].size() == 8);
    CHECK(value["a"][0].is_number_unsigned());
    CHECK(value["a"][1] == -2);
    CHECK(value["a"][2] == 2.5);
    CHECK(value["a"][6] == "x\xC3\xA9");
    CHECK(value["a"][7].is_object());
    CHECK(value["b"]["c"][0].is_array());
    CHECK(io::parse_json("7", "the text") == 7);
    CHECK(io::to_text(value) ==
          "{\"a\":[1,-2,2.5,true,false,null,\"x\xC3\xA9\",{}],\"b\":{\"c\":[[]]}}");
}

TEST_CASE("Text that is not JSON is refused") {
    for (const char* text : {"", "{", "[1,]", "{\"a\":1}x", "{'a':1}", "nul", "[1e999]", "\"\xFF\"",
                             "[\"\\ud800\"]", "{\"a\"}", "// x\n1"}) {
        INFO(text);
        CHECK(parse_problem(text).find("the text is not usable JSON") == 0);
    }
}

TEST_CASE("A parse error does not quote a huge text") {
    CHECK(parse_problem("[\"" + std::string(1000000, 'x')).size() < 300);
}

TEST_CASE("Two equal keys in one object are refused") {
    CHECK(parse_problem(R"({"a":1,"b":{"a":2}})") == "");
    CHECK(parse_problem(R"({"a":1,"b":2,"a":1})").find("'a' appears twice") != std::string::npos);
    CHECK(parse_problem(R"([{"x":{"k":1,"\u006b":2}}])").find("'k' appears twice") !=
          std::string::npos);
}

TEST_CASE("Nesting is limited") {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    CHECK(parse_problem(nested(16)) == "");
    CHECK(parse_problem(nested(17)).find("deeper than 16") != std::string::npos);
    CHECK(parse_problem(std::string(10000000, '[')).find("deeper") != std::string::npos);
}

TEST_CASE("Length and number of values are limited") {
    CHECK(parse_problem("[1,2]", {.max_bytes = 4}).find("5 bytes") != std::string::npos);
    CHECK(parse_problem("[1,2]", {.max_bytes = 5}) == "");
    CHECK(parse_problem("[1,2]", {.max_values = 2}).find("more than 2 values") !=
          std::string::npos);
    CHECK(parse_problem("[1,2]", {.max_values = 3}) == "");
}
