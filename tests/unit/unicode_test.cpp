// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <utf8proc.h>

#include "catch.hpp"

#include <mice/text/unicode/compatibility.hpp>
#include <mice/text/unicode/graphemes.hpp>
#include <mice/text/unicode/nfc.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unicode/utf8.hpp>

namespace {

namespace text = mice::text;

std::string hex(char32_t code) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string result;
    for (; code != 0; code /= 16)
        result.insert(result.begin(), digits[code % 16]);
    return "U+" + result;
}

/// Code points for which `differs(code)`, as text; at most twenty are named.
template <typename Differs> std::string differing(Differs&& differs) {
    std::string result;
    int named = 0;
    for (char32_t code = 0; code <= text::last_code_point; ++code)
        if (differs(code) && ++named <= 20)
            result += hex(code) + " ";
    return result;
}

utf8proc_int32_t signed_code(char32_t code) {
    return static_cast<utf8proc_int32_t>(code);
}

std::string from_codes(std::vector<char32_t> codes) {
    std::string result;
    for (const char32_t code : codes)
        text::append_utf8(result, code);
    return result;
}

std::string utf8proc_form(const std::string& input, int form) {
    utf8proc_uint8_t* out = nullptr;
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | form);
    const utf8proc_ssize_t size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(input.data()),
                     static_cast<utf8proc_ssize_t>(input.size()), &out, options);
    REQUIRE(size >= 0);
    std::string result(reinterpret_cast<char*>(out), static_cast<std::size_t>(size));
    std::free(out);
    return result;
}

std::string utf8proc_nfd(const std::string& input) {
    return utf8proc_form(input, UTF8PROC_DECOMPOSE);
}

std::string utf8proc_nfc(const std::string& input) {
    return utf8proc_form(input, UTF8PROC_COMPOSE);
}

bool is_surrogate(char32_t code) {
    return code >= 0xD800 && code <= 0xDFFF;
}

} // namespace

TEST_CASE("The reference has the same Unicode version as the tables") {
    REQUIRE(std::string(utf8proc_unicode_version()) == "15.0.0");
}

TEST_CASE("The general category of every code point agrees with utf8proc") {
    static_assert(static_cast<int>(text::category::co) == UTF8PROC_CATEGORY_CO);
    static_assert(static_cast<int>(text::category::nd) == UTF8PROC_CATEGORY_ND);
    CHECK(differing([](char32_t code) {
              return static_cast<int>(text::general_category(code)) !=
                     static_cast<int>(utf8proc_category(signed_code(code)));
          }) == "");
    CHECK(text::general_category(0x110000) == text::category::cn);
}

TEST_CASE("The combining class of every code point agrees with utf8proc") {
    CHECK(differing([](char32_t code) {
              return text::combining_class(code) !=
                     utf8proc_get_property(signed_code(code))->combining_class;
          }) == "");
}

TEST_CASE("The canonical decomposition of every code point agrees with utf8proc") {
    CHECK(differing([](char32_t code) {
              if (code >= 0xD800 && code <= 0xDFFF) // utf8proc refuses surrogates
                  return text::decompose(code).length != 1;
              std::array<utf8proc_int32_t, 8> parts{};
              int boundary = 0;
              const auto count = utf8proc_decompose_char(signed_code(code), parts.data(), 8,
                                                         UTF8PROC_DECOMPOSE, &boundary);
              const text::mapping mine = text::decompose(code);
              return mine.length != count ||
                     !std::equal(
                         mine.codes.begin(), mine.codes.begin() + mine.length, parts.begin(),
                         [](char32_t a, utf8proc_int32_t b) { return signed_code(a) == b; });
          }) == "");
}

TEST_CASE("The lowercase form of every code point agrees with utf8proc") {
    CHECK(differing([](char32_t code) {
              if (code == 0x130) // utf8proc has the simple mapping, i; the full one is i and a dot
                  return false;
              const text::mapping mine = text::lowercase_15_0(code);
              return mine.length != 1 ||
                     signed_code(mine.codes[0]) != utf8proc_tolower(signed_code(code));
          }) == "");
    const text::mapping dotted = text::lowercase(0x130);
    REQUIRE(dotted.length == 2);
    CHECK(dotted.codes[0] == U'i');
    CHECK(dotted.codes[1] == 0x307);
}

TEST_CASE("Lowercase goes beyond Unicode 15.0 only where 15.0 has no character") {
    int younger = 0;
    CHECK(differing([&younger](char32_t code) {
              const text::mapping now = text::lowercase(code), then = text::lowercase_15_0(code);
              if (now.codes == then.codes)
                  return false;
              ++younger;
              return text::general_category(code) != text::category::cn;
          }) == "");
    CHECK(younger == 8 + 22 + 25);
    CHECK(text::lowercase(0xA7DC).codes[0] == 0x19B);
    CHECK(text::lowercase(0x10D65).codes[0] == 0x10D85);
    CHECK(text::lowercase(0x3A3).codes[0] == 0x3C3); // never a final sigma
}

TEST_CASE("Texts with marks in any order agree with utf8proc's NFD") {
    std::vector<char32_t> marks, decomposing;
    for (char32_t code = 0; code <= text::last_code_point; ++code) {
        if (text::combining_class(code) != 0)
            marks.push_back(code);
        if (text::decompose(code).length > 1)
            decomposing.push_back(code);
    }
    REQUIRE(marks.size() > 800);
    REQUIRE(decomposing.size() > 12000);
    std::mt19937 random(7);
    const auto any_of = [&random](const std::vector<char32_t>& from) {
        return from[random() % from.size()];
    };
    for (int round = 0; round < 5000; ++round) {
        std::vector<char32_t> codes;
        for (std::size_t i = 0; i < 1 + random() % 12; ++i) {
            const auto kind = random() % 4;
            codes.push_back(kind == 0 ? U'a' : kind == 1 ? any_of(decomposing) : any_of(marks));
        }
        const std::string input = from_codes(codes);
        REQUIRE(text::nfd(input) == utf8proc_nfd(input));
    }
}

TEST_CASE("NFC of every code point, whole and in parts, agrees with utf8proc") {
    std::size_t changed = 0, composed = 0;
    CHECK(differing([&](char32_t code) {
              if (is_surrogate(code))
                  return false;
              const std::string whole = from_codes({code}), parts = text::nfd(whole);
              const std::string expected = utf8proc_nfc(whole);
              changed += expected != whole ? 1U : 0U;
              composed += expected != parts ? 1U : 0U;
              return text::nfc(whole) != expected || text::nfc(parts) != expected ||
                     (code < 0x300 && expected != whole);
          }) == "");
    CHECK(changed == 1120); // singletons and composition exclusions
    CHECK(composed == 12131);
}

TEST_CASE("Texts that compose in any way agree with utf8proc's NFC") {
    std::vector<char32_t> marks, decomposing;
    for (char32_t code = 0; code <= text::last_code_point; ++code) {
        if (text::combining_class(code) != 0)
            marks.push_back(code);
        if (text::decompose(code).length > 1)
            decomposing.push_back(code);
    }
    std::mt19937 random(8);
    const auto any_of = [&random](const std::vector<char32_t>& from) {
        return from[random() % from.size()];
    };
    std::size_t shorter = 0;
    for (int round = 0; round < 20000; ++round) {
        std::vector<char32_t> codes;
        for (std::size_t left = 1 + random() % 12; left > 0; --left) {
            switch (random() % 7) {
            case 0:
                codes.push_back(any_of(decomposing));
                break;
            case 1:
                codes.push_back(any_of(marks));
                break;
            case 2: // the marks that compose most often
                codes.push_back(static_cast<char32_t>(0x300 + random() % 0x30));
                break;
            case 3: // jamo, and those beside them that do not compose
                codes.push_back(static_cast<char32_t>(0x1100 + random() % 0x100));
                break;
            case 4:
                codes.push_back(static_cast<char32_t>(0xAC00 + random() % 60));
                break;
            case 5:
                codes.push_back(static_cast<char32_t>('A' + random() % 60));
                break;
            default: { // all parts of a character, perhaps with a mark between them and the next
                const text::mapping parts = text::decompose(any_of(decomposing));
                codes.insert(codes.end(), parts.view().begin(), parts.view().end());
            }
            }
        }
        std::erase(codes, char32_t{0x11A7}); // which utf8proc 2.8 takes for a trailing jamo
        const std::string input = from_codes(codes), expected = utf8proc_nfc(input);
        REQUIRE(text::nfc(input) == expected);
        shorter += expected.size() < input.size() ? 1U : 0U;
    }
    CHECK(shorter > 5000);
    CHECK(text::nfc(from_codes({0xAC00, 0x11A7})) == from_codes({0xAC00, 0x11A7}));
    CHECK(text::nfc(from_codes({0xAC00, 0x11C3})) == from_codes({0xAC00, 0x11C3}));
}

TEST_CASE("The older NFC leaves alone what is younger than Unicode 9.0") {
    const auto old = [](std::vector<char32_t> codes) {
        return text::nfc(from_codes(std::move(codes)), text::normalizer_version::unicode_9_0);
    };
    CHECK(old({U'e', 0x301}) == from_codes({0xE9}));
    CHECK(old({0x1100, 0x1161, 0x11A8}) == from_codes({0xAC01}));
    CHECK(old({U'q', 0x301, 0x334}) == from_codes({U'q', 0x334, 0x301}));
    // U+11938 is of Unicode 13.0, U+1DF6 (class 232) of 10.0: a starter to the older tables.
    CHECK(old({0x11935, 0x11930}) == from_codes({0x11935, 0x11930}));
    CHECK(text::nfc(from_codes({0x11935, 0x11930})) == from_codes({0x11938}));
    CHECK(old({U'q', 0x1DF6, 0x334}) == from_codes({U'q', 0x1DF6, 0x334}));
    CHECK(text::nfc(from_codes({U'q', 0x1DF6, 0x334})) == from_codes({U'q', 0x334, 0x1DF6}));
    CHECK(old({U'e', 0x1DF6, 0x301}) == from_codes({U'e', 0x1DF6, 0x301}));
    // No single character that has parts is younger but three of 13.0 that are their own NFC.
    CHECK(differing([&old](char32_t code) {
              if (is_surrogate(code))
                  return false;
              const std::string whole = from_codes({code});
              return old({code}) != text::nfc(whole);
          }) == "");
}

TEST_CASE("Text below the combining marks is its own NFC") {
    CHECK(text::is_below_marks(""));
    CHECK(text::is_below_marks("abc \xC3\xA9 \xCB\xBF")); // U+00E9, U+02FF
    CHECK_FALSE(text::is_below_marks("abc \xCC\x80"));    // U+0300
    CHECK_FALSE(text::is_below_marks("\xE4\xB8\xAD"));
    CHECK(text::nfc("abc") == "abc");
    CHECK(text::nfc("\xFFz") == "\xEF\xBF\xBDz");
    CHECK(text::nfc("") == "");
}

TEST_CASE("The split classes of every code point are utf8proc's letters, numbers and spaces") {
    std::size_t young_letters = 0, young_numbers = 0;
    CHECK(differing([&](char32_t code) {
              const auto category = utf8proc_category(signed_code(code));
              const auto mine = text::split_class_of(code);
              if (text::is_whitespace(code))
                  return mine != text::split_class::white_space;
              if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
                  return mine != text::split_class::letter;
              if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
                  return mine != text::split_class::number;
              young_letters += mine == text::split_class::letter ? 1U : 0U;
              young_numbers += mine == text::split_class::number ? 1U : 0U;
              return mine != text::split_class::other && category != UTF8PROC_CATEGORY_CN;
          }) == "");
    CHECK(young_letters == 4924); // of Unicode 15.1 and 16.0
    CHECK(young_numbers == 80);
    CHECK(text::split_class_of(0x110000) == text::split_class::other);
}

TEST_CASE("White space is exactly Unicode's White_Space") {
    const std::set<char32_t> controls = {0x9, 0xA, 0xB, 0xC, 0xD, 0x85};
    CHECK(differing([&controls](char32_t code) {
              const auto category = utf8proc_category(signed_code(code));
              const bool separator = category == UTF8PROC_CATEGORY_ZS ||
                                     category == UTF8PROC_CATEGORY_ZL ||
                                     category == UTF8PROC_CATEGORY_ZP;
              return text::is_whitespace(code) != (separator || controls.contains(code));
          }) == "");
}

TEST_CASE("BERT's classes are utf8proc's but for young and changed code points") {
    // Characters assigned after Unicode 8.0 have none of these properties. Among older ones only
    // those changed their category since.
    const std::set<char32_t> changed = {0x166D, 0x1734, 0x1885, 0x1886, 0xA9BD, 0x111C9};
    std::size_t punctuation_kept = 0, marks_kept = 0, controls_kept = 0;
    CHECK(differing([&](char32_t code) {
              const auto category = utf8proc_category(signed_code(code));
              const bool ascii_symbol =
                  code > 0x20 && code < 0x7F && std::isalnum(static_cast<int>(code)) == 0;
              const bool punctuation = ascii_symbol || (category >= UTF8PROC_CATEGORY_PC &&
                                                        category <= UTF8PROC_CATEGORY_PO);
              const bool mark = category == UTF8PROC_CATEGORY_MN;
              const bool control = (category >= UTF8PROC_CATEGORY_CC && code != '\t' &&
                                    code != '\n' && code != '\r') ||
                                   code == 0xFFFD;
              punctuation_kept += text::is_punctuation(code) ? 1U : 0U;
              marks_kept += text::is_nonspacing_mark(code) ? 1U : 0U;
              controls_kept += text::is_control(code) ? 1U : 0U;
              return !changed.contains(code) && ((text::is_punctuation(code) && !punctuation) ||
                                                 (text::is_nonspacing_mark(code) && !mark) ||
                                                 (text::is_control(code) && !control));
          }) == "");
    CHECK(punctuation_kept == 726);
    CHECK(marks_kept == 1567);
    CHECK(controls_kept == 137681 + 2048); // with the surrogates, which no text contains
    CHECK(text::is_punctuation(0x111C9));
    CHECK_FALSE(text::is_punctuation(0x2E43)); // Unicode 9.0
    CHECK(text::is_nonspacing_mark(0x1734));
    CHECK_FALSE(text::is_nonspacing_mark(0x1885));
    CHECK_FALSE(text::is_control(0x8E2)); // format, Unicode 9.0
    CHECK_FALSE(text::is_control(0x378)); // unassigned
    CHECK(text::is_control(0xE000));      // private use
}

TEST_CASE("Word characters contain every letter, mark and number that is a digit") {
    CHECK(differing([](char32_t code) {
              const auto category = utf8proc_category(signed_code(code));
              const bool certain =
                  category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL;
              return (certain || category == UTF8PROC_CATEGORY_PC) && !text::is_word(code);
          }) == "");
    for (const char32_t code : {U' ', U'-', U'.', char32_t{0x3000}, char32_t{0xBD}})
        CHECK_FALSE(text::is_word(code));
    CHECK(text::is_word(0x200D));
    CHECK(text::is_word(0x24B6)); // a circled letter is alphabetic, though a symbol
}

TEST_CASE("Code points beyond Unicode have no properties") {
    CHECK(text::bert_flags(0x110000) == 0);
    CHECK(text::bert_flags(0xFFFFFFFF) == 0);
    CHECK(text::decompose(0x110000).length == 1);
    CHECK(text::lowercase(0x110000).codes[0] == 0x110000);
}

TEST_CASE("Every code point survives encoding and decoding") {
    CHECK(differing([](char32_t code) {
              std::string bytes;
              text::append_utf8(bytes, code);
              const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
              const text::decoded back = text::decode_utf8(bytes, 0);
              return !back.valid || back.bytes != bytes.size() ||
                     back.code != (surrogate ? text::replacement_character : code);
          }) == "");
    std::string beyond;
    text::append_utf8(beyond, 0x110000);
    CHECK(beyond == "\xEF\xBF\xBD");
}

namespace {

/// Table 3-7 of the Unicode Standard, written out: the allowed bytes of each form.
struct form {
    std::vector<std::pair<unsigned, unsigned>> bytes;
};

const std::vector<form>& well_formed() {
    static const std::vector<form> forms = {
        {{{0x00, 0x7F}}},
        {{{0xC2, 0xDF}, {0x80, 0xBF}}},
        {{{0xE0, 0xE0}, {0xA0, 0xBF}, {0x80, 0xBF}}},
        {{{0xE1, 0xEC}, {0x80, 0xBF}, {0x80, 0xBF}}},
        {{{0xED, 0xED}, {0x80, 0x9F}, {0x80, 0xBF}}},
        {{{0xEE, 0xEF}, {0x80, 0xBF}, {0x80, 0xBF}}},
        {{{0xF0, 0xF0}, {0x90, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}}},
        {{{0xF1, 0xF3}, {0x80, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}}},
        {{{0xF4, 0xF4}, {0x80, 0x8F}, {0x80, 0xBF}, {0x80, 0xBF}}},
    };
    return forms;
}

/// Bytes of the longest prefix of `bytes` that begins some form, and whether it is all of it.
std::pair<std::size_t, bool> maximal_subpart(std::string_view bytes) {
    std::size_t longest = 1;
    for (const form& each : well_formed()) {
        std::size_t matched = 0;
        while (matched < each.bytes.size() && matched < bytes.size()) {
            const auto byte = static_cast<unsigned char>(bytes[matched]);
            if (byte < each.bytes[matched].first || byte > each.bytes[matched].second)
                break;
            ++matched;
        }
        if (matched == each.bytes.size())
            return {matched, true};
        longest = std::max(longest, matched);
    }
    return {longest, false};
}

} // namespace

TEST_CASE("Decoding follows the table of well-formed sequences at every boundary") {
    const std::array<unsigned char, 13> edges = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                                 0xA0, 0xBF, 0xC0, 0xE1, 0xF5, 0xFF};
    std::size_t wrong = 0;
    for (unsigned lead = 0; lead < 256; ++lead)
        for (const auto second : edges)
            for (const auto third : edges)
                for (const auto fourth : edges) {
                    const std::array<char, 4> bytes = {
                        static_cast<char>(lead), static_cast<char>(second),
                        static_cast<char>(third), static_cast<char>(fourth)};
                    for (std::size_t size = 1; size <= 4; ++size) {
                        const std::string_view all(bytes.data(), size);
                        const auto [length, valid] = maximal_subpart(all);
                        const text::decoded got = text::decode_utf8(all, 0);
                        wrong += got.bytes == length && got.valid == valid ? 0U : 1U;
                    }
                }
    CHECK(wrong == 0);
}

TEST_CASE("The first invalid byte is found behind text of any length") {
    for (std::size_t before = 0; before < 40; ++before) {
        const std::string good(before, 'x');
        CHECK(text::first_invalid_utf8(good) == std::string_view::npos);
        CHECK(text::first_invalid_utf8(good + "\xC3\xA9") == std::string_view::npos);
        CHECK(text::first_invalid_utf8(good + "\xE4\xBD" + good) == before);
        CHECK(text::first_invalid_utf8("\xC3\xA9" + good + "\xFF") == before + 2);
    }
    CHECK(text::first_invalid_utf8("") == std::string_view::npos);
}

TEST_CASE("A million marks in the wrong order are sorted in one go") {
    // Insertion sort would need 10^11 steps here.
    std::string input = "a";
    for (int i = 0; i < 500000; ++i)
        text::append_utf8(input, 0x315); // class 232
    for (int i = 0; i < 500000; ++i)
        text::append_utf8(input, 0x316); // class 220
    const std::string output = text::nfd(input);
    REQUIRE(output.size() == input.size());
    CHECK(output.substr(1, 2) == from_codes({0x316}));
    CHECK(output.substr(output.size() - 2) == from_codes({0x315}));
}

TEST_CASE("Compatibility forms of what Unicode 9.0 has agree with utf8proc") {
    std::size_t changed = 0;
    const auto differs = [&changed](char32_t code) {
        if (is_surrogate(code))
            return false;
        const std::string input = from_codes({U'a', code, 0x301, U'b'});
        const std::string decomposed = text::to_form(text::normal_form::nfkd, input);
        const std::string composed = text::to_form(text::normal_form::nfkc, input);
        const bool known =
            !text::data::compatibility_codes.empty() &&
            text::to_form(text::normal_form::nfkd, from_codes({code})) != from_codes({code});
        changed += known ? 1U : 0U;
        return known && (decomposed != utf8proc_form(input, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT) ||
                         composed != utf8proc_form(input, UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
    };
    CHECK(differing(differs).empty());
    CHECK(changed > 16000);                                // 11,172 of them Hangul
    for (const char32_t young : {0x32FF, 0xA7F2, 0x10781}) // of Unicode 12.1 and 14.0
        CHECK(text::to_form(text::normal_form::nfkc, from_codes({young})) == from_codes({young}));
}

TEST_CASE("Grapheme clusters end where utf8proc ends them") {
    // One or more of each class, but for what is younger than Unicode 15.0 and conjuncts.
    const std::vector<char32_t> codes = {
        U'\r',  U'\n',  0x1,     U'a',   U' ',    0xAD,   0x300,   0x301,   0x200C,  0x200D,
        0x903,  0x600,  0x1100,  0x1161, 0x11A8,  0xAC00, 0xAC01,  0x1F1E6, 0x1F1E7, 0x1F468,
        0x2764, 0xFE0F, 0x1F3FD, 0xA9,   0xE0041, 0xE33,  0x110BD, 0x4E2D,  0x10FFFF};
    std::mt19937 random(7);
    for (int i = 0; i < 40000; ++i) {
        std::vector<char32_t> sequence(1 + random() % 8);
        for (char32_t& code : sequence)
            code = codes[random() % codes.size()];
        const std::string input = from_codes(sequence);
        std::vector<std::size_t> expected, found;
        utf8proc_int32_t state = 0;
        std::size_t position = 0;
        for (std::size_t at = 0; at < sequence.size(); ++at) {
            if (at > 0 && utf8proc_grapheme_break_stateful(signed_code(sequence[at - 1]),
                                                           signed_code(sequence[at]), &state))
                expected.push_back(position);
            position += from_codes({sequence[at]}).size();
        }
        expected.push_back(position);
        for (std::size_t at = 0; at < input.size(); found.push_back(at))
            at = text::cluster_end(input, at);
        INFO(hex(sequence.front()) << " " << i);
        REQUIRE(found == expected);
    }
}

TEST_CASE("A virama joins the clusters of two consonants") {
    const std::string joined = from_codes({0x915, 0x94D, 0x937}),
                      apart = from_codes({0x915, 0x937});
    CHECK(text::cluster_end(joined, 0) == joined.size());
    CHECK(text::cluster_end(apart, 0) == 3);
    CHECK(text::cluster_end(from_codes({0x915, 0x94D, 0x200C, 0x937}), 0) == 9);
}
