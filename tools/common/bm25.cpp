// SPDX-License-Identifier: Apache-2.0
#include "common/bm25.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <mice/error.hpp>
#include <mice/text/unicode.hpp>

#include "common/stemmer.hpp"

namespace mice::tools {
namespace {

/// Sorted. "s" and "t" are what is left of "it's" and "don't".
constexpr std::array<std::string_view, 55> stop_words{
    "a",    "an",   "and",  "are",  "as",    "at",    "be",    "but",  "by",   "can",  "did",
    "do",   "does", "for",  "from", "had",   "has",   "have",  "he",   "how",  "if",   "in",
    "into", "is",   "it",   "its",  "no",    "not",   "of",    "on",   "or",   "s",    "she",
    "such", "t",    "that", "the",  "their", "then",  "there", "they", "this", "to",   "was",
    "we",   "were", "what", "when", "where", "which", "who",   "why",  "will", "with", "you"};
static_assert(std::is_sorted(stop_words.begin(), stop_words.end()));

/// Appends the lower-case base letters of a code point: no accents, so that "Café" finds "cafe".
void append_folded(std::string& word, char32_t code) {
    const text::mapping lower = text::lowercase(code);
    for (const char32_t letter : lower.view()) {
        const text::mapping parts = text::decompose(letter);
        for (const char32_t part : parts.view()) {
            if (!text::is_nonspacing_mark(part)) {
                text::append_utf8(word, part);
            }
        }
    }
}

bool separates(char32_t code) {
    return !text::is_word(code) || text::general_category(code) == text::category::pc;
}

void finish_word(std::string& word, std::vector<std::string>& words) {
    if (!word.empty() && !std::binary_search(stop_words.begin(), stop_words.end(), word)) {
        words.push_back(porter_stem(std::move(word)));
    }
    word.clear();
}

} // namespace

std::vector<std::string> analyse(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    for (std::size_t position = 0; position < text.size();) {
        const text::decoded next = text::decode_utf8(text, position);
        position += next.bytes;
        const bool ideograph = text::is_cjk(next.code);
        if (ideograph || separates(next.code)) {
            finish_word(word, words);
        }
        if (!separates(next.code)) {
            append_folded(word, next.code);
        }
        if (ideograph) {
            finish_word(word, words);
        }
    }
    finish_word(word, words);
    return words;
}

bm25_index::bm25_index(const bm25_options& options) : options_(options) {
    if (!(std::isfinite(options.k1) && options.k1 >= 0)) {
        throw errors::bad_argument("BM25's k1 must be a number from 0 up");
    }
    if (!(options.b >= 0 && options.b <= 1)) {
        throw errors::bad_argument("BM25's b must be a number from 0 to 1");
    }
}

void bm25_index::add(std::string_view text) {
    if (lengths_.size() == UINT32_MAX) {
        throw errors::bad_argument("a BM25 index holds at most 4294967295 documents");
    }
    const auto document = static_cast<std::uint32_t>(lengths_.size());
    const std::vector<std::string> words = analyse(text);
    for (const std::string& word : words) {
        const auto [entry, fresh] =
            words_.try_emplace(word, static_cast<std::uint32_t>(postings_.size()));
        if (fresh) {
            postings_.emplace_back();
        }
        std::vector<posting>& list = postings_[entry->second];
        if (list.empty() || list.back().document != document) {
            list.push_back({document, 0});
        }
        ++list.back().count;
    }
    lengths_.push_back(static_cast<std::uint32_t>(std::min<std::size_t>(words.size(), UINT32_MAX)));
    total_length_ += words.size();
}

std::vector<bm25_hit> bm25_index::search(std::string_view query, std::size_t depth) const {
    std::vector<double> scores(lengths_.size(), 0.0);
    const auto documents = static_cast<double>(lengths_.size());
    const double average = static_cast<double>(total_length_) / std::max(documents, 1.0);
    std::vector<std::uint32_t> touched;
    for (const std::string& word : analyse(query)) {
        const auto entry = words_.find(word);
        if (entry == words_.end()) {
            continue;
        }
        const std::vector<posting>& list = postings_[entry->second];
        const auto df = static_cast<double>(list.size());
        const double idf = std::log(1 + (documents - df + 0.5) / (df + 0.5));
        for (const posting& p : list) {
            const double length = lengths_[p.document] / average;
            const double norm = options_.k1 * (1 - options_.b + options_.b * length);
            if (scores[p.document] == 0) {
                touched.push_back(p.document);
            }
            scores[p.document] += idf * p.count / (p.count + norm);
        }
    }
    const std::size_t kept = std::min(depth, touched.size());
    std::partial_sort(touched.begin(), touched.begin() + static_cast<std::ptrdiff_t>(kept),
                      touched.end(), [&scores](std::uint32_t a, std::uint32_t b) {
                          return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
                      });
    std::vector<bm25_hit> hits;
    for (std::size_t i = 0; i < kept; ++i) {
        hits.push_back({touched[i], static_cast<float>(scores[touched[i]])});
    }
    return hits;
}

} // namespace mice::tools
