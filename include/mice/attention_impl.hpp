// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/attention.hpp>
#include <mice/attention_blocks_impl.hpp>
#include <mice/document.hpp>
#include <mice/error.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/reranker.hpp>
#include <mice/scoring/encoded_query.hpp>
#include <mice/scoring/scoring.hpp>
#include <mice/scoring/source.hpp>
#include <mice/system/float_mode.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

/// One call of observe_attention.
class attention_call {
  public:
    attention_call(const model& engine, const attention_options& options)
        : model_(engine), config_(engine.config()), options_(options) {
        if (config_.kind == model_kind::late_interaction && !options.encoders) {
            throw error(errc::unsupported,
                        "a late-interaction model has no attention between query and document: ask "
                        "for attention_options::encoders to see each text by itself, or for "
                        "highlights to see which words of a document match");
        }
    }

    [[nodiscard]] static const encoded_query& of(const mice::query& query, const model& engine) {
        if (query.owner_.get() != &engine) {
            throw errors::foreign_query();
        }
        return *query.encoded_;
    }
    [[nodiscard]] encoding tokenized_query(std::string_view text) const {
        check_encoding(text, options_.on_invalid, [] { return "the query"; });
        return model_.tokenize_query(text, options_.specials, options_.on_invalid, true);
    }
    [[nodiscard]] encoding tokenized_document(std::string_view text) const {
        check_encoding(text, options_.on_invalid, [] { return "the document"; });
        return model_.tokenize_document(text, options_.specials, options_.on_invalid, true);
    }

    /// `given`: the document that these ids are of, or null to encode them.
    [[nodiscard]] observed_attention run(const encoding& query, const encoding& document,
                                         const mice::document* given) const {
        return in_default_float_mode([&] { return observe(query, document, given); });
    }

  private:
    [[nodiscard]] observed_attention observe(const encoding& query, const encoding& document,
                                             const mice::document* given) const {
        nn::prepared_query asked;
        asked.ids = query.ids;
        const std::size_t unread = model_.network().unread(asked, states_tokens(document, given));
        const attention_extent extent = extent_of(query, document, unread);
        check_size(extent, given == nullptr);

        attention_collector collector(config_, extent, options_.encoders);
        work_memory memory; // of its own, as its probe must not outlive this call
        memory.space.probe = &collector;
        std::vector<std::int32_t> ids = document.ids;
        const float* states = given != nullptr ? given->states().data() : nullptr;
        if (given == nullptr) {
            collector.begin(attention_collector::reading::document);
            float* made = memory.states.reserve(model_.states_of(ids) * config_.state_width());
            const nn::token_ids sequence(ids);
            model_.network().encode_documents({&sequence, 1}, made, memory.space);
            model_.drop_skipped(ids);
            states = made;
        }
        collector.begin(attention_collector::reading::query);
        const nn::prepared_query prepared = model_.network().prepare_query(query.ids, memory.space);
        collector.begin(attention_collector::reading::both);
        const nn::document_view view{states, ids.data(), ids.size()};
        nn::document_batch batch({&view, 1}, model_.network().packing(), memory.packed);
        float logit = 0;
        model_.network().score(prepared, batch, &logit, memory.space);
        if (!std::isfinite(logit)) {
            throw errors::not_finite("the score of the document");
        }

        observed_attention made;
        made.score = activated(logit, options_.output);
        made.blocks = collector.take(given == nullptr);
        add_query_tokens(query, extent, made);
        add_document_tokens(query, document, extent, made);
        made.query_tokens_cut = query.cut;
        made.document_tokens_cut = document.cut + unread;
        if (is_pair()) { // where its limit cuts the longer text, that may be the query
            made.query_tokens_cut += query.ids.size() - extent.query_tokens;
        }
        made.replaced = query.replaced + document.replaced;
        return made;
    }

    [[nodiscard]] bool is_pair() const { return config_.kind == model_kind::cross_encoder; }

    /// Tokens of the document as the network's score is told them.
    [[nodiscard]] std::size_t states_tokens(const encoding& document,
                                            const mice::document* given) const {
        return given != nullptr ? document.ids.size() : model_.states_of(document.ids);
    }

    [[nodiscard]] attention_extent extent_of(const encoding& query, const encoding& document,
                                             std::size_t unread) const {
        const std::size_t tokens = query.ids.size();
        switch (config_.kind) {
        case model_kind::cross_encoder: {
            const std::size_t leading = config_.leading_markers();
            const std::size_t of_document = document.ids.size() - 1 + leading;
            const std::size_t rows = std::min(tokens + of_document, config_.max_pair_length);
            return {0, rows - (of_document - unread), of_document - unread};
        }
        case model_kind::late_interaction:
            return {0, std::max(tokens, config_.max_query_length), document.ids.size()};
        case model_kind::mice:
            break;
        }
        return {config_.global_cls_token ? std::size_t{1} : 0, tokens, document.ids.size()};
    }

    void check_size(const attention_extent& extent, bool encodes) const {
        weight_count count(std::min(options_.max_weights,
                                    std::numeric_limits<std::size_t>::max() / sizeof(float) / 2));
        const std::size_t query = extent.query_rows();
        const std::size_t document = extent.document_tokens;
        const std::size_t heads = config_.num_attention_heads;
        const bool is_mice = config_.kind == model_kind::mice;
        if (is_pair()) {
            count.add(config_.layers, heads, query + document, query + document);
            return;
        }
        if (is_mice) {
            count.add(config_.interaction_layers, config_.interaction_heads(), query,
                      query + document);
        }
        if (options_.encoders) {
            count.add(is_mice ? config_.query_layers : config_.layers, heads, extent.query_tokens,
                      extent.query_tokens);
            if (encodes) {
                count.add(is_mice ? config_.document_layers : config_.layers, heads, document,
                          document);
            }
        }
    }

    void add_token(const encoding& from, std::size_t i, observed_attention& made) const {
        add_token(from.ids[i], from.offsets.empty() ? byte_range{} : from.offsets[i], made);
    }
    void add_token(std::int32_t id, byte_range where, observed_attention& made) const {
        const tokenizer* words = model_.text_tokenizer();
        made.tokens.push_back({id, words != nullptr ? std::string(words->token(id)) : "", where});
    }

    /// A side that the limit of a pair cuts keeps its last token, a marker.
    void add_query_tokens(const encoding& query, const attention_extent& extent,
                          observed_attention& made) const {
        made.tokens.resize(extent.learned);
        const std::size_t given = std::min(extent.query_tokens, query.ids.size());
        for (std::size_t i = 0; i + 1 < given; ++i) {
            add_token(query, i, made);
        }
        add_token(query, query.ids.size() - 1, made);
        while (made.tokens.size() < extent.query_rows()) {
            add_token(config_.filler, {}, made);
        }
        made.query_tokens = made.tokens.size();
    }
    void add_document_tokens(const encoding& query, const encoding& document,
                             const attention_extent& extent, observed_attention& made) const {
        const std::size_t all = made.query_tokens + extent.document_tokens;
        if (is_pair() && config_.leading_markers() > 0) {
            add_token(query.ids.back(), {}, made);
        }
        for (std::size_t i = is_pair() ? 1 : 0; made.tokens.size() + 1 < all; ++i) {
            add_token(document, i, made);
        }
        add_token(document, document.ids.size() - 1, made);
    }

    const model& model_;
    const model_config& config_;
    const attention_options& options_;
};

/// What was encoded as what a tokenizer gave, without places.
[[nodiscard]] inline encoding encoding_of(std::span<const std::int32_t> ids,
                                          const text_origin& origin) {
    return {{ids.begin(), ids.end()}, origin.tokens_cut, origin.replaced};
}

} // namespace detail

MICE_INLINE observed_attention observe_attention(const reranker& ranker, std::string_view query,
                                                 std::string_view document,
                                                 const attention_options& options) {
    const detail::attention_call call(*ranker.shared_model(), options);
    return call.run(call.tokenized_query(query), call.tokenized_document(document), nullptr);
}

MICE_INLINE observed_attention observe_attention(const reranker& ranker, std::string_view query,
                                                 const document& encoded,
                                                 const attention_options& options) {
    const mice::model& engine = *ranker.shared_model();
    const detail::attention_call call(engine, options);
    (void)detail::document_source(engine, {&encoded}); // checks whose it is
    return call.run(call.tokenized_query(query),
                    detail::encoding_of(encoded.ids(), encoded.origin()), &encoded);
}

MICE_INLINE observed_attention observe_attention(const reranker& ranker, const mice::query& query,
                                                 const document& encoded,
                                                 const attention_options& options) {
    const mice::model& engine = *ranker.shared_model();
    const detail::attention_call call(engine, options);
    (void)detail::document_source(engine, {&encoded});
    const detail::encoded_query& asked = detail::attention_call::of(query, engine);
    return call.run(detail::encoding_of(asked.prepared.ids, asked.origin),
                    detail::encoding_of(encoded.ids(), encoded.origin()), &encoded);
}

MICE_NAMESPACE_END
