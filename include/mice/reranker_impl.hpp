// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/parallel/parallel_for.hpp>
#include <mice/reranker.hpp>
#include <mice/scoring/highlighter.hpp>
#include <mice/scoring/scoring.hpp>
#include <mice/system/float_mode.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

inline document_source source_of(const model& engine, std::span<const document> documents) {
    std::vector<const document*> pointers;
    pointers.reserve(documents.size());
    for (const document& given : documents) {
        pointers.push_back(&given);
    }
    return {engine, std::move(pointers)};
}
inline document_source source_of(const model& engine, std::span<const document* const> documents) {
    return {engine, {documents.begin(), documents.end()}};
}

/// What answers a query in a text, or in a document that is encoded already, by its place.
inline auto highlight_texts(std::span<const std::string_view> texts) {
    return [texts](const highlighter& of, std::size_t i) { return of.of_text(texts[i]); };
}
inline auto highlight_documents(const document_source& documents, const rank_options& options) {
    std::span<const std::string_view> texts;
    if (options.highlights) {
        texts = options.highlights->texts;
        if (texts.size() != documents.size()) {
            throw errors::no_texts(texts.size(), documents.size());
        }
    }
    return [&documents, texts](const highlighter& of, std::size_t i) {
        return of.of_document(texts[i], documents[i]);
    };
}

} // namespace detail

MICE_INLINE reranker::reranker(const std::filesystem::path& file, precision computed,
                               const parallel_options& loading)
    : model_(std::make_shared<const mice::model>(file, computed, loading)) {}

MICE_INLINE reranker::reranker(std::span<const std::byte> memory, precision computed,
                               const parallel_options& loading)
    : model_(std::make_shared<const mice::model>(memory, computed, loading)) {}

MICE_INLINE reranker::reranker(std::shared_ptr<const mice::model> loaded)
    : model_(std::move(loaded)) {
    if (model_ == nullptr) {
        throw detail::errors::bad_argument("a reranker needs a model, got a null pointer");
    }
}

// ---- scoring ----

MICE_INLINE std::vector<ranking> reranker::score_all(std::span<const mice::query> queries,
                                                     const detail::source& documents,
                                                     const rank_options& options,
                                                     bool in_time) const {
    std::vector<const detail::encoded_query*> encoded;
    for (const mice::query& one : queries) {
        if (one.owner_ != model_) {
            throw detail::errors::foreign_query();
        }
        encoded.push_back(one.encoded_.get());
    }
    return detail::in_default_float_mode(
        [&] { return detail::scoring_call(*model_, encoded, documents, options, in_time).run(); });
}

/// Scores, sorts, and highlights what is left.
MICE_INLINE std::vector<ranking> reranker::ranked(std::span<const mice::query> queries,
                                                  const detail::source& documents,
                                                  const rank_options& options, bool in_time,
                                                  const highlighting& highlight) const {
    std::vector<ranking> answers =
        score_all(queries, documents, detail::as_logits(options), in_time);
    for (std::size_t q = 0; q < answers.size(); ++q) {
        detail::sort_hits(answers[q], options);
        if (options.highlights) {
            const detail::highlighter of(*model_, *queries[q].encoded_, options);
            const std::vector<hit>& hits = answers[q].hits;
            answers[q].highlights =
                detail::highlight_hits(hits.size(), options, answers[q].complete,
                                       [&](std::size_t i) { return highlight(of, hits[i].index); });
        }
    }
    return answers;
}

/// Ranks for queries given as text: for all, or for those that were encoded when the time ran out.
MICE_INLINE std::vector<ranking> reranker::rank_texts(std::span<const std::string_view> texts,
                                                      const detail::source& documents,
                                                      const rank_options& options,
                                                      const highlighting& highlight) const {
    const bool in_time = detail::begins_in_time(options);
    std::vector<mice::query> queries;
    std::size_t left_out = 0;
    for (const std::string_view text : texts) {
        if (detail::should_stop(options) && !(in_time && queries.empty())) {
            ++left_out;
        } else {
            detail::check_encoding(text, options.on_invalid, [&] {
                return detail::errors::place_of("query", queries.size());
            });
            queries.push_back(encode_query(text, options));
        }
    }
    std::vector<ranking> answers =
        ranked({queries.data(), queries.size()}, documents, options, in_time, highlight);
    for (; left_out > 0; --left_out) {
        ranking& none = answers.emplace_back();
        none.unscored = documents.size();
        none.complete = documents.size() == 0;
    }
    return answers;
}

MICE_INLINE ranking reranker::score(std::string_view query,
                                    std::span<const std::string_view> passages,
                                    const rank_options& options) const {
    const bool in_time = detail::begins_in_time(options);
    const mice::query encoded = encode_query(query, options);
    return std::move(
        score_all({&encoded, 1}, detail::text_source(*model_, passages), options, in_time)[0]);
}
MICE_INLINE ranking reranker::score(std::string_view query, std::span<const document> documents,
                                    const rank_options& options) const {
    const bool in_time = detail::begins_in_time(options);
    const mice::query encoded = encode_query(query, options);
    return std::move(
        score_all({&encoded, 1}, detail::source_of(*model_, documents), options, in_time)[0]);
}
MICE_INLINE ranking reranker::score(const mice::query& query, std::span<const document> documents,
                                    const rank_options& options) const {
    return std::move(score_all({&query, 1}, detail::source_of(*model_, documents), options,
                               detail::begins_in_time(options))[0]);
}
MICE_INLINE ranking reranker::score(const mice::query& query,
                                    std::span<const document* const> documents,
                                    const rank_options& options) const {
    return std::move(score_all({&query, 1}, detail::source_of(*model_, documents), options,
                               detail::begins_in_time(options))[0]);
}

MICE_INLINE ranking reranker::rank(std::string_view query,
                                   std::span<const std::string_view> passages,
                                   const rank_options& options) const {
    const bool in_time = detail::begins_in_time(options);
    const mice::query encoded = encode_query(query, options);
    return std::move(ranked({&encoded, 1}, detail::text_source(*model_, passages), options, in_time,
                            detail::highlight_texts(passages))[0]);
}
MICE_INLINE ranking reranker::rank(std::string_view query, std::span<const document> documents,
                                   const rank_options& options) const {
    const bool in_time = detail::begins_in_time(options);
    const mice::query encoded = encode_query(query, options);
    const detail::document_source given = detail::source_of(*model_, documents);
    return std::move(ranked({&encoded, 1}, given, options, in_time,
                            detail::highlight_documents(given, options))[0]);
}
MICE_INLINE ranking reranker::rank(const mice::query& query, std::span<const document> documents,
                                   const rank_options& options) const {
    const detail::document_source given = detail::source_of(*model_, documents);
    return std::move(ranked({&query, 1}, given, options, detail::begins_in_time(options),
                            detail::highlight_documents(given, options))[0]);
}
MICE_INLINE ranking reranker::rank(const mice::query& query,
                                   std::span<const document* const> documents,
                                   const rank_options& options) const {
    const detail::document_source given = detail::source_of(*model_, documents);
    return std::move(ranked({&query, 1}, given, options, detail::begins_in_time(options),
                            detail::highlight_documents(given, options))[0]);
}

MICE_INLINE std::vector<ranking> reranker::rank_batch(std::span<const mice::query> queries,
                                                      std::span<const std::string_view> passages,
                                                      const rank_options& options) const {
    return ranked(queries, detail::text_source(*model_, passages), options,
                  detail::begins_in_time(options), detail::highlight_texts(passages));
}
MICE_INLINE std::vector<ranking> reranker::rank_batch(std::span<const mice::query> queries,
                                                      std::span<const document> documents,
                                                      const rank_options& options) const {
    const detail::document_source given = detail::source_of(*model_, documents);
    return ranked(queries, given, options, detail::begins_in_time(options),
                  detail::highlight_documents(given, options));
}
MICE_INLINE std::vector<ranking> reranker::rank_batch(std::span<const mice::query> queries,
                                                      std::span<const document* const> documents,
                                                      const rank_options& options) const {
    const detail::document_source given = detail::source_of(*model_, documents);
    return ranked(queries, given, options, detail::begins_in_time(options),
                  detail::highlight_documents(given, options));
}
MICE_INLINE std::vector<ranking> reranker::rank_batch(std::span<const std::string_view> queries,
                                                      std::span<const std::string_view> passages,
                                                      const rank_options& options) const {
    return rank_texts(queries, detail::text_source(*model_, passages), options,
                      detail::highlight_texts(passages));
}
MICE_INLINE std::vector<ranking> reranker::rank_batch(std::span<const std::string_view> queries,
                                                      std::span<const document> documents,
                                                      const rank_options& options) const {
    const detail::document_source given = detail::source_of(*model_, documents);
    return rank_texts(queries, given, options, detail::highlight_documents(given, options));
}

// ---- highlights ----

MICE_INLINE highlights reranker::highlight(std::string_view query, std::string_view text,
                                           const rank_options& options) const {
    return highlight(encode_query(query, options), text, options);
}
MICE_INLINE highlights reranker::highlight(const mice::query& query, std::string_view text,
                                           const rank_options& options) const {
    detail::check_encoding(text, options.on_invalid, [] { return "the text"; });
    if (query.owner_ != model_) {
        throw detail::errors::foreign_query();
    }
    return detail::in_default_float_mode([&] {
        const rank_options asked = detail::with_highlights(options);
        return detail::highlighter(*model_, *query.encoded_, asked).of_text(text);
    });
}
MICE_INLINE highlights reranker::highlight(std::string_view query, const document& encoded,
                                           std::string_view text,
                                           const rank_options& options) const {
    return highlight(encode_query(query, options), encoded, text, options);
}
MICE_INLINE highlights reranker::highlight(const mice::query& query, const document& encoded,
                                           std::string_view text,
                                           const rank_options& options) const {
    detail::check_encoding(text, options.on_invalid, [] { return "the text"; });
    if (query.owner_ != model_) {
        throw detail::errors::foreign_query();
    }
    return detail::in_default_float_mode([&] {
        (void)detail::source_of(*model_, std::span(&encoded, 1)); // checks whose it is
        const rank_options asked = detail::with_highlights(options);
        return detail::highlighter(*model_, *query.encoded_, asked).of_document(text, encoded);
    });
}

// ---- encoding ----

MICE_INLINE document reranker::encode(std::string_view text, const rank_options& options) const {
    return encode_tokens(model_->tokenize_document(text, options.specials, options.on_invalid));
}

MICE_INLINE std::vector<document> reranker::encode_all(std::span<const std::string_view> texts,
                                                       const rank_options& options) const {
    std::vector<std::optional<document>> made(texts.size());
    detail::progress_counter progress(options, texts.size());
    parallel::parallel_for(texts.size(), {options.threads, options.pool}, [&](std::size_t i) {
        if (detail::should_stop(options)) {
            throw detail::errors::stopped("encoding");
        }
        detail::check_encoding(texts[i], options.on_invalid,
                               [i] { return detail::errors::place_of("passage", i); });
        made[i].emplace(encode(texts[i], options));
        progress.add(1);
    });
    std::vector<document> documents;
    documents.reserve(made.size());
    for (std::optional<document>& one : made) {
        documents.push_back(std::move(*one));
    }
    return documents;
}

MICE_INLINE document reranker::encode_ids(std::span<const std::int32_t> ids) const {
    return encode_tokens({model_->document_ids(ids)});
}

MICE_INLINE query reranker::encode_query(std::string_view text, const rank_options& options) const {
    detail::check_encoding(text, options.on_invalid, [] { return "the query"; });
    return query_of(model_->tokenize_query(text, options.specials, options.on_invalid));
}

MICE_INLINE query reranker::encode_query_ids(std::span<const std::int32_t> ids) const {
    return query_of({model_->query_ids(ids)});
}

MICE_INLINE document reranker::encode_tokens(encoding made) const {
    model_->check_fingerprint(); // the document will say that it is of that model
    std::vector<float> states(model_->states_of(made.ids) * model_->config().state_width());
    detail::in_default_float_mode([&] {
        const detail::work_memory_pool::lease memory(model_->work_memories());
        const nn::token_ids ids(made.ids);
        model_->network().encode_documents({&ids, 1}, states.data(), (*memory).space);
    });
    if (!std::all_of(states.begin(), states.end(), [](float x) { return std::isfinite(x); })) {
        throw detail::errors::not_finite("the encoding of a document");
    }
    const std::size_t skipped = model_->drop_skipped(made.ids);
    return {std::move(states),
            std::move(made.ids),
            model_->fingerprint(),
            {made.cut, made.replaced, skipped}};
}

MICE_INLINE query reranker::query_of(const encoding& made) const {
    return detail::in_default_float_mode([&]() -> mice::query {
        const detail::work_memory_pool::lease memory(model_->work_memories());
        return {model_, std::make_shared<const detail::encoded_query>(detail::encoded_query{
                            model_->network().prepare_query(made.ids, (*memory).space),
                            {made.cut, made.replaced}})};
    });
}

// ---- the model ----

MICE_INLINE const model_config& reranker::config() const noexcept {
    return model_->config();
}
MICE_INLINE bool reranker::has_tokenizer() const noexcept {
    return model_->text_tokenizer() != nullptr;
}
MICE_INLINE const tokenizer& reranker::text_tokenizer() const {
    if (!has_tokenizer()) {
        throw detail::errors::no_tokenizer();
    }
    return *model_->text_tokenizer();
}
MICE_INLINE std::string_view reranker::fingerprint() const noexcept {
    return model_->fingerprint();
}
MICE_INLINE const io::safetensors& reranker::file() const noexcept {
    return model_->file();
}
MICE_INLINE std::size_t reranker::memory_bytes() const noexcept {
    return model_->network().bytes();
}
MICE_INLINE void reranker::release_work_memory() const {
    model_->work_memories().clear();
}

MICE_NAMESPACE_END
