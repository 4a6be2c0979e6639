// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <limits>
#include <string>

#include <mice/error.hpp>
#include <mice/io/safetensors.hpp>

#include "common/svg.hpp"
#include "common/text_table.hpp"

using namespace mice::tools;
using Catch::Matchers::Contains;

TEST_CASE("text in XML cannot end its element or attribute") {
    CHECK(xml_text("a<b>&\"c'") == "a&lt;b&gt;&amp;&quot;c&#39;");
    CHECK(xml_text("]]> --> <!--") == "]]&gt; --&gt; &lt;!--");
    CHECK(xml_text("caf\u00E9 \u6771 \U0001F600") == "caf\u00E9 \u6771 \U0001F600");
}

TEST_CASE("what XML cannot hold is replaced") {
    CHECK(xml_text(std::string("a\0b\x1b", 4)) == "a\uFFFDb\uFFFD");
    CHECK(xml_text("tab\tand\nline") == "tab\tand\nline");
    CHECK(xml_text("\xFF\xEF\xBF\xBE") == "\uFFFD\uFFFD"); // invalid, and U+FFFE
    CHECK(xml_text("\xED\xA0\x80").find("\xED") == std::string::npos);
}

TEST_CASE("a picture is one element with its shapes in order") {
    svg picture(200, 100, "a & b");
    picture.line({0, 1}, {2.5, 3}, {.stroke = "#123456", .dash = "5 4"});
    picture.circle({10, 20}, 5, {.fill = "#ffffff", .tooltip = "<here>"});
    picture.text({1, 2}, "x < y",
                 {.size = 9, .anchor = svg_anchor::end, .bold = true, .rotated = -90});
    const std::string file = picture.file();
    CHECK_THAT(file, Catch::Matchers::StartsWith("<?xml") && Catch::Matchers::EndsWith("</svg>\n"));
    CHECK_THAT(file,
               Contains("<title>a &amp; b</title>") && Contains("viewBox=\"0 0 200.00 100.00\""));
    CHECK_THAT(file, Contains("<line x1=\"0.00\" y1=\"1.00\" x2=\"2.50\" y2=\"3.00\"") &&
                         Contains("stroke-dasharray=\"5 4\""));
    CHECK_THAT(file, Contains("<title>&lt;here&gt;</title></circle>"));
    CHECK_THAT(file, Contains(">x &lt; y</text>") && Contains("text-anchor=\"end\"") &&
                         Contains("rotate(-90.00 1.00 2.00)"));
    CHECK(file.find("<line") < file.find("<circle"));
}

TEST_CASE("a colour cannot carry markup into a picture") {
    svg picture(10, 10, "");
    picture.rect({0, 0, 1, 1}, {.fill = "\"/><script>"});
    CHECK(picture.file().find("<script") == std::string::npos);
}

TEST_CASE("coordinates that are no numbers are refused") {
    svg picture(10, 10, "");
    CHECK_THROWS_AS(picture.circle({std::numeric_limits<double>::quiet_NaN(), 0}, 1, {}),
                    mice::error);
    CHECK_THROWS_AS(picture.line({0, 0}, {std::numeric_limits<double>::infinity(), 0}, {}),
                    mice::error);
    CHECK_THROWS_AS(svg(1e9, 1, ""), mice::error);
}

TEST_CASE("boxes that only touch do not overlap") {
    const svg_box box{0, 0, 10, 10};
    CHECK(box.overlaps({9, 9, 10, 10}));
    CHECK(box.overlaps({2, 2, 1, 1}));
    CHECK_FALSE(box.overlaps({10, 0, 5, 5}));
    CHECK_FALSE(box.overlaps({0, -5, 5, 5}));
    CHECK(svg::width_of("\u6771\u4EAC", 10) > svg::width_of("ab", 10));
}

TEST_CASE("a table pads its columns and cuts only the first") {
    text_table table;
    table.columns = {{"name", text_table::alignment::left}, {"n"}};
    table.rows = {{"a\x1b[31m", "1"}, {"\u6771\u4EAC", "1234"}, {"short"}};
    CHECK(table.text(80) == "name       n\n"
                            "a [31m     1\n"
                            "\u6771\u4EAC    1234\n"
                            "short\n");
    table.rows = {{"a name of many letters", "12"}};
    CHECK(table.text(16) == "name           n\n"
                            "a name of...  12\n");
    CHECK(text_table{}.text(80) == "\n");
}

TEST_CASE("a Markdown table shows its cells as they are") {
    text_table table;
    table.columns = {{"a|b", text_table::alignment::left}, {"n"}};
    table.rows = {{"x | y\n<b>*bold*</b> [l](u) `c`", "1"}, {"alone"}};
    CHECK(table.markdown() == "| a\\|b | n |\n"
                              "| --- | ---: |\n"
                              "| x \\| y &lt;b&gt;\\*bold\\*&lt;/b&gt; \\[l\\](u) \\`c\\` | 1 |\n"
                              "| alone |  |\n");
}
