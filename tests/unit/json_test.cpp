// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

#include <mice/io/json.hpp>
#include <nlohmann/json.hpp>

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
        R"({"b":[1,-2,2.5,true,false,null,"x\u00e9",{}],"a":{"c":[[]]}})", "the text");
    const io::json::array_type& items = value.find("b")->items();
    CHECK(items.size() == 8);
    CHECK(items[0].is_unsigned());
    CHECK(items[0].unsigned_integer() == 1);
    CHECK(items[1].number() == -2);
    CHECK(items[2].number() == 2.5);
    CHECK(items[3].boolean());
    CHECK(items[5].is_null());
    CHECK(items[6].text() == "x\xC3\xA9");
    CHECK(items[7].members().empty());
    CHECK(value.find("a")->find("c")->items()[0].is_array());
    CHECK(value.find("c") == nullptr);
    CHECK(items[0].find("c") == nullptr);
    CHECK(io::parse_json("7", "the text").unsigned_integer() == 7);
    CHECK(io::parse_json("\xEF\xBB\xBF[7]", "the text").is_array()); // a byte order mark
}

TEST_CASE("A value of another type is refused") {
    const io::json value = io::parse_json("[1]", "the text");
    CHECK_THROWS_AS(value.text(), error);
    CHECK_THROWS_AS(value.members(), error);
    CHECK_THROWS_AS(value.boolean(), error);
    CHECK_THROWS_AS(value.number(), error);
    CHECK_THROWS_AS(value.items()[0].items(), error);
    CHECK_THROWS_AS(io::json(1).unsigned_integer(), error); // not known not to be negative
    CHECK_THROWS_AS(io::json().push_back(1), error);
    CHECK_THROWS_AS(io::json::array().add("a", 1), error);
}

TEST_CASE("Text that is not JSON is refused") {
    for (const char* text : {"", "{", "[1,]", "{\"a\":1}x", "{'a':1}", "nul", "[1e999]", "\"\xFF\"",
                             "[\"\\ud800\"]", "[\"\\udc00\"]", "{\"\\udc00\":1}", "{\"a\"}",
                             "// x\n1", "NaN", "[-Infinity]", "\xEF\xBB", " \xEF\xBB\xBF"}) {
        INFO(text);
        CHECK(parse_problem(text).find("the text is not usable JSON: at byte ") == 0);
    }
    CHECK(parse_problem("[1,]").find("at byte 3: a value is expected") != std::string::npos);
    CHECK(parse_problem("\xEF\xBB\xBF[1,]").find("at byte 6:") != std::string::npos);
    CHECK(parse_problem(std::string("[1]\0", 4)).find("at byte 3: a NUL") != std::string::npos);
}

TEST_CASE("Numbers of any length and exponent end in a number or an error") {
    const std::string zeros(100000, '0');
    for (const std::string& text : std::vector<std::string>{
             "0." + zeros + "1", "0." + zeros + "1e-2147483647", "1e-2147483648", "1e-99999999999",
             "-1e-400", "0." + zeros + "1e-2147483639", "0.1" + zeros, "4.9e-324", "2.4e-324",
             "-0.0", "1.7976931348623157e308", "0.1" + zeros + "e5"}) {
        INFO(text.substr(0, 40));
        const io::json value = io::parse_json(text, "the text");
        CHECK(value.number() == nlohmann::json::parse(text).get<double>());
    }
    for (const std::string& text :
         std::vector<std::string>{"1" + zeros, "1e309", "-1e309", "1.8e308", "1e2147483648",
                                  "1" + zeros + ".5", "1e99999999999999999999"}) {
        INFO(text.substr(0, 40));
        CHECK(parse_problem(text).find("too large") != std::string::npos);
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

TEST_CASE("Values are written as the files that exist have them") {
    io::json value = io::json::object();
    value.add("b", io::json::array()).push_back(-1);
    value.insert("a", "\"\\/\b\f\n\r\t\x01\x1F\x7F \xC3\xA9\xE2\x80\xA8");
    value.insert("ab", nullptr);
    value.insert("aa", true);
    value.add("aaa", std::string("a\0b\xFF", 4));
    value.add("", std::numeric_limits<std::uint64_t>::max());
    value.add("c", std::numeric_limits<std::int64_t>::min());
    CHECK(io::to_text(value) ==
          "{\"a\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F \xC3\xA9\xE2\x80\xA8\",\"aa\":true,"
          "\"ab\":null,\"b\":[-1],\"aaa\":\"a\\u0000b\xEF\xBF\xBD\",\"\":18446744073709551615,"
          "\"c\":-9223372036854775808}");
    CHECK(io::to_text(io::json::object()) == "{}");
    CHECK(io::to_text(io::json::array()) == "[]");
    for (const auto& [number, text] : {std::pair<double, const char*>{1e-12, "1e-12"},
                                       {1e-5, "1e-05"},
                                       {0.0001, "0.0001"},
                                       {0.00012, "0.00012"},
                                       {0.1, "0.1"},
                                       {-0.1, "-0.1"},
                                       {0.0, "0.0"},
                                       {-0.0, "-0.0"},
                                       {1.0, "1.0"},
                                       {-2.5, "-2.5"},
                                       {10000.0, "10000.0"},
                                       {160000.0, "160000.0"},
                                       {123456.789, "123456.789"},
                                       {999999999999999.0, "999999999999999.0"},
                                       {1e14, "100000000000000.0"},
                                       {1e15, "1e+15"},
                                       {123456789012345680.0, "1.2345678901234568e+17"},
                                       {-1.5e16, "-1.5e+16"},
                                       {5e-324, "5e-324"},
                                       {1.7976931348623157e308, "1.7976931348623157e+308"},
                                       {1e100, "1e+100"},
                                       {std::numeric_limits<double>::infinity(), "null"},
                                       {std::numeric_limits<double>::quiet_NaN(), "null"}}) {
        CHECK(io::to_text(number) == text);
        CHECK(nlohmann::json(number).dump() == text);
    }
}

namespace {

/// Random values, texts and changes of texts, and whether both libraries say the same of them.
class json_pair {
  public:
    std::size_t accepted = 0;
    std::size_t refused = 0;

    /// A value, in a form that both libraries can be given.
    nlohmann::ordered_json value(std::size_t depth) {
        switch (below(depth == 0 ? 6 : 8)) {
        case 0:
            return nullptr;
        case 1:
            return below(2) == 0;
        case 2:
            return static_cast<std::int64_t>(random_() >> below(64));
        case 3:
            return random_() >> below(64);
        case 4:
            return real();
        case 5:
            return text();
        case 6: {
            auto list = nlohmann::ordered_json::array();
            for (std::size_t left = below(5); left > 0; --left)
                list.push_back(value(depth - 1));
            return list;
        }
        default: {
            auto object = nlohmann::ordered_json::object();
            for (std::size_t left = below(5); left > 0; --left)
                object[text()] = value(depth - 1);
            return object;
        }
        }
    }
    double real() {
        const double any = std::bit_cast<double>(random_());
        if (below(2) == 0 && std::isfinite(any))
            return any;
        return static_cast<double>(static_cast<std::int64_t>(random_() >> below(64))) /
               std::pow(10.0, static_cast<double>(below(25)));
    }
    std::string text() {
        static const std::vector<std::string> parts{
            "a",           "\"", "\\",       "\n",           "\x01",
            "\x7F",        "/",  "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80",
            "\xED\x9F\xBF"};
        std::string made;
        for (std::size_t left = below(6); left > 0; --left)
            made += parts[below(parts.size())];
        return made;
    }
    /// Changes a few bytes.
    std::string damaged(std::string whole) {
        static const std::string likely =
            "{}[],:\"\\u0123456789eE+-. \t\nnultrfas\xED\xA0\x80\xFF\xC3";
        for (std::size_t left = 1 + below(3); left > 0 && !whole.empty(); --left) {
            const std::size_t at = below(whole.size());
            switch (below(3)) {
            case 0:
                whole[at] = likely[below(likely.size())];
                break;
            case 1:
                whole.erase(at, 1 + below(3));
                break;
            default:
                whole.insert(at, 1, likely[below(likely.size())]);
            }
        }
        return whole;
    }
    std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

    /// Reads the text with both.
    void read(const std::string& text) {
        const std::string problem = parse_problem(text);
        const auto theirs = nlohmann::ordered_json::parse(text, nullptr, false);
        if (problem.empty()) {
            ++accepted;
            REQUIRE_FALSE(theirs.is_discarded());
            REQUIRE(same(io::parse_json(text, "the text"), theirs));
        } else {
            ++refused;
            // Ours refuses keys that come twice, and 0e999.
            REQUIRE((theirs.is_discarded() || problem.find("twice") != std::string::npos ||
                     problem.find("too large") != std::string::npos));
        }
    }

  private:
    static bool same(const io::json& ours, const nlohmann::ordered_json& theirs) {
        if (theirs.is_number_float())
            return !ours.is_unsigned() && std::bit_cast<std::uint64_t>(ours.number()) ==
                                              std::bit_cast<std::uint64_t>(theirs.get<double>());
        if (theirs.is_number_unsigned())
            return ours.is_unsigned() && ours.unsigned_integer() == theirs.get<std::uint64_t>();
        if (theirs.is_array()) {
            bool all = ours.items().size() == theirs.size();
            for (std::size_t i = 0; all && i < theirs.size(); ++i)
                all = same(ours.items()[i], theirs[i]);
            return all;
        }
        if (theirs.is_object()) {
            bool all = ours.members().size() == theirs.size();
            auto other = theirs.begin();
            for (std::size_t i = 0; all && i < theirs.size(); ++i, ++other)
                all = ours.members()[i].key == other.key() &&
                      same(ours.members()[i].value, other.value());
            return all;
        }
        return io::to_text(ours) == theirs.dump();
    }

    std::mt19937_64 random_{7};
};

} // namespace

TEST_CASE("Texts are read as nlohmann-json reads them") {
    json_pair pair;
    for (int i = 0; i < 20000; ++i) {
        const std::string text = pair.value(4).dump(i % 3 == 0 ? 1 : -1, ' ', i % 2 == 0);
        INFO(text);
        pair.read(text);
        const std::string damaged = pair.damaged(text);
        INFO(damaged);
        pair.read(damaged);
    }
    CHECK(pair.accepted > 20000);
    CHECK(pair.refused > 10000);
}

TEST_CASE("Values are written as nlohmann-json writes them") {
    json_pair pair;
    const auto dump = [](const nlohmann::ordered_json& value) {
        return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    };
    for (int i = 0; i < 20000; ++i) {
        std::string bytes; // of any kind
        for (std::size_t left = pair.below(8); left > 0; --left)
            bytes += static_cast<char>("\xC3\xE0\xED\xF0\xF4\x80\x90\xA0\xBF\xC1\xFF\x1F"
                                       "a\"\\"[pair.below(15)]);
        REQUIRE(io::to_text(bytes) == dump(bytes));
        REQUIRE(io::is_utf8(bytes) == (dump(bytes).find("\xEF\xBF\xBD") == std::string::npos));
    }
    std::size_t longer = 0;
    for (int i = 0; i < 100000; ++i) {
        const double value = pair.real();
        const std::string ours = io::to_text(value);
        const std::string theirs = dump(value);
        // Theirs are not always the fewest digits, or the nearest of these.
        longer += ours != theirs;
        REQUIRE(ours.size() <= theirs.size());
        REQUIRE(io::parse_json(ours, "it").number() == value);
    }
    CHECK(longer < 500);
    for (int i = 0; i < 3000; ++i) {
        const std::string text = dump(pair.value(4));
        const std::string again = io::to_text(io::parse_json(text, "the text"));
        REQUIRE(nlohmann::ordered_json::parse(again) == nlohmann::ordered_json::parse(text));
    }
}
