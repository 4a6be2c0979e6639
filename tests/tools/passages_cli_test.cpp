// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <string>

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;
using namespace fixtures;

namespace {

const std::string passage_model = "--model " MICE_TEST_MODELS "/mice-minilm-l2x2-int8.safetensors ";

} // namespace

TEST_CASE("mice passages prints places, headings and texts") {
    const workplace place;
    const std::string text = "# Bread\n\nYeast makes dough rise while it rests in the warm.\n\n"
                             "## Rain\n\nLight is bent in a drop of water, and thrown back.\n";
    place.write("a.md", text);
    const result got = place.mice("passages " + passage_model + "--tokens 20 --json a.md");
    REQUIRE(got.code == 0);
    const auto lines = lines_of(got.out);
    REQUIRE(lines.size() == 2);
    const json first = json::parse(lines[0]), second = json::parse(lines[1]);
    CHECK(first["headings"] == json::array());
    CHECK(first["first_line"] == 1);
    CHECK(second["file"] == "a.md");
    CHECK(second["index"] == 1);
    CHECK(second["headings"] == json({"Bread"}));
    CHECK(second["begin"] == text.find("## Rain"));
    CHECK(second["end"] == text.size() - 1);
    CHECK(second["last_line"] == 7);
    CHECK(second["text"] ==
          text.substr(text.find("## Rain"), text.size() - 1 - text.find("## Rain")));
    CHECK(second["tokens"].get<int>() <= 20);

    const result piped =
        place.shell("printf 'One\\377. Two.\\033[1m' | \"$mice\" passages " + passage_model);
    CHECK(piped.code == 0);
    CHECK_THAT(piped.out, Contains("-:1-1") && Contains("One") && !Contains("\033"));
    CHECK(place.shell("printf '' | \"$mice\" passages - " + passage_model).out.empty());
}

TEST_CASE("mice passages refuses files and options that it cannot use") {
    const workplace place;
    check_failure(place.mice("passages " + passage_model + "absent.txt"), 1, "absent.txt");
    check_failure(place.mice("passages " + passage_model + "."), 1, "'.'");
    check_failure(place.mice("passages " + passage_model + "--tokens 5 in"), 1, "expected 18 to");
    check_failure(place.mice("passages " + passage_model + "--tokens 5000 in"), 1,
                  "the model reads");
    check_failure(place.mice("passages --tokens x"), 64, "--tokens");
    check_failure(place.mice("passages --kind text"), 64, "--kind");
    check_failure(place.mice("passages --overlap 3 --overlap-sentences 1"), 64, "--overlap");
}
