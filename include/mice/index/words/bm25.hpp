// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <mice/index/words/view.hpp>
#include <mice/index_options.hpp>

MICE_NAMESPACE_BEGIN

namespace store {

/// A document that shares a word with the query.
struct bm25_hit {
    std::uint32_t part = 0; ///< in the list of parts
    std::uint32_t document = 0;
    float score = 0;

    friend bool operator==(const bm25_hit&, const bm25_hit&) = default;
};

/// One section to search and which of its documents may be found. Deleted documents still count in
/// the frequencies, until a merge leaves them out.
struct bm25_part {
    const words_view* words = nullptr;
    std::function<bool(std::uint32_t document)> live; ///< none: all
};

namespace detail {

/// A query's word: its weight, and its lists in the parts that hold it.
struct query_word {
    double weight = 0; ///< occurrences in the query times the inverse document frequency
    std::vector<std::optional<word_record>> lists;
};

/// Documents and words of all parts together.
struct collection_size {
    double documents = 0;
    double average_length = 1;
};

inline collection_size size_of(std::span<const bm25_part> parts) {
    double documents = 0;
    double words = 0;
    for (const bm25_part& part : parts) {
        documents += part.words->documents();
        words += static_cast<double>(part.words->total_length());
    }
    // Without any word no list is read, whatever length a damaged file claims.
    return {documents, words > 0 ? words / documents : 1.0};
}

/// The query's distinct words in the order of their first occurrence.
inline std::vector<query_word> query_words(std::span<const bm25_part> parts, std::string_view query,
                                           double documents) {
    std::unordered_map<std::string, std::size_t> places;
    std::vector<std::string> texts;
    std::vector<double> counts;
    for (std::string& word : text::analyse(query, text::word_use::query, form_of(parts))) {
        const auto [place, fresh] = places.try_emplace(word, texts.size());
        if (fresh) {
            texts.push_back(std::move(word));
            counts.push_back(0);
        }
        ++counts[place->second];
    }
    std::vector<query_word> words;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        query_word word;
        double df = 0;
        for (const bm25_part& part : parts) {
            word.lists.push_back(part.words->find(texts[i]));
            df += word.lists.back() ? word.lists.back()->documents : 0;
        }
        if (df > 0) {
            word.weight = counts[i] * std::log(1 + (documents - df + 0.5) / (df + 0.5));
            words.push_back(std::move(word));
        }
    }
    return words;
}

/// Keeps the best of all hits added, ties in the order of parts and documents.
class best_hits {
  public:
    explicit best_hits(std::size_t depth) : depth_(depth) {}

    void add(std::uint32_t part, std::uint32_t document, double score) {
        found_.push_back({score, part, document});
        if (found_.size() / 2 >= std::max<std::size_t>(depth_, 512)) {
            cut();
        }
    }
    [[nodiscard]] std::vector<bm25_hit> take() {
        cut();
        std::sort(found_.begin(), found_.end(), better);
        std::vector<bm25_hit> hits;
        for (const entry& each : found_) {
            hits.push_back({each.part, each.document, static_cast<float>(each.score)});
        }
        return hits;
    }

  private:
    struct entry {
        double score;
        std::uint32_t part;
        std::uint32_t document;
    };

    static bool better(const entry& a, const entry& b) {
        if (a.score != b.score) {
            return a.score > b.score;
        }
        return a.part != b.part ? a.part < b.part : a.document < b.document;
    }
    void cut() {
        if (found_.size() > depth_) {
            std::nth_element(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(depth_),
                             found_.end(), better);
            found_.resize(depth_);
        }
    }

    std::size_t depth_;
    std::vector<entry> found_;
};

inline constexpr double not_found = -1;

/// The scores of a part's documents; not_found for documents that share no word.
inline std::vector<double> part_scores(const words_view& words, std::span<const query_word> query,
                                       std::size_t part, double average_length,
                                       const bm25_options& options) {
    std::vector<double> scores;
    std::span<const std::byte> lengths;
    for (const query_word& word : query) {
        if (!word.lists[part]) {
            continue;
        }
        if (scores.empty()) {
            scores.assign(words.documents(), not_found);
            lengths = words.lengths();
        }
        posting_reader reader = words.postings(*word.lists[part]);
        for (posting each; reader.next(each);) {
            std::uint32_t length = 0;
            std::memcpy(&length, &lengths[std::size_t{4} * each.document], sizeof length);
            const double norm =
                options.k1 * (1 - options.b + options.b * (length / average_length));
            double& score = scores[each.document];
            score = std::max(score, 0.0) + word.weight * each.count / (each.count + norm);
        }
    }
    return scores;
}

} // namespace detail

/// Throws errc::invalid_argument unless 0 <= k1 <= 1000 and 0 <= b <= 1.
inline void validate(const bm25_options& options) {
    if (!(options.k1 >= 0 && options.k1 <= 1000)) {
        throw errors::bad_argument("BM25's k1 must be a number from 0 to 1000");
    }
    if (!(options.b >= 0 && options.b <= 1)) {
        throw errors::bad_argument("BM25's b must be a number from 0 to 1");
    }
}

/// At most `depth` documents that share a word with the query, best first, equal ones in the order
/// of parts and documents; Lucene's BM25 over all parts as one collection:
/// sum over query words of ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 (1 - b + b
/// dl/avgdl)). Document lengths are exact, where Lucene rounds them; a word that the query repeats
/// counts as often. Memory: eight bytes a document of the largest part, and what `depth` takes.
/// The query is cut into words as the parts' documents were. Throws errc::format for damaged
/// sections and for those of two forms. Thread-safe.
[[nodiscard]] inline std::vector<bm25_hit> bm25_search(std::span<const bm25_part> parts,
                                                       std::string_view query, std::size_t depth,
                                                       const bm25_options& options = {}) {
    validate(options);
    const detail::collection_size size = detail::size_of(parts);
    const std::vector<detail::query_word> words = detail::query_words(parts, query, size.documents);
    detail::best_hits best(depth);
    for (std::size_t part = 0; part < parts.size(); ++part) {
        const std::vector<double> scores =
            detail::part_scores(*parts[part].words, words, part, size.average_length, options);
        for (std::size_t document = 0; document < scores.size(); ++document) {
            const auto number = static_cast<std::uint32_t>(document);
            if (scores[document] >= 0 && (!parts[part].live || parts[part].live(number))) {
                best.add(static_cast<std::uint32_t>(part), number, scores[document]);
            }
        }
    }
    return best.take();
}

} // namespace store
MICE_NAMESPACE_END
