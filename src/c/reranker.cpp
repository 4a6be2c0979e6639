// SPDX-License-Identifier: Apache-2.0
// Rerankers of the C interface: loading, ranking, encoding, cutting, highlighting.
#include "handles.hpp"

#include <mice/model.hpp>

namespace mice_c {
namespace {

std::vector<const mice::document*> documents_of(const mice_document* const* documents,
                                                std::size_t count) {
    std::vector<const mice::document*> all;
    for (const mice_document* each : elements(documents, count, "the list of documents")) {
        all.push_back(&given(each, "a document of the list").made);
    }
    return all;
}

/// A call that ranks: checks its arguments, and gives what rank(reranker, query, call) gives.
template <class Rank>
mice_status ranked(const mice_reranker* reranker, const char* query, std::size_t query_size,
                   const mice_options* options, mice_ranking** ranking, mice_error** error,
                   const Rank& rank) noexcept {
    return guarded(error, [&] {
        mice_ranking*& made = result(ranking, "ranking");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const std::string_view asked = text(query, query_size, "query");
        call now(options);
        made = wrapped(rank(ranker, asked, now)).release();
        now.finish();
    });
}

/// A call that ranks for many queries: rank(reranker, queries, call) gives a ranking for each.
template <class Rank>
mice_status ranked_batch(const mice_reranker* reranker, const mice_query* const* queries,
                         std::size_t query_count, const mice_options* options,
                         mice_ranking** rankings, mice_error** error, const Rank& rank) noexcept {
    return guarded(error, [&] {
        results(rankings, query_count, "the list of rankings");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const std::vector<mice::query> asked = queries_of(queries, query_count);
        call now(options);
        wrap_all(rank(ranker, asked, now), rankings);
        now.finish();
    });
}

/// Documents of a call that ranks them, and their texts, where they are given, for highlights.
class documents_in {
  public:
    documents_in(call& now, const mice_document* const* documents, const char* const* texts,
                 const std::size_t* sizes, std::size_t count)
        : all_(documents_of(documents, count)) {
        if (texts != nullptr || sizes != nullptr) {
            texts_ = mice_c::texts(texts, sizes, count, "texts");
        }
        if (now.options().highlights) {
            now.options().highlights->texts = texts_;
        }
    }
    documents_in(const documents_in&) = delete; // the call's options point into it
    documents_in& operator=(const documents_in&) = delete;

    [[nodiscard]] std::span<const mice::document* const> all() const { return all_; }

  private:
    std::vector<const mice::document*> all_;
    std::vector<std::string_view> texts_;
};

} // namespace

std::vector<mice::query> queries_of(const mice_query* const* queries, std::size_t count) {
    std::vector<mice::query> all;
    for (const mice_query* each : elements(queries, count, "the list of queries")) {
        all.push_back(given(each, "a query of the list").made);
    }
    return all;
}

std::unique_ptr<mice_reranker> wrapped(mice::reranker&& made) {
    std::string fingerprint(made.fingerprint());
    return std::make_unique<mice_reranker>(mice_reranker{std::move(made), std::move(fingerprint)});
}

} // namespace mice_c

using namespace mice_c;

// ---- loading ----

mice_status mice_reranker_load(const char* file, size_t file_size, const mice_options* options,
                               mice_reranker** reranker, mice_error** error) {
    return guarded(error, [&] {
        mice_reranker*& made = result(reranker, "reranker");
        const std::filesystem::path from = path(file, file_size, "file");
        const call now(options);
        made = wrapped(mice::reranker(from, now.given().computed,
                                      {now.options().threads, now.options().pool}))
                   .release();
    });
}
mice_status mice_reranker_load_memory(const void* bytes, size_t size, const mice_options* options,
                                      mice_reranker** reranker, mice_error** error) {
    return guarded(error, [&] {
        mice_reranker*& made = result(reranker, "reranker");
        const auto from = elements(static_cast<const std::byte*>(bytes), size, "bytes");
        const call now(options);
        made = wrapped(mice::reranker(from, now.given().computed,
                                      {now.options().threads, now.options().pool}))
                   .release();
    });
}
void mice_reranker_free(mice_reranker* reranker) {
    delete reranker;
}
int32_t mice_reranker_precision(const mice_reranker* reranker) {
    if (reranker == nullptr) {
        return 0;
    }
    switch (reranker->made.shared_model()->computed_in()) {
    case mice::precision::f32:
        return MICE_PRECISION_F32;
    case mice::precision::bf16:
        return MICE_PRECISION_BF16;
    case mice::precision::int8:
        return MICE_PRECISION_INT8;
    default:
        return MICE_PRECISION_AUTOMATIC;
    }
}
const char* mice_reranker_fingerprint(const mice_reranker* reranker, size_t* size) {
    return reranker == nullptr ? nothing(size) : shown(reranker->fingerprint, size);
}
int32_t mice_reranker_stores_documents(const mice_reranker* reranker) {
    return reranker != nullptr && reranker->made.config().state_width() > 0 ? 1 : 0;
}
size_t mice_reranker_max_tokens(const mice_reranker* reranker) {
    return reranker == nullptr ? 0 : reranker->made.config().max_document_length;
}
void mice_reranker_release_memory(const mice_reranker* reranker) {
    (void)guarded(nullptr, [&] { given(reranker, "reranker").made.release_work_memory(); });
}

// ---- ranking ----

mice_status mice_rank(const mice_reranker* reranker, const char* query, size_t query_size,
                      const char* const* texts, const size_t* sizes, size_t count,
                      const mice_options* options, mice_ranking** ranking, mice_error** error) {
    return ranked(reranker, query, query_size, options, ranking, error,
                  [&](const mice::reranker& ranker, std::string_view asked, const call& now) {
                      return ranker.rank(asked, mice_c::texts(texts, sizes, count, "texts"),
                                         now.options());
                  });
}
mice_status mice_score(const mice_reranker* reranker, const char* query, size_t query_size,
                       const char* const* texts, const size_t* sizes, size_t count,
                       const mice_options* options, mice_ranking** ranking, mice_error** error) {
    return ranked(reranker, query, query_size, options, ranking, error,
                  [&](const mice::reranker& ranker, std::string_view asked, const call& now) {
                      return ranker.score(asked, mice_c::texts(texts, sizes, count, "texts"),
                                          now.options());
                  });
}
mice_status mice_rank_documents(const mice_reranker* reranker, const char* query, size_t query_size,
                                const mice_document* const* documents, size_t count,
                                const char* const* texts, const size_t* sizes,
                                const mice_options* options, mice_ranking** ranking,
                                mice_error** error) {
    return ranked(reranker, query, query_size, options, ranking, error,
                  [&](const mice::reranker& ranker, std::string_view asked, call& now) {
                      const documents_in list(now, documents, texts, sizes, count);
                      const mice::query encoded = ranker.encode_query(asked, now.options());
                      return ranker.rank(encoded, list.all(), now.options());
                  });
}
mice_status mice_score_documents(const mice_reranker* reranker, const char* query,
                                 size_t query_size, const mice_document* const* documents,
                                 size_t count, const mice_options* options, mice_ranking** ranking,
                                 mice_error** error) {
    return ranked(reranker, query, query_size, options, ranking, error,
                  [&](const mice::reranker& ranker, std::string_view asked, const call& now) {
                      const auto all = documents_of(documents, count);
                      const mice::query encoded = ranker.encode_query(asked, now.options());
                      return ranker.score(encoded, std::span<const mice::document* const>(all),
                                          now.options());
                  });
}
mice_status mice_rank_texts(const mice_reranker* reranker, const char* query, size_t query_size,
                            const char* const* texts, const size_t* sizes, size_t count,
                            const mice_options* options, mice_ranking** ranking,
                            mice_error** error) {
    return ranked(reranker, query, query_size, options, ranking, error,
                  [&](const mice::reranker& ranker, std::string_view asked, const call& now) {
                      mice::text_options cut = now.given().texts;
                      cut.cut = now.cut();
                      return mice::rank_texts(ranker, asked,
                                              mice_c::texts(texts, sizes, count, "texts"),
                                              now.options(), cut);
                  });
}

// ---- ranking for encoded queries ----

mice_status mice_encode_query(const mice_reranker* reranker, const char* query, size_t query_size,
                              const mice_options* options, mice_query** encoded,
                              mice_error** error) {
    return guarded(error, [&] {
        mice_query*& made = result(encoded, "query");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const std::string_view asked = text(query, query_size, "query");
        const call now(options);
        made = new mice_query{ranker.encode_query(asked, now.options())};
    });
}
mice_status mice_rank_batch(const mice_reranker* reranker, const mice_query* const* queries,
                            size_t query_count, const char* const* texts, const size_t* sizes,
                            size_t count, const mice_options* options, mice_ranking** rankings,
                            mice_error** error) {
    return ranked_batch(
        reranker, queries, query_count, options, rankings, error,
        [&](const mice::reranker& ranker, const std::vector<mice::query>& asked, const call& now) {
            const std::vector<std::string_view> all = mice_c::texts(texts, sizes, count, "texts");
            return ranker.rank_batch(asked, std::span(all), now.options());
        });
}
mice_status mice_rank_documents_batch(const mice_reranker* reranker,
                                      const mice_query* const* queries, size_t query_count,
                                      const mice_document* const* documents, size_t count,
                                      const char* const* texts, const size_t* sizes,
                                      const mice_options* options, mice_ranking** rankings,
                                      mice_error** error) {
    return ranked_batch(
        reranker, queries, query_count, options, rankings, error,
        [&](const mice::reranker& ranker, const std::vector<mice::query>& asked, call& now) {
            const documents_in list(now, documents, texts, sizes, count);
            return ranker.rank_batch(asked, list.all(), now.options());
        });
}

// ---- highlights ----

mice_status mice_highlight_text(const mice_reranker* reranker, const char* query, size_t query_size,
                                const char* text, size_t text_size, const mice_options* options,
                                mice_highlights** highlights, mice_error** error) {
    return guarded(error, [&] {
        mice_highlights*& made = result(highlights, "highlights");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const std::string_view asked = mice_c::text(query, query_size, "query");
        const std::string_view whole = mice_c::text(text, text_size, "text");
        const call now(options);
        made = new mice_highlights{ranker.highlight(asked, whole, now.options())};
    });
}
mice_status mice_highlight_document(const mice_reranker* reranker, const char* query,
                                    size_t query_size, const mice_document* document,
                                    const char* text, size_t text_size, const mice_options* options,
                                    mice_highlights** highlights, mice_error** error) {
    return guarded(error, [&] {
        mice_highlights*& made = result(highlights, "highlights");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const mice::document& encoded = given(document, "document").made;
        const std::string_view asked = mice_c::text(query, query_size, "query");
        const std::string_view whole = mice_c::text(text, text_size, "text");
        const call now(options);
        made = new mice_highlights{ranker.highlight(asked, encoded, whole, now.options())};
    });
}

// ---- encoding and cutting ----

mice_status mice_encode(const mice_reranker* reranker, const char* text, size_t text_size,
                        const mice_options* options, mice_document** document, mice_error** error) {
    return guarded(error, [&] {
        mice_document*& made = result(document, "document");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const std::string_view whole = mice_c::text(text, text_size, "text");
        const call now(options);
        made = wrapped(ranker.encode(whole, now.options())).release();
    });
}
mice_status mice_encode_all(const mice_reranker* reranker, const char* const* texts,
                            const size_t* sizes, size_t count, const mice_options* options,
                            mice_document** documents, mice_error** error) {
    return guarded(error, [&] {
        results(documents, count, "the list of documents");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const std::vector<std::string_view> all = mice_c::texts(texts, sizes, count, "texts");
        call now(options);
        wrap_all(ranker.encode_all(all, now.options()), documents);
        now.finish();
    });
}
mice_status mice_passages_cut(const mice_reranker* reranker, const char* text, size_t text_size,
                              const mice_options* options, mice_passages** passages,
                              mice_error** error) {
    return guarded(error, [&] {
        mice_passages*& made = result(passages, "passages");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const std::string_view whole = mice_c::text(text, text_size, "text");
        const call now(options);
        made = new mice_passages{mice::passages(whole, ranker, now.cut())};
    });
}
