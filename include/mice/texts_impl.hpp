// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/parallel/parallel_for.hpp>
#include <mice/reranker.hpp>
#include <mice/scoring/by_score.hpp>
#include <mice/scoring/highlighter.hpp>
#include <mice/scoring/scoring.hpp>
#include <mice/scoring/text_map.hpp>
#include <mice/system/float_mode.hpp>
#include <mice/texts.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

inline void check(const text_options& options) {
    if (!(options.temperature > 0) || !std::isfinite(options.temperature))
        throw errors::bad_argument("the temperature of a text's soft maximum is " +
                                   std::to_string(options.temperature) +
                                   ", expected a finite number above 0");
    if (!(options.first_limit >= 0))
        throw errors::bad_argument("first_limit of texts is " +
                                   std::to_string(options.first_limit) + ", expected 0 or more");
    if (!(options.first_share >= 0 && options.first_share <= 1))
        throw errors::bad_argument("first_share of texts is " +
                                   std::to_string(options.first_share) + ", expected 0 to 1");
}

/// Of passages in their order; checked options.
[[nodiscard]] inline float combined(std::span<const float> scores, const text_options& options) {
    const float best = *std::max_element(scores.begin(), scores.end());
    if (scores.size() == 1)
        return best;
    auto top = static_cast<double>(best);
    if (options.score == text_score::soft_max) {
        double sum = 0;
        for (const float score : scores)
            sum += std::exp((static_cast<double>(score) - top) / options.temperature);
        top += options.temperature * std::log(sum / static_cast<double>(scores.size()));
    }
    const double loss = options.first_share * (top - static_cast<double>(scores.front()));
    return static_cast<float>(top - std::min(loss, options.first_limit));
}

/// All of a text that has no passages: it is white space, or the model's limit is too small to cut.
[[nodiscard]] inline passage whole_text(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    passage whole;
    const std::size_t begin = text.find_first_not_of(space);
    if (begin == std::string_view::npos)
        return whole;
    const std::size_t end = text.find_last_not_of(space) + 1;
    whole.begin = begin;
    whole.end = end;
    whole.first_line += line_ends(text, 0, begin);
    whole.last_line = whole.first_line + line_ends(text, begin, end);
    return whole;
}

/// Tokens of a passage at most: what is asked for, or the model's limit; for a cross-encoder no
/// more than fit into a pair with a query of so many tokens, as far as texts can be cut into less.
/// None where the model's limit is too small to cut texts at all: they are read from their
/// beginning then.
[[nodiscard]] inline std::optional<std::size_t>
passage_limit(const reranker& ranker, std::size_t asked, std::size_t query_tokens) {
    const model_config& config = ranker.config();
    const std::size_t least =
        16 + ranker.text_tokenizer().encode("").ids.size() + config.marker_tokens();
    const std::size_t most = asked == 0 ? config.max_document_length : asked;
    if (asked == 0 && most < least)
        return std::nullopt;
    if (config.kind != model_kind::cross_encoder)
        return most;
    const std::size_t taken = query_tokens + config.leading_markers();
    const std::size_t room =
        config.max_pair_length + 1 - std::min(config.max_pair_length + 1, taken);
    return std::min(most, std::max(room, least));
}

/// Lengthens the first of several passages up to the limit, to the end of a word where it can: a
/// text's beginning is read as far as the model goes, into what is the second passage, too.
inline void read_on(std::vector<passage>& found, std::string_view text, const tokenizer& words,
                    special_tokens specials, std::size_t limit, std::size_t markers) {
    passage& first = found.front();
    const auto begin = static_cast<std::size_t>(first.begin);
    const auto nearest = static_cast<std::size_t>(first.end);
    std::size_t tokens = first.tokens, last = 1;
    for (; last < found.size() && tokens <= limit; ++last)
        tokens += found[last].tokens;
    if (last == 1)
        return;
    const auto count = [&](std::size_t end) {
        return words.encode(text.substr(begin, end - begin), {.specials = specials}).ids.size() +
               markers;
    };
    std::size_t fits = nearest, above = static_cast<std::size_t>(found[last - 1].end) + 1;
    while (fits + 1 < above) {
        const std::size_t middle = fits + (above - fits) / 2;
        (count(middle) <= limit ? fits : above) = middle;
    }
    const auto inside = [&text](std::size_t at) { // a word, or at least a code point
        return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80;
    };
    constexpr std::string_view space = " \t\r\n";
    const std::string_view there = text.substr(nearest, fits - nearest + 1);
    if (const std::size_t gap = there.find_last_of(space); gap != std::string_view::npos)
        fits = nearest + gap;
    while (fits > nearest && inside(fits))
        --fits;
    while (fits > nearest && space.find(text[fits - 1]) != std::string_view::npos)
        --fits;
    tokens = fits > nearest ? count(fits) : first.tokens;
    if (fits == nearest || tokens > limit)
        return;
    first.last_line += line_ends(text, nearest, fits);
    first.end = fits;
    first.tokens = tokens;
}

/// A text while it is cut and scored.
struct long_text {
    std::vector<passage> passages;
    std::vector<hit> hits; ///< of the passages
    bool cut = false;      ///< to its end, or given up
    bool whole = true;
};

/// Cuts and scores texts for one query, in rounds where there is a deadline.
class text_call {
  public:
    text_call(const reranker& ranker, const mice::query& query,
              std::span<const std::string_view> texts, const rank_options& options,
              const text_options& of_texts, bool in_time)
        : ranker_(ranker), query_(query), texts_(texts), options_(as_logits(options)),
          asked_(options), of_texts_(of_texts), in_time_(in_time), found_(texts.size()) {
        options_.top_k = 0;
        options_.highlights.reset(); // of the best passages alone, when they are known
        of_texts_.cut.specials = options.specials;
        if (const auto limit = passage_limit(ranker, of_texts_.cut.max_tokens, query.tokens()))
            of_texts_.cut.max_tokens = *limit;
        else
            cuts_ = false;
        if (asked_.progress)
            options_.progress = [this](std::size_t done, std::size_t) {
                asked_.progress(scored_ + done, known_);
            };
    }

    [[nodiscard]] text_ranking run() {
        for (std::vector<std::size_t> next = uncut(); !next.empty(); next = uncut()) {
            if (stopped())
                break;
            score(cut(next));
        }
        return take();
    }

  private:
    using clock = std::chrono::steady_clock;

    /// Whether to stop; one passage is scored before a deadline that lay ahead counts.
    [[nodiscard]] bool stopped() const {
        return in_time_ && scored_ == 0 ? options_.cancel != nullptr && options_.cancel->requested()
                                        : should_stop(options_);
    }
    [[nodiscard]] std::vector<std::size_t> uncut() const {
        std::vector<std::size_t> left;
        for (std::size_t i = 0; i < found_.size(); ++i)
            if (!found_[i].cut)
                left.push_back(i);
        return left;
    }

    /// Cuts texts of a list, as many as an eighth of the time allows; gives those that were cut.
    [[nodiscard]] std::vector<std::size_t> cut(const std::vector<std::size_t>& next) {
        std::optional<clock::time_point> end;
        if (options_.deadline) {
            const clock::time_point now = clock::now();
            end = now + (std::max(*options_.deadline, now) - now) / 8;
        }
        parallel::parallel_for(next.size(), {options_.threads, options_.pool},
                               [&](std::size_t place) {
                                   if (place == 0 || !(stopped() || (end && clock::now() >= *end)))
                                       cut(next[place], place == 0);
                               });
        std::vector<std::size_t> done;
        for (const std::size_t i : next)
            if (found_[i].cut) {
                done.push_back(i);
                known_ += found_[i].passages.size();
            }
        return done;
    }

    /// The first text of a round is cut at least until a passage is known.
    void cut(std::size_t i, bool first) {
        constexpr std::size_t portion = std::size_t{1} << 16;
        long_text& made = found_[i];
        std::string_view text = texts_[i];
        check_encoding(text, options_.on_invalid, [i] { return errors::place_of("text", i); });
        std::vector<passage> passages;
        std::optional<passage_cutter> cutter;
        if (cuts_)
            cutter.emplace(ranker_, of_texts_.cut);
        const auto take = [&] {
            while (auto found = cutter->next())
                passages.push_back(std::move(*found));
        };
        for (; cuts_ && !text.empty(); text.remove_prefix(std::min(portion, text.size()))) {
            if (should_stop(options_)) {
                const bool assured = first && !stopped();
                if (!assured)
                    return;
                if (!passages.empty())
                    break;
            }
            cutter->feed(text.substr(0, portion));
            take();
        }
        made.whole = text.empty() || !cuts_;
        if (made.whole && cuts_) {
            cutter->finish();
            take();
        }
        if (passages.empty())
            passages.push_back(whole_text(texts_[i]));
        if (passages.size() > 1)
            read_on(passages, texts_[i], ranker_.text_tokenizer(), of_texts_.cut.specials,
                    of_texts_.cut.max_tokens, ranker_.config().marker_tokens());
        made.passages = std::move(passages);
        made.hits.resize(made.passages.size());
        made.cut = true;
    }

    void score(const std::vector<std::size_t>& cut_now) {
        std::vector<std::string_view> views;
        std::vector<hit*> hits;
        for (const std::size_t i : cut_now) {
            long_text& of = found_[i];
            for (std::size_t k = 0; k < of.passages.size(); ++k) {
                views.push_back(of.whole || of.passages.size() > 1
                                    ? passage_text(texts_[i], of.passages, k)
                                    : texts_[i].substr(of.passages[k].begin,
                                                       of.passages[k].end - of.passages[k].begin));
                hits.push_back(&of.hits[k]);
            }
        }
        std::size_t first = 0;
        if (in_time_ && scored_ == 0 && should_stop(options_) && !views.empty()) {
            rank_options unhurried = options_; // the cutting took all of the time
            unhurried.deadline.reset();
            first = 1;
            score(std::span(views).first(1), hits.data(), unhurried);
        }
        score(std::span(views).subspan(first), hits.data() + first, options_);
    }
    void score(std::span<const std::string_view> views, hit* const* hits,
               const rank_options& options) {
        const std::vector<ranking> answers = ranker_.rank_batch({&query_, 1}, views, options);
        for (const hit& each : answers.front())
            *hits[each.index] = each;
        scored_ += views.size();
    }

    [[nodiscard]] text_ranking take() {
        text_ranking made;
        made.query_tokens_seen = query_.tokens();
        made.query_tokens_cut = query_.tokens_cut();
        made.query_replaced = query_.replaced();
        const default_float_mode mode;
        for (std::size_t i = 0; i < found_.size(); ++i) {
            text_hit sum = hit_of(i);
            made.complete = made.complete && sum.whole;
            made.unscored += sum.scored ? 0 : 1;
            made.hits.push_back(std::move(sum));
        }
        std::erase_if(made.hits, [](const text_hit& each) { return !each.scored; });
        detail::sort_by_score(made.hits);
        if (asked_.top_k != 0 && asked_.top_k < made.hits.size())
            made.hits.resize(asked_.top_k);
        for (text_hit& each : made.hits) {
            each.score = activated(each.score, asked_.output);
            each.best_score = activated(each.best_score, asked_.output);
        }
        if (asked_.highlights)
            made.highlights =
                highlight_hits(made.hits.size(), asked_, made.complete,
                               [&](std::size_t i) { return highlights_of(made.hits[i]); });
        return made;
    }

    /// Of the best passage, as places in its text.
    [[nodiscard]] highlights highlights_of(const text_hit& hit) const {
        const std::string_view text = texts_[hit.index];
        const auto begin = static_cast<std::size_t>(hit.passages == 1 ? 0 : hit.best.begin);
        const auto end = static_cast<std::size_t>(hit.passages == 1 ? text.size() : hit.best.end);
        highlights found = ranker_.highlight(query_, text.substr(begin, end - begin), asked_);
        shift(found, begin, line_ends(text, 0, begin));
        return found;
    }

    [[nodiscard]] text_hit hit_of(std::size_t i) {
        long_text& of = found_[i];
        text_hit made;
        made.score = made.best_score = std::numeric_limits<float>::quiet_NaN();
        made.passages = of.passages.size();
        made.whole = of.cut && of.whole;
        std::vector<float> scores;
        std::size_t best = 0;
        for (std::size_t k = 0; k < of.hits.size(); ++k) {
            const hit& each = of.hits[k];
            made.whole = made.whole && each.scored;
            if (!each.scored)
                continue;
            if (scores.empty() || each.score > made.best_score) {
                best = k;
                made.best_score = each.score;
            }
            scores.push_back(each.score);
            made.tokens_seen += each.tokens_seen;
            made.tokens_cut += each.tokens_cut;
            made.replaced += each.replaced;
        }
        made.index = i;
        made.scored = !scores.empty();
        if (made.scored) {
            // without a score of the first passage the best one's stands for the text
            made.score = of.hits.front().scored ? combined(scores, of_texts_) : made.best_score;
            made.best = std::move(of.passages[best]);
        }
        return made;
    }

    const reranker& ranker_;
    const mice::query& query_;
    std::span<const std::string_view> texts_;
    rank_options options_;
    const rank_options& asked_;
    text_options of_texts_;
    bool in_time_;
    bool cuts_ = true;
    std::vector<long_text> found_;
    std::size_t known_ = 0, scored_ = 0; // passages
};

} // namespace detail

MICE_INLINE text_ranking rank_texts(const reranker& ranker, std::string_view query,
                                    std::span<const std::string_view> texts,
                                    const rank_options& options, const text_options& of_texts) {
    const bool in_time = detail::begins_in_time(options);
    detail::check(of_texts);
    const mice::query encoded = ranker.encode_query(query, options);
    return detail::text_call(ranker, encoded, texts, options, of_texts, in_time).run();
}
MICE_INLINE text_ranking rank_texts(const reranker& ranker, const mice::query& query,
                                    std::span<const std::string_view> texts,
                                    const rank_options& options, const text_options& of_texts) {
    const bool in_time = detail::begins_in_time(options);
    detail::check(of_texts);
    return detail::text_call(ranker, query, texts, options, of_texts, in_time).run();
}

MICE_INLINE float score_of_text(std::span<const float> passages, const text_options& options) {
    detail::check(options);
    if (passages.empty())
        throw detail::errors::bad_argument("a text's score needs one passage at least");
    const detail::default_float_mode mode;
    return detail::combined(passages, options);
}

MICE_INLINE std::vector<passage> passages_of_text(const reranker& ranker, std::string_view text,
                                                  const passage_options& options) {
    std::vector<passage> made;
    const auto limit = detail::passage_limit(ranker, options.max_tokens, 0);
    if (limit)
        made = passages(text, ranker, options);
    if (made.empty())
        made.push_back(detail::whole_text(text));
    if (made.size() > 1)
        detail::read_on(made, text, ranker.text_tokenizer(), options.specials, *limit,
                        ranker.config().marker_tokens());
    return made;
}

MICE_NAMESPACE_END
