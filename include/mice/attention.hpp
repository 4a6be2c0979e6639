// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include <mice/attention_blocks.hpp>
#include <mice/document.hpp>
#include <mice/query.hpp>
#include <mice/ranking.hpp>
#include <mice/reranker.hpp>
#include <mice/text/encoding.hpp>

MICE_NAMESPACE_BEGIN

/// What observe_attention is asked for.
struct attention_options {
    bool encoders = false; ///< also the layers in which each text is encoded by itself
    special_tokens specials = special_tokens::plain;
    invalid_utf8 on_invalid = invalid_utf8::replace;
    activation output = activation::logit; ///< the form of the score
    /// The most weights that the blocks may have together, 4 bytes each; the default is 1 GiB.
    std::size_t max_weights = std::size_t{1} << 28;
};

/// Scores a pair, on the calling thread, and gives the weights of attention that led to the score:
/// softmax(q k^T / sqrt(head_dim) + mask), computed once more from the queries and keys that the
/// engine has used, in the form and precision in which it used them (absorbed, projected). What a
/// mask hides is 0. Rows that no score needs are shown, too: all of a MICE model's last layer.
/// Thread-safe.
///
/// Late interaction has only encoders. Throws mice::error as reranker::score does, and
/// errc::unsupported for late interaction without options.encoders, errc::invalid_argument where
/// there would be more than max_weights weights.
[[nodiscard]] observed_attention observe_attention(const reranker& ranker, std::string_view query,
                                                   std::string_view document,
                                                   const attention_options& options = {});
/// The same for a document that is encoded already. Its encoder is not shown: of a cross-encoder
/// that stores documents, the blocks before the two meet have rows for the query alone.
[[nodiscard]] observed_attention observe_attention(const reranker& ranker, std::string_view query,
                                                   const document& encoded,
                                                   const attention_options& options = {});
/// The same for a query that is encoded already; of its texts no places are known. Throws
/// errc::mismatch for a query of another model.
[[nodiscard]] observed_attention observe_attention(const reranker& ranker, const mice::query& query,
                                                   const document& encoded,
                                                   const attention_options& options = {});

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/attention_impl.hpp>
#endif
