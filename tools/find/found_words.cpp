// SPDX-License-Identifier: Apache-2.0
#include "find/found_words.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>

#include <mice/text/words/words.hpp>

namespace mice::find {
namespace {

/// Bytes of what separates words at a place: ASCII but letters and digits, and the punctuation of
/// Latin-1, U+2000 to U+207F and U+3000 to U+303F; 0 where a word goes on.
std::size_t separator_at(std::string_view text, std::size_t at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
        return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9')
                   ? 0
                   : 1;
    }
    const std::string_view rest = text.substr(at, 2);
    const bool general = rest == "\xE2\x80" || rest == "\xE2\x81" || rest == "\xE3\x80";
    const std::size_t size = byte == 0xC2 ? 2 : general ? 3 : 0;
    return std::min(size, text.size() - at);
}

/// Calls with the (begin, end) of each run without separators.
template <class Call> void each_run(std::string_view text, Call&& call) {
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        std::size_t separator = 0;
        while (end < text.size() && (separator = separator_at(text, end)) == 0) {
            ++end;
        }
        if (end > at) {
            call(at, end);
        }
        at = end + std::max<std::size_t>(1, separator);
    }
}

struct wanted_words {
    std::unordered_set<std::string> words;
    std::vector<std::string> beginnings;
};

/// The line without what is asked of paths.
std::string without_paths(std::string_view line) {
    std::string rest;
    for (std::size_t at = 0; at < line.size();) {
        const std::size_t end = std::min(line.find_first_of(" \t\r\n", at), line.size());
        const std::string_view word = line.substr(at, end - at);
        if (!word.starts_with("path:")) {
            rest.append(word.starts_with("title:") ? word.substr(6) : word).append(" ");
        }
        at = end + 1;
    }
    return rest;
}

wanted_words words_of(std::string_view line) {
    constexpr std::size_t most = 64;
    wanted_words made;
    const std::string text = without_paths(line);
    each_run(text, [&](std::size_t begin, std::size_t end) {
        const std::string_view run = std::string_view(text).substr(begin, end - begin);
        if (made.words.size() + made.beginnings.size() >= most) {
            return;
        }
        if (end < text.size() && text[end] == '*') { // as parse_query has it
            std::vector<std::string> words = text::analyse(std::string(run) + "0");
            if (words.size() == 1 && words[0].size() > 1) {
                words[0].pop_back();
                made.beginnings.push_back(std::move(words[0]));
            }
            return;
        }
        for (std::string& word : text::analyse(run)) {
            made.words.insert(std::move(word));
        }
    });
    return made;
}

bool begins_so(std::string_view run, const wanted_words& wanted) {
    if (wanted.beginnings.empty()) {
        return false;
    }
    const std::vector<std::string> whole = text::analyse(std::string(run) + "0");
    return whole.size() == 1 &&
           std::any_of(wanted.beginnings.begin(), wanted.beginnings.end(),
                       [&](const std::string& each) { return whole[0].starts_with(each); });
}

/// In scripts without spaces a run has many words: those that are there as they stand.
void add_inside(std::string_view run, std::size_t begin, const std::vector<std::string>& words,
                const wanted_words& wanted, std::vector<text_part>& found) {
    std::vector<text_part> parts;
    for (const std::string& word : words) {
        if (wanted.words.contains(word)) {
            for (std::size_t at = run.find(word); at != run.npos; at = run.find(word, at + 1)) {
                parts.push_back({begin + at, begin + at + word.size()});
            }
        }
    }
    std::sort(parts.begin(), parts.end(),
              [](const text_part& a, const text_part& b) { return a.begin < b.begin; });
    for (const text_part& part : parts) {
        if (!found.empty() && part.begin <= found.back().end && found.back().end > begin) {
            found.back().end = std::max(found.back().end, part.end);
        } else {
            found.push_back(part);
        }
    }
}

} // namespace

std::vector<text_part> found_words(std::string_view passage, std::string_view line) {
    constexpr std::size_t longest = 4096; // of a run that is looked at
    const wanted_words wanted = words_of(line);
    std::vector<text_part> found;
    each_run(passage, [&](std::size_t begin, std::size_t end) {
        const std::string_view run = passage.substr(begin, end - begin);
        if (run.size() > longest) {
            return;
        }
        const std::vector<std::string> words = text::analyse(run);
        if (words.size() > 1) {
            add_inside(run, begin, words, wanted, found);
        } else if ((words.size() == 1 && wanted.words.contains(words[0])) ||
                   begins_so(run, wanted)) {
            found.push_back({begin, end});
        }
    });
    return found;
}

} // namespace mice::find
