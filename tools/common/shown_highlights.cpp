// SPDX-License-Identifier: Apache-2.0
#include "common/shown_highlights.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <mice/text/unicode/utf8.hpp>

#include "common/terminal.hpp"

namespace mice::tools {
namespace {

/// Where the characters of a part of a text begin, and its end.
std::vector<std::size_t> borders_of(std::string_view text, byte_range part) {
    std::vector<std::size_t> borders;
    for (std::size_t at = part.begin; at < part.end; at += text::decode_utf8(text, at).bytes) {
        borders.push_back(at);
    }
    borders.push_back(part.end);
    return borders;
}

constexpr const char* before = "... "; // what is shown of a sentence is not its start
constexpr const char* behind = " ...";
constexpr std::size_t marks = 8; // columns of both

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// A part of a sentence from the next space on and up to the last one, where there are spaces.
byte_range without_broken_words(std::string_view text, byte_range sentence, byte_range part) {
    constexpr std::size_t longest = 30; // bytes; longer words may be broken
    byte_range whole = part;
    for (std::size_t i = part.begin; i < part.end && i - part.begin < longest; ++i) {
        if (part.begin == sentence.begin || is_space(text[i - 1])) {
            whole.begin = i;
            break;
        }
    }
    for (std::size_t i = part.end; i > whole.begin && part.end - i < longest; --i) {
        if (part.end == sentence.end || is_space(text[i])) {
            whole.end = i;
            break;
        }
    }
    return whole.begin < whole.end ? whole : part;
}

/// What is shown of a sentence in so many columns, the marks of what is left out included.
byte_range range_of_width(std::string_view text, const highlight& sentence, std::size_t columns) {
    const auto width = [text](byte_range part) {
        return display_width(printable(text.substr(part.begin, part.end - part.begin)));
    };
    const byte_range whole{sentence.begin, sentence.end};
    if (width(whole) <= columns) {
        return whole;
    }
    const std::size_t room = columns > marks + 1 ? columns - marks : 1;
    std::size_t characters = room;
    for (byte_range part = snippet_range(text, sentence, characters);;) {
        if (width(part) <= room || characters == 1) {
            return part;
        }
        characters = std::max<std::size_t>(1, characters * 3 / 4); // wide characters
        part = snippet_range(text, sentence, characters);
    }
}

} // namespace

byte_range snippet_range(std::string_view text, const highlight& sentence, std::size_t characters) {
    const byte_range whole{sentence.begin, sentence.end};
    const std::vector<std::size_t> borders = borders_of(text, whole);
    if (borders.size() - 1 <= characters) {
        return whole;
    }
    // The window that holds the most of the words' scores, in its middle.
    const auto place = [&borders](std::size_t byte) {
        return static_cast<std::size_t>(std::lower_bound(borders.begin(), borders.end(), byte) -
                                        borders.begin());
    };
    std::size_t best_first = 0;
    double best = -1;
    for (const highlighted_word& start : sentence.words) {
        const std::size_t first = place(start.begin);
        double sum = 0;
        std::size_t last = first;
        for (const highlighted_word& word : sentence.words) {
            if (word.begin >= start.begin && place(word.end) <= first + characters) {
                sum += static_cast<double>(std::max(word.score, 0.0F));
                last = std::max(last, place(word.end));
            }
        }
        if (sum > best) {
            best = sum;
            const std::size_t spare = characters - std::min(characters, last - first);
            best_first = first > spare / 2 ? first - spare / 2 : 0;
        }
    }
    best_first = std::min(best_first, borders.size() - 1 - characters);
    return without_broken_words(text, whole,
                                {borders[best_first], borders[best_first + characters]});
}

ordered_json to_json(std::string_view text, const highlights& found) {
    ordered_json all = ordered_json::array();
    for (const highlight& each : found.sentences) {
        ordered_json words = ordered_json::array();
        for (const highlighted_word& word : each.words) {
            words.push_back({{"begin", word.begin},
                             {"end", word.end},
                             {"score", json_number(word.score)},
                             {"text", text.substr(word.begin, word.end - word.begin)}});
        }
        all.push_back({{"begin", each.begin},
                       {"end", each.end},
                       {"score", json_number(each.score)},
                       {"line", each.line},
                       {"text", text.substr(each.begin, each.end - each.begin)},
                       {"words", std::move(words)}});
    }
    return all;
}

std::string shown_line(std::string_view text, const highlights& found, std::size_t columns,
                       bool bold) {
    if (found.sentences.empty()) {
        return {};
    }
    const highlight& best = found.sentences.front();
    const byte_range part = range_of_width(text, best, columns);
    std::vector<byte_range> words; // in the order of the text
    for (const highlighted_word& word : best.words) {
        if (bold && word.begin >= part.begin && word.end <= part.end) {
            words.push_back({word.begin, word.end});
        }
    }
    std::sort(words.begin(), words.end(),
              [](byte_range a, byte_range b) { return a.begin < b.begin; });
    std::string line = part.begin > best.begin ? before : "";
    std::size_t at = part.begin;
    const auto add = [&](std::size_t end) {
        const std::string_view some = text.substr(at, end - at);
        const std::string shown = printable(some); // without spaces at its ends
        const bool inside = at > part.begin && !some.empty();
        line += inside && is_space(some.front()) ? " " : "";
        line += shown;
        line += !shown.empty() && end < part.end && is_space(some.back()) ? " " : "";
        at = end;
    };
    for (const byte_range word : words) {
        add(word.begin);
        line += "\x1b[1m";
        add(word.end);
        line += "\x1b[0m";
    }
    add(part.end);
    return line + (part.end < best.end ? behind : "");
}

} // namespace mice::tools
