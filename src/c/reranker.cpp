// SPDX-License-Identifier: Apache-2.0
// Rerankers of the C interface: loading, ranking, encoding, cutting, highlighting.
#include "handles.hpp"

#include <mice/model.hpp>

#include <algorithm>

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

} // namespace

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
                      const auto all = documents_of(documents, count);
                      std::vector<std::string_view> of_documents;
                      if (texts != nullptr || sizes != nullptr) {
                          of_documents = mice_c::texts(texts, sizes, count, "texts");
                      }
                      if (now.options().highlights) {
                          now.options().highlights->texts = of_documents;
                      }
                      const mice::query encoded = ranker.encode_query(asked, now.options());
                      return ranker.rank(encoded, std::span<const mice::document* const>(all),
                                         now.options());
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
        (void)elements(documents, count, "the list of documents");
        std::fill_n(documents, count, nullptr);
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const std::vector<std::string_view> all = mice_c::texts(texts, sizes, count, "texts");
        call now(options);
        std::vector<std::unique_ptr<mice_document>> made;
        made.reserve(count);
        for (mice::document& each : ranker.encode_all(all, now.options())) {
            made.push_back(wrapped(std::move(each)));
        }
        now.finish();
        std::transform(made.begin(), made.end(), documents,
                       [](std::unique_ptr<mice_document>& each) { return each.release(); });
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
