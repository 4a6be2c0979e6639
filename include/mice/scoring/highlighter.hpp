// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/document.hpp>
#include <mice/error.hpp>
#include <mice/highlights.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/parallel/parallel_for.hpp>
#include <mice/ranking.hpp>
#include <mice/scoring/by_score.hpp>
#include <mice/scoring/encoded_query.hpp>
#include <mice/scoring/highlight_parts.hpp>
#include <mice/scoring/scoring.hpp>
#include <mice/scoring/text_map.hpp>
#include <mice/system/float_mode.hpp>

// Which sentences of a document answer a query. docs/highlights.md has the method and its figures.
MICE_NAMESPACE_BEGIN
namespace detail {

/// Highlights for one query. Immutable; every call uses work memory of its own, so any thread may
/// call. A document's highlights do not depend on what else is highlighted.
class highlighter {
  public:
    /// All three outlive this object.
    highlighter(const model& engine, const encoded_query& query, const rank_options& options)
        : model_(engine), encoded_(query), query_(query.prepared), options_(options),
          asked_(*options.highlights), head_(engine.network().matches()) {
        if (query_has_states() && (head_ != nullptr || asked_.words > 0)) {
            const default_float_mode mode;
            const work_memory_pool::lease lease(model_.work_memories());
            pack_query(*lease);
        }
    }

    /// Of a text that is encoded now, in parts where it is longer than the model reads.
    [[nodiscard]] highlights of_text(std::string_view text) const {
        const text_map map(model_, text, options_);
        return map.is_cut() ? of_parts(text) : encoded_now(map);
    }

    /// Of the text of a stored document of so many tokens, as far as the model read it. Throws
    /// errc::mismatch where the text has another number of tokens.
    [[nodiscard]] highlights of_stored_text(std::string_view text, std::size_t tokens) const {
        const text_map map(model_, text, options_);
        if (tokens != map.ids().size()) {
            throw errors::other_text();
        }
        return encoded_now(map);
    }

    /// Of a document's states [rows, state width], one for each token of the text that has one.
    /// Throws errc::mismatch where there are fewer or more, or the text has not so many tokens.
    [[nodiscard]] highlights of_states(std::string_view text, std::span<const float> states,
                                       std::size_t tokens) const {
        const text_map map(model_, text, options_);
        if (states.size() != map.rows() * model_.config().state_width() ||
            tokens != map.ids().size()) {
            throw errors::other_text();
        }
        if (!query_has_states()) {
            return scored_again(map);
        }
        const work_memory_pool::lease lease(model_.work_memories());
        return of_states(map, states.data(), *lease);
    }

    /// Of an encoded document. Throws errc::mismatch where the text is not the one it was made of.
    [[nodiscard]] highlights of_document(std::string_view text, const document& encoded) const {
        const text_map map(model_, text, options_);
        const std::span<const std::int32_t> ids = encoded.ids();
        if (!std::equal(ids.begin(), ids.end(), map.row_ids().begin(), map.row_ids().end())) {
            throw errors::other_text();
        }
        if (model_.config().state_width() == 0 || !query_has_states()) {
            return scored_again(map);
        }
        const work_memory_pool::lease lease(model_.work_memories());
        return of_states(map, encoded.states().data(), *lease);
    }

  private:
    [[nodiscard]] highlights encoded_now(const text_map& map) const {
        if (model_.config().state_width() == 0 || !query_has_states()) {
            return scored_again(map);
        }
        const work_memory_pool::lease lease(model_.work_memories());
        work_memory& memory = *lease;
        float* states = memory.states.reserve(map.rows() * model_.config().state_width());
        const nn::token_ids ids(map.ids());
        model_.network().encode_documents({&ids, 1}, states, memory.space);
        return of_states(map, states, memory);
    }

    /// Each part is a document of its own; the best sentences of all are the text's.
    [[nodiscard]] highlights of_parts(std::string_view text) const {
        highlight_parts parts(text, options_);
        for (const byte_range& part : readable_parts(model_, text, options_)) {
            if (!parts.add(part.begin, [&] {
                    return encoded_now(
                        text_map(model_, text.substr(part.begin, part.end - part.begin), options_));
                })) {
                break;
            }
        }
        return parts.take();
    }

    /// Only the kinds of models whose scores are made of single rows of a document.
    [[nodiscard]] bool query_has_states() const {
        return model_.config().kind != model_kind::cross_encoder && !query_.states.empty();
    }
    /// The rows of the query's own tokens: without the markers and the learned row.
    [[nodiscard]] nn::matrix_view query_rows() const {
        const std::size_t width = query_.states.size() / query_.rows;
        const nn::matrix_view all = nn::matrix_at(query_.states.data(), query_.rows, width);
        if (model_.config().kind == model_kind::late_interaction) {
            return all; // every row takes part in its score
        }
        const std::size_t first = query_.rows - query_.ids.size();
        const std::size_t tokens = query_.ids.size();
        return tokens > 2 ? all.rows_from(first + 1, tokens - 2) : all.rows_from(first, tokens);
    }

    [[nodiscard]] highlights of_states(const text_map& map, const float* states,
                                       work_memory& memory) const {
        const std::vector<sentence_rows>& sentences = map.sentences();
        highlights made;
        if (sentences.empty()) {
            return made;
        }
        const nn::matrix_view rows =
            nn::matrix_at(states, map.rows(), model_.config().state_width());
        std::vector<float> scores = own_scores(map, rows, head_ != nullptr, memory);
        nn::matrix_view matches; // [rows, query rows]
        if (!importance_.empty()) {
            matches = match(rows, memory);
        }
        if (head_ != nullptr) {
            add_matches(sentences, matches, scores);
        }
        made.method = head_ != nullptr ? highlight_method::matching : highlight_method::own_score;
        take_best(map, scores, made);
        for (std::size_t i = 0; i < made.sentences.size() && asked_.words > 0; ++i) {
            add_words(map, matches, made.sentences[i]);
        }
        return made;
    }

    /// The model's score of each sentence's rows alone, or of them and the sentence's before.
    [[nodiscard]] std::vector<float> own_scores(const text_map& map, nn::matrix_view rows,
                                                bool with_before, work_memory& memory) const {
        const std::vector<sentence_rows>& sentences = map.sentences();
        memory.views.clear();
        for (std::size_t i = 0; i < sentences.size(); ++i) {
            const std::size_t first = sentences[with_before && i > 0 ? i - 1 : i].first;
            memory.views.push_back(
                {rows.row(first), map.row_ids().data() + first, sentences[i].last - first});
        }
        std::vector<float> scores(sentences.size());
        // a few at a time, as documents are scored
        for (std::size_t first = 0; first < scores.size(); first += sentences_at_once) {
            const std::size_t count = std::min(sentences_at_once, scores.size() - first);
            const std::span<const nn::document_view> some(memory.views.data() + first, count);
            nn::document_batch batch(some, model_.network().packing(), memory.packed);
            model_.network().score(query_, batch, scores.data() + first, memory.space);
        }
        for (const float score : scores) {
            if (!std::isfinite(score)) {
                throw errors::not_finite("the score of a sentence");
            }
        }
        return scores;
    }

    /// Width of the vectors that are matched.
    [[nodiscard]] std::size_t vector_width() const {
        return head_ != nullptr ? head_->width() : query_rows().columns;
    }
    /// The head's vectors of states or, without a head, the states at length 1. Late interaction
    /// has its own.
    void fill_vectors(nn::matrix_view states, nn::matrix_span vectors, work_memory& memory) const {
        if (head_ != nullptr) {
            head_->project(states, vectors, memory.space);
            return;
        }
        nn::copy_rows(states, vectors);
        for (std::size_t i = 0; i < vectors.rows; ++i) {
            nn::to_unit_length(vectors.row(i), vectors.columns, "a state");
        }
    }

    /// What is the same for all documents: the query's vectors, and how much each of them counts.
    void pack_query(work_memory& memory) {
        const nn::matrix_view query = query_rows();
        const nn::matrix_span vectors = nn::matrix_at(
            memory.packed.reserve(query.rows * vector_width()), query.rows, vector_width());
        fill_vectors(query, vectors, memory);
        packed_query_.pack_transposed(kernels::product_kind::f32, vectors);
        importance_.assign(query.rows, 1.0F);
        if (head_ != nullptr) {
            head_->weigh(query, {importance_.data(), importance_.size()});
        }
    }

    /// How well each row matches each of the query's [rows, query rows]. In memory.packed.
    [[nodiscard]] nn::matrix_view match(nn::matrix_view rows, work_memory& memory) const {
        const std::size_t width = vector_width();
        float* memory_of_all = memory.packed.reserve(rows.rows * (width + importance_.size()));
        const nn::matrix_span vectors = nn::matrix_at(memory_of_all, rows.rows, width);
        fill_vectors(rows, vectors, memory);
        const nn::matrix_span out =
            nn::matrix_at(memory_of_all + rows.rows * width, rows.rows, importance_.size());
        packed_query_.multiply(vectors, out, memory.space.gemm);
        return out;
    }

    void add_matches(const std::vector<sentence_rows>& sentences, nn::matrix_view matches,
                     std::vector<float>& scores) const {
        const std::size_t tokens = matches.columns;
        std::vector<float> best(tokens), before(tokens); // of each row of the query
        for (std::size_t s = 0; s < sentences.size(); ++s) {
            std::fill(best.begin(), best.end(), -1.0F);
            for (std::size_t row = sentences[s].first; row < sentences[s].last; ++row) {
                for (std::size_t t = 0; t < tokens; ++t) {
                    best[t] = std::max(best[t], matches.row(row)[t]);
                }
            }
            if (s == 0) {
                before = best;
            }
            double match = 0;
            double with_before = 0;
            for (std::size_t t = 0; t < tokens; ++t) {
                const auto counts = static_cast<double>(importance_[t]);
                match += counts * static_cast<double>(best[t]);
                with_before += counts * static_cast<double>(std::max(best[t], before[t]));
            }
            scores[s] = head_->score(match, with_before, scores[s]);
            if (!std::isfinite(scores[s])) {
                throw errors::not_finite("the score of a sentence");
            }
            std::swap(best, before);
        }
    }

    /// A model that keeps no states scores the sentences' texts.
    [[nodiscard]] highlights scored_again(const text_map& map) const {
        std::vector<std::string_view> texts;
        for (const sentence_rows& each : map.sentences()) {
            texts.push_back(map.text().substr(each.where.begin, each.where.end - each.where.begin));
        }
        const std::vector<const encoded_query*> queries(1, &encoded_);
        rank_options options = as_logits(options_);
        options.threads = 1;
        options.pool = nullptr;
        options.progress = {};
        options.deadline.reset();
        const std::vector<ranking> scored =
            scoring_call(model_, queries, text_source(model_, texts), options, true).run();
        std::vector<float> scores;
        highlights made;
        if (!scored[0].complete) {
            made.note = stopped_note;
            return made;
        }
        for (const hit& each : scored[0].hits) {
            scores.push_back(each.score);
        }
        if (texts.empty()) {
            return made;
        }
        made.method = highlight_method::scored_again;
        take_best(map, scores, made);
        if (asked_.words > 0) {
            made.note += made.note.empty() ? "" : "; ";
            made.note += "no words: this kind of model keeps no states of tokens";
        }
        return made;
    }

    void take_best(const text_map& map, const std::vector<float>& scores, highlights& made) const {
        std::vector<std::size_t> order = best_first(scores);
        if (asked_.sentences != 0 && order.size() > asked_.sentences) {
            order.resize(asked_.sentences);
        }
        for (const std::size_t i : order) {
            const sentence where = map.sentences()[i].where;
            made.sentences.push_back({where.begin, where.end, scores[i], map.line(where.begin)});
        }
        made.note = map.note();
    }

    /// The words of a sentence that match best what counts most in the query.
    void add_words(const text_map& map, nn::matrix_view matches, highlight& in) const {
        const float largest = *std::max_element(importance_.begin(), importance_.end());
        const float most = largest > 0 ? largest : 1; // a head may let nothing count
        std::vector<highlighted_word>& words = in.words;
        for (const word_rows& word : map.words_of({in.begin, in.end})) {
            float best = -1;
            for (std::size_t row = word.first; row < word.last; ++row) {
                for (std::size_t t = 0; t < matches.columns; ++t) {
                    best = std::max(best, matches.row(row)[t] * (importance_[t] / most));
                }
            }
            words.push_back({word.where.begin, word.where.end, best});
        }
        sort_by_score(words);
        if (words.size() > asked_.words) {
            words.resize(asked_.words);
        }
    }

    static constexpr std::size_t sentences_at_once = 32;

    const model& model_;
    const encoded_query& encoded_;
    const nn::prepared_query& query_;
    const rank_options& options_;
    const highlight_options& asked_;
    const nn::matching_head* head_; ///< null where the model has none
    nn::packed_matrix packed_query_;
    std::vector<float> importance_; ///< of the query's rows; empty where nothing is matched
};

/// The options with highlights asked for.
[[nodiscard]] inline rank_options with_highlights(rank_options options) {
    if (!options.highlights) {
        options.highlights.emplace();
    }
    return options;
}

/// of(i) for each of `count` hits, on the call's threads. Those that the call has no time for say
/// so, and `complete` becomes false.
inline std::vector<highlights> highlight_hits(std::size_t count, const rank_options& options,
                                              bool& complete,
                                              const std::function<highlights(std::size_t)>& of) {
    std::vector<highlights> made(count);
    parallel::parallel_for(count, {options.threads, options.pool}, [&](std::size_t i) {
        if (should_stop(options)) {
            made[i].note = stopped_note;
            return;
        }
        const default_float_mode mode;
        made[i] = of(i);
    });
    for (const highlights& each : made) {
        complete = complete && each.note != stopped_note;
    }
    return made;
}

} // namespace detail
MICE_NAMESPACE_END
