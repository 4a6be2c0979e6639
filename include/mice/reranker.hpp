// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <mice/document.hpp>
#include <mice/float_mode.hpp>
#include <mice/model.hpp>
#include <mice/ranking.hpp>
#include <mice/scoring.hpp>

MICE_NAMESPACE_BEGIN

class index;

/// A range of texts that outlive the call: std::string, std::string_view or const char* elements.
template <class Range>
concept text_range =
    std::ranges::input_range<Range> && !std::is_convertible_v<Range, std::string_view> &&
    std::is_convertible_v<std::ranges::range_reference_t<Range>, std::string_view> &&
    (std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>> ||
     std::is_trivially_copyable_v<std::remove_cvref_t<std::ranges::range_reference_t<Range>>>);

/// An encoded query, to be ranked against documents again and again. An immutable value, tied to
/// the model that encoded it.
class query {
  public:
    /// [tokens], special tokens included.
    [[nodiscard]] std::span<const std::int32_t> ids() const noexcept {
        return encoded_->prepared.ids;
    }
    [[nodiscard]] std::size_t tokens() const noexcept { return encoded_->prepared.ids.size(); }
    /// Tokens that the model's limit cut off.
    [[nodiscard]] std::size_t tokens_cut() const noexcept { return encoded_->origin.tokens_cut; }
    /// Invalid UTF-8 sequences that were replaced.
    [[nodiscard]] std::size_t replaced() const noexcept { return encoded_->origin.replaced; }

  private:
    friend class reranker;
    friend class index;
    query(std::shared_ptr<const model> owner, detail::encoded_query encoded)
        : owner_(std::move(owner)),
          encoded_(std::make_shared<const detail::encoded_query>(std::move(encoded))) {}

    std::shared_ptr<const model> owner_;
    std::shared_ptr<const detail::encoded_query> encoded_;
};

/// Ranks passages by how well they answer a query, with a MICE model (arXiv 2602.16299) or, for
/// comparison, with another kind of model (model_kind). Every member is const and may be called
/// from many threads at once; copies share the model. A document's score is the same bits whatever
/// it is scored with, in any order, on any number of threads.
///
/// Unless said otherwise, members throw mice::error: errc::invalid_argument for a model without a
/// tokenizer, ids outside the vocabulary or a null `const char*` among texts, errc::encoding for
/// invalid UTF-8 that is to be refused, errc::mismatch for documents or queries of another model.
class reranker {
  public:
    /// Maps a model file; throws mice::error when it cannot be read or is not a supported model.
    /// `loading`: the threads that prepare the weights, all processors where it is left out.
    explicit reranker(const std::filesystem::path& file, precision computed = precision::f32,
                      const parallel_options& loading = {})
        : model_(std::make_shared<const mice::model>(file, computed, loading)) {}
    /// Uses a model file in the caller's memory, which must outlive this object and its copies.
    explicit reranker(std::span<const std::byte> memory, precision computed = precision::f32,
                      const parallel_options& loading = {})
        : model_(std::make_shared<const mice::model>(memory, computed, loading)) {}
    /// Shares a model that was loaded before; not null.
    explicit reranker(std::shared_ptr<const mice::model> loaded) : model_(std::move(loaded)) {
        if (model_ == nullptr) {
            throw errors::bad_argument("a reranker needs a model, got a null pointer");
        }
    }

    // ---- ranking: best first, equal scores in input order, at most top_k hits ----

    /// Ranks texts, each encoded in this call and forgotten.
    [[nodiscard]] ranking rank(std::string_view query, std::span<const std::string_view> passages,
                               const rank_options& options = {}) const {
        return sorted(score(query, passages, detail::as_logits(options)), options);
    }
    template <text_range Range>
    [[nodiscard]] ranking rank(std::string_view query, const Range& passages,
                               const rank_options& options = {}) const {
        return rank(query, std::span<const std::string_view>(views_of(passages)), options);
    }
    [[nodiscard]] ranking rank(std::string_view query,
                               std::initializer_list<std::string_view> passages,
                               const rank_options& options = {}) const {
        return rank(query, std::span(passages.begin(), passages.size()), options);
    }
    /// As above, of C strings alone: a null one is an error, too.
    template <std::same_as<const char*> Text>
    [[nodiscard]] ranking rank(std::string_view query, std::initializer_list<Text> passages,
                               const rank_options& options = {}) const {
        return rank(query, std::span<const std::string_view>(views_of(passages)), options);
    }
    /// Ranks documents that were encoded before: only the interaction layers run.
    [[nodiscard]] ranking rank(std::string_view query, std::span<const document> documents,
                               const rank_options& options = {}) const {
        return sorted(score(query, documents, detail::as_logits(options)), options);
    }
    [[nodiscard]] ranking rank(const mice::query& query, std::span<const document> documents,
                               const rank_options& options = {}) const {
        return sorted(score(query, documents, detail::as_logits(options)), options);
    }
    [[nodiscard]] ranking rank(const mice::query& query, std::span<const document* const> documents,
                               const rank_options& options = {}) const {
        return sorted(score(query, documents, detail::as_logits(options)), options);
    }

    // ---- scores: one hit for each document, in input order ----

    [[nodiscard]] ranking score(std::string_view query, std::span<const std::string_view> passages,
                                const rank_options& options = {}) const {
        const bool in_time = detail::begins_in_time(options);
        const mice::query encoded = encode_query(query, options);
        return std::move(
            score_all({&encoded, 1}, detail::text_source(*model_, passages), options, in_time)[0]);
    }
    template <text_range Range>
    [[nodiscard]] ranking score(std::string_view query, const Range& passages,
                                const rank_options& options = {}) const {
        return score(query, std::span<const std::string_view>(views_of(passages)), options);
    }
    [[nodiscard]] ranking score(std::string_view query,
                                std::initializer_list<std::string_view> passages,
                                const rank_options& options = {}) const {
        return score(query, std::span(passages.begin(), passages.size()), options);
    }
    template <std::same_as<const char*> Text>
    [[nodiscard]] ranking score(std::string_view query, std::initializer_list<Text> passages,
                                const rank_options& options = {}) const {
        return score(query, std::span<const std::string_view>(views_of(passages)), options);
    }
    [[nodiscard]] ranking score(std::string_view query, std::span<const document> documents,
                                const rank_options& options = {}) const {
        const bool in_time = detail::begins_in_time(options);
        const mice::query encoded = encode_query(query, options);
        return std::move(score_all({&encoded, 1}, source_of(documents), options, in_time)[0]);
    }
    [[nodiscard]] ranking score(const mice::query& query, std::span<const document> documents,
                                const rank_options& options = {}) const {
        return std::move(score_all({&query, 1}, source_of(documents), options,
                                   detail::begins_in_time(options))[0]);
    }
    [[nodiscard]] ranking score(const mice::query& query,
                                std::span<const document* const> documents,
                                const rank_options& options = {}) const {
        return std::move(score_all({&query, 1}, source_of(documents), options,
                                   detail::begins_in_time(options))[0]);
    }

    // ---- many queries over the same documents: each document is encoded once ----

    /// One ranking for each query, in the order of the queries.
    [[nodiscard]] std::vector<ranking> rank_batch(std::span<const mice::query> queries,
                                                  std::span<const std::string_view> passages,
                                                  const rank_options& options = {}) const {
        return all_sorted(score_all(queries, detail::text_source(*model_, passages),
                                    detail::as_logits(options), detail::begins_in_time(options)),
                          options);
    }
    [[nodiscard]] std::vector<ranking> rank_batch(std::span<const mice::query> queries,
                                                  std::span<const document> documents,
                                                  const rank_options& options = {}) const {
        return all_sorted(score_all(queries, source_of(documents), detail::as_logits(options),
                                    detail::begins_in_time(options)),
                          options);
    }
    template <text_range Queries, text_range Passages>
    [[nodiscard]] std::vector<ranking> rank_batch(const Queries& queries, const Passages& passages,
                                                  const rank_options& options = {}) const {
        const std::vector<std::string_view> views = views_of(passages);
        return rank_texts(queries, detail::text_source(*model_, views), options);
    }
    template <text_range Queries>
    [[nodiscard]] std::vector<ranking> rank_batch(const Queries& queries,
                                                  std::span<const document> documents,
                                                  const rank_options& options = {}) const {
        return rank_texts(queries, source_of(documents), options);
    }

    // ---- encoding ----

    /// Encodes a document for later. Of the options only `specials` and `on_invalid` matter.
    [[nodiscard]] document encode(std::string_view text, const rank_options& options = {}) const {
        return encode_tokens(model_->tokenize_document(text, options.specials, options.on_invalid));
    }
    /// As above; throws errc::invalid_argument for a null pointer.
    template <std::same_as<const char*> Text>
    [[nodiscard]] document encode(Text text, const rank_options& options = {}) const {
        return encode(detail::view_of(text, [] { return "the passage"; }), options);
    }
    /// Encodes documents on all threads. A deadline or cancellation throws errc::stopped: a list
    /// with holes would serve nobody.
    [[nodiscard]] std::vector<document> encode_all(std::span<const std::string_view> texts,
                                                   const rank_options& options = {}) const {
        std::vector<std::optional<document>> made(texts.size());
        detail::progress_counter progress(options, texts.size());
        parallel_for(texts.size(), {options.threads, options.pool}, [&](std::size_t i) {
            if (detail::should_stop(options)) {
                throw errors::stopped("encoding");
            }
            detail::check_encoding(texts[i], options.on_invalid,
                                   [i] { return errors::place_of("passage", i); });
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
    template <text_range Range>
    [[nodiscard]] std::vector<document> encode_all(const Range& texts,
                                                   const rank_options& options = {}) const {
        return encode_all(std::span<const std::string_view>(views_of(texts)), options);
    }
    /// Encodes a document given as ids with its special tokens, [CLS] tokens [SEP] for every kind
    /// of model, at most the model's positions: late interaction puts its marker in.
    [[nodiscard]] document encode_ids(std::span<const std::int32_t> ids) const {
        return encode_tokens({model_->document_ids(ids)});
    }

    /// Encodes a query and everything of the first interaction layer that no document changes.
    [[nodiscard]] mice::query encode_query(std::string_view text,
                                           const rank_options& options = {}) const {
        detail::check_encoding(text, options.on_invalid, [] { return "the query"; });
        return query_of(model_->tokenize_query(text, options.specials, options.on_invalid));
    }
    /// As above; throws errc::invalid_argument for a null pointer.
    template <std::same_as<const char*> Text>
    [[nodiscard]] mice::query encode_query(Text text, const rank_options& options = {}) const {
        return encode_query(detail::view_of(text, [] { return "the query"; }), options);
    }
    /// Encodes a query given as ids; as encode_ids.
    [[nodiscard]] mice::query encode_query_ids(std::span<const std::int32_t> ids) const {
        return query_of({model_->query_ids(ids)});
    }

    // ---- the model ----

    [[nodiscard]] const model_config& config() const noexcept { return model_->config(); }
    /// Whether documents can be encoded once and kept.
    [[nodiscard]] bool stores_documents() const { return config().state_width() > 0; }
    [[nodiscard]] bool has_tokenizer() const noexcept {
        return model_->text_tokenizer() != nullptr;
    }
    /// Throws errc::invalid_argument for a model without a tokenizer.
    [[nodiscard]] const tokenizer& text_tokenizer() const {
        if (!has_tokenizer()) {
            throw errors::no_tokenizer();
        }
        return *model_->text_tokenizer();
    }
    /// Documents encoded under an equal fingerprint fit this model.
    [[nodiscard]] std::string_view fingerprint() const noexcept { return model_->fingerprint(); }
    /// Metadata and tensors of the model file.
    [[nodiscard]] const io::safetensors& file() const noexcept { return model_->file(); }
    /// The loaded model, which this object's copies share.
    [[nodiscard]] const std::shared_ptr<const mice::model>& shared_model() const noexcept {
        return model_;
    }
    /// Bytes of the weights as packed for computing; the mapped file is not counted.
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return model_->network().bytes(); }
    /// Frees the work memory that finished calls left for the next ones, a few MB for each thread;
    /// for an application that will not rank for a while.
    void release_work_memory() const { model_->work_memories().clear(); }

  private:
    template <class Range> static std::vector<std::string_view> views_of(const Range& texts) {
        std::vector<std::string_view> views;
        for (auto&& text : texts) {
            views.push_back(detail::view_of(
                text, [&views] { return errors::place_of("passage", views.size()); }));
        }
        return views;
    }

    /// Ranks for queries given as text: for all, or for those that were encoded when the time ran
    /// out.
    template <class Range, class Source>
    std::vector<ranking> rank_texts(const Range& texts, const Source& source,
                                    const rank_options& options) const {
        const bool in_time = detail::begins_in_time(options);
        std::vector<mice::query> queries;
        std::size_t left_out = 0;
        for (auto&& text : texts) {
            const auto name = [&] { return errors::place_of("query", queries.size() + left_out); };
            const std::string_view view = detail::view_of(text, name);
            if (detail::should_stop(options) && !(in_time && queries.empty())) {
                ++left_out;
            } else {
                detail::check_encoding(view, options.on_invalid, name);
                queries.push_back(encode_query(view, options));
            }
        }
        std::vector<ranking> answers =
            all_sorted(score_all(queries, source, detail::as_logits(options), in_time), options);
        for (; left_out > 0; --left_out) {
            ranking& none = answers.emplace_back();
            none.unscored = source.size();
            none.complete = source.size() == 0;
        }
        return answers;
    }

    [[nodiscard]] detail::document_source source_of(std::span<const document> documents) const {
        std::vector<const document*> pointers;
        pointers.reserve(documents.size());
        for (const document& given : documents) {
            pointers.push_back(&given);
        }
        return {*model_, std::move(pointers)};
    }
    [[nodiscard]] detail::document_source
    source_of(std::span<const document* const> documents) const {
        return {*model_, {documents.begin(), documents.end()}};
    }

    [[nodiscard]] document encode_tokens(encoding made) const {
        model_->check_fingerprint(); // the document will say that it is of that model
        std::vector<float> states(model_->states_of(made.ids) * model_->config().state_width());
        detail::in_default_float_mode([&] {
            const detail::work_memory_pool::lease memory(model_->work_memories());
            const nn::token_ids ids(made.ids);
            model_->network().encode_documents({&ids, 1}, states.data(), (*memory).space);
        });
        if (!std::all_of(states.begin(), states.end(), [](float x) { return std::isfinite(x); })) {
            throw errors::not_finite("the encoding of a document");
        }
        const std::size_t skipped = model_->drop_skipped(made.ids);
        return {std::move(states),
                std::move(made.ids),
                model_->fingerprint(),
                {made.cut, made.replaced, skipped}};
    }

    [[nodiscard]] mice::query query_of(const encoding& made) const {
        return detail::in_default_float_mode([&]() -> mice::query {
            const detail::work_memory_pool::lease memory(model_->work_memories());
            return {model_,
                    {model_->network().prepare_query(made.ids, (*memory).space),
                     {made.cut, made.replaced}}};
        });
    }

    template <class Source>
    [[nodiscard]] std::vector<ranking> score_all(std::span<const mice::query> queries,
                                                 const Source& source, const rank_options& options,
                                                 bool in_time) const {
        std::vector<const detail::encoded_query*> encoded;
        for (const mice::query& one : queries) {
            if (one.owner_ != model_) {
                throw errors::foreign_query();
            }
            encoded.push_back(one.encoded_.get());
        }
        return detail::in_default_float_mode(
            [&] { return detail::scoring_call(*model_, encoded, source, options, in_time).run(); });
    }

    static ranking sorted(ranking answer, const rank_options& options) {
        detail::sort_hits(answer, options);
        return answer;
    }
    static std::vector<ranking> all_sorted(std::vector<ranking> answers,
                                           const rank_options& options) {
        for (ranking& answer : answers) {
            detail::sort_hits(answer, options);
        }
        return answers;
    }

    std::shared_ptr<const mice::model> model_;
};

MICE_NAMESPACE_END
