// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <string>

#include "common/progress.hpp"
#include "common/terminal.hpp"

using namespace mice::tools;

TEST_CASE("printable text cannot steer a terminal") {
    CHECK(printable("a\x1b[31mred\x07") == "a [31mred");
    CHECK(printable("one\r\n\ttwo  three ") == "one two three");
    CHECK(printable("a\u202Eb\u009Bc") == "a b c");
    CHECK(printable(std::string("nul\0byte", 8)) == "nul byte");
    CHECK(printable("bad\xFF") == "bad\uFFFD");
    CHECK(printable("caf\u00E9 \u6771") == "caf\u00E9 \u6771");
}

TEST_CASE("text is cut to columns, not bytes") {
    CHECK(fit("short", 5) == "short");
    CHECK(fit("longer text", 8) == "longe...");
    CHECK(fit("\u6771\u4EAC\u6771\u4EAC", 8) == "\u6771\u4EAC\u6771\u4EAC");
    CHECK(fit("\u6771\u4EAC\u6771\u4EAC\u6771", 8) == "\u6771\u4EAC...");
    CHECK(fit("abc", 2) == "..");
    CHECK(fit("abc", 0) == "");
    CHECK(display_width(std::string_view("e\u0301\U0001F600")) == 3);
    for (std::size_t columns = 0; columns < 40; ++columns) {
        CHECK(display_width(fit("x\u6771\u00E9\u6771 and more text than that", columns)) <=
              columns);
    }
}

TEST_CASE("the progress line shows share, rate and remaining time") {
    const std::string line = progress_line("ranking", 25, 100, 5.0, 100);
    CHECK(line == "ranking [#######.......................]  25% 25/100 5.0/s, 00:15 left");
    CHECK(progress_line("ranking", 0, 100, 0.0, 100).find("left") == std::string::npos);
    CHECK(progress_line("ranking", 7, 0, 1.0, 100).find("100%") != std::string::npos);
    CHECK(progress_line("ranking", 1, 100'000, 1.0, 100).find("27:46:39 left") !=
          std::string::npos);
    for (std::size_t columns = 0; columns < 100; ++columns) {
        CHECK(display_width(progress_line("a long label \u6771", 3, 1000, 9.0, columns)) <=
              columns);
    }
}

TEST_CASE("the progress line of a stream knows the share of its input or nothing") {
    CHECK(stream_line("adding", 25, 0.5, 5.0, 100) ==
          "adding [###############...............]  50% 25 5.0/s, 00:05 left");
    CHECK(stream_line("adding", 25, -1, 5.0, 100) == "adding 25 5.0/s");
    CHECK(stream_line("adding", 0, 0, 0, 100).find("left") == std::string::npos);
    CHECK(stream_line("adding", 9, 7.0, 3.0, 100).find("00:00 left") != std::string::npos);
    for (std::size_t columns = 0; columns < 100; ++columns) {
        CHECK(display_width(stream_line("a long label \u6771", 3, 0.1, 9.0, columns)) <= columns);
    }
}
