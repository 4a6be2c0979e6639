// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace text {
namespace detail::porter {

struct rule {
    std::string_view suffix;
    std::string_view replacement;
};

inline bool is_vowel(char letter) {
    return std::string_view("aeiou").find(letter) != std::string_view::npos;
}

/// Letters other than a, e, i, o, u; a "y" is one at the start and behind a vowel. In a run of "y"
/// vowel and consonant take turns.
inline bool is_consonant(std::string_view word, std::size_t i) {
    if (word[i] != 'y') {
        return !is_vowel(word[i]);
    }
    std::size_t first = i;
    while (first > 0 && word[first - 1] == 'y') {
        --first;
    }
    const bool starts_as_consonant = first == 0 || is_vowel(word[first - 1]);
    return starts_as_consonant == ((i - first) % 2 == 0);
}

/// Porter's m: how many times a vowel run is followed by a consonant run.
inline std::size_t measure(std::string_view stem) {
    std::size_t count = 0;
    bool after_vowel = false;
    for (std::size_t i = 0; i < stem.size(); ++i) {
        const bool consonant = is_consonant(stem, i);
        count += consonant && after_vowel ? 1 : 0;
        after_vowel = !consonant;
    }
    return count;
}

inline bool has_vowel(std::string_view stem) {
    for (std::size_t i = 0; i < stem.size(); ++i) {
        if (!is_consonant(stem, i)) {
            return true;
        }
    }
    return false;
}

inline bool ends_double_consonant(std::string_view word) {
    const std::size_t n = word.size();
    return n >= 2 && word[n - 1] == word[n - 2] && is_consonant(word, n - 1);
}

/// Consonant, vowel, consonant other than w, x, y: a short syllable that keeps its "e".
inline bool ends_short(std::string_view word) {
    const std::size_t n = word.size();
    return n >= 3 && is_consonant(word, n - 3) && !is_consonant(word, n - 2) &&
           is_consonant(word, n - 1) && word[n - 1] != 'w' && word[n - 1] != 'x' &&
           word[n - 1] != 'y';
}

inline std::string_view without(std::string_view word, std::size_t letters) {
    return word.substr(0, word.size() - letters);
}

/// Replaces the first suffix of the list that the word ends in, if the rest's measure is above
/// `least`. The lists name longer suffixes before those that they end in.
inline void apply(std::string& word, std::size_t least, std::initializer_list<rule> rules) {
    for (const rule& r : rules) {
        if (word.ends_with(r.suffix)) {
            if (measure(without(word, r.suffix.size())) > least) {
                word.replace(word.size() - r.suffix.size(), r.suffix.size(), r.replacement);
            }
            return;
        }
    }
}

inline void plurals(std::string& word) {
    if (word.ends_with("sses") || word.ends_with("ies")) {
        word.resize(word.size() - 2);
    } else if (word.ends_with("s") && !word.ends_with("ss")) {
        word.pop_back();
    }
}

inline void past_and_gerund(std::string& word) {
    if (word.ends_with("eed")) {
        if (measure(without(word, 3)) > 0) {
            word.pop_back();
        }
        return;
    }
    const std::size_t cut = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
    if (cut == 0 || !has_vowel(without(word, cut))) {
        return;
    }
    word.resize(word.size() - cut);
    const bool takes_e = word.ends_with("at") || word.ends_with("bl") || word.ends_with("iz");
    if (!takes_e && ends_double_consonant(word) && !word.ends_with("l") && !word.ends_with("s") &&
        !word.ends_with("z")) {
        word.pop_back();
    } else if (takes_e || (measure(word) == 1 && ends_short(word))) {
        word += 'e';
    }
}

inline void long_suffixes(std::string& word) {
    apply(word, 0, {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
                    {"izer", "ize"},    {"abli", "able"},   {"alli", "al"},     {"entli", "ent"},
                    {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                    {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
                    {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"}});
    apply(word, 0,
          {{"icate", "ic"},
           {"ative", ""},
           {"alize", "al"},
           {"iciti", "ic"},
           {"ical", "ic"},
           {"ful", ""},
           {"ness", ""}});
}

inline void last_suffix(std::string& word) {
    if (word.ends_with("sion") || word.ends_with("tion")) {
        if (measure(without(word, 3)) > 1) {
            word.resize(word.size() - 3);
        }
        return;
    }
    apply(word, 1,
          {{"al", ""},
           {"ance", ""},
           {"ence", ""},
           {"er", ""},
           {"ic", ""},
           {"able", ""},
           {"ible", ""},
           {"ant", ""},
           {"ement", ""},
           {"ment", ""},
           {"ent", ""},
           {"ou", ""},
           {"ism", ""},
           {"ate", ""},
           {"iti", ""},
           {"ous", ""},
           {"ive", ""},
           {"ize", ""}});
}

inline void tidy_up(std::string& word) {
    if (word.ends_with("e")) {
        const std::string_view stem = without(word, 1);
        const std::size_t m = measure(stem);
        if (m > 1 || (m == 1 && !ends_short(stem))) {
            word.pop_back();
        }
    }
    if (word.ends_with("ll") && measure(word) > 1) {
        word.pop_back();
    }
}

} // namespace detail::porter

/// The stem of a lower-case English word, by Porter's algorithm (M. F. Porter, "An algorithm for
/// suffix stripping", Program 14(3), 1980). Words with other bytes than a-z, and words of one or
/// two letters, stay as they are.
[[nodiscard]] inline std::string porter_stem(std::string word) {
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    if (word.size() <= 2 || !std::all_of(word.begin(), word.end(), is_letter)) {
        return word;
    }
    using namespace detail::porter;
    plurals(word);
    past_and_gerund(word);
    if (word.ends_with("y") && has_vowel(without(word, 1))) {
        word.back() = 'i';
    }
    long_suffixes(word);
    last_suffix(word);
    tidy_up(word);
    return word;
}

} // namespace text
MICE_NAMESPACE_END
