// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <mice/document.hpp>
#include <mice/error.hpp>
#include <mice/fwd.hpp>
#include <mice/model/config.hpp>
#include <mice/precision.hpp>
#include <mice/query.hpp>
#include <mice/ranking.hpp>
#include <mice/text/text_range.hpp>
#include <mice/text/tokenizer.hpp>

MICE_NAMESPACE_BEGIN

/// Ranks passages by how well they answer a query, with a MICE model (arXiv 2602.16299) or, for
/// comparison, with another kind of model (model_kind). Every member is const and may be called
/// from many threads at once; copies share the model. A document's score has the same bits whatever
/// is scored beside it, in any order, on any number of threads.
///
/// Unless said otherwise, members throw mice::error: errc::invalid_argument for a model without a
/// tokenizer, ids outside the vocabulary or a null `const char*` among texts, errc::encoding for
/// invalid UTF-8 that is to be refused, errc::mismatch for documents or queries of another model.
class reranker {
  public:
    /// Maps a model file; throws mice::error when it cannot be read or is not a supported model.
    /// `loading`: the threads that prepare the weights, all processors where it is left out.
    explicit reranker(const std::filesystem::path& file, precision computed = precision::automatic,
                      const parallel_options& loading = {});
    /// Uses a model file in the caller's memory, which must outlive this object and its copies.
    explicit reranker(std::span<const std::byte> memory, precision computed = precision::automatic,
                      const parallel_options& loading = {});
    /// Shares a model that was loaded before; not null.
    explicit reranker(std::shared_ptr<const mice::model> loaded);

    // ---- ranking: best first, equal scores in input order, at most top_k hits ----

    /// Ranks texts. They are encoded in this call and then forgotten.
    [[nodiscard]] ranking rank(std::string_view query, std::span<const std::string_view> passages,
                               const rank_options& options = {}) const;
    template <text_range Range>
    [[nodiscard]] ranking rank(std::string_view query, const Range& passages,
                               const rank_options& options = {}) const {
        return rank(query, as_span(detail::views_of(passages, "passage")), options);
    }
    [[nodiscard]] ranking rank(std::string_view query,
                               std::initializer_list<std::string_view> passages,
                               const rank_options& options = {}) const {
        return rank(query, std::span(passages.begin(), passages.size()), options);
    }
    /// The same for C strings; a null pointer is an error, too.
    template <std::same_as<const char*> Text>
    [[nodiscard]] ranking rank(std::string_view query, std::initializer_list<Text> passages,
                               const rank_options& options = {}) const {
        return rank(query, as_span(detail::views_of(passages, "passage")), options);
    }
    /// Ranks documents that are already encoded: only the interaction layers run.
    [[nodiscard]] ranking rank(std::string_view query, std::span<const document> documents,
                               const rank_options& options = {}) const;
    [[nodiscard]] ranking rank(const mice::query& query, std::span<const document> documents,
                               const rank_options& options = {}) const;
    [[nodiscard]] ranking rank(const mice::query& query, std::span<const document* const> documents,
                               const rank_options& options = {}) const;

    // ---- scores: one hit for each document, in input order ----

    [[nodiscard]] ranking score(std::string_view query, std::span<const std::string_view> passages,
                                const rank_options& options = {}) const;
    template <text_range Range>
    [[nodiscard]] ranking score(std::string_view query, const Range& passages,
                                const rank_options& options = {}) const {
        return score(query, as_span(detail::views_of(passages, "passage")), options);
    }
    [[nodiscard]] ranking score(std::string_view query,
                                std::initializer_list<std::string_view> passages,
                                const rank_options& options = {}) const {
        return score(query, std::span(passages.begin(), passages.size()), options);
    }
    template <std::same_as<const char*> Text>
    [[nodiscard]] ranking score(std::string_view query, std::initializer_list<Text> passages,
                                const rank_options& options = {}) const {
        return score(query, as_span(detail::views_of(passages, "passage")), options);
    }
    [[nodiscard]] ranking score(std::string_view query, std::span<const document> documents,
                                const rank_options& options = {}) const;
    [[nodiscard]] ranking score(const mice::query& query, std::span<const document> documents,
                                const rank_options& options = {}) const;
    [[nodiscard]] ranking score(const mice::query& query,
                                std::span<const document* const> documents,
                                const rank_options& options = {}) const;

    // ---- many queries over the same documents: each document is encoded once ----

    /// One ranking for each query, in the order of the queries.
    [[nodiscard]] std::vector<ranking> rank_batch(std::span<const mice::query> queries,
                                                  std::span<const std::string_view> passages,
                                                  const rank_options& options = {}) const;
    [[nodiscard]] std::vector<ranking> rank_batch(std::span<const mice::query> queries,
                                                  std::span<const document> documents,
                                                  const rank_options& options = {}) const;
    [[nodiscard]] std::vector<ranking> rank_batch(std::span<const mice::query> queries,
                                                  std::span<const document* const> documents,
                                                  const rank_options& options = {}) const;
    /// As above, for queries given as text: those that a deadline leaves no time to encode have
    /// rankings without hits.
    [[nodiscard]] std::vector<ranking> rank_batch(std::span<const std::string_view> queries,
                                                  std::span<const std::string_view> passages,
                                                  const rank_options& options = {}) const;
    [[nodiscard]] std::vector<ranking> rank_batch(std::span<const std::string_view> queries,
                                                  std::span<const document> documents,
                                                  const rank_options& options = {}) const;
    template <text_range Queries, text_range Passages>
    [[nodiscard]] std::vector<ranking> rank_batch(const Queries& queries, const Passages& passages,
                                                  const rank_options& options = {}) const {
        const std::vector<std::string_view> views = detail::views_of(passages, "passage");
        return rank_batch(as_span(detail::views_of(queries, "query")), as_span(views), options);
    }
    template <text_range Queries>
    [[nodiscard]] std::vector<ranking> rank_batch(const Queries& queries,
                                                  std::span<const document> documents,
                                                  const rank_options& options = {}) const {
        return rank_batch(as_span(detail::views_of(queries, "query")), documents, options);
    }

    // ---- what answers a query in one document ----

    /// The sentences of a text that answer the query, and words in them, as options.highlights asks
    /// or by its defaults. The text is encoded in this call.
    [[nodiscard]] highlights highlight(std::string_view query, std::string_view text,
                                       const rank_options& options = {}) const;
    [[nodiscard]] highlights highlight(const mice::query& query, std::string_view text,
                                       const rank_options& options = {}) const;
    /// The same from the states of a document that is encoded already: nothing is encoded again.
    /// Throws errc::mismatch where `text` is not the text that was encoded.
    [[nodiscard]] highlights highlight(std::string_view query, const document& encoded,
                                       std::string_view text,
                                       const rank_options& options = {}) const;
    [[nodiscard]] highlights highlight(const mice::query& query, const document& encoded,
                                       std::string_view text,
                                       const rank_options& options = {}) const;

    // ---- encoding ----

    /// Encodes a document for later. Of the options only `specials` and `on_invalid` matter.
    [[nodiscard]] document encode(std::string_view text, const rank_options& options = {}) const;
    /// As above; throws errc::invalid_argument for a null pointer.
    template <std::same_as<const char*> Text>
    [[nodiscard]] document encode(Text text, const rank_options& options = {}) const {
        return encode(detail::view_of(text, "the passage"), options);
    }
    /// Encodes documents on all threads. A deadline or cancellation throws errc::stopped, because a
    /// list with holes would help nobody.
    [[nodiscard]] std::vector<document> encode_all(std::span<const std::string_view> texts,
                                                   const rank_options& options = {}) const;
    template <text_range Range>
    [[nodiscard]] std::vector<document> encode_all(const Range& texts,
                                                   const rank_options& options = {}) const {
        return encode_all(as_span(detail::views_of(texts, "passage")), options);
    }
    /// Encodes a document given as ids with its special tokens, [CLS] tokens [SEP] for every kind
    /// of model, at most the model's positions: late interaction puts its marker in.
    [[nodiscard]] document encode_ids(std::span<const std::int32_t> ids) const;

    /// Encodes a query and everything of the first interaction layer that no document changes.
    [[nodiscard]] mice::query encode_query(std::string_view text,
                                           const rank_options& options = {}) const;
    /// As above; throws errc::invalid_argument for a null pointer.
    template <std::same_as<const char*> Text>
    [[nodiscard]] mice::query encode_query(Text text, const rank_options& options = {}) const {
        return encode_query(detail::view_of(text, "the query"), options);
    }
    /// Encodes a query given as ids, like encode_ids.
    [[nodiscard]] mice::query encode_query_ids(std::span<const std::int32_t> ids) const;

    // ---- the model ----

    [[nodiscard]] const model_config& config() const noexcept;
    /// Whether documents can be encoded once and stored.
    [[nodiscard]] bool stores_documents() const { return config().state_width() > 0; }
    [[nodiscard]] bool has_tokenizer() const noexcept;
    /// Throws errc::invalid_argument for a model without a tokenizer.
    [[nodiscard]] const tokenizer& text_tokenizer() const;
    /// Documents encoded under an equal fingerprint fit this model.
    [[nodiscard]] std::string_view fingerprint() const noexcept;
    /// Metadata and tensors of the model file; mice/io/safetensors.hpp defines them.
    [[nodiscard]] const io::safetensors& file() const noexcept;
    /// The loaded model, which this object's copies share; mice/model.hpp defines it.
    [[nodiscard]] const std::shared_ptr<const mice::model>& shared_model() const noexcept {
        return model_;
    }
    /// Bytes of the weights as packed for computing; the mapped file is not counted.
    [[nodiscard]] std::size_t memory_bytes() const noexcept;
    /// Frees the work memory that finished calls left for the next ones, a few MB for each thread;
    /// for an application that will not rank for a while.
    void release_work_memory() const;

  private:
    static std::span<const std::string_view>
    as_span(const std::vector<std::string_view>& views) noexcept {
        return views;
    }
    /// What answers a query in the document of that place.
    using highlighting = std::function<highlights(const detail::highlighter&, std::size_t)>;

    [[nodiscard]] std::vector<ranking> score_all(std::span<const mice::query> queries,
                                                 const detail::source& documents,
                                                 const rank_options& options, bool in_time) const;
    [[nodiscard]] std::vector<ranking> ranked(std::span<const mice::query> queries,
                                              const detail::source& documents,
                                              const rank_options& options, bool in_time,
                                              const highlighting& highlight) const;
    [[nodiscard]] std::vector<ranking> rank_texts(std::span<const std::string_view> texts,
                                                  const detail::source& documents,
                                                  const rank_options& options,
                                                  const highlighting& highlight) const;
    [[nodiscard]] document encode_tokens(encoding made) const;
    [[nodiscard]] mice::query query_of(const encoding& made) const;

    std::shared_ptr<const mice::model> model_;
};

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/reranker_impl.hpp>
#endif
