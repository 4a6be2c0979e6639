// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <mice/index/words/bm25.hpp>
#include <mice/index/words/words.hpp>

#include "random_numbers.hpp"

using Catch::Matchers::Contains;
using mice::bm25_options;
using mice::store::bm25_hit;
using mice::store::bm25_part;
using mice::store::bm25_search;
using mice::store::memory_reader;
using mice::store::posting;
using mice::store::words_builder;
using mice::store::words_part;
using mice::store::words_trailer;
using mice::store::words_view;

namespace {

using bytes = std::vector<std::byte>;
using texts = std::vector<std::string>;

bytes section_of(const texts& documents) {
    words_builder builder;
    for (const std::string& text : documents) {
        builder.add(text);
    }
    return builder.finish();
}

std::vector<bm25_hit> search(const texts& documents, const std::string& query, std::size_t depth,
                             const bm25_options& options = {}) {
    const bytes section = section_of(documents);
    const words_view words(memory_reader(section));
    const bm25_part whole{&words, {}};
    return bm25_search({&whole, 1}, query, depth, options);
}

/// Documents of random words, short ones more often than long ones.
texts random_documents(std::size_t count, std::uint64_t seed) {
    fixtures::random_numbers random(seed);
    texts documents(count);
    for (std::string& text : documents) {
        for (std::size_t i = random.below(30); i > 0; --i) {
            text += "w" + std::to_string(random.below(1 + random.below(200))) + " ";
        }
    }
    return documents;
}

/// BM25 by its definition, from the words of every document.
std::vector<double> plain_scores(const texts& documents, const std::string& query) {
    std::vector<std::map<std::string, double>> counts;
    std::vector<double> lengths;
    double total = 0;
    for (const std::string& text : documents) {
        counts.emplace_back();
        lengths.push_back(0);
        for (const std::string& word : mice::text::analyse(text)) {
            ++counts.back()[word];
            ++lengths.back();
            ++total;
        }
    }
    const auto n = static_cast<double>(documents.size());
    std::vector<double> scores(documents.size(), 0);
    for (const std::string& word : mice::text::analyse(query)) {
        double df = 0;
        for (const auto& document : counts) {
            df += document.contains(word) ? 1 : 0;
        }
        for (std::size_t i = 0; i < documents.size(); ++i) {
            if (counts[i].contains(word)) {
                const double tf = counts[i][word];
                scores[i] += std::log(1 + (n - df + 0.5) / (df + 0.5)) * tf /
                             (tf + 0.9 * (1 - 0.4 + 0.4 * lengths[i] / (total / n)));
            }
        }
    }
    return scores;
}

/// Sections that outlive the views on them.
struct sections {
    std::deque<bytes> stored;
    std::deque<words_view> views;

    const words_view& add(bytes section) {
        stored.push_back(std::move(section));
        return views.emplace_back(memory_reader(stored.back()));
    }
};

/// Reads everything that a section holds.
void read_all(const words_view& words) {
    for (std::uint64_t place = 0; place < words.terms(); ++place) {
        const auto record = words.term(place);
        auto reader = words.postings(record);
        for (posting each; reader.next(each);) {
            (void)words.length(each.document);
        }
        (void)words.find(record.text);
    }
    (void)words.lengths();
    const bm25_part whole{&words, {}};
    (void)bm25_search({&whole, 1}, "w1 w2 w3", 10);
}

} // namespace

TEST_CASE("BM25 scores are the hand-computed ones") {
    const std::vector<bm25_hit> hits = search({"red apple apple",       // 3 words
                                               "green pear",            // 2 words
                                               "red pear plum cherry"}, // 4 words
                                              "red apple", 10, {.k1 = 0.9, .b = 0.4});
    REQUIRE(hits.size() == 2);
    // Average length 3. red: df 2, idf ln(1 + 1.5 / 2.5); apple: df 1, idf ln(1 + 2.5 / 1.5).
    const double red = std::log(1.6);
    const double apple = std::log(1 + 2.5 / 1.5);
    CHECK(hits[0].document == 0);
    CHECK(hits[0].score == Approx(red * 1 / (1 + 0.9) + apple * 2 / (2 + 0.9)).epsilon(1e-6));
    CHECK(hits[1].document == 2);
    CHECK(hits[1].score == Approx(red * 1 / (1 + 0.9 * (0.6 + 0.4 * 4 / 3))).epsilon(1e-6));
}

TEST_CASE("BM25 scores are those of the definition") {
    const texts documents = random_documents(300, 7);
    for (const char* query : {"w0 w1 w5", "w3", "w7 w7 w150 w2", "w199 w198"}) {
        const std::vector<double> expected = plain_scores(documents, query);
        const std::vector<bm25_hit> hits = search(documents, query, documents.size());
        const auto found =
            std::count_if(expected.begin(), expected.end(), [](double score) { return score > 0; });
        REQUIRE(hits.size() == static_cast<std::size_t>(found));
        for (const bm25_hit& hit : hits) {
            CHECK(hit.score == Approx(expected[hit.document]).epsilon(1e-6));
        }
        CHECK(std::is_sorted(hits.begin(), hits.end(), [](const bm25_hit& a, const bm25_hit& b) {
            return a.score > b.score;
        }));
    }
}

TEST_CASE("BM25 keeps the order of equal documents and honours the depth") {
    texts documents(5, "same words");
    documents.emplace_back("other");
    const std::vector<bm25_hit> hits = search(documents, "word", 3);
    REQUIRE(hits.size() == 3);
    CHECK(hits[0].document == 0);
    CHECK(hits[1].document == 1);
    CHECK(hits[2].document == 2);
    CHECK(search(documents, "word", 100).size() == 5);
    CHECK(search(documents, "word", std::numeric_limits<std::size_t>::max()).size() == 5);
    CHECK(search(documents, "word", 0).empty());
    CHECK(search(documents, "absent the", 10).empty());
    const texts many(3000, "same words");
    const std::vector<bm25_hit> first = search(many, "word", 2);
    REQUIRE(first.size() == 2);
    CHECK(first[0].document == 0);
    CHECK(first[1].document == 1);
}

TEST_CASE("a word that the query repeats counts as often") {
    const texts documents{"wine", "beer"};
    CHECK(search(documents, "wine wine", 1)[0].score ==
          Approx(2 * search(documents, "wine", 1)[0].score));
}

TEST_CASE("empty words sections and empty documents find nothing") {
    CHECK(search({}, "anything", 10).empty());
    CHECK(search({"", "the"}, "anything", 10).empty());
    CHECK(bm25_search({}, "anything", 10).empty());
    const words_view nothing;
    const bm25_part part{&nothing, {}};
    CHECK(bm25_search({&part, 1}, "anything", 10).empty());
    const bytes section = section_of({"", "the"});
    CHECK(words_view(memory_reader(section)).documents() == 2);
    CHECK(words_view(memory_reader(section)).terms() == 0);
}

TEST_CASE("BM25 refuses impossible parameters") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const bm25_options& bad :
         {bm25_options{.k1 = -0.1}, bm25_options{.k1 = 1e300}, bm25_options{.k1 = nan},
          bm25_options{.b = 1.1}, bm25_options{.b = nan}}) {
        CHECK_THROWS_AS(bm25_search({}, "word", 1, bad), mice::error);
    }
}

TEST_CASE("a words section gives back what was put in") {
    const bytes section = section_of({"ant bee", "", "bee bee cat", "bee"});
    const words_view words(memory_reader(section));
    CHECK(words.documents() == 4);
    CHECK(words.total_length() == 6);
    REQUIRE(words.terms() == 3);
    CHECK(words.term(0).text == "ant");
    CHECK(words.term(2).text == "cat");
    CHECK(words.length(1) == 0);
    CHECK(words.length(2) == 3);
    CHECK_FALSE(words.find("dog"));
    CHECK_FALSE(words.find("be"));
    const auto bee = words.find("bee");
    REQUIRE(bee);
    auto reader = words.postings(*bee);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> found;
    for (posting each; reader.next(each);) {
        found.emplace_back(each.document, each.count);
    }
    CHECK(found == std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0, 1}, {2, 2}, {3, 1}});
}

TEST_CASE("a builder tells its memory and starts again") {
    words_builder builder;
    for (const std::string& text : random_documents(2000, 3)) {
        builder.add(text);
    }
    const std::size_t full = builder.memory_bytes();
    CHECK(full > builder.finish().size() / 2);
    CHECK(full < 16 * builder.finish().size());
    builder.clear();
    CHECK(builder.documents() == 0);
    CHECK(builder.memory_bytes() < 1000);
    builder.add("ant");
    CHECK(builder.finish() == section_of({"ant"}));
}

TEST_CASE("several sections are searched as one collection") {
    const texts documents = random_documents(200, 11);
    sections parts;
    parts.add(section_of({documents.begin(), documents.begin() + 70}));
    parts.add(section_of({}));
    parts.add(section_of({documents.begin() + 70, documents.end()}));
    const std::vector<bm25_part> split{
        {&parts.views[0], {}}, {&parts.views[1], {}}, {&parts.views[2], {}}};
    const std::vector<bm25_hit> whole = search(documents, "w1 w4 w90", 50);
    std::vector<bm25_hit> found = bm25_search(split, "w1 w4 w90", 50);
    for (bm25_hit& hit : found) {
        hit.document += hit.part == 2 ? 70 : 0;
        hit.part = 0;
    }
    CHECK(found == whole);
}

TEST_CASE("documents that are not live are not found") {
    const bytes section = section_of({"bee", "bee bee", "bee"});
    const words_view words(memory_reader(section));
    const bm25_part part{&words, [](std::uint32_t document) { return document != 1; }};
    const std::vector<bm25_hit> hits = bm25_search({&part, 1}, "bee", 10);
    REQUIRE(hits.size() == 2);
    CHECK(hits[0].document == 0);
    CHECK(hits[1].document == 2);
}

TEST_CASE("a merge of sections is the section of their live documents") {
    const texts documents = random_documents(500, 5);
    sections parts;
    parts.add(section_of({documents.begin(), documents.begin() + 130}));
    parts.add(section_of({documents.begin() + 130, documents.begin() + 131}));
    parts.add(section_of({documents.begin() + 131, documents.end()}));
    const auto odd = [](std::uint32_t document) { return document % 2 == 1; };
    const std::vector<words_part> given{
        {&parts.views[0], odd}, {&parts.views[1], {}}, {&parts.views[2], odd}};
    bytes merged;
    mice::store::merge_words(given, [&merged](std::span<const std::byte> piece) {
        merged.insert(merged.end(), piece.begin(), piece.end());
    });
    texts kept;
    for (std::size_t i = 0; i < documents.size(); ++i) {
        if (i < 130 ? i % 2 == 1 : i == 130 || (i - 131) % 2 == 1) {
            kept.push_back(documents[i]);
        }
    }
    CHECK(merged == section_of(kept));

    bytes nothing;
    mice::store::merge_words({}, [&nothing](std::span<const std::byte> piece) {
        nothing.insert(nothing.end(), piece.begin(), piece.end());
    });
    CHECK(nothing == section_of({}));
}

TEST_CASE("cut and flipped words sections are refused or read, never more") {
    const bytes section = section_of(random_documents(40, 9));
    for (std::size_t size = 0; size < section.size(); ++size) {
        const bytes cut(section.begin(), section.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK_THROWS_AS(read_all(words_view(memory_reader(cut))), mice::error);
    }
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < section.size() * 8; ++bit) {
        bytes flipped = section;
        flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
        try {
            read_all(words_view(memory_reader(flipped)));
        } catch (const mice::error&) {
            ++refused; // checksums find the others; here nothing may crash
        }
    }
    CHECK(refused > section.size());
}

TEST_CASE("a words section that lies about its sizes is refused") {
    const bytes section = section_of({"ant bee", "bee"});
    const auto change = [&section](auto&& edit) {
        bytes changed = section;
        words_trailer trailer;
        std::byte* const place = changed.data() + changed.size() - sizeof trailer;
        std::memcpy(&trailer, place, sizeof trailer);
        edit(trailer);
        std::memcpy(place, &trailer, sizeof trailer);
        return changed;
    };
    const auto refused = [](const bytes& changed, const char* says) {
        CHECK_THROWS_WITH(words_view(memory_reader(changed)), Contains(says));
    };
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    refused(change([](words_trailer& t) { t.magic[0] = 'x'; }), "trailer");
    refused(change([](words_trailer& t) { t.version = 3; }), "version 3");
    refused(change([](words_trailer& t) { t.documents = 0xFFFFFFFF; }), "larger than");
    refused(change([](words_trailer& t) { ++t.documents; }), "do not fill");
    refused(change([](words_trailer& t) { t.terms = most; }), "do not fill");
    refused(change([](words_trailer& t) { t.terms = most / 16; }), "do not fill");
    refused(change([](words_trailer& t) { t.record_bytes = most; }), "larger than");
    refused(change([](words_trailer& t) { --t.record_bytes; }), "do not fill");
    // A length that no document has cannot divide by zero.
    const bytes none = change([](words_trailer& t) { t.total_length = 0; });
    const words_view words(memory_reader(none));
    const bm25_part part{&words, {}};
    for (const bm25_hit& hit : bm25_search({&part, 1}, "bee", 5)) {
        CHECK(std::isfinite(hit.score));
    }
}
