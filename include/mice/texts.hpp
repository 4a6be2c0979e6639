// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include <mice/config.hpp>
#include <mice/fwd.hpp>
#include <mice/passages.hpp>
#include <mice/ranking.hpp>
#include <mice/text/text_range.hpp>

MICE_NAMESPACE_BEGIN

/// What the scores of a text's passages become, before first_share.
enum class text_score {
    max, ///< the best passage's score
    /// temperature * log(mean(exp(score / temperature))): between the mean and the best. Several
    /// good passages count for more than one, and a text of one passage has that one's score.
    soft_max
};

/// How texts of any length are scored.
struct text_options {
    text_score score = text_score::max;
    /// Of soft_max, in logits: near 0 it is max, and large ones give the mean. Above 0, finite.
    double temperature = 0.5;
    /// How much of a text's score is that of its first passage, 0 to 1: a text's beginning says
    /// what all of it is about.
    double first_share = 0.5;
    /// What a text may lose by its first passage at most, in logits; at least 0. So a passage that
    /// answers the query stays found in a text that begins with something else.
    double first_limit = 1;
    /// How texts are cut; its `specials` are those of rank_options.
    passage_options cut{};
};

/// One text's place in a ranking: what a hit is, of all its passages. `index` and `score` are the
/// text's, tokens and replacements the sums over its passages.
struct text_hit : hit {
    passage best{};           ///< the best passage; of equal ones the first
    float best_score = 0;     ///< its own, in the form of `score`; NaN where `scored` is false
    std::size_t passages = 0; ///< how many the text has; those that are known where not `whole`
    bool whole = false;       ///< false: the call stopped before all its passages had a score
};

/// As a ranking, of texts. `unscored` counts texts of which no passage has a score, and `complete`
/// is false where any text is not whole.
struct text_ranking {
    std::vector<text_hit> hits; ///< as ranking::hits
    bool complete = true;
    std::size_t unscored = 0;
    std::size_t query_tokens_seen = 0; ///< as in ranking
    std::size_t query_tokens_cut = 0;
    std::size_t query_replaced = 0;
    /// One for each hit, where rank_options asks for them: of its best passage, as places in the
    /// hit's text.
    std::vector<mice::highlights> highlights{};

    [[nodiscard]] std::size_t size() const noexcept { return hits.size(); }
    [[nodiscard]] bool empty() const noexcept { return hits.empty(); }
    [[nodiscard]] const text_hit& operator[](std::size_t i) const { return hits[i]; }
    [[nodiscard]] auto begin() const noexcept { return hits.begin(); }
    [[nodiscard]] auto end() const noexcept { return hits.end(); }
};

/// Ranks texts of any length: those that are longer than the model's limit are cut into passages
/// (passages_of_text), all passages are scored in one call, and each text gets one hit, which says
/// where its best passage is. A text within the limit is scored as reranker::rank scores it, and a
/// text's score has the same bits whatever is ranked beside it and on any number of threads. A
/// cross-encoder's passages leave room for the query.
///
/// `progress` counts passages. With a deadline an eighth of the time that is left goes to cutting,
/// and what was cut by then is scored before more is cut; the passages in all are then those that
/// are known. A call that begins in time scores one passage at least.
///
/// Throws as reranker::rank and passages(), and errc::invalid_argument for options out of range.
/// Any thread may call it.
[[nodiscard]] text_ranking rank_texts(const reranker& ranker, std::string_view query,
                                      std::span<const std::string_view> texts,
                                      const rank_options& options = {},
                                      const text_options& of_texts = {});
/// As above, for a query of this model that is encoded already.
[[nodiscard]] text_ranking rank_texts(const reranker& ranker, const mice::query& query,
                                      std::span<const std::string_view> texts,
                                      const rank_options& options = {},
                                      const text_options& of_texts = {});
template <text_range Range>
[[nodiscard]] text_ranking rank_texts(const reranker& ranker, std::string_view query,
                                      const Range& texts, const rank_options& options = {},
                                      const text_options& of_texts = {}) {
    const std::vector<std::string_view> views = detail::views_of(texts, "text");
    return rank_texts(ranker, query, std::span<const std::string_view>(views), options, of_texts);
}
[[nodiscard]] inline text_ranking rank_texts(const reranker& ranker, std::string_view query,
                                             std::initializer_list<std::string_view> texts,
                                             const rank_options& options = {},
                                             const text_options& of_texts = {}) {
    return rank_texts(ranker, query, std::span(texts.begin(), texts.size()), options, of_texts);
}

/// A text's score, from those of its passages in its order; one at least, logits, none NaN. That of
/// a single passage is given back as it is. Throws errc::invalid_argument for options out of range.
[[nodiscard]] float score_of_text(std::span<const float> passages, const text_options& options);

/// The passages that rank_texts cuts a text into: those of passages(), but the first reads on up to
/// the limit, and so overlaps with the second; one, of the whole text, where it is within the
/// limit. Throws as passages().
[[nodiscard]] std::vector<passage> passages_of_text(const reranker& ranker, std::string_view text,
                                                    const passage_options& options = {});

/// What is scored for one of those passages: its bytes, or the whole text where it is the only one.
[[nodiscard]] inline std::string_view passage_text(std::string_view text,
                                                   std::span<const passage> all, std::size_t i) {
    return all.size() == 1 ? text
                           : text.substr(static_cast<std::size_t>(all[i].begin),
                                         static_cast<std::size_t>(all[i].end - all[i].begin));
}

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/texts_impl.hpp>
#endif
