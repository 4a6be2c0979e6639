// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <mice/config.hpp>

// Words whose full stop does not end a sentence, of several languages at once: lists are small,
// and a word is in one only where it hardly ends a sentence in any of them.
MICE_NAMESPACE_BEGIN
namespace text::detail {

// All in lower case, in the order of their bytes, without the last full stop.

/// Something always follows them.
inline constexpr std::array<std::string_view, 104> always_followed{
    "abb",  "adj",  "adm",    "approx", "atty",  "avv", "bd",     "bes",  "bl",   "brig",  "bspw",
    "bzgl", "bzw",  "c.-à-d", "ca",     "capt",  "cf",  "cit",    "cmdr", "col",  "cpl",   "d.h",
    "dept", "dhr",  "dipl",   "dott",   "dr",    "dra", "drs",    "e.g",  "eds",  "esp",   "evtl",
    "fr",   "geb",  "gen",    "gest",   "ggf",   "gov", "hon",    "hr",   "hrsg", "i.d.r", "i.e",
    "ing",  "insb", "lic",    "lt",     "m.a.w", "maj", "messrs", "mevr", "mgr",  "mme",   "mr",
    "mrs",  "ms",   "mt",     "np",     "o.ä",   "p.e", "p.ej",   "p.ex", "pres", "prof",  "rep",
    "resp", "rev",  "s.a",    "s.o",    "s.u",   "sen", "sgt",    "sig",  "sog",  "sr",    "sra",
    "srta", "st",   "ste",    "str",    "supt",  "tzn", "tzw",    "u.a",  "ud",   "uds",   "ul",
    "v.a",  "vgl",  "viz",    "vs",     "z.b",   "z.t", "zzgl",   "гр",   "им",   "напр",  "проф",
    "см",   "ср",   "т.е",    "тов",    "ул",
};

/// A number follows them, or they end a sentence.
inline constexpr std::array<std::string_view, 51> before_numbers{
    "ab",  "abs", "abschn", "apr", "art",  "aug",  "cap",  "ch",  "chap", "dec", "dez",
    "ec",  "eq",  "feb",    "fig", "figs", "ibid", "jan",  "jul", "jun",  "kap", "mar",
    "n",   "no",  "nos",    "nov", "nr",   "núm",  "oct",  "okt", "p",    "pag", "par",
    "pos", "pp",  "pág",    "rn",  "s",    "sec",  "sect", "sep", "sept", "tab", "vol",
    "vv",  "zi",  "ziff",   "г",   "рис",  "с",    "стр",
};

/// They end a sentence where a word follows that often begins one.
inline constexpr std::array<std::string_view, 12> perhaps_last{
    "bros", "co", "corp", "dres", "ecc", "etc", "inc", "jr", "ltd", "ph.d", "univ", "usw",
};

/// Words that often begin a sentence and seldom a name.
inline constexpr std::array<std::string_view, 70> beginnings{
    "a",    "aber",  "after", "an",   "and",  "as",   "at",    "auf",     "but",   "by",
    "das",  "der",   "die",   "el",   "elle", "en",   "er",    "es",      "et",    "first",
    "for",  "from",  "he",    "her",  "here", "his",  "how",   "however", "i",     "ich",
    "if",   "il",    "im",    "in",   "is",   "it",   "its",   "le",      "les",   "los",
    "many", "most",  "my",    "no",   "not",  "nous", "on",    "one",     "our",   "she",
    "sie",  "since", "so",    "some", "that", "the",  "their", "then",    "there", "these",
    "they", "this",  "those", "to",   "un",   "we",   "what",  "when",    "with",  "you",
};

/// Words after a German ordinal number ("3. Oktober", "19. Jahrhundert").
inline constexpr std::array<std::string_view, 21> after_ordinals{
    "april",        "auflage", "august", "dezember", "februar", "geburtstag", "jahrhundert",
    "jahrhunderts", "januar",  "jh",     "juli",     "juni",    "jänner",     "kapitel",
    "klasse",       "mai",     "märz",   "november", "oktober", "september",  "weltkrieg",
};

template <std::size_t Count>
[[nodiscard]] constexpr bool lists(const std::array<std::string_view, Count>& list,
                                   std::string_view word) noexcept {
    return std::binary_search(list.begin(), list.end(), word);
}

} // namespace text::detail
MICE_NAMESPACE_END
