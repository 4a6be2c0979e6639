// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <string>
#include <vector>

#include "common/nearest_name.hpp"

using mice::tools::edit_distance;
using mice::tools::nearest_name;

TEST_CASE("the edit distance counts insertions, deletions and replacements") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("flaw", "lawn") == 2);
    CHECK(edit_distance("same", "same") == 0);
    CHECK(edit_distance(std::string(100000, 'a'), std::string(100000, 'b')) == 256);
}

TEST_CASE("the nearest name is found and a far one is not offered") {
    const std::vector<std::string> names{"query.weight", "query.bias", "key.weight"};
    CHECK(nearest_name("querry.weight", names) == "query.weight");
    CHECK(nearest_name("key.wieght", names) == "key.weight");
    CHECK(nearest_name("completely different", names) == std::nullopt);
    CHECK(nearest_name("", names) == std::nullopt);
    CHECK(nearest_name("query.weight", std::vector<std::string>{}) == std::nullopt);
}
