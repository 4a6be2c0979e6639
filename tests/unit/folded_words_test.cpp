// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <utf8proc.h>

#include <mice/index/words/bm25.hpp>
#include <mice/index/words/words.hpp>
#include <mice/text/unicode/nfc.hpp>
#include <mice/text/unicode/utf8.hpp>
#include <mice/text/words/words.hpp>

namespace {

namespace text = mice::text;
using mice::text::analyse;
using mice::text::word_form;
using mice::text::word_use;
using word_list = std::vector<std::string>;

std::string utf8(std::u32string_view codes) {
    std::string made;
    for (const char32_t code : codes) {
        text::append_utf8(made, code);
    }
    return made;
}
word_list words_of(std::u32string_view codes) {
    return analyse(utf8(codes));
}

/// NFKC, or with UTF8PROC_DECOMPOSE NFKD, by an implementation of its own.
std::string compatibility_form(const std::string& of, int how = UTF8PROC_COMPOSE) {
    utf8proc_uint8_t* out = nullptr;
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPAT | how);
    const utf8proc_ssize_t size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(of.data()),
                     static_cast<utf8proc_ssize_t>(of.size()), &out, options);
    REQUIRE(size >= 0);
    std::string made(reinterpret_cast<char*>(out), static_cast<std::size_t>(size));
    std::free(out);
    return made;
}

bool surrogate(char32_t code) {
    return code >= 0xD800 && code <= 0xDFFF;
}
/// What is cut otherwise than its compatibility form, on purpose.
bool has_place_of_its_own(char32_t code) {
    const std::uint8_t found = text::word_class(code);
    return code == 0x309B || code == 0x309C || text::has(found, text::word_flag::alone) ||
           text::has(found, text::word_flag::raised);
}

std::vector<mice::store::bm25_hit> found_by_words(const word_list& documents,
                                                  const std::string& query) {
    mice::store::words_builder builder;
    for (const std::string& each : documents) {
        builder.add(each);
    }
    const std::vector<std::byte> section = builder.finish();
    const mice::store::words_view view(mice::store::memory_reader(section));
    const mice::store::bm25_part whole{&view, {}};
    return mice::store::bm25_search({&whole, 1}, query, 100);
}
bool finds(const std::string& query, const std::string& document) {
    return !found_by_words({document, "other"}, query).empty();
}

} // namespace

TEST_CASE("fault 07: a part of a run without spaces finds its document") {
    CHECK(finds("しりとり", "今日は成語しりとりをした"));
    CHECK(finds("スト", "テキストマイニング"));
    CHECK(finds("학교", "우리는 초등학교에 갔다"));
    CHECK(finds("ภาษา", "ผมเรียนภาษาไทยทุกวัน"));
    CHECK(finds("ພາສາ", "ຂ້ອຍຮຽນພາສາລາວ"));
    CHECK(finds("ភាសា", "ខ្ញុំរៀនភាសាខ្មែរ"));
    CHECK(finds("ဘာသာ", "ကျွန်တော်မြန်မာဘာသာလေ့လာသည်"));
    CHECK(finds("ㄅㄆ", "ㄅㄆㄇㄈ"));
    CHECK(finds("京都", "東京都庁"));
    CHECK_FALSE(finds("とりし", "かきくけこ"));
    // The document that holds the words is before the one that holds their characters elsewhere.
    const auto hits = found_by_words({"りかもとりか しか", "犬としりとりをした"}, "しりとり");
    REQUIRE_FALSE(hits.empty());
    CHECK(hits[0].document == 1);
}

TEST_CASE("fault 07: one character finds every document that has it") {
    for (const auto& [query, document] :
         std::vector<std::pair<std::string, std::string>>{{"語", "今日は成語しりとりをした"},
                                                          {"り", "今日は成語しりとりをした"},
                                                          {"ス", "テキスト"},
                                                          {"학", "초등학교에"},
                                                          {"ษา", "ผมเรียนภาษาไทย"},
                                                          {"ท", "ผมเรียนภาษาไทย"},
                                                          {"ｽ", "テキスト"}}) {
        CAPTURE(query);
        CHECK(finds(query, document));
    }
}

TEST_CASE("fault 07: words of scripts without spaces are characters and pairs of one script") {
    CHECK(analyse("成語しりとり") == word_list{"成", "語", "成語", "しり", "りと", "とり"});
    CHECK(analyse("成語", word_use::document) == word_list{"成", "語", "成語"});
    CHECK(analyse("しり", word_use::document) == word_list{"し", "り", "しり"});
    CHECK(analyse("の") == word_list{"の"});
    CHECK(analyse("の", word_use::document) == word_list{"の"});
    CHECK(analyse("CPU가") == word_list{"cpu", "가"});
    CHECK(analyse("2024年") == word_list{"2024", "年"});
    // The prolonged sound mark belongs to the kana before it.
    CHECK(analyse("ラーメン") == word_list{"ラー", "ーメ", "メン"});
    CHECK(analyse("らー") == word_list{"らー"});
    // Marks stay with what they are on, in canonical order.
    CHECK(words_of(U"\u0E19\u0E49\u0E33") == word_list{utf8(U"\u0E19\u0E49\u0E4D\u0E32")});
    CHECK(words_of(U"\u0E01\u0E38\u0E48") == words_of(U"\u0E01\u0E48\u0E38"));
    // Length counts characters, not what they are parts of.
    std::size_t length = 0;
    const auto count = [&length](const std::string& document) {
        length = text::each_word(document, word_use::document, word_form::current,
                                 [](const std::string&) {});
        return length;
    };
    CHECK(count("成語しりとり") == 6);
    CHECK(count("the cats mc² sat") == 3);
}

TEST_CASE("fault 07: compatibility forms are what they stand for") {
    const auto same = [](std::u32string_view one, std::u32string_view other) {
        CAPTURE(utf8(one));
        CHECK(words_of(one) == words_of(other));
        CHECK_FALSE(words_of(one).empty());
    };
    same(U"\uFB01nance", U"finance");
    same(U"\uFF26\uFF35\uFF2C\uFF2C \uFF11\uFF12\uFF13", U"full 123");
    same(U"\uFF76\uFF9E\uFF97\uFF7D", U"\u30AC\u30E9\u30B9"); // half-width, with a voiced mark
    same(U"\u304B\u3099", U"\u304C");
    same(U"\u304B\u309B", U"\u304C");
    same(U"\u1112\u1161\u11AB\u1100\u1173\u11AF", U"\uD55C\uAE00"); // jamo
    same(U"\uFFBE\uFFC2\uFFA4", U"\uD558\u1102");                   // half-width jamo
    same(U"H\u2082O 5\u338F", U"h2o 5kg");
    same(U"\u337F", U"\u682A\u5F0F\u4F1A\u793E");
    same(U"\u2460 \u3231 \u24D0\u24D1", U"1 \u682A ab");
    same(U"\u2F08\uF900", U"\u4EBA\u8C48"); // a radical, a compatibility ideograph
    same(U"\U0001D400\u212B\u2126", U"a\u00E5\u03C9");
    same(U"stra\u00DFe STRA\u1E9EE", U"STRASSE strasse");
    same(U"\u039F\u0394\u039F\u03A3", U"\u03BF\u03B4\u03BF\u03C2"); // a final sigma
    same(U"\u0663\u0664 \u0E51\u0E52 \u096F", U"34 12 9");
    // Those that would run into their neighbours stand alone, and those that are raised do not
    // hide the word that they are on.
    CHECK(words_of(U"\u2460Introduction") == word_list{"1", "introduct"});
    CHECK(words_of(U"1\u00BD") == word_list{"1", "1", "2"});
    CHECK(words_of(U"mc\u00B2") == word_list{"mc", "mc2"});
    CHECK(words_of(U"x\u00B2y") == word_list{"x2y"});
    CHECK(words_of(U"Berlin\u00B9\u00B2, the\u00B2") == word_list{"berlin", "berlin12", "the2"});
    CHECK(finds("java", utf8(U"Java\u2122 beans")));
}

TEST_CASE("fault 07: characters that are not seen are not there") {
    for (const char32_t code : {U'\u00AD', U'\u034F', U'\u061C', U'\u180E', U'\u200B', U'\u200C',
                                U'\u200D', U'\u200E', U'\u202E', U'\u2060', U'\u2069', U'\u3164',
                                U'\uFE0F', U'\uFEFF', U'\U000E0100', U'\U000E0041'}) {
        CAPTURE(static_cast<unsigned>(code));
        CHECK(words_of(std::u32string(U"soft") + code + U"hyphen") == word_list{"softhyphen"});
        CHECK(words_of(std::u32string(U"\u6210") + code + U"\u8A9E") ==
              word_list{"成", "語", "成語"});
        CHECK(words_of(std::u32string(1, code)).empty());
    }
    CHECK(words_of(U"1\uFE0F\u20E3") == word_list{"1"}); // a keycap
    CHECK(words_of(U"\u0643\u0640\u0640\u062A\u0627\u0628") ==
          words_of(U"\u0643\u062A\u0627\u0628"));
}

TEST_CASE("fault 07: every code point has the words of its compatibility forms") {
    std::string differ;
    std::size_t with_words = 0;
    for (char32_t code = 0; code <= text::last_code_point; ++code) {
        if (surrogate(code)) {
            continue;
        }
        const std::string whole = utf8({&code, 1});
        const word_list mine = analyse(whole);
        with_words += mine.empty() ? 0 : 1;
        const bool same = has_place_of_its_own(code) ||
                          (mine == analyse(compatibility_form(whole)) &&
                           mine == analyse(compatibility_form(whole, UTF8PROC_DECOMPOSE)));
        if ((!same || mine != analyse(text::nfd(whole)) || mine != analyse(text::nfc(whole))) &&
            differ.size() < 200) {
            differ += std::to_string(static_cast<unsigned>(code)) + " ";
        }
    }
    CHECK(differ == "");
    CHECK(with_words > 130'000);
}

TEST_CASE("fault 07: no case of a letter and no accent makes another word") {
    std::string differ;
    for (char32_t code = 0x80; code <= text::last_code_point; ++code) {
        const auto upper =
            static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
        const bool exception = code == 0x131 || code == 0x345; // a dotless i; an iota subscript
        const std::u32string accented{code, 0x301, 0x323};
        if (!surrogate(code) && !exception &&
            (words_of({&code, 1}) != words_of({&upper, 1}) ||
             words_of({&code, 1}) != words_of(accented)) &&
            differ.size() < 200) {
            differ += std::to_string(static_cast<unsigned>(code)) + " ";
        }
    }
    CHECK(differ == "");
}

TEST_CASE("fault 07: texts have the words of each of their normalization forms") {
    std::mt19937 random(19);
    const std::vector<std::pair<char32_t, char32_t>> ranges{
        {0x20, 0x7E},     {0xA0, 0x24F},    {0x300, 0x36F},   {0x370, 0x3FF},   {0x900, 0x97F},
        {0xE00, 0xE7F},   {0xE80, 0xEDF},   {0x1000, 0x109F}, {0x1100, 0x11FF}, {0x1780, 0x17FF},
        {0x3040, 0x30FF}, {0x3130, 0x318F}, {0x4E00, 0x4F00}, {0xAC00, 0xAD00}, {0xF900, 0xFAFF},
        {0xFB00, 0xFB06}, {0xFF01, 0xFFDC}, {0x3200, 0x33FF}, {0x2070, 0x209F}};
    std::size_t changed = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::u32string codes;
        for (std::size_t left = 1 + random() % 10; left > 0; --left) {
            const auto& [first, last] = ranges[random() % ranges.size()];
            codes += static_cast<char32_t>(first + random() % (last - first + 1));
        }
        std::erase_if(codes, has_place_of_its_own);
        const std::string whole = utf8(codes), form = compatibility_form(whole);
        changed += form != whole ? 1U : 0U;
        CAPTURE(whole, form);
        for (const word_use use : {word_use::document, word_use::query}) {
            REQUIRE(analyse(whole, use) == analyse(form, use));
            REQUIRE(analyse(whole, use) == analyse(text::nfd(whole), use));
        }
    }
    CHECK(changed > 5000);
}

TEST_CASE("fault 07: whatever a query cuts out of a text is among the text's words") {
    std::mt19937 random(20);
    const std::u32string letters = U"成語京しりとーり゛スﾄﾞ한국\u1100\u1161กิ่ำ\u0E49abﬁ²①½ .";
    for (int round = 0; round < 5000; ++round) {
        std::u32string codes;
        for (std::size_t left = 1 + random() % 12; left > 0; --left) {
            codes += letters[random() % letters.size()];
        }
        word_list all = analyse(utf8(codes), word_use::document);
        std::sort(all.begin(), all.end());
        CAPTURE(utf8(codes));
        for (const std::string& word : analyse(utf8(codes))) {
            REQUIRE(std::binary_search(all.begin(), all.end(), word));
        }
    }
}

TEST_CASE("fault 07: endless runs and lone marks stay within the longest word") {
    const std::size_t repeats = 200'000;
    for (const std::u32string_view unit :
         {U"し",      U"語",      U"한",       U"ก",       U"\u0E49",
          U"ก\u0E49", U"\u3099",  U"か\u3099", U"\u1100",  U"\u1100\u1161\u11A8",
          U"\u0301",  U"a\u0301", U"\u00AD",   U"a\u00AD", U"\uFDFA",
          U"²",       U"a²",      U"①",        U"ß",       U"ー",
          U"\u1031",  U"か\u0E49"}) {
        std::u32string codes;
        for (std::size_t i = 0; i < repeats; ++i) {
            codes += unit;
        }
        CAPTURE(utf8(unit));
        for (const word_use use : {word_use::document, word_use::query}) {
            std::size_t longest = 0, count = 0, invalid = 0;
            const std::size_t length =
                text::each_word(utf8(codes), use, word_form::current, [&](const std::string& word) {
                    longest = std::max(longest, word.size());
                    invalid += text::first_invalid_utf8(word) != std::string::npos ? 1U : 0U;
                    ++count;
                });
            CHECK(longest <= text::longest_word);
            CHECK(invalid == 0);
            CHECK(length <= codes.size() * 4);
            CHECK(count <= 2 * length + 1);
        }
    }
    CHECK(words_of(U"\u0E49\u0301\u3099").empty());
    CHECK(analyse("し\xFFり") == word_list{"し", "り"}); // invalid bytes separate
    CHECK(analyse("\xE3\x81").empty());
}

TEST_CASE("fault 07: the older form cuts as it did") {
    const auto older = [](const std::string& of) {
        return analyse(of, word_use::document, word_form::older);
    };
    CHECK(older("成語しりとり") == word_list{"成", "語", "しりとり"});
    CHECK(older(utf8(U"\uFB01nance soft\u00ADhyphen")) ==
          word_list{"\uFB01nance", "soft", "hyphen"});
    CHECK(older("The CATS, and the Café's dogs!") == word_list{"cat", "cafe", "dog"});
    CHECK(older("ice\xFFwater") == word_list{"ic", "water"});
}

TEST_CASE("fault 07: a section says its form and is searched by it and joined with no other") {
    mice::store::words_builder before(word_form::older), now;
    before.add("成語しりとり");
    now.add("成語しりとり");
    const std::vector<std::byte> old_bytes = before.finish(), new_bytes = now.finish();
    const mice::store::words_view old_view(mice::store::memory_reader(old_bytes));
    const mice::store::words_view new_view(mice::store::memory_reader(new_bytes));
    CHECK(old_view.form() == word_form::older);
    CHECK(new_view.form() == word_form::current);
    before.clear();
    CHECK(mice::store::words_view(mice::store::memory_reader(before.finish())).form() ==
          word_form::older);
    const auto hits = [](const mice::store::words_view& view, const char* query) {
        const mice::store::bm25_part part{&view, {}};
        return mice::store::bm25_search({&part, 1}, query, 5).size();
    };
    CHECK(hits(old_view, "しりとり") == 1); // the whole run is one word
    CHECK(hits(old_view, "しり") == 0);
    CHECK(hits(new_view, "しり") == 1);
    std::vector<std::byte> joined;
    const auto sink = [&joined](std::span<const std::byte> piece) {
        joined.insert(joined.end(), piece.begin(), piece.end());
    };
    const std::vector<mice::store::words_part> same{{&old_view, {}}, {&old_view, {}}};
    mice::store::merge_words(same, sink);
    CHECK(mice::store::words_view(mice::store::memory_reader(joined)).form() == word_form::older);
    const std::vector<mice::store::words_part> mixed{{&old_view, {}}, {&new_view, {}}};
    CHECK_THROWS_WITH(mice::store::merge_words(mixed, sink),
                      Catch::Matchers::Contains("two forms"));
    const std::vector<mice::store::bm25_part> both{{&old_view, {}}, {&new_view, {}}};
    CHECK_THROWS_WITH(mice::store::bm25_search(both, "しり", 5),
                      Catch::Matchers::Contains("two forms"));
}
