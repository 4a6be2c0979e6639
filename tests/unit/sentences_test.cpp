// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <mice/sentences.hpp>
#include <mice/text/passages/sentence_rules.hpp>
#include <mice/text/unicode/utf8.hpp>

namespace {

using texts = std::vector<std::string>;

texts cut(const std::string& text) {
    texts found;
    for (const mice::sentence& one : mice::sentences(text)) {
        found.push_back(text.substr(one.begin, one.end - one.begin));
    }
    return found;
}

/// The sentences, joined by a space, are cut where they were joined.
void check(const texts& sentences) {
    std::string text;
    for (const std::string& one : sentences) {
        text += (text.empty() ? "" : " ") + one;
    }
    CHECK(cut(text) == sentences);
}

/// As above, for scripts without spaces.
void check_joined(const texts& sentences) {
    std::string text;
    for (const std::string& one : sentences) {
        text += one;
    }
    CHECK(cut(text) == sentences);
}

} // namespace

TEST_CASE("sentences end by UAX 29 where Unicode's own test says so") {
    const std::string path = "/usr/share/unicode/auxiliary/SentenceBreakTest.txt";
    std::ifstream file(path);
    if (!file) {
        WARN("skipped: no " << path << " (Debian's package unicode-data)");
        return;
    }
    std::size_t lines = 0;
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line.substr(0, line.find('#')));
        std::string text, field;
        std::vector<std::size_t> expected;
        while (fields >> field) {
            if (field == "\xc3\xb7") { // a border
                expected.push_back(text.size());
            } else if (field != "\xc3\x97") {
                mice::text::append_utf8(text,
                                        static_cast<char32_t>(std::stoul(field, nullptr, 16)));
            }
        }
        if (text.empty()) {
            continue;
        }
        std::vector<std::size_t> got{0};
        while (got.back() < text.size()) {
            got.push_back(mice::text::unicode_sentence_end(text, got.back()));
        }
        INFO(line);
        CHECK(got == expected);
        ++lines;
    }
    CHECK(lines == 502);
}

TEST_CASE("sentences of English") {
    check({"Dr. Smith met J. R. R. Tolkien at 3.14 p.m. in the U.S.", "The price was $5.99."});
    check({"See e.g. fig. 3 and Vol. 12.", "It is at www.example.com/a?B=c&d!e.", "Next."});
    check({"Mail a.b@c.org or x_y@example.co.uk.", "Version 1.2.3 of README.md is out...",
           "Really?", "\"Yes!\" he said.", "\"No.\"", "She left."});
    check({"He came.[3][12]", "It cost 1,000.50 dollars in 1990.", "25 people came."});
    check({"The end (really.)", "Next etc. and so on.", "No. 5 is alive!", "Is it?"});
    check({"1. First comes the item.", "It works for Acme Inc. Holdings and Ph.D. Students."});
    check({"She lives on St. Mary's Rd. since Jan. 5.", "Wait!!", "What?!", "Oh..."});
}

TEST_CASE("sentences of other languages") {
    check({"Das ist z.B. Herr Dr. Müller vom 3. Oktober.", "Im 19. Jahrhundert war es anders.",
           "Er sagte: „Ja.“", "Dann ging er, d.h. Er lief."});
    check({"M. Dupont est là.", "C'est vrai !", "Mme. Curie, p.ex. Marie, est partie ?", "Oui."});
    check({"¿Qué tal?", "¡Bien!", "El Sr. García vive en EE.UU.", "La pág. 5."});
    check({"Il dott. Rossi è qui.", "Perché?", "Il sig. Bianchi no."});
    check({"Это т.е. Пример.", "Он ушёл в 5 ч. утра.", "И. И. Иванов пришёл."});
    check({"O Sr. Silva chegou.", "A pág. 12 falta!"});
    check({"Dhr. Jansen komt.", "Mevr. De Vries niet."});
    check({"यह वाक्य है।", "दूसरा वाक्य।"});
    check({"هل أنت بخير؟", "نعم."});
    check_joined({"これは文です。", "次の文！", "「はい。」と言った。", "終わり。"});
    check_joined({"你好。", "今天天气很好！", "“真的吗？”", "你呢？", "３．５米。"});
    check({"สวัสดีครับผมชื่อสมชาย", "ยินดีที่ได้รู้จักครับ", "วันนี้อากาศดีมาก"});
}

TEST_CASE("sentences go on over line ends, and stop at blank lines and items") {
    CHECK(cut("One sentence that is wrapped at some column, and\nthat goes on.\r\nAnother.") ==
          texts{"One sentence that is wrapped at some column, and\nthat goes on.", "Another."});
    CHECK(cut("A title\n\nNo stop here\n\n\nEnd") == texts{"A title", "No stop here", "End"});
    CHECK(cut("A short title\nThe text.") == texts{"A short title", "The text."});
    CHECK(cut("We need:\n- milk\n- bread. And butter.\n2) x") ==
          texts{"We need:", "- milk", "- bread.", "And butter.", "2) x"});
    CHECK(cut("one\rtwo\r\rthree") == texts{"one\rtwo", "three"});
}

TEST_CASE("sentences of hostile texts are found in linear time, on borders of code points") {
    CHECK(cut("").empty());
    CHECK(cut(" \n\t\r\n ").empty());
    CHECK(cut("\xff\xfe. \xc3 A.") == texts{"\xff\xfe.", "\xc3 A."});
    for (const std::string part :
         {".", ". ", ".\"", ".[1", "\n", "\n ", "1. ", "a.b", "?", "\xcc\x81", "\xe2\x80\x8d",
          "A. ", "\xe0\xb8\x81 ", "(", "\x80"}) {
        std::string text;
        while (text.size() < 300'000) {
            text += part;
        }
        std::size_t covered = 0;
        for (const mice::sentence& one : mice::sentences(text)) {
            REQUIRE(one.begin >= covered);
            REQUIRE(one.begin < one.end);
            covered = one.end;
        }
        CHECK(covered <= text.size());
    }
}
