// SPDX-License-Identifier: Apache-2.0
// Results of the C interface: rankings, highlights, passages, documents.
#include "handles.hpp"

#include <algorithm>
#include <cmath>

namespace mice_c {
namespace {

template <class Ranking> std::unique_ptr<mice_ranking> begun(Ranking& made) {
    auto ranking = std::make_unique<mice_ranking>();
    ranking->hits.reserve(made.hits.size());
    ranking->complete = made.complete;
    ranking->unscored = made.unscored;
    ranking->query_seen = made.query_tokens_seen;
    ranking->query_cut = made.query_tokens_cut;
    ranking->query_replaced = made.query_replaced;
    ranking->highlights.reserve(made.highlights.size());
    for (mice::highlights& each : made.highlights) {
        ranking->highlights.push_back({std::move(each)});
    }
    return ranking;
}

template <class Hit> mice_ranking::hit counted(const Hit& from) {
    mice_ranking::hit to;
    to.score = from.score;
    to.seen = from.tokens_seen;
    to.cut = from.tokens_cut;
    to.replaced = from.replaced;
    return to;
}

template <class Value, class Of>
void copy_of(const mice_ranking& ranking, Value* to, std::size_t count, const Of& of,
             const char* name) {
    const std::size_t hits = ranking.hits.size();
    if (count < hits) {
        throw bad_argument("there are " + std::to_string(hits) + " hits, and room for " +
                           std::to_string(count));
    }
    (void)elements(to, count, name);
    if (hits > 0) {
        std::transform(ranking.hits.begin(), ranking.hits.end(), to, of);
    }
}

const mice_ranking::hit* hit_of(const mice_ranking* ranking, std::size_t hit) noexcept {
    return ranking != nullptr && hit < ranking->hits.size() ? &ranking->hits[hit] : nullptr;
}

const mice::highlight& sentence_of(const mice_highlights* highlights, std::size_t sentence) {
    return at(given(highlights, "highlights").made.sentences, sentence, "sentence");
}

} // namespace

std::unique_ptr<mice_ranking> wrapped(mice::ranking&& made) {
    std::unique_ptr<mice_ranking> ranking = begun(made);
    for (const mice::hit& each : made.hits) {
        ranking->hits.push_back(counted(each));
        ranking->hits.back().index = each.index;
    }
    return ranking;
}

std::unique_ptr<mice_ranking> wrapped(mice::text_ranking&& made) {
    std::unique_ptr<mice_ranking> ranking = begun(made);
    for (const mice::text_hit& each : made.hits) {
        mice_ranking::hit& hit = ranking->hits.emplace_back(counted(each));
        hit.index = each.index;
        hit.passages = each.passages;
        hit.best = each.best.index;
        hit.best_score = each.best_score;
        hit.place = {each.best.begin, each.best.end, each.best.first_line, each.best.last_line};
    }
    return ranking;
}

std::unique_ptr<mice_ranking> wrapped(mice::index_ranking&& made) {
    std::unique_ptr<mice_ranking> ranking = begun(made);
    for (mice::index_hit& each : made.hits) {
        mice_ranking::hit& hit = ranking->hits.emplace_back(counted(each));
        hit.id = std::move(each.id);
        if (each.passages > 1) {
            hit.passages = each.passages;
            hit.best = each.best_index;
            hit.best_score = each.best_score;
            hit.place = each.best;
        }
    }
    return ranking;
}

std::unique_ptr<mice_document> wrapped(mice::document&& made) {
    std::string fingerprint(made.fingerprint());
    return std::make_unique<mice_document>(mice_document{std::move(made), std::move(fingerprint)});
}

} // namespace mice_c

using namespace mice_c;

// ---- rankings ----

void mice_ranking_free(mice_ranking* ranking) {
    delete ranking;
}
size_t mice_ranking_size(const mice_ranking* ranking) {
    return ranking == nullptr ? 0 : ranking->hits.size();
}
int32_t mice_ranking_complete(const mice_ranking* ranking) {
    return ranking != nullptr && ranking->complete ? 1 : 0;
}
size_t mice_ranking_unscored(const mice_ranking* ranking) {
    return ranking == nullptr ? 0 : ranking->unscored;
}
size_t mice_ranking_index(const mice_ranking* ranking, size_t hit) {
    const mice_ranking::hit* found = hit_of(ranking, hit);
    return found == nullptr ? 0 : found->index;
}
float mice_ranking_score(const mice_ranking* ranking, size_t hit) {
    const mice_ranking::hit* found = hit_of(ranking, hit);
    return found == nullptr ? std::numeric_limits<float>::quiet_NaN() : found->score;
}
const char* mice_ranking_id(const mice_ranking* ranking, size_t hit, size_t* size) {
    const mice_ranking::hit* found = hit_of(ranking, hit);
    return found == nullptr ? nothing(size) : shown(found->id, size);
}
mice_status mice_ranking_copy_scores(const mice_ranking* ranking, float* scores, size_t count,
                                     mice_error** error) {
    return guarded(error, [&] {
        copy_of(
            given(ranking, "ranking"), scores, count,
            [](const mice_ranking::hit& hit) { return hit.score; }, "scores");
    });
}
mice_status mice_ranking_copy_indices(const mice_ranking* ranking, size_t* indices, size_t count,
                                      mice_error** error) {
    return guarded(error, [&] {
        copy_of(
            given(ranking, "ranking"), indices, count,
            [](const mice_ranking::hit& hit) { return hit.index; }, "indices");
    });
}
mice_status mice_ranking_tokens(const mice_ranking* ranking, size_t hit, size_t* seen, size_t* cut,
                                size_t* replaced, mice_error** error) {
    return cleared(
        error,
        [&] {
            const mice_ranking::hit& found = at(given(ranking, "ranking").hits, hit, "hit");
            put(seen, found.seen);
            put(cut, found.cut);
            put(replaced, found.replaced);
        },
        seen, cut, replaced);
}
mice_status mice_ranking_query(const mice_ranking* ranking, size_t* seen, size_t* cut,
                               size_t* replaced, mice_error** error) {
    return cleared(
        error,
        [&] {
            const mice_ranking& from = given(ranking, "ranking");
            put(seen, from.query_seen);
            put(cut, from.query_cut);
            put(replaced, from.query_replaced);
        },
        seen, cut, replaced);
}
mice_status mice_ranking_passage(const mice_ranking* ranking, size_t hit, size_t* passages,
                                 size_t* best, float* score, uint64_t* begin, uint64_t* end,
                                 uint64_t* first_line, uint64_t* last_line, mice_error** error) {
    return cleared(
        error,
        [&] {
            const mice_ranking::hit& found = at(given(ranking, "ranking").hits, hit, "hit");
            put(passages, found.passages);
            put(best, found.best);
            put(score, found.best_score);
            put(begin, found.place.begin);
            put(end, found.place.end);
            put(first_line, found.place.first_line);
            put(last_line, found.place.last_line);
        },
        passages, best, score, begin, end, first_line, last_line);
}
const mice_highlights* mice_ranking_highlights(const mice_ranking* ranking, size_t hit) {
    return ranking != nullptr && hit < ranking->highlights.size() ? &ranking->highlights[hit]
                                                                  : nullptr;
}

// ---- highlights ----

void mice_highlights_free(mice_highlights* highlights) {
    delete highlights;
}
size_t mice_highlights_size(const mice_highlights* highlights) {
    return highlights == nullptr ? 0 : highlights->made.sentences.size();
}
mice_status mice_highlights_sentence(const mice_highlights* highlights, size_t sentence,
                                     size_t* begin, size_t* end, size_t* line, float* score,
                                     mice_error** error) {
    return cleared(
        error,
        [&] {
            const mice::highlight& found = sentence_of(highlights, sentence);
            put(begin, found.begin);
            put(end, found.end);
            put(line, found.line);
            put(score, found.score);
        },
        begin, end, line, score);
}
size_t mice_highlights_words(const mice_highlights* highlights, size_t sentence) {
    return sentence < mice_highlights_size(highlights)
               ? highlights->made.sentences[sentence].words.size()
               : 0;
}
mice_status mice_highlights_word(const mice_highlights* highlights, size_t sentence, size_t word,
                                 size_t* begin, size_t* end, float* score, mice_error** error) {
    return cleared(
        error,
        [&] {
            const mice::highlighted_word& found =
                at(sentence_of(highlights, sentence).words, word, "word");
            put(begin, found.begin);
            put(end, found.end);
            put(score, found.score);
        },
        begin, end, score);
}
const char* mice_highlights_note(const mice_highlights* highlights, size_t* size) {
    return highlights == nullptr ? nothing(size) : shown(highlights->made.note, size);
}

// ---- documents ----

void mice_document_free(mice_document* document) {
    delete document;
}
mice_status mice_document_serialize(const mice_document* document, mice_bytes** bytes,
                                    mice_error** error) {
    return guarded(error, [&] {
        mice_bytes*& made = result(bytes, "bytes");
        made = new mice_bytes{given(document, "document").made.serialize()};
    });
}
mice_status mice_document_deserialize(const void* bytes, size_t size, mice_document** document,
                                      mice_error** error) {
    return guarded(error, [&] {
        mice_document*& made = result(document, "document");
        made = wrapped(mice::document::deserialize(
                           elements(static_cast<const std::byte*>(bytes), size, "bytes")))
                   .release();
    });
}
mice_status mice_document_tokens(const mice_document* document, size_t* tokens, size_t* cut,
                                 size_t* replaced, mice_error** error) {
    return cleared(
        error,
        [&] {
            const mice::document& from = given(document, "document").made;
            put(tokens, from.tokens());
            put(cut, from.tokens_cut());
            put(replaced, from.replaced());
        },
        tokens, cut, replaced);
}
const float* mice_document_states(const mice_document* document, size_t* rows, size_t* width) {
    const bool there = document != nullptr && !document->made.states().empty();
    put(rows, there ? document->made.rows() : 0);
    put(width, there ? document->made.hidden() : 0);
    return there ? document->made.states().data() : nullptr;
}
const char* mice_document_fingerprint(const mice_document* document, size_t* size) {
    return document == nullptr ? nothing(size) : shown(document->fingerprint, size);
}

// ---- queries ----

void mice_query_free(mice_query* query) {
    delete query;
}
mice_status mice_query_tokens(const mice_query* query, size_t* tokens, size_t* cut,
                              size_t* replaced, mice_error** error) {
    return cleared(
        error,
        [&] {
            const mice::query& found = given(query, "query").made;
            put(tokens, found.tokens());
            put(cut, found.tokens_cut());
            put(replaced, found.replaced());
        },
        tokens, cut, replaced);
}

// ---- passages ----

void mice_passages_free(mice_passages* passages) {
    delete passages;
}
size_t mice_passages_size(const mice_passages* passages) {
    return passages == nullptr ? 0 : passages->made.size();
}
mice_status mice_passages_place(const mice_passages* passages, size_t passage, uint64_t* begin,
                                uint64_t* end, uint64_t* first_line, uint64_t* last_line,
                                size_t* tokens, mice_error** error) {
    return cleared(
        error,
        [&] {
            const mice::passage& found = at(given(passages, "passages").made, passage, "passage");
            put(begin, found.begin);
            put(end, found.end);
            put(first_line, found.first_line);
            put(last_line, found.last_line);
            put(tokens, found.tokens);
        },
        begin, end, first_line, last_line, tokens);
}
size_t mice_passages_headings(const mice_passages* passages, size_t passage) {
    return passage < mice_passages_size(passages) ? passages->made[passage].headings.size() : 0;
}
const char* mice_passages_heading(const mice_passages* passages, size_t passage, size_t heading,
                                  size_t* size) {
    return heading < mice_passages_headings(passages, passage)
               ? shown(passages->made[passage].headings[heading], size)
               : nothing(size);
}
