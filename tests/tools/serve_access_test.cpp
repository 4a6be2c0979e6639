// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <string>
#include <vector>

#include "temporary_folder.hpp"

#include "serve/access.hpp"

#include <mice/error.hpp>

using mice::serve::bears;
using mice::serve::equal_in_constant_time;
using mice::serve::is_loopback;
using mice::serve::names_this_machine;
using mice::serve::read_token;

TEST_CASE("only this machine's own names are loopback") {
    for (const char* const own : {"localhost", "127.0.0.1", "127.255.3.4", "::1"}) {
        INFO(own);
        CHECK(is_loopback(own));
    }
    for (const char* const other :
         {"", "0.0.0.0", "::", "127.0.0.1.example.org", "127.0.0", "127.0.0.256", "127.0.0.1.",
          "127.0.0.", "1270.0.0.1", "128.0.0.1", "127..0.1", "example.org", "localhost.example"}) {
        INFO(other);
        CHECK_FALSE(is_loopback(other));
    }
}

TEST_CASE("a Host header of another name is no name of this machine") {
    const std::vector<std::string> allowed{"ranker.example"};
    for (const char* const own : {"localhost", "LocalHost:80", "127.0.0.1:8080", "[::1]", "[::1]:1",
                                  "ranker.example", "Ranker.Example:8080"}) {
        INFO(own);
        CHECK(names_this_machine(own, allowed));
    }
    for (const char* const other :
         {"", ":80", "evil.example", "evil.example:8080", "localhost:x", "localhost:99999",
          "localhost:", "[::1", "[::1]x", "[evil.example]", "localhost, evil.example",
          "evil.example@localhost", "127.0.0.1.evil.example", "ranker.example.evil"}) {
        INFO(other);
        CHECK_FALSE(names_this_machine(other, allowed));
    }
}

TEST_CASE("a bearer token is the whole token") {
    CHECK(bears("Bearer secret", "secret"));
    CHECK(bears("bearer  secret", "secret"));
    for (const char* const other :
         {"", "secret", "Basic secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secretsecret",
          "Bearer secreT", "Bearer secret "}) {
        INFO(other);
        CHECK_FALSE(bears(other, "secret"));
    }
    CHECK_FALSE(equal_in_constant_time("", "a"));
    CHECK_FALSE(equal_in_constant_time("a", ""));
    CHECK(equal_in_constant_time("", ""));
}

TEST_CASE("a token's file holds one word") {
    const temporary_folder folder;
    CHECK(read_token(folder.write("good", " tok-en_1\r\n")) == "tok-en_1");
    for (const std::string& bad :
         {std::string(), std::string(" \n"), std::string("two words"), std::string("caf\xc3\xa9"),
          std::string(5000, 'x'), std::string("a\0b", 3)}) {
        CHECK_THROWS_AS(read_token(folder.write("bad", bad)), mice::error);
    }
    CHECK_THROWS_AS(read_token(folder.path() / "missing"), mice::error);
}
