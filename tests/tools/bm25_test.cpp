// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <mice/error.hpp>

#include "common/bm25.hpp"
#include "common/stemmer.hpp"

using mice::tools::analyse;
using mice::tools::bm25_hit;
using mice::tools::bm25_index;
using mice::tools::porter_stem;
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
    CHECK(analyse("\u6771\u4EAC tower") == words{"\u6771", "\u4EAC", "tower"});
    CHECK(analyse("ice\xFFwater") == words{"ic", "water"});
    CHECK(analyse("").empty());
    CHECK(analyse("to be or not to be").size() == 0);
}

TEST_CASE("BM25 scores are the hand-computed ones") {
    bm25_index index({.k1 = 0.9, .b = 0.4});
    index.add("red apple apple");      // 3 words
    index.add("green pear");           // 2 words
    index.add("red pear plum cherry"); // 4 words
    const std::vector<bm25_hit> hits = index.search("red apple", 10);
    REQUIRE(hits.size() == 2);
    // Average length 3. red: df 2, idf ln(1 + 1.5 / 2.5); apple: df 1, idf ln(1 + 2.5 / 1.5).
    const double red = std::log(1.6);
    const double apple = std::log(1 + 2.5 / 1.5);
    CHECK(hits[0].document == 0);
    CHECK(hits[0].score == Approx(red * 1 / (1 + 0.9) + apple * 2 / (2 + 0.9)).epsilon(1e-6));
    CHECK(hits[1].document == 2);
    CHECK(hits[1].score == Approx(red * 1 / (1 + 0.9 * (0.6 + 0.4 * 4 / 3))).epsilon(1e-6));
}

TEST_CASE("BM25 keeps the order of equal documents and honours the depth") {
    bm25_index index;
    for (int i = 0; i < 5; ++i) {
        index.add("same words");
    }
    index.add("other");
    const std::vector<bm25_hit> hits = index.search("word", 3);
    REQUIRE(hits.size() == 3);
    CHECK(hits[0].document == 0);
    CHECK(hits[1].document == 1);
    CHECK(hits[2].document == 2);
    CHECK(index.search("word", 100).size() == 5);
    CHECK(index.search("word", 0).empty());
    CHECK(index.search("absent the", 10).empty());
}

TEST_CASE("a word that the query repeats counts as often") {
    bm25_index index;
    index.add("wine");
    index.add("beer");
    CHECK(index.search("wine wine", 1)[0].score == Approx(2 * index.search("wine", 1)[0].score));
}

TEST_CASE("an empty BM25 index and empty documents find nothing") {
    bm25_index index;
    CHECK(index.search("anything", 10).empty());
    index.add("");
    index.add("the");
    CHECK(index.size() == 2);
    CHECK(index.search("anything", 10).empty());
}

TEST_CASE("BM25 refuses impossible parameters") {
    CHECK_THROWS_AS(bm25_index({.k1 = -0.1, .b = 0.4}), mice::error);
    CHECK_THROWS_AS(bm25_index({.k1 = 0.9, .b = 1.1}), mice::error);
    CHECK_THROWS_AS(bm25_index({.k1 = std::numeric_limits<double>::quiet_NaN(), .b = 0.4}),
                    mice::error);
    CHECK_THROWS_AS(bm25_index({.k1 = 0.9, .b = std::numeric_limits<double>::quiet_NaN()}),
                    mice::error);
}
