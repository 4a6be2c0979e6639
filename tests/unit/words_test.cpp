// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/words/words.hpp>

using mice::text::analyse;
using mice::text::porter_stem;
using words = std::vector<std::string>;

TEST_CASE("the stemmer gives the stems of Porter's paper") {
    // Examples printed in the paper, carried through all steps of the algorithm.
    const std::vector<std::pair<std::string, std::string>> cases{{"caresses", "caress"},
                                                                 {"ponies", "poni"},
                                                                 {"ties", "ti"},
                                                                 {"cats", "cat"},
                                                                 {"feed", "feed"},
                                                                 {"agreed", "agre"},
                                                                 {"plastered", "plaster"},
                                                                 {"bled", "bled"},
                                                                 {"motoring", "motor"},
                                                                 {"sing", "sing"},
                                                                 {"conflated", "conflat"},
                                                                 {"troubled", "troubl"},
                                                                 {"sized", "size"},
                                                                 {"hopping", "hop"},
                                                                 {"tanned", "tan"},
                                                                 {"falling", "fall"},
                                                                 {"hissing", "hiss"},
                                                                 {"fizzed", "fizz"},
                                                                 {"failing", "fail"},
                                                                 {"filing", "file"},
                                                                 {"happy", "happi"},
                                                                 {"sky", "sky"},
                                                                 {"relational", "relat"},
                                                                 {"conditional", "condit"},
                                                                 {"rational", "ration"},
                                                                 {"digitizer", "digit"},
                                                                 {"radically", "radic"},
                                                                 {"analogously", "analog"},
                                                                 {"vietnamization", "vietnam"},
                                                                 {"predication", "predic"},
                                                                 {"operator", "oper"},
                                                                 {"feudalism", "feudal"},
                                                                 {"decisiveness", "decis"},
                                                                 {"hopefulness", "hope"},
                                                                 {"callousness", "callous"},
                                                                 {"formality", "formal"},
                                                                 {"sensitivity", "sensit"},
                                                                 {"sensibility", "sensibl"},
                                                                 {"triplicate", "triplic"},
                                                                 {"formative", "form"},
                                                                 {"formalize", "formal"},
                                                                 {"electrical", "electr"},
                                                                 {"goodness", "good"},
                                                                 {"revival", "reviv"},
                                                                 {"allowance", "allow"},
                                                                 {"inference", "infer"},
                                                                 {"airliner", "airlin"},
                                                                 {"adjustable", "adjust"},
                                                                 {"replacement", "replac"},
                                                                 {"adoption", "adopt"},
                                                                 {"communism", "commun"},
                                                                 {"effective", "effect"},
                                                                 {"probate", "probat"},
                                                                 {"rate", "rate"},
                                                                 {"cease", "ceas"},
                                                                 {"controlling", "control"},
                                                                 {"rolling", "roll"},
                                                                 {"generalizations", "gener"},
                                                                 {"oscillators", "oscil"}};
    for (const auto& [word, stem] : cases) {
        INFO(word);
        CHECK(porter_stem(word) == stem);
    }
    CHECK(porter_stem("is") == "is");
    CHECK(porter_stem("naïves") == "naïves");
    CHECK(porter_stem("") == "");
}

TEST_CASE("the analyser folds case and accents and drops stop words") {
    CHECK(analyse("The CATS, and the Café's dogs!") == words{"cat", "cafe", "dog"});
    CHECK(analyse("H2O_level 3.5") == words{"h2o", "level", "3", "5"});
    CHECK(analyse("\u00C5NGSTR\u00D6M A\u030Angstro\u0308m") == words{"angstrom", "angstrom"});
    CHECK(analyse("\u041F\u0420\u0418\u0412\u0415\u0422") ==
          words{"\u043F\u0440\u0438\u0432\u0435\u0442"});
    CHECK(analyse("\u6771\u4EAC tower") == words{"\u6771", "\u4EAC", "\u6771\u4EAC", "tower"});
    CHECK(analyse("ice\xFFwater") == words{"ic", "water"});
    CHECK(analyse("").empty());
    CHECK(analyse("to be or not to be").size() == 0);
}

TEST_CASE("the stemmer takes runs of y by turns and runs of any length") {
    CHECK(porter_stem("syzygy") == "syzygi");
    CHECK(porter_stem("yyying") == "yy"); // "yyy" ends in the same consonant twice
    const std::string deep(100'000, 'y');
    CHECK(porter_stem(deep).size() == deep.size());
}

TEST_CASE("the analyser splits endless words and stays linear") {
    const words split = analyse(std::string(1000, 'x'));
    CHECK(split.size() == 5);
    std::size_t letters = 0;
    for (const std::string& word : split) {
        CHECK(word.size() <= mice::text::longest_word);
        letters += word.size();
    }
    CHECK(letters == 1000);
    std::string wide;
    for (int i = 0; i < 300; ++i) {
        wide += "\u0436";
    }
    for (const std::string& word : analyse(wide)) {
        CHECK(word.size() <= mice::text::longest_word);
        CHECK(word.size() % 2 == 0); // never within a code point
    }
    CHECK(analyse(std::string(std::size_t{1} << 20, 'y')).size() > 4000);
}

TEST_CASE("stop words are found and nothing else is") {
    CHECK(mice::text::is_stop_word("the"));
    CHECK_FALSE(mice::text::is_stop_word("theory"));
    CHECK_FALSE(mice::text::is_stop_word(""));
}
